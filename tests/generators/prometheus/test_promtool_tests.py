"""The generated unit tests of the rules: promtool runs them, and rules that are wrong fail them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from alerts import compile_alerts
from alerts.text import human
from generators.prometheus import promtool_tests, rule_file
from spec import Spec, load_spec, names
from tests.generators.programs import (
    Document,
    RealServer,
    only_rules,
    only_tests,
    promtool_agrees,
    rules_of,
    run,
    spec_with,
    unit_tests_of,
)

Change = Callable[[Document], None]


@pytest.fixture(scope="module")
def shipped() -> Spec:
    return load_spec()


# --------------------------------------------------------------------------------------------------------- coverage
def test_every_alert_has_a_case_that_fires_and_one_that_does_not(shipped: Spec) -> None:
    document = unit_tests_of(shipped)
    for rule in compile_alerts(shipped):
        if rule.criterion.steps:
            continue
        title = rule.name if rule.name != names.STORM else f"{rule.name} of {rule.family}"
        tests = [test for test in document["tests"] if test["name"].startswith((f"{title} fires", f"{title} is"))]
        firing = [check for test in tests for check in test["alert_rule_test"] if check["exp_alerts"]]
        assert {check["alertname"] for check in firing} == {rule.name}
        groups = {str(given["series"]) for test in tests for given in test["input_series"]}
        silent = [test for test in tests if not any(check["exp_alerts"] for check in test["alert_rule_test"])]
        assert silent or any("under" in group for group in groups), title


def test_every_latch_is_watched_to_its_end(shipped: Spec) -> None:
    document = unit_tests_of(shipped)
    for rule in compile_alerts(shipped):
        if rule.criterion.steps:
            continue
        checks = [
            (check["eval_time"], any(_is(expected, rule.family) for expected in check["exp_alerts"]))
            for test in document["tests"]
            if any(_is(expected, rule.family) for check in test["alert_rule_test"] for expected in check["exp_alerts"])
            for check in test["alert_rule_test"]
            if check["alertname"] == rule.name
        ]
        assert checks[-1][1] is False, rule.name


def _is(expected: Document, family: str) -> bool:
    return bool(expected["exp_labels"].get("alert_family") == family)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (3, "3"),
        (999, "999"),
        (1000, "1k"),
        (250_000, "250k"),
        (62.5, "62.5"),
        (0.3, "300m"),
        (-1500, "-1.5k"),
    ],
)
def test_numbers_as_prometheus_prints_them(value: float, text: str) -> None:
    assert human(value) == text


# --------------------------------------------------------------------------------------------------------- promtool
@pytest.mark.stack
@pytest.mark.slow
def test_promtool_agrees_with_every_test(real_server: RealServer, tmp_path: Path, shipped: Spec) -> None:
    for generate in (rule_file.generate, promtool_tests.generate):
        for path, text in generate(shipped).items():
            (tmp_path / Path(path).name).write_text(text, encoding="utf-8")
    content, said = run(real_server, "promtool", "test", "rules", "tocsin.tests.yaml", cwd=tmp_path)
    assert content, said


def _expression(old: str, new: str) -> Change:
    def change(rule: Document) -> None:
        assert old in rule["expr"]
        rule["expr"] = rule["expr"].replace(old, new)

    return change


def _entry(table: str, key: str, value: str) -> Change:
    def change(rule: Document) -> None:
        assert rule[table][key] != value
        rule[table][key] = value

    return change


def _no_hold(rule: Document) -> None:
    del rule["for"]


@pytest.mark.stack
@pytest.mark.parametrize(
    ("family", "rule", "change"),
    [
        pytest.param("LLMAuthFailures", "LLMAuthFailures", None, id="nothing wrong"),
        pytest.param("LLMAuthFailures", "LLMAuthFailures", _expression(">= 5", ">= 6"), id="higher"),
        pytest.param("LLMAuthFailures", "LLMAuthFailures", _expression(">= 5", ">= 4"), id="lower"),
        pytest.param("LLMAuthFailures", "LLMAuthFailures", _expression(">= 5", "> 5"), id="another operator"),
        pytest.param("LLMAuthFailures", "LLMAuthFailures", _expression("[45s]", "[15s]"), id="short look-back"),
        pytest.param("LLMAuthFailures", "LLMAuthFailures", _expression("[45s]", "[5m]"), id="long look-back"),
        pytest.param("LLMAuthFailures", "LLMAuthFailures", _entry("labels", "incident_key", "x"), id="another key"),
        pytest.param("LLMAuthFailures", "LLMAuthFailures", _entry("labels", "owner", "nobody"), id="another owner"),
        pytest.param("LLMAuthFailures", "LLMAuthFailures", _entry("annotations", "summary", "x"), id="another page"),
        pytest.param(
            "LLMAuthFailures", "source_range_trusted:llm_auth_failures:max", _expression("max", "sum"), id="added up"
        ),
        pytest.param(
            "LLMAuthFailures", "source_range_trusted:llm_auth_failures:max", _expression("max", "min"), id="the least"
        ),
        pytest.param("LLMAuthFailures", "LLMAlertStorm", _expression(">= 10", ">= 9"), id="early storm"),
        pytest.param("TocsinRejectingRecords", "global:llm_rejected_records:sum", _expression("sum", "max"), id="max"),
        pytest.param("TocsinDown", "global:up_job_tocsin:min", _expression("min", "max"), id="one of two is up"),
        pytest.param("TocsinDown", "TocsinDown", _no_hold, id="no hold"),
        pytest.param(
            "LLMProviderFailing",
            "provider:llm_provider_failing:ratio",
            _expression(" and provider:llm_provider_attempts:sum >= 20", ""),
            id="no floor",
        ),
        pytest.param("LLMProviderFailing", "LLMProviderFailing", _expression("0.3", "0.299"), id="a little lower"),
    ],
)
def test_a_wrong_rule_fails_its_tests(
    real_server: RealServer, tmp_path: Path, shipped: Spec, family: str, rule: str, change: Change | None
) -> None:
    rules = only_rules(rules_of(shipped), family)
    if change:
        for group in rules["groups"]:
            for found in group["rules"]:
                if rule in (found.get("alert"), found.get("record")):
                    change(found)
    tests = only_tests(unit_tests_of(shipped), family, f"{names.STORM} of {family}")
    content, said = promtool_agrees(real_server, tmp_path, rules, tests)
    assert content is (change is None), said


@pytest.mark.stack
def test_a_short_latch_fails_its_tests(real_server: RealServer, tmp_path: Path, shipped: Spec) -> None:
    latched = ("LLMCanaryLeaked", "LLMBulkSensitiveOutput", "LLMEndUserCanaryLeaked", "LLMEndUserSensitiveOutput")
    rules = only_rules(rules_of(shipped), *latched)
    tests = only_tests(unit_tests_of(shipped), "latched for 35m")
    assert promtool_agrees(real_server, tmp_path, rules, tests)[0]
    text = str(rules).replace("llm_canary_hits:max[35m]", "llm_canary_hits:max[33m]")
    (tmp_path / "tocsin.rules.yaml").write_text(text, encoding="utf-8")
    assert not run(real_server, "promtool", "test", "rules", "tests.yaml", cwd=tmp_path)[0]


def _threshold(**changes: Any) -> Document:
    return {"alerts": {"LLMSpendBurst": {"when": changes}}}


def _ratio(**changes: Any) -> Document:
    return {"alerts": {"LLMProviderFailing": {"when": changes}}}


@pytest.mark.stack
@pytest.mark.parametrize(
    ("family", "overlay"),
    [
        ("LLMSpendBurst", _threshold(op=">", value=50)),
        ("LLMSpendBurst", _threshold(op=">", value=0.25)),
        ("LLMSpendBurst", _threshold(op=">=", value=1234567)),
        ("LLMSpendBurst", _threshold(op="<", value=2.5)),
        ("LLMSpendBurst", _threshold(op="<=", value=7)),
        ("LLMSpendBurst", {"alerts": {"LLMSpendBurst": {"for": "3m", "fold": 3}}}),
        ("LLMSpendBurst", {"settings": {"time_scale": 60}}),
        ("LLMSpendBurst", {"settings": {"scrape_interval": "30s", "evaluation_interval": "10s"}}),
        ("LLMSpendBurst", {"settings": {"scrape_interval": "10s", "evaluation_interval": "1m"}}),
        ("LLMProviderFailing", _ratio(op=">", value=0.07, min_denominator=7.5)),
        ("LLMProviderFailing", _ratio(op=">=", value=1, min_denominator=1)),
        ("LLMProviderFailing", _ratio(op="<", value=0.3)),
        ("LLMProviderFailing", _ratio(op="<=", value=0.29)),
        ("LLMProviderFailing", {"settings": {"time_scale": 60}}),
        ("TocsinFeedLagging", {"settings": {"time_scale": 60}}),
        ("TocsinDown", {"signals": {"exporter_up": {"where": {"job": ['odd "job" \\ é']}}}}),
    ],
)
def test_overlays_give_rules_that_pass_their_tests(
    real_server: RealServer, tmp_path: Path, family: str, overlay: Document
) -> None:
    spec = spec_with(tmp_path, overlay)
    tests = only_tests(unit_tests_of(spec), family, f"{names.STORM} of {family}")
    content, said = promtool_agrees(real_server, tmp_path, only_rules(rules_of(spec), family), tests)
    assert content, said
