"""Runbook pages: every page that a link opens is there, and what one can paste from it works."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from alerts import compile_alerts
from generators.docs import runbooks
from generators.errors import GeneratorError
from generators.prometheus import rule_file
from spec import Spec, catalogue, load_spec
from spec.log_fields import filled
from tests.generators.programs import RealServer, rules_of, run, spec_with
from tests.generators.prometheus.promql_checks import ALERTS, Known, records_of, unknown_matchers, unknown_metrics

_PROMQL = re.compile(r"```promql\n(.*?)\n```", re.DOTALL)
_TABLE_PROMQL = re.compile(r"\| `([^`]+)` \|$", re.MULTILINE)
_YAML = re.compile(r"```yaml\n(.*?)```", re.DOTALL)
_LINK = re.compile(r"\]\(([^)]+)\)")
_PROSE = ("summary", "meaning", "impact", "why")


@pytest.fixture(scope="module")
def shipped() -> Spec:
    return load_spec()


@pytest.fixture(scope="module")
def pages(shipped: Spec) -> dict[str, str]:
    return {path.removeprefix("runbooks/"): text for path, text in runbooks.generate(shipped).items()}


def queries_of(pages: dict[str, str]) -> list[tuple[str, str]]:
    found = [(path, query) for path, text in pages.items() for query in _PROMQL.findall(text)]
    return found + [("LLMAlertStorm.md", query) for query in _TABLE_PROMQL.findall(pages["LLMAlertStorm.md"])]


# --------------------------------------------------------------------------------------------------------- coverage
def test_every_address_in_the_rules_has_its_page(shipped: Spec, pages: dict[str, str]) -> None:
    base = shipped.settings.runbook_base_url
    linked = {
        rule["annotations"]["runbook_url"]
        for group in rules_of(shipped)["groups"]
        for rule in group["rules"]
        if "alert" in rule and rule["alert"] != rule_file.WATCHDOG
    }
    assert linked == {base + name for name in pages} - {base + "README.md"}


def test_every_word_that_the_spec_says_is_on_the_page(shipped: Spec, pages: dict[str, str]) -> None:
    for name in {rule.name for rule in compile_alerts(shipped)}:
        alert, text = shipped.alerts[name], pages[f"{name}.md"]
        prose = [getattr(alert, key) for key in _PROSE] + [
            *(filled(step, shipped.gateways) for step in alert.triage),
            *alert.false_positives,
        ]
        ids = [*alert.atlas, *alert.attack, *alert.owasp]
        assert [words for words in (*prose, *ids) if words not in text] == [], name


def test_ids_come_with_their_edition_and_title(pages: dict[str, str]) -> None:
    text = pages["LLMPasswordGuessing.md"]
    assert "- MITRE ATLAS 5.6.0: `AML.T0012` Valid Accounts" in text
    assert "- MITRE ATT&CK Enterprise 16.1: `T1110.001` Password Guessing" in text
    assert "- OWASP Top 10 for Agentic Applications 2026: `ASI03` Identity and Privilege Abuse" in text


def test_an_unknown_id_is_refused(tmp_path: Path) -> None:
    overlay = {"alerts": {"LLMSpendBurst": {"owasp": ["LLM10"]}}}
    with pytest.raises(GeneratorError, match="LLMSpendBurst: found 'LLM10', in no pinned framework"):
        runbooks.generate(spec_with(tmp_path, overlay))


def test_a_page_says_what_the_spec_decides(pages: dict[str, str]) -> None:
    text = pages["LLMJailbreakRepeated.md"]
    for line in (
        "| **Severity** | high; pages at any hour |",
        "| **Owner** | security |",
        "| **Incident** | Prompt attack on a model (`prompt_injection/{actor}`) |",
        "| **Ends** | 2h5m after the last hit (latched: one hit is over once it is seen) |",
        "| at once | pager-security, chat-security |  |  |",
        "| 15m | pager-security, pager-platform | not acknowledged |  |",
        "SLA: acknowledged within 15m, contained within 2h, status update every 1h, resolved within 1d, "
        "reviewed within 7d.",
    ):
        assert line in text.splitlines()
    assert "Jailbreak attempts in prompts: at least 3 in 10m, per `actor` and `tenant`." in text


def test_what_still_proves_itself_escalates_to_nobody(pages: dict[str, str]) -> None:
    text = pages["LLMIndirectInjectionSeen.md"]
    assert "| at once | chat-security |  |  |" in text
    assert "| 4h |" not in text
    assert "does not escalate until its maturity is `stable`" in text


def test_the_index_has_every_page_once_and_says_what_is_off(tmp_path: Path, pages: dict[str, str]) -> None:
    assert sorted(set(_LINK.findall(pages["README.md"]))) == sorted(set(pages) - {"README.md"})
    overlay = {"alerts": {"LLMSpendBurst": {"enabled": False}, "LLMToolMisuse": {"maturity": "sandbox"}}}
    found = runbooks.generate(spec_with(tmp_path, overlay))
    assert not {"runbooks/LLMSpendBurst.md", "runbooks/LLMToolMisuse.md"} & set(found)
    assert "disabled, or in the sandbox: LLMToolMisuse, LLMSpendBurst." in found["runbooks/README.md"]


def test_links_between_pages_resolve(pages: dict[str, str]) -> None:
    for text in pages.values():
        assert set(_LINK.findall(text)) <= set(pages)


def test_the_storm_page_names_what_it_can_stand_for(shipped: Spec, pages: dict[str, str]) -> None:
    families = {rule.family for rule in compile_alerts(shipped) if rule.name == "LLMAlertStorm"}
    assert families == {name.removesuffix(".md") for name in _LINK.findall(pages["LLMAlertStorm.md"])}


# ---------------------------------------------------------------------------------------------------- what one pastes
def test_queries_name_metrics_and_labels_that_exist(shipped: Spec, pages: dict[str, str]) -> None:
    metrics = {metric.name: metric for metric in catalogue(shipped, expand_histograms=True)}
    known = Known({**metrics, "ALERTS": ALERTS}, records_of(rules_of(shipped)))
    found = queries_of(pages)
    assert len(found) > 5 * (len(pages) - 2)
    for path, query in found:
        rule = {"expr": query}
        assert [*unknown_metrics(rule, known), *unknown_matchers(rule, known)] == [], path


@pytest.mark.stack
def test_prometheus_reads_every_query(real_server: RealServer, tmp_path: Path, pages: dict[str, str]) -> None:
    found = dict.fromkeys(query for _, query in queries_of(pages))
    rules = [{"record": f"query:number_{place}:sum", "expr": query} for place, query in enumerate(found)]
    path = tmp_path / "queries.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}), encoding="utf-8")
    content, said = run(real_server, "promtool", "check", "rules", path)
    assert content, said


def test_every_metric_that_the_prose_names_has_a_query(shipped: Spec, pages: dict[str, str]) -> None:
    metrics = {metric.name for metric in catalogue(shipped)}
    for rule in compile_alerts(shipped):
        if rule.name == "LLMAlertStorm":
            continue
        text = pages[f"{rule.name}.md"]
        named = set(re.findall(r"`([a-z_]+)`", " ".join(rule.alert.triage))) & metrics
        asked = " ".join(_PROMQL.findall(text))
        assert {name for name in named if name not in asked} == set(), rule.name


def test_the_overlay_on_a_page_is_what_is_in_force(shipped: Spec, pages: dict[str, str], tmp_path: Path) -> None:
    """Pasted as it stands it changes nothing; so every key exists and has the value of today."""
    for path, text in pages.items():
        if path != "README.md":
            (overlay,) = _YAML.findall(text)
            assert spec_with(tmp_path, yaml.safe_load(overlay)) == shipped, path


def test_the_overlay_on_a_page_tunes(pages: dict[str, str], tmp_path: Path) -> None:
    (overlay,) = _YAML.findall(pages["LLMProviderFailing.md"])
    changed = yaml.safe_load(overlay.replace("value: 0.3", "value: 0.5"))
    text = runbooks.generate(spec_with(tmp_path, changed))["runbooks/LLMProviderFailing.md"]
    assert "at least 50 % of attempts at a provider in 5m, per `provider`, sustained for 2m." in text
    assert "max_over_time(provider:llm_provider_failing:ratio[45s]) >= 0.5" in text
