"""The compiled form of alerts: goldens for each kind, and what holds for all of them."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from alerts import AlertRule, Series, compile_alerts
from alerts.techniques.ratio.criterion import RatioCriterion
from alerts.techniques.threshold.criterion import ThresholdCriterion
from spec import load_spec, names
from spec.model import Spec


@pytest.fixture(scope="module")
def shipped() -> Spec:
    return load_spec()


def rule(spec: Spec, name: str, family: str = "") -> AlertRule:
    return next(item for item in compile_alerts(spec) if item.name == name and family in ("", item.family))


def golden(item: AlertRule) -> dict[str, Any]:
    fields = {field.name: getattr(item, field.name) for field in dataclasses.fields(item)}
    del fields["alert"]
    return fields


def test_a_threshold_with_a_latch(shipped: Spec) -> None:
    assert golden(rule(shipped, "LLMJailbreakRepeated")) == {
        "name": "LLMJailbreakRepeated",
        "criterion": ThresholdCriterion(
            series=Series("llm_jailbreak_hits", (), ("actor", "tenant"), "max"), op=">=", value=3.0
        ),
        "lookback": 2 * 3600 + 5 * 60,
        "hold": 0.0,
        "keep": 0.0,
        "static_labels": {
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
        },
        "incident_key": "prompt_injection/{actor}",
        "channels": ("pager-security", "chat-security"),
        "pages": True,
        "answered": "llm_jailbreak_hits_answered",
        "family": "LLMJailbreakRepeated",
    }


def test_a_rule(shipped: Spec) -> None:
    found = rule(shipped, "LLMCanaryLeaked")
    assert (found.op, found.value, found.lookback) == (">=", 1.0, 35 * 60)
    assert found.static_labels["severity"] == "critical"
    assert found.incident_key == "data_leakage/{actor}"


def test_a_ratio(shipped: Spec) -> None:
    assert golden(rule(shipped, "LLMProviderFailing")) == {
        "name": "LLMProviderFailing",
        "criterion": RatioCriterion(
            series=Series("llm_provider_errors", (), ("provider",), "sum"),
            op=">=",
            value=0.3,
            denominator=Series("llm_provider_attempts", (), ("provider",), "sum"),
            min_denominator=20.0,
        ),
        "lookback": 45.0,
        "hold": 120.0,
        "keep": 1800.0,
        "static_labels": {
            "severity": "high",
            "tocsin_severity": "high",
            "owner": "platform",
            "incident": "provider_failure",
            "category": "error",
            "layer": "platform",
            "anomaly": "system",
            "maturity": "stable",
            "confidence": "high",
            "alert_family": "LLMProviderFailing",
        },
        "incident_key": "provider_failure/{provider}",
        "channels": ("pager-platform", "chat-platform"),
        "pages": True,
        "answered": "",
        "family": "LLMProviderFailing",
    }


def test_health_is_read_as_it_is(shipped: Spec) -> None:
    down = rule(shipped, "TocsinDown")
    assert down.series == Series("up", (("job", "tocsin"),), (), "min")
    assert (down.op, down.value, down.lookback, down.hold) == ("<", 1.0, 0.0, 120.0)
    assert down.incident_key == "telemetry_loss"
    lag = rule(shipped, "TocsinFeedLagging")
    assert lag.series == Series("tocsin_feed_lag_seconds", (), ("source",), "max")
    assert lag.incident_key == "telemetry_delay/{source}"
    assert lag.channels == ("chat-platform", "tickets")
    assert not lag.pages


def test_a_storm_stands_for_its_alert_as_long_as_that_would(shipped: Spec) -> None:
    single, storm = rule(shipped, "LLMRequestFlood"), rule(shipped, "LLMAlertStorm", "LLMRequestFlood")
    assert golden(storm) == golden(single) | {
        "name": "LLMAlertStorm",
        "criterion": ThresholdCriterion(
            series=Series("llm_violating_groups", (("alert", "LLMRequestFlood"),), ("alert",), "max"),
            op=">=",
            value=10.0,
        ),
        "incident_key": "resource_exhaustion/LLMRequestFlood",
    }
    assert storm.alert.severity == "medium"
    assert storm.alert.owner == "platform"
    assert storm.alert.summary == shipped.alerts["LLMAlertStorm"].summary
    assert storm.static_labels["alert_family"] == "LLMRequestFlood"


def test_what_merges_how(shipped: Spec) -> None:
    merges = {item.series.metric: item.series.aggregate for item in compile_alerts(shipped)}
    assert merges["llm_spend_by_actor"] == "max"  # an account is counted in one place
    assert merges["llm_guardrail_failures"] == "sum"
    assert merges["llm_violating_actors"] == "max"  # distinct counts do not add up
    assert merges["llm_slow_attempts"] == "sum"
    assert merges["up"] == "min"


def test_a_falling_ratio_still_adds_up_its_parts(tmp_path: Path) -> None:
    found = rule(overlaid(tmp_path, "alerts: {LLMProviderFailing: {when: {op: '<'}}}"), "LLMProviderFailing")
    assert found.op == "<"
    assert found.series.aggregate == "sum"


def test_an_alert_without_the_entity_of_its_incident_opens_one_for_the_type(tmp_path: Path) -> None:
    found = overlaid(tmp_path, "alerts: {LLMGuardrailFailing: {incident: prompt_injection}}")
    assert rule(found, "LLMGuardrailFailing").incident_key == "prompt_injection"


def test_incubating_alerts_go_to_chat_only(shipped: Spec) -> None:
    quiet = [item for item in compile_alerts(shipped) if item.alert.maturity == "incubating"]
    assert len(quiet) > 10
    assert {item.channels for item in quiet} == {("chat-security",), ("chat-platform",)}
    assert not any(item.pages for item in quiet)


def test_an_incubating_alert_without_a_chat_keeps_what_does_not_page(tmp_path: Path) -> None:
    found = overlaid(tmp_path, "alerts: {LLMAuthFailures: {maturity: incubating}}")
    assert rule(found, "LLMAuthFailures").channels == ("tickets",)


def test_disabled_and_sandboxed_alerts_and_their_storms_are_left_out(tmp_path: Path) -> None:
    text = "alerts: {LLMSpendBurst: {enabled: false}, LLMRequestFlood: {maturity: sandbox}, LLMAuthFailures: {fold: 0}}"
    compiled = compile_alerts(overlaid(tmp_path, text))
    assert {"LLMSpendBurst", "LLMRequestFlood"}.isdisjoint(item.family for item in compiled)
    assert [item.name for item in compiled if item.family == "LLMAuthFailures"] == ["LLMAuthFailures"]
    storms_off = compile_alerts(overlaid(tmp_path, "alerts: {LLMAlertStorm: {enabled: false}}"))
    assert "LLMAlertStorm" not in {item.name for item in storms_off}


def test_words_and_labels_of_the_user(tmp_path: Path) -> None:
    text = "settings: {severity_words: {high: warning}, extra_labels: {namespace: monitoring, owner: mine}}"
    labels = rule(overlaid(tmp_path, text), "LLMSpendBurst").static_labels
    assert labels["severity"] == "warning"
    assert labels["tocsin_severity"] == "high"
    assert labels["namespace"] == "monitoring"
    assert labels["owner"] == "security"


def test_times_follow_the_time_scale(tmp_path: Path) -> None:
    found = overlaid(tmp_path, "settings: {time_scale: 60}")
    assert rule(found, "LLMCanaryLeaked").lookback == 35
    assert rule(found, "LLMProviderFailing").hold == 2
    assert rule(found, "LLMProviderFailing").lookback == 0.75


def test_of_all_rules(shipped: Spec) -> None:
    compiled = compile_alerts(shipped)
    assert len({(item.name, item.family) for item in compiled}) == len(compiled)
    for item in compiled:
        assert set(item.static_labels) == set(names.STATIC_LABELS)
        assert set(item.labels).isdisjoint(names.STATIC_LABELS)
        assert set(names.placeholders(item.alert.summary)) <= set(item.labels)
        assert set(names.placeholders(item.incident_key)) <= set(item.labels)
        assert {read.series.labels for read in item.criterion.readings} == {item.labels}


def overlaid(folder: Path, text: str) -> Spec:
    path = folder / "own.yaml"
    path.write_text(text)
    return load_spec(path)
