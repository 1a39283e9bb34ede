"""The spec that is shipped passes its own checks and compiles."""

import datetime

from alerts.alert_ir import compile_alerts
from alerts.checks import run_checks
from spec import load_spec


def test_the_shipped_spec_has_no_error() -> None:
    assert [
        issue for issue in run_checks(load_spec(), today=datetime.date(2026, 11, 24)) if issue.severity == "error"
    ] == []


def test_every_enabled_alert_compiles_and_a_one_shot_outlives_its_last_tier() -> None:
    spec = load_spec()
    rules = {rule.name: rule for rule in compile_alerts(spec) if rule.name == rule.static_labels["alert_family"]}
    for name, alert in spec.alerts.items():
        if name == "LLMAlertStorm":  # the pattern of the storm alerts: one for each alert that folds
            continue
        if not alert.enabled or alert.maturity == "sandbox":
            assert name not in rules
            continue
        rule = rules[name]
        assert rule.static_labels["tocsin_severity"] == alert.severity
        if alert.one_shot:
            chain = spec.escalations[spec.severities[alert.severity].escalation[alert.owner]]
            assert rule.lookback >= max(tier.after for tier in chain.tiers) + spec.settings.latch_margin
