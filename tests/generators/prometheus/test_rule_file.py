"""The rule file: what it says, that our own checks like it, and that those checks can dislike."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import pytest

from alerts import compile_alerts
from generators.errors import GeneratorError
from generators.prometheus import rule_file
from spec import MetricInfo, Spec, catalogue, load_spec
from tests.generators.programs import RealServer, only_rules, promtool_agrees, rules_of, run, spec_with, unit_tests_of
from tests.generators.prometheus.promql_checks import faults

Document = dict[str, Any]


@pytest.fixture(scope="module")
def shipped() -> Spec:
    return load_spec()


@pytest.fixture(scope="module")
def metrics(shipped: Spec) -> dict[str, MetricInfo]:
    return {metric.name: metric for metric in catalogue(shipped, expand_histograms=True)}


@pytest.fixture
def document(shipped: Spec) -> Document:
    return rules_of(shipped)


def alert(document: Document, name: str, family: str = "") -> Document:
    """A rule of the file; `family` selects among storms."""
    for group in document["groups"]:
        for rule in group["rules"]:
            if rule.get("alert") == name and family in ("", rule["labels"].get("alert_family")):
                return dict(rule)
    raise AssertionError(f"no alert {name}")


# ----------------------------------------------------------------------------------------------------- what it says
def test_a_latched_threshold(document: Document) -> None:
    assert alert(document, "LLMJailbreakRepeated") == {
        "alert": "LLMJailbreakRepeated",
        "expr": "max_over_time(actor_tenant:llm_jailbreak_hits:max[2h5m]) >= 3",
        "labels": {
            "severity": "high",
            "tocsin_severity": "high",
            "owner": "security",
            "incident": "prompt_injection",
            "category": "content",
            "layer": "model",
            "anomaly": "input",
            "maturity": "stable",
            "confidence": "medium",
            "alert_family": "LLMJailbreakRepeated",
            "incident_key": "prompt_injection/{{ $labels.actor }}",
        },
        "annotations": {
            "summary": "{{ $labels.actor }} ({{ $labels.tenant }}) keeps trying to jailbreak a model",
            "description": (
                "Jailbreak attempts in prompts: up to {{ $value | humanize }} in 10m (page limit: 3 or more). "
                "First: Check `llm_jailbreak_hits_answered` for this account. 0: everything was stopped. "
                "Above 0: read those answers first. "
                "This alert ends 2h5m after the limit was last reached. Answered by the model: "
                '{{ with printf "max(max_over_time(llm_jailbreak_hits_answered{actor=%q,tenant=%q}[2h5m]))" '
                "$labels.actor $labels.tenant | query }}"
                "{{ with . | first | value }}up to {{ . | humanize }}{{ else }}none{{ end }}"
                "{{ else }}unknown, see the gateway log{{ end }}."
            ),
            "runbook_url": "https://tocsin.example/runbooks/LLMJailbreakRepeated.md",
            "dashboard_url": (
                "https://tocsin.example/d/tocsin-overview"
                "?var-actor={{ $labels.actor | urlquery }}&var-tenant={{ $labels.tenant | urlquery }}"
            ),
        },
    }


@pytest.mark.parametrize(
    ("name", "expression", "hold"),
    [
        ("LLMProviderFailing", "max_over_time(provider:llm_provider_failing:ratio[45s]) >= 0.3", "2m"),
        ("LLMModelExtraction", "max_over_time(actor_tenant:llm_excess_output_by_actor:max[2h5m]) >= 200000", None),
        ("TocsinRejectingRecords", "max_over_time(global:llm_rejected_records:sum[45s]) >= 100", None),
        ("TocsinDown", "global:up_job_tocsin:min < 1 or absent(global:up_job_tocsin:min) - 1 < 1", "2m"),
        ("TocsinFeedLagging", "source:tocsin_feed_lag_seconds:max >= 120", "2m"),
        ("TocsinWatchdog", 'count(up{job="tocsin"}) > 0', None),
    ],
)
def test_conditions(document: Document, name: str, expression: str, hold: str | None) -> None:
    found = alert(document, name)
    assert (found["expr"], found.get("for")) == (expression, hold)


def test_recordings(document: Document) -> None:
    recorded = {
        rule["record"]: rule["expr"] for group in document["groups"] for rule in group["rules"][:-1] if "record" in rule
    }
    assert recorded["actor_tenant:llm_jailbreak_hits:max"] == "max by (actor, tenant) (llm_jailbreak_hits)"
    assert recorded["global:up_job_tocsin:min"] == 'min (up{job="tocsin"})'
    assert recorded["provider:llm_provider_failing:ratio"] == (
        "provider:llm_provider_errors:sum / provider:llm_provider_attempts:sum "
        "and provider:llm_provider_attempts:sum >= 20"
    )


def test_every_compiled_alert_is_there_with_its_storm_before_it(shipped: Spec, document: Document) -> None:
    written = [
        (rule["alert"], rule["labels"]["alert_family"])
        for group in document["groups"]
        for rule in group["rules"]
        if "alert" in rule and rule["alert"] != rule_file.WATCHDOG
    ]
    assert sorted(written) == sorted((rule.name, rule.family) for rule in compile_alerts(shipped))
    for name, family in written:
        if name == "LLMAlertStorm":
            assert written.index((name, family)) + 1 == written.index((family, family))


def test_what_an_alert_reads_is_recorded_before_it_in_its_group(document: Document) -> None:
    """Baselines are recorded in a group of their own, whose samples read themselves as they were a step before."""
    seldom: set[str] = set()
    for group in document["groups"]:
        kinds = ["record" if "record" in rule else "alert" for rule in group["rules"]]
        assert kinds == sorted(kinds, reverse=True)
        seen = set(seldom)
        for rule in group["rules"]:
            if group["name"] == "tocsin-baselines" and rule["record"].endswith(":sample"):
                seen.add(rule["record"])
            words = re.split(r"[\s(),\[]+", rule["expr"])
            assert {word for word in words if ":" in word and "{" not in word} <= seen
            seen.add(rule.get("record", ""))
        if group["name"] == "tocsin-baselines":
            seldom = seen


def test_the_words_of_the_site(tmp_path: Path) -> None:
    overlay = {
        "settings": {
            "severity_words": {"critical": "page", "high": "warning", "medium": "info", "low": "info"},
            "none_word": "quiet",
            "extra_labels": {"namespace": "monitoring"},
            "runbook_base_url": "https://wiki/{{curly}}/",
        }
    }
    found = rules_of(spec_with(tmp_path, overlay))
    assert alert(found, "LLMCanaryLeaked")["labels"]["severity"] == "page"
    assert alert(found, "LLMCanaryLeaked")["labels"]["tocsin_severity"] == "critical"
    assert alert(found, rule_file.WATCHDOG)["labels"]["severity"] == "quiet"
    assert all(rule["labels"]["namespace"] == "monitoring" for rule in _alerts(found))
    url = alert(found, "LLMCanaryLeaked")["annotations"]["runbook_url"]
    assert url == 'https://wiki/{{ "{{" }}curly}}/LLMCanaryLeaked.md'


def test_what_is_off_or_skipped_is_not_there(tmp_path: Path) -> None:
    overlay = {
        "alerts": {
            "LLMCanaryLeaked": {"skip": {"prometheus": "elsewhere"}},
            "LLMToolMisuse": {"enabled": False},
            "LLMSpendBurst": {"maturity": "sandbox"},
            "LLMRequestFlood": {"skip": {"elastic": "not there"}},
        }
    }
    found = rules_of(spec_with(tmp_path, overlay))
    families = {rule["labels"].get("alert_family") for rule in _alerts(found)}
    assert not families & {"LLMCanaryLeaked", "LLMToolMisuse", "LLMSpendBurst"}
    assert "LLMRequestFlood" in families
    assert "actor_tenant:llm_canary_hits" not in str(found)


def test_a_recording_that_both_owners_read_is_there_once(tmp_path: Path) -> None:
    overlay = {"alerts": {"LLMRequestFlood": {"when": {"signal": "jailbreak_hits", "value": 50}}}}
    found = rules_of(spec_with(tmp_path, overlay))
    records = [rule["record"] for group in found["groups"] for rule in group["rules"] if "record" in rule]
    assert len(records) == len(set(records))
    assert alert(found, "LLMRequestFlood")["expr"].startswith("max_over_time(actor_tenant:llm_jailbreak_hits:max[45s])")


def test_one_name_for_two_recordings_is_refused(tmp_path: Path) -> None:
    same = {"stream": "health", "measure": "gauge", "metric": "tocsin_feed_lag_seconds", "help": "x", "by": "source"}
    same |= {"category": "performance", "layer": "control", "anomaly": "system"}
    overlay = {
        "signals": {
            "lag_a": {**same, "where": {"source": ["a-b"]}},
            "lag_b": {**same, "where": {"source": ["a_b"]}},
        },
        "alerts": {
            "TocsinFeedLagging": {"when": {"signal": "lag_a"}},
            "TocsinStateNotSaved": {"when": {"signal": "lag_b"}, "incident": "telemetry_delay"},
        },
    }
    with pytest.raises(GeneratorError, match="TocsinStateNotSaved: source:tocsin_feed_lag_seconds_source_a_b:max"):
        rules_of(spec_with(tmp_path, overlay))


def test_without_a_target_to_look_for_the_watchdog_always_fires(tmp_path: Path) -> None:
    spec = spec_with(tmp_path, {"alerts": {"TocsinDown": {"enabled": False}}})
    assert rule_file.heartbeat(spec) == "vector(1)"


# ------------------------------------------------------------------------------------------------------- own checks
def test_our_checks_find_nothing(document: Document, metrics: dict[str, MetricInfo]) -> None:
    assert faults(document, metrics) == []


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ({"expr": "actor_tenant:llm_jailbreak_hits:max"}, "compares with nothing"),
        ({"expr": "actor_tenant:llm_jailbrake_hits:max >= 3"}, "no metric actor_tenant:llm_jailbrake_hits:max"),
        ({"expr": "max(llm_jailbreak_hits) >= 3"}, "label actor does not survive"),
        ({"expr": "max without (tenant) (llm_jailbreak_hits) >= 3"}, "label tenant does not survive"),
        ({"expr": "llm_jailbreak_hits >= 3"}, "label instance is kept"),
        ({"expr": "sum by (actor, tenant) (increase(llm_jailbreak_hits[5m])) >= 3"}, "llm_jailbreak_hits, which is no"),
        ({"expr": "rate(actor_tenant:llm_jailbreak_hits:max[5m]) >= 3"}, "which is no counter"),
        ({"expr": "max by (actor, tenant) (llm_requests_total) >= 3"}, "llm_requests_total is a counter"),
        ({"expr": "absent(llm_jailbreak_hits) == 1"}, "uses absent()"),
        ({"expr": 'max by (actor, tenant) (llm_jailbreak_hits{model="x"}) >= 3'}, "has no label model"),
        (
            {"expr": "histogram_quantile(0.9, llm_input_characters_buckets) > 3"},
            "no metric llm_input_characters_buckets",
        ),
        ({"annotations": {"summary": "{{ $labels.pod }}"}}, "label pod does not survive"),
        ({"annotations": {"summary": '{{ with printf "max(llm_x{actor=%q})" 1 | query }}'}}, "no metric llm_x"),
        ({"labels": {"incident_key": "a/{{ $labels.model }}"}}, "label model does not survive"),
        ({"labels": {"hits": "{{ $value }}"}}, "label hits has the value"),
        ({"limit": 5}, "key 'limit'"),
    ],
)
def test_our_checks_find_a_broken_rule(
    document: Document, metrics: dict[str, MetricInfo], broken: Document, said: str
) -> None:
    group = next(group for group in document["groups"] if group["name"] == "tocsin-security")
    place = next(place for place, rule in enumerate(group["rules"]) if rule.get("alert") == "LLMJailbreakRepeated")
    group["rules"][place] |= broken
    assert any("LLMJailbreakRepeated" in fault and said in fault for fault in faults(document, metrics))


def test_our_checks_find_a_rule_that_is_there_twice(document: Document, metrics: dict[str, MetricInfo]) -> None:
    rules = next(group["rules"] for group in document["groups"] if group["name"] == "tocsin-security")
    rules += [rules[0], rules[-1]]
    names = [rules[0]["record"], rules[-1]["alert"]]
    assert faults(document, metrics) == [f"{name}: there twice" for name in names]


@pytest.mark.parametrize("key", ["query_offset", "labels", "limit"])
def test_our_checks_find_a_newer_key_of_a_group(document: Document, metrics: dict[str, MetricInfo], key: str) -> None:
    document["groups"][0][key] = "1m"
    assert faults(document, metrics) == [f"group {document['groups'][0]['name']}: key {key!r}"]


# --------------------------------------------------------------------------------------------------------- promtool
@pytest.mark.stack
def test_promtool_accepts_the_rules(real_server: RealServer, tmp_path: Path, shipped: Spec) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(rule_file.generate(shipped)[rule_file.PATH], encoding="utf-8")
    content, said = run(real_server, "promtool", "check", "rules", "--lint-fatal", path)
    assert content, said


@pytest.mark.stack
@pytest.mark.parametrize(
    "broken",
    [{"expr": "max_over_time(x[5m]) >="}, {"annotations": {"summary": "{{ $lables.actor }}"}}, {"fro": "5m"}],
    ids=["syntax", "template", "key"],
)
def test_promtool_refuses_a_broken_rule(
    real_server: RealServer, tmp_path: Path, document: Document, broken: Document
) -> None:
    path = tmp_path / "rules.yaml"
    document["groups"][0]["rules"][-1] |= broken
    path.write_text(str(document), encoding="utf-8")
    assert not run(real_server, "promtool", "check", "rules", path)[0]


@pytest.mark.stack
def test_labels_that_want_to_be_templates_or_queries(real_server: RealServer, tmp_path: Path, shipped: Spec) -> None:
    """Attackers choose accounts' names: whatever they choose arrives as it is, in text, query and address."""
    hostile = 'a"} or vector(1) or x{y="\\ {{ $value }} <!channel> é\n'
    tests = unit_tests_of(shipped)
    case = next(copy.deepcopy(test) for test in tests["tests"] if test["name"] == "LLMJailbreakRepeated fires")
    quoted = hostile.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    for given in case["input_series"]:
        given["series"] = given["series"].replace("over actor & <co>", quoted)
    for check in case["alert_rule_test"]:
        for expected in check["exp_alerts"]:
            labels, notes = expected["exp_labels"], expected["exp_annotations"]
            labels["actor"] = hostile
            labels["incident_key"] = f"prompt_injection/{hostile}"
            notes["summary"] = notes["summary"].replace("over actor & <co>", hostile)
            escaped = "a%22%7D+or+vector%281%29+or+x%7By%3D%22%5C+%7B%7B+%24value+%7D%7D+%3C%21channel%3E+%C3%A9%0A"
            notes["dashboard_url"] = notes["dashboard_url"].replace("over+actor+%26+%3Cco%3E", escaped)
            assert notes["description"].endswith("Answered by the model: up to 1.")
    rules = only_rules(rules_of(shipped), "LLMJailbreakRepeated")
    content, said = promtool_agrees(real_server, tmp_path, rules, {**tests, "tests": [case]})
    assert content, said


def _alerts(document: Document) -> list[Document]:
    return [rule for group in document["groups"] for rule in group["rules"] if "alert" in rule]
