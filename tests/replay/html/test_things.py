"""The lines behind an alert are those that its signal counts, by every dimension that a signal can select by."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from alerts.calendar import OffHours
from events.batch import Detection, EventBatch
from replay.html.things import Things
from spec import load_spec
from spec.duration import Duration
from spec.model import Signal

SPEC = load_spec()
NOON, NIGHT = 1_767_614_400.0, 1_767_570_000.0  # a Monday at 12:00 UTC, and the same day before 0:00 UTC


def batch() -> EventBatch:
    """Four attempts: two at noon and two at night, of two accounts, with other models and durations."""
    columns: dict[str, Any] = {
        "time": np.array([NOON, NOON, NIGHT, NIGHT]),
        "duration": np.array([1.0, 40.0, np.nan, 30.0]),
        "actor": ["ann", "bob", "ann", "bob"],
        "model": ["small", "large", None, "large"],
        "stream": [True, False, None, True],
    }
    made = EventBatch("log", "litellm", 4, columns)
    made.tool_calls += [(0, "search"), (1, "shell"), (3, "shell"), (3, "search")]
    return made


DETECTIONS = [
    Detection(row=1, detector="jailbreak", confidence="high", rule="dan"),
    Detection(row=3, detector="jailbreak", confidence="low", rule="maybe"),
]


def owners(by: str = "", group: str = "", **signal: Any) -> list[int]:
    plain: dict[str, Any] = {
        "help": "h", "category": "content", "layer": "model", "anomaly": "input", "window": Duration(600),
    }  # fmt: skip
    things = Things(batch(), DETECTIONS, OffHours(SPEC.calendars[SPEC.settings.offhours_calendar]))
    return things.owners(Signal(**plain | signal), by, group)


@pytest.mark.parametrize(
    ("signal", "rows"),
    [
        ({}, [0, 1, 2, 3]),
        ({"where": {"offhours": ("true",)}}, [2, 3]),
        ({"where": {"offhours": ("false",)}}, [0, 1]),
        ({"where": {"model": ("large",)}}, [1, 3]),
        ({"where": {"model": ("unknown",)}}, [2]),
        ({"where": {"stream": ("true",), "model": ("large",)}}, [3]),
        ({"where": {"gateway": ("litellm",)}}, [0, 1, 2, 3]),
        ({"where": {"gateway": ("kong",)}}, []),
        ({"at_least": {"duration": 30.0}}, [1, 3]),
        ({"at_least": {"cost_usd": 0.0}}, []),
        ({"stream": "tool_calls", "where": {"tool": ("shell",)}}, [1, 3]),
        ({"stream": "tool_calls"}, [0, 1, 3, 3]),
        ({"stream": "detections", "where": {"confidence": ("medium", "high")}}, [1]),
        ({"stream": "detections", "where": {"rule": ("maybe",)}}, [3]),
    ],
)
def test_a_signal_selects_what_the_exporter_counts(signal: dict[str, Any], rows: list[int]) -> None:
    assert owners(**signal) == rows


def test_groups_are_those_of_the_attempt_or_of_the_thing() -> None:
    assert owners("actor", "bob") == [1, 3]
    assert owners("actor", "bob", where={"offhours": ("true",)}) == [3]
    assert owners("tool", "search", stream="tool_calls") == [0, 3]
    assert owners("rule", "dan", stream="detections") == [1]
