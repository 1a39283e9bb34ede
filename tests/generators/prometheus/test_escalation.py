"""Later tiers: they come in their time, only for what waits, and stay away when somebody said so."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from generators.prometheus import escalation, escalation_tests
from spec import Spec, catalogue, load_spec
from tests.generators.programs import Document, RealServer, on_one_line, rules_of, run, spec_with
from tests.generators.prometheus.promql_checks import ALERTS, faults

RULES = "tocsin-escalation.rules.yaml"
SELECTOR = 'alertname="LLMAlertStorm",alertstate="firing",maturity="stable"'


@pytest.fixture(scope="module")
def shipped() -> Spec:
    return load_spec()


@pytest.fixture
def document(shipped: Spec) -> Document:
    return on_one_line(yaml.safe_load(escalation.generate(shipped)[escalation.PATH]))


@pytest.fixture(scope="module")
def unit_tests(shipped: Spec) -> Document:
    return dict(yaml.safe_load(escalation_tests.generate(shipped)[escalation_tests.PATH]))


def agrees(
    find: RealServer, folder: Path, rules: Document, tests: list[Document], *others: Document
) -> tuple[bool, str]:
    """Whether promtool finds that the rules, `others` evaluated beside them, do as the tests say."""
    names = [f"{place}.rules.yaml" for place, _ in enumerate([rules, *others])]
    for name, text in zip(names, [rules, *others], strict=True):
        (folder / name).write_text(yaml.safe_dump(text, allow_unicode=True), encoding="utf-8")
    whole = {"rule_files": names, "evaluation_interval": "15s", "tests": tests}
    (folder / "tests.yaml").write_text(yaml.safe_dump(whole), encoding="utf-8")
    return run(find, "promtool", "test", "rules", "tests.yaml", cwd=folder)


# ----------------------------------------------------------------------------------------------------- what it says
def test_there_is_a_rule_for_every_later_tier(shipped: Spec, document: Document) -> None:
    (group,) = document["groups"]
    found = {
        (rule["labels"]["tocsin_severity"], rule["labels"]["owner"], rule["labels"]["tier"]): rule["alert"]
        for rule in group["rules"]
        if "alert" in rule
    }
    named = {"acknowledged": "TocsinNotAcknowledged", "contained": "TocsinNotContained"}
    assert found == {
        (severity, owner, str(number)): named[tier.unless]
        for severity, entry in shipped.severities.items()
        for owner, name in entry.escalation.items()
        for number, tier in enumerate(shipped.escalations[name].tiers[1:], start=2)
    }
    assert len(found) == len(group["rules"]) - 1


def test_our_checks_find_nothing(shipped: Spec, document: Document) -> None:
    metrics = {metric.name: metric for metric in catalogue(shipped)} | {"ALERTS": ALERTS}
    assert faults(document, metrics) == []
    document["groups"][0]["rules"][1]["expr"] = document["groups"][0]["rules"][1]["expr"].replace(
        "llm_alert_a", "llm_a"
    )
    assert faults(document, metrics) == ["TocsinNotAcknowledged: no metric llm_acknowledged"]


def test_a_tier_that_nothing_holds_back(tmp_path: Path) -> None:
    tiers = [{"after": "0m", "notify": ["chat-security"]}, {"after": "1h", "notify": ["pager-security"]}]
    spec = spec_with(tmp_path, {"escalations": {"security-high": {"tiers": tiers}}})
    text = escalation.generate(spec)[escalation.PATH]
    rule = next(r for r in yaml.safe_load(text)["groups"][0]["rules"] if r.get("alert") == "TocsinStillFiring")
    assert "unless" not in rule["expr"]
    assert rule["annotations"]["summary"] == "{{ $labels.incident_key }}: still firing after 1h (tier 2)"


# --------------------------------------------------------------------------------------------------------- promtool
@pytest.mark.stack
def test_promtool_accepts_the_rules(real_server: RealServer, tmp_path: Path, shipped: Spec) -> None:
    (tmp_path / RULES).write_text(escalation.generate(shipped)[escalation.PATH], encoding="utf-8")
    content, said = run(real_server, "promtool", "check", "rules", "--lint-fatal", RULES, cwd=tmp_path)
    assert content, said


@pytest.mark.stack
@pytest.mark.slow
@pytest.mark.parametrize("scale", [1, 60])
def test_promtool_agrees_with_every_test(real_server: RealServer, tmp_path: Path, scale: int) -> None:
    spec = spec_with(tmp_path, {"settings": {"time_scale": scale}})
    for generate in (escalation.generate, escalation_tests.generate):
        for path, text in generate(spec).items():
            (tmp_path / Path(path).name).write_text(text, encoding="utf-8")
    content, said = run(real_server, "promtool", "test", "rules", "tocsin-escalation.tests.yaml", cwd=tmp_path)
    assert content, said


def _replace(old: str, new: str) -> Callable[[str], str]:
    def change(expression: str) -> str:
        return expression.replace(old, new)

    return change


@pytest.mark.stack
@pytest.mark.slow
@pytest.mark.parametrize(
    "change",
    [
        pytest.param(_replace("x", "x"), id="nothing wrong"),
        pytest.param(_replace("offset 5m", "offset 6m"), id="later"),
        pytest.param(_replace("offset 15m", "offset 14m"), id="earlier"),
        pytest.param(_replace(" unless on (incident_key) llm_alert_acknowledged == 1", ""), id="acknowledged in vain"),
        pytest.param(_replace("llm_alert_contained == 1", "llm_alert_acknowledged == 1"), id="the wrong state"),
        pytest.param(_replace("llm_alert_acknowledged == 1", "llm_alert_acknowledged"), id="0 is not acknowledged"),
        pytest.param(_replace(f" unless on (alert_family) ALERTS{{{SELECTOR}}}", ""), id="each of a storm pages"),
        pytest.param(_replace(f" or ALERTS{{{SELECTOR}}}", ""), id="the storm does not page"),
        pytest.param(_replace(',maturity="stable",tier=""', ',tier=""'), id="what proves itself pages"),
        pytest.param(_replace('alertstate="firing",incident_key', "incident_key"), id="pending pages"),
    ],
)
def test_a_wrong_rule_fails_its_tests(
    real_server: RealServer,
    tmp_path: Path,
    document: Document,
    unit_tests: Document,
    request: pytest.FixtureRequest,
    change: Callable[[str], str],
) -> None:
    intact = copy.deepcopy(document)
    for rule in document["groups"][0]["rules"]:
        rule["expr"] = change(rule["expr"])
    sound = request.node.callspec.id == "nothing wrong"
    assert (document == intact) is sound
    tests = [test for test in unit_tests["tests"] if test["name"] == "later tiers of critical for security"]
    content, said = agrees(real_server, tmp_path, document, tests)
    assert content is sound, said


def _tiers(*checks: tuple[str, list[str]], series: dict[str, str], key: str) -> Document:
    """A test of which tiers of `key` are up, at times."""
    names = {"2": "TocsinNotAcknowledged", "3": "TocsinNotAcknowledged", "4": "TocsinNotContained"}
    expressions = [
        {
            "expr": 'count by (alertname, tier) (ALERTS{tier!="",alertstate="firing",incident_key="' + key + '"})',
            "eval_time": time,
            "exp_samples": [{"labels": f'{{alertname="{names[tier]}",tier="{tier}"}}', "value": 1} for tier in up],
        }
        for time, up in checks
    ]
    inputs = [{"series": name, "values": values} for name, values in series.items()]
    return {"interval": "15s", "input_series": inputs, "promql_expr_test": expressions}


def _critical(alert: str) -> str:
    return (
        f'ALERTS{{alertname="{alert}",alertstate="firing",alert_family="{alert}",maturity="stable",owner="security",'
        f'tocsin_severity="critical",incident="data_leakage",incident_key="data_leakage/ann"}}'
    )


@pytest.mark.stack
def test_one_event_goes_through_every_tier_and_then_is_over(
    real_server: RealServer, tmp_path: Path, shipped: Spec, document: Document
) -> None:
    """With the real alert: one hit of a canary, latched past the last tier."""
    hit = 'llm_canary_hits{actor="ann",tenant="red",job="tocsin",instance="a"}'
    test = _tiers(
        ("4m45s", []),
        ("5m45s", ["2"]),
        ("15m45s", ["2", "3"]),
        ("30m45s", ["2", "3", "4"]),
        ("34m", ["2", "3", "4"]),
        ("37m", []),
        series={hit: "1 stale"},
        key="data_leakage/ann",
    )
    content, said = agrees(real_server, tmp_path, document, [test], rules_of(shipped))
    assert content, said


@pytest.mark.stack
def test_a_flap_does_not_stop_the_clock_and_a_withdrawn_acknowledgement_resumes_it(
    real_server: RealServer, tmp_path: Path, document: Document
) -> None:
    flap = _tiers(
        ("4m45s", []),
        ("5m15s", ["2"]),
        ("7m", ["2"]),
        ("15m15s", ["2", "3"]),
        series={_critical("LLMCanaryLeaked"): "1+0x10 stale _x3 1+0x80"},
        key="data_leakage/ann",
    )
    acknowledged = 'llm_alert_acknowledged{incident_key="data_leakage/ann"}'
    withdrawn = _tiers(
        ("5m30s", []),
        ("9m", []),
        ("10m45s", ["2"]),
        ("15m30s", ["2", "3"]),
        series={_critical("LLMCanaryLeaked"): "1+0x80", acknowledged: "0+0x8 1+0x31 stale"},
        key="data_leakage/ann",
    )
    after = _tiers(
        ("6m", ["2"]),
        ("8m", []),
        ("16m", []),
        series={_critical("LLMCanaryLeaked"): "1+0x80", acknowledged: "0+0x27 1+0x60"},
        key="data_leakage/ann",
    )
    content, said = agrees(real_server, tmp_path, document, [flap, withdrawn, after])
    assert content, said


def test_every_tier_is_due_before_and_up_after_in_the_tests(unit_tests: Document, shipped: Spec) -> None:
    for test in unit_tests["tests"]:
        severity, owner = re.fullmatch(r"later tiers of (\w+) for (\w+)", test["name"]).groups()  # type: ignore[union-attr]
        tiers = shipped.escalations[shipped.severities[severity].escalation[owner]].tiers  # type: ignore[index]
        seen = {e["exp_labels"]["tier"] for check in test["alert_rule_test"] for e in check["exp_alerts"]}
        assert seen == {str(number) for number in range(2, len(tiers) + 1)}
        first: list[Any] = [check for check in test["alert_rule_test"] if check["exp_alerts"]]
        assert test["alert_rule_test"].index(first[0]) > 0
