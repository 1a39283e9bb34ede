"""Baselines and absences: what their checks refuse, and how they compile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from alerts import AlertRule, Series, compile_alerts
from alerts.checks.alerts import FoldNeedsGroups, NoThresholdOnCounters
from alerts.techniques.absence.checks import AbsenceIsOfHeartbeats
from alerts.techniques.absence.criterion import AbsenceCriterion
from alerts.techniques.absence.evaluation import Activity
from alerts.techniques.baseline.baseline_history import HistoryRange
from alerts.techniques.baseline.checks import BaselinesAreSound
from alerts.techniques.baseline.criterion import BaselineCriterion
from spec.checks import Check
from spec.errors import dotted
from spec.load import load_spec
from spec.model import Spec

BASELINE: dict[str, Any] = {"technique": "baseline", "signal": "attempts_by_model", "floor": 100}
ABSENCE: dict[str, Any] = {
    "technique": "absence",
    "signal": "newest",
    "older_than": "10m",
    "while_counter": "served",
    "min_increase": 20,
}
READ = {"category": "security", "layer": "control", "anomaly": "system", "help": "Something read."}
SIGNALS = {
    "newest": READ | {"stream": "health", "measure": "gauge", "metric": "tocsin_snapshot_timestamp_seconds"},
    "served": READ | {"stream": "external", "measure": "counter", "metric": "gateway_requests_total"},
    "read": READ | {"stream": "health", "measure": "counter", "metric": "tocsin_records_read_total"},
}
BY_SOURCE = ABSENCE | {"signal": "newest_event_by_source", "while_counter": "hook_records"}


def spec_with(
    folder: Path, when: dict[str, Any], settings: dict[str, Any] | None = None, hold: str = "10m", **alert: Any
) -> Spec:
    """The shipped spec with LLMSlowResponses put on another condition, which has to hold for `hold`."""
    overlay = {
        "settings": settings or {},
        "external": {"gateway_requests_total": {"help": "h", "exporter": "gateway", "labels": ["route"]}},
        "signals": SIGNALS,
        "alerts": {"LLMSlowResponses": {"for": hold, "summary": "Odd", "when": when} | alert},
    }
    path = folder / "own.yaml"
    path.write_text(yaml.safe_dump(overlay))
    return load_spec(path)


def said(check: Check, spec: Spec) -> list[tuple[str, str]]:
    return [(dotted(issue.path).removeprefix("alerts.LLMSlowResponses."), issue.text) for issue in check.check(spec)]


def compiled(spec: Spec) -> AlertRule:
    return next(rule for rule in compile_alerts(spec) if rule.name == "LLMSlowResponses")


def history_of(rule: AlertRule) -> HistoryRange:
    assert isinstance(rule.criterion, BaselineCriterion)
    return rule.criterion.history


def heartbeat(rule: AlertRule) -> AbsenceCriterion:
    assert isinstance(rule.criterion, AbsenceCriterion)
    return rule.criterion


@pytest.mark.parametrize(
    "when", [BASELINE, ABSENCE, BY_SOURCE, {"technique": "absence", "signal": "exporter_up", "below": 1}]
)
def test_sound_ones_pass(tmp_path: Path, when: dict[str, Any]) -> None:
    spec = spec_with(tmp_path, when)
    for check in (BaselinesAreSound(), AbsenceIsOfHeartbeats(), NoThresholdOnCounters(), FoldNeedsGroups()):
        assert said(check, spec) == []


@pytest.mark.parametrize(
    ("when", "alert", "path", "text"),
    [
        ({"floor": 0}, {}, "when.floor", "found 0, expected more than 0: over a flat history everything is unusual"),
        ({"deviations": 0}, {}, "when.deviations", "found 0, expected 1 or more"),
        ({"signal": "spend_by_actor"}, {}, "when.signal", "found a signal by actor: only its worst groups are shown"),
        ({"signal": "served"}, {}, "when.signal", "found a signal over a counter, expected a window or a gauge"),
        (
            {},
            {"one_shot": True},
            "one_shot",
            "found true, expected false: the alert lasts as long as the value",
        ),
        ({}, {"hold": "4m"}, "for", "found 4m, expected at least 5m: a limit can be that old"),
        (
            {"history": "4h"},
            {},
            "when.history",
            "found 4h, expected at least 5h: 10 times the window",
        ),
        ({"history": "60d"}, {}, "when.history", "found 60d, expected at most 34d17h20m, 10000 samples"),
        ({"min_history": "25m"}, {}, "when.min_history", "found 25m, expected between 30m and 7d"),
        ({"min_history": "8d"}, {}, "when.min_history", "found 8d, expected between 30m and 7d"),
    ],
)
def test_a_baseline_that_cannot_be_right(
    tmp_path: Path, when: dict[str, Any], alert: dict[str, Any], path: str, text: str
) -> None:
    found = said(BaselinesAreSound(), spec_with(tmp_path, BASELINE | when, **alert))
    assert any(where == path and words.startswith(text) for where, words in found), found


@pytest.mark.parametrize(
    ("when", "alert", "path", "text"),
    [
        ({"signal": "guardrail_failures"}, {}, "when.signal", "found a signal over events, expected a health gauge"),
        ({"signal": "served"}, {}, "when.signal", "found a counter, expected a gauge"),
        (
            {"signal": "feed_lag", "older_than": 0, "while_counter": "", "below": 1},
            {},
            "when.signal",
            "found a signal by source, expected one without groups: an absent group has no name",
        ),
        (
            {"signal": "feed_lag"},
            {},
            "when.while_counter",
            "found a signal by nothing, expected by source, like the heartbeat",
        ),
        (
            {"while_counter": "hook_records"},
            {},
            "when.while_counter",
            "found a signal by source, expected by nothing, like the heartbeat",
        ),
        (
            {"while_counter": "read"},
            {},
            "when.while_counter",
            "expected a signal that measures a `counter`, of the stream `external` or",
        ),
        ({"below": 1}, {}, "when", "expected one of `below` and `older_than`"),
        ({"older_than": 0, "while_counter": ""}, {}, "when", "expected one of `below` and `older_than`"),
        ({"older_than": 0, "while_counter": "", "below": -1}, {}, "when.below", "found -1, expected more than 0"),
        (
            {"older_than": 0, "below": 1},
            {},
            "when.while_counter",
            "found a counter, expected it only with `older_than`",
        ),
        (
            {"while_counter": ""},
            {},
            "when.while_counter",
            "found nothing, expected a counter that Tocsin",
        ),
        ({"while_counter": "exporter_up"}, {}, "when.while_counter", "expected a signal that measures a `counter`, of"),
        ({"min_increase": 0}, {}, "when.min_increase", "found 0, expected 1 or more"),
        ({}, {"one_shot": True}, "one_shot", "found true, expected false: a missing heartbeat lasts"),
        ({}, {"hold": "0m"}, "for", "found 0s, expected a duration: a restart also causes a short gap"),
    ],
)
def test_an_absence_that_cannot_be_right(
    tmp_path: Path, when: dict[str, Any], alert: dict[str, Any], path: str, text: str
) -> None:
    found = said(AbsenceIsOfHeartbeats(), spec_with(tmp_path, ABSENCE | when, **alert))
    assert any(where == path and words.startswith(text) for where, words in found), found


def test_a_threshold_on_a_counter_is_still_refused(tmp_path: Path) -> None:
    spec = spec_with(tmp_path, {"technique": "threshold", "signal": "served"})
    assert [path for path, _ in said(NoThresholdOnCounters(), spec)] == ["when.signal"]


def test_a_baseline_does_not_fold(tmp_path: Path) -> None:
    assert [path for path, _ in said(FoldNeedsGroups(), spec_with(tmp_path, BASELINE, fold=5))] == ["fold"]


def test_the_history_ends_before_what_is_judged_began(tmp_path: Path) -> None:
    rule = compiled(spec_with(tmp_path, BASELINE | {"history": "14d", "cold_start": "floor_only"}))
    assert history_of(rule) == HistoryRange(
        step=300.0,
        length=14 * 86400.0,
        exclude=1800.0,  # a window of 10m, a hold of 10m, two steps
        enough=288,
        deviations=5.0,
        floor_only=True,
    )
    assert (rule.op, rule.value, rule.labels, rule.lookback) == (">=", 100.0, ("model",), 45.0)


def test_what_is_judged_is_rounded_up_to_steps(tmp_path: Path) -> None:
    history = history_of(compiled(spec_with(tmp_path, BASELINE, hold="11m")))
    assert history.exclude == 300 * (5 + 2)


def test_histories_follow_the_time_scale(tmp_path: Path) -> None:
    history = history_of(compiled(spec_with(tmp_path, BASELINE, settings={"time_scale": 7})))
    assert (history.step, history.length, history.enough) == (300 / 7, 86400.0, 288)
    assert history.exclude == pytest.approx(6 * 300 / 7)


def test_a_heartbeat_by_its_age(tmp_path: Path) -> None:
    rule = compiled(spec_with(tmp_path, ABSENCE))
    assert (rule.op, rule.value, rule.series.aggregate, rule.lookback) == (">", 600.0, "max", 0.0)
    criterion = heartbeat(rule)
    assert criterion.age
    assert criterion.activity == Activity(Series("gateway_requests_total", (), (), "sum"), 20.0, 600.0)


def test_a_heartbeat_of_each_source_and_what_that_source_is_given(tmp_path: Path) -> None:
    rule = compiled(spec_with(tmp_path, BY_SOURCE))
    assert (rule.labels, rule.series.labels) == (("source",), ("source",))
    assert heartbeat(rule).activity == Activity(
        Series("tocsin_hook_records_total", (), ("source",), "sum"), 20.0, 600.0
    )


def test_a_heartbeat_by_its_value(tmp_path: Path) -> None:
    rule = compiled(spec_with(tmp_path, {"technique": "absence", "signal": "exporter_up", "below": 1}))
    assert (rule.op, rule.value, rule.series.aggregate) == ("<", 1.0, "min")
    assert (heartbeat(rule).age, heartbeat(rule).activity) == (False, None)
