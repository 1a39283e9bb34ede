"""Baselines and heartbeats as rules: what is written, that promtool agrees with it, and that wrong rules fail."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from alerts.cases import Course, Stretch
from generators.docs import runbooks
from generators.prometheus import baseline_tests
from generators.prometheus.unit_tests import notation
from spec import Spec, catalogue
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
from tests.generators.prometheus.promql_checks import faults

READ = {"category": "security", "layer": "control", "anomaly": "system", "help": "Something read."}


def overlay(alerts: Document, settings: Document | None = None) -> Document:
    """Alerts of the shipped spec on other conditions, with signals to read."""
    return {
        "settings": settings or {},
        "external": {"gateway_requests_total": {"help": "Requests.", "exporter": "gateway", "labels": ["route"]}},
        "signals": {
            "beat": READ | {"stream": "health", "measure": "gauge", "metric": "tocsin_newest_event_timestamp_seconds"},
            "served": READ | {"stream": "external", "measure": "counter", "metric": "gateway_requests_total"},
        },
        "alerts": alerts,
    }


def baseline(settings: Document | None = None, hold: str = "10m", **when: Any) -> Document:
    """LLMSlowResponses as a baseline of each model."""
    when = {"technique": "baseline", "signal": "attempts_by_model", "floor": 100} | when
    return overlay({"LLMSlowResponses": {"for": hold, "when": when, "summary": "Slow"}}, settings)


def absence(settings: Document | None = None, hold: str = "5m", **when: Any) -> Document:
    """TocsinStateNotSaved as the absence of events while a gateway is busy."""
    plain = {
        "technique": "absence",
        "signal": "beat",
        "older_than": "15m",
        "while_counter": "served",
        "min_increase": 20,
    }
    return overlay({"TocsinStateNotSaved": {"for": hold, "when": plain | when}}, settings)


def by_source(settings: Document | None = None, hold: str = "5m", **when: Any) -> Document:
    """The shipped alert on a heartbeat of each source."""
    return {"settings": settings or {}, "alerts": {"TocsinSourceSilent": {"for": hold, "when": when}}}


GONE = overlay({"TocsinDown": {"when": {"technique": "absence", "signal": "exporter_up", "below": 1}}})


def rule_named(document: Document, name: str) -> Document:
    for group in document["groups"]:
        for rule in group["rules"]:
            if name in (rule.get("alert"), rule.get("record")):
                return dict(rule)
    raise AssertionError(f"no rule {name}")


# ----------------------------------------------------------------------------------------------------- what it says
def test_a_baseline_is_recorded_seldom_and_compared_often(tmp_path: Path) -> None:
    document = rules_of(spec_with(tmp_path, baseline()))
    group = next(group for group in document["groups"] if group["name"] == "tocsin-baselines")
    assert group["interval"] == "5m"
    own = {rule["record"]: rule["expr"] for rule in group["rules"] if "slow_responses" in rule["record"]}
    past = "model:llm_slow_responses:sample[7d] offset 30m"
    mean = "model:llm_slow_responses:mean"
    assert own == {
        "model:llm_slow_responses:sample": (
            "sum by (model) (llm_attempts_by_model) or 0 * (max_over_time(model:llm_slow_responses:sample[7d]) > 0)"
        ),
        mean: f"avg_over_time({past}) and count_over_time({past}) >= 288",
        "model:llm_slow_responses:deviation": (
            f"clamp_min(stddev_over_time({past}) > 0.1 * {mean} or 0.1 * {mean}, 20)"
        ),
        "model:llm_slow_responses:limit": (f"clamp_min({mean} + 5 * model:llm_slow_responses:deviation, 100)"),
    }
    assert rule_named(document, "LLMSlowResponses")["expr"] == (
        "max_over_time(model:llm_attempts_by_model:sum[45s]) >= last_over_time(model:llm_slow_responses:limit[10m])"
    )


def test_who_has_no_history_is_compared_with_the_floor_if_wanted(tmp_path: Path) -> None:
    document = rules_of(spec_with(tmp_path, baseline(cold_start="floor_only")))
    assert rule_named(document, "LLMSlowResponses")["expr"].endswith(
        " or (max_over_time(model:llm_attempts_by_model:sum[45s]) >= 100"
        " unless last_over_time(model:llm_slow_responses:limit[10m]))"
    )


def test_a_heartbeat_is_old_or_missing_while_there_is_something_to_tell(tmp_path: Path) -> None:
    document = rules_of(spec_with(tmp_path, absence()))
    beat = "global:tocsin_newest_event_timestamp_seconds:max"
    assert rule_named(document, "TocsinStateNotSaved")["expr"] == (
        f"(time() - {beat} > 900 or absent({beat}) * Inf > 900) and global:gateway_requests_total:increase15m >= 20"
    )
    assert rule_named(document, "global:gateway_requests_total:increase15m")["expr"] == (
        "sum (increase(gateway_requests_total[15m]))"
    )


def test_a_heartbeat_of_each_source_is_old_while_that_source_is_given_something(tmp_path: Path) -> None:
    document = rules_of(spec_with(tmp_path, by_source()))
    assert rule_named(document, "TocsinSourceSilent")["expr"] == (
        "time() - source:tocsin_newest_event_timestamp_seconds:max > 900"
        " and source:tocsin_hook_records_total:increase15m >= 20"
    )
    assert rule_named(document, "source:tocsin_hook_records_total:increase15m")["expr"] == (
        "sum by (source) (increase(tocsin_hook_records_total[15m]))"
    )


def test_a_heartbeat_below_its_value_or_missing(tmp_path: Path) -> None:
    document = rules_of(spec_with(tmp_path, GONE))
    assert rule_named(document, "TocsinDown")["expr"] == (
        "global:up_job_tocsin:min < 1 or absent(global:up_job_tocsin:min) - 1 < 1"
    )


@pytest.mark.parametrize(
    "changed",
    [baseline(cold_start="floor_only"), absence(), by_source(), GONE],
    ids=["base", "age", "by source", "gone"],
)
def test_our_checks_find_nothing(tmp_path: Path, changed: Document) -> None:
    spec = spec_with(tmp_path, changed)
    metrics = {metric.name: metric for metric in catalogue(spec, expand_histograms=True)}
    assert faults(rules_of(spec), metrics) == []


def test_pages_say_what_is_compared(tmp_path: Path) -> None:
    pages = runbooks.generate(spec_with(tmp_path, baseline()))
    page = pages["runbooks/LLMSlowResponses.md"]
    assert "Attempts at a model: at least 100 in 10m, and 5 deviations over its own mean of 7d, per `model`" in page
    assert "last_over_time(model:llm_slow_responses:limit[10m])" in page
    assert "      floor: 100\n      deviations: 5\n" in page
    page = runbooks.generate(spec_with(tmp_path, absence()))["runbooks/TocsinStateNotSaved.md"]
    assert "more than 15m ago, or missing, sustained for 5m. Meanwhile at least 20 in 15m: " in page
    assert "      older_than: 15m\n      min_increase: 20\n" in page
    page = runbooks.generate(spec_with(tmp_path, by_source()))["runbooks/TocsinSourceSilent.md"]
    assert "more than 15m ago, per `source`, sustained for 5m. " in page
    assert "Meanwhile at least 20 in 15m: records that the gateway gave to its hook, as the hook reports." in page


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([1.0, 1.0, 1.0, 2.5], "1+0x2 2.5 stale"),
        ([None, None, 3.0], "_x2 3 stale"),
        ([1.0, None, 2.0], "1 stale 2 stale"),
        ([1.0, None, None, 2.0], "1 stale _x1 2 stale"),
    ],
)
def test_values_in_the_words_of_promtool(values: list[float | None], words: str) -> None:
    assert notation(Course.of(values)) == words


def test_a_falling_course_in_the_words_of_promtool() -> None:
    assert notation(Course((Stretch(9.0, 3, -1.5), Stretch(2.0, 2, 0.25)))) == "9-1.5x2 2+0.25x1 stale"


# --------------------------------------------------------------------------------------------------------- promtool
def _agrees(find: RealServer, folder: Path, spec: Spec, change: Callable[[str], str] = str) -> tuple[bool, str]:
    """Whether the tests of baselines hold for the rules, those of other alerts left out to be quick."""
    rules = only_rules(rules_of(spec), "LLMSlowResponses")
    (folder / "tocsin.rules.yaml").write_text(change(yaml.safe_dump(rules, width=1000)), encoding="utf-8")
    tests = yaml.safe_load(baseline_tests.generate(spec)[baseline_tests.PATH])
    tests = only_tests(tests, "LLMSlowResponses")
    (folder / "tests.yaml").write_text(yaml.safe_dump(tests, allow_unicode=True), encoding="utf-8")
    return run(find, "promtool", "test", "rules", "tests.yaml", cwd=folder)


def _replaced(old: str, new: str) -> Callable[[str], str]:
    def change(text: str) -> str:
        assert old in text
        return text.replace(old, new)

    return change


@pytest.mark.stack
@pytest.mark.parametrize(
    "changed",
    [
        baseline(),
        baseline(cold_start="floor_only"),
        baseline(floor=0.25, deviations=1, history="12h", min_history="6h"),
        baseline(hold="17m", deviations=12.5, history="30d", min_history="6h"),
        baseline(settings={"time_scale": 15}, min_history="6h"),
        baseline(settings={"baseline_step": "1m"}, hold="90s", min_history="2h", history="6h"),
        baseline(signal="guardrail_failures", min_history="2h"),
    ],
)
def test_baselines_pass_their_tests(real_server: RealServer, tmp_path: Path, changed: Document) -> None:
    content, said = _agrees(real_server, tmp_path, spec_with(tmp_path, changed))
    assert content, said


@pytest.mark.stack
@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param(", 20)", ", 0)", id="no least deviation, so that a flat history makes everything fire"),
        pytest.param(", 20)", ", 25)", id="a greater one"),
        pytest.param(" offset 30m", "", id="what is judged is part of its history"),
        pytest.param(" offset 30m", " offset 35m", id="the history ends early, so that there is not enough"),
        pytest.param(">= 24", ">= 21", id="little history is enough"),
        pytest.param(" or 0 * (max_over_time(model:llm_slow_responses:sample[7d]) > 0)", "", id="quiet is unknown"),
        pytest.param("+ 5 *", "+ 4.9 *", id="fewer deviations"),
        pytest.param("stddev_over_time", "stdvar_over_time", id="another measure"),
        pytest.param("avg_over_time", "max_over_time", id="no mean"),
    ],
)
def test_a_wrong_baseline_fails_its_tests(real_server: RealServer, tmp_path: Path, old: str, new: str) -> None:
    spec = spec_with(tmp_path, baseline(min_history="2h"))
    assert not _agrees(real_server, tmp_path, spec, _replaced(old, new))[0]


@pytest.mark.stack
def test_a_wrong_cold_start_fails_its_tests(real_server: RealServer, tmp_path: Path) -> None:
    spec = spec_with(tmp_path, baseline(cold_start="floor_only", min_history="2h"))
    assert not _agrees(real_server, tmp_path, spec, _replaced(" unless ", " and "))[0]
    assert not _agrees(real_server, tmp_path, spec, _replaced(">= 100 unless", ">= 90 unless"))[0]


@pytest.mark.stack
@pytest.mark.parametrize(
    ("family", "changed"),
    [
        ("TocsinStateNotSaved", absence()),
        ("TocsinStateNotSaved", absence(older_than="5m", min_increase=7, hold="1m")),
        ("TocsinStateNotSaved", absence(settings={"time_scale": 15})),
        ("TocsinStateNotSaved", absence(settings={"scrape_interval": "30s", "evaluation_interval": "10s"})),
        ("TocsinSourceSilent", by_source()),
        ("TocsinSourceSilent", by_source(older_than="5m", min_increase=7, hold="1m")),
        ("TocsinSourceSilent", by_source(settings={"time_scale": 15})),
        ("TocsinDown", GONE),
        ("TocsinDown", GONE | {"settings": {"time_scale": 15}}),
    ],
)
def test_heartbeats_pass_their_tests(real_server: RealServer, tmp_path: Path, family: str, changed: Document) -> None:
    spec = spec_with(tmp_path, changed)
    rules, tests = only_rules(rules_of(spec), family), only_tests(unit_tests_of(spec), family)
    content, said = promtool_agrees(real_server, tmp_path, rules, tests)
    assert content, said


@pytest.mark.stack
@pytest.mark.parametrize(
    ("family", "changed", "old", "new"),
    [
        ("TocsinDown", GONE, " or absent(global:up_job_tocsin:min) - 1 < 1", ""),
        ("TocsinDown", GONE, "global:up_job_tocsin:min < 1 or ", ""),
        ("TocsinStateNotSaved", absence(), "increase15m >= 20", "increase15m >= 21.5"),
        ("TocsinStateNotSaved", absence(), "increase15m >= 20", "increase15m >= 18.5"),
        ("TocsinStateNotSaved", absence(), "* Inf", "* 0"),
        ("TocsinStateNotSaved", absence(), "seconds:max > 900", "seconds:max > 1200"),
        ("TocsinStateNotSaved", absence(), "seconds:max > 900", "seconds:max > 600"),
        ("TocsinStateNotSaved", absence(), "max (tocsin_newest", "min (tocsin_newest"),
        ("TocsinSourceSilent", by_source(), " and source:tocsin_hook_records_total:increase15m >= 20", ""),
        ("TocsinSourceSilent", by_source(), "and source:tocsin_hook", "and on () source:tocsin_hook"),
        ("TocsinSourceSilent", by_source(), "by (source) (tocsin_newest", "(tocsin_newest"),
        ("TocsinSourceSilent", by_source(), "increase15m >= 20", "increase15m >= 21.5"),
        ("TocsinSourceSilent", by_source(), "seconds:max > 900", "seconds:max > 1200"),
    ],
)
def test_a_wrong_heartbeat_fails_its_tests(
    real_server: RealServer, tmp_path: Path, family: str, changed: Document, old: str, new: str
) -> None:
    spec = spec_with(tmp_path, changed)
    rules = yaml.safe_load(_replaced(old, new)(yaml.safe_dump(only_rules(rules_of(spec), family), width=1000)))
    assert not promtool_agrees(real_server, tmp_path, rules, only_tests(unit_tests_of(spec), family))[0]
