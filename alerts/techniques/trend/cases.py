"""Example courses of a trend: straight lines, of which the forecast is exact.

The line that fires crosses the limit in the middle between two samples. Beside it are one that is too flat to cross in
time, one that stands still just before the limit, and a steep one with a value too few.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from alerts.cases import INSTANCES, Case, Clock, Course, Feed, Member, Stretch, has_groups, labels_of
from alerts.rule import AlertRule
from alerts.techniques.trend.evaluation import Line

_SHORT: Final = {"technique": "trend", "signal": "attempts_by_model", "min_samples": 6}
EXAMPLES: Final[tuple[Mapping[str, Any], ...]] = (
    {"when": _SHORT | {"value": 9, "window": "20m", "ahead": "10m"}, "for": "2m"},
    {"when": _SHORT | {"value": 3, "window": "12m", "ahead": "20m", "op": "<"}},
)
_SPARE: Final = 2
"""Samples more than are needed before the line that fires crosses the limit."""


@dataclass(frozen=True, slots=True)
class _Group:
    """A line: its value at time 0, and how much it grows in a second; `begin` and `count` are samples."""

    name: str
    start: float
    slope: float
    begin: int = 0
    count: int = 0


def cases(rule: AlertRule, clock: Clock, line: Line) -> Iterator[Case]:
    """One case with every line, or one for each where they cannot be told apart."""
    due = (line.enough + _SPARE) * clock.scrape
    fires = due + rule.hold + clock.slack
    samples = round((fires + 2 * clock.slack) / clock.scrape) + 1
    last = (samples - 1) * clock.scrape
    size = abs(rule.value) or 1.0
    up = 1.0 if rule.op in (">=", ">") else -1.0
    # Every line begins `size` before the limit; one that crosses it in the forecast of a time grows by so much.
    steep = up * size / (due - clock.scrape / 2 + line.ahead)
    start = rule.value - up * size
    over = _Group("over", start, steep, count=samples)
    flat = up * size / (last + clock.scrape + line.ahead)
    young = line.enough - 1
    others = (
        _Group("under", start, flat, count=samples),
        _Group("still", rule.value - up * size / 100, 0.0, count=samples),
        _Group("young", rule.value - up * size / 2, 10 * steep, round(fires // clock.scrape) - young + 1, young),
    )
    evaluated = fires // clock.evaluation * clock.evaluation
    member = Member(labels_of(rule, over.name), start + steep * (evaluated + line.ahead))
    none: list[Member] = []
    ends = last + line.window + rule.keep + 2 * clock.slack
    feeds = [feed for group in (over, *others) for feed in _feeds(rule, group, clock)] if has_groups(rule) else []
    yield Case(
        rule,
        f"{rule.name} fires",
        feeds or _feeds(rule, over, clock),
        [(due + rule.hold - clock.evaluation, none), (fires, [member]), (ends, none)],
    )
    for group in () if feeds else others:
        yield Case(rule, f"{rule.name} is silent, {group.name}", _feeds(rule, group, clock), [(fires, none)])


def _feeds(rule: AlertRule, group: _Group, clock: Clock) -> Sequence[Feed]:
    """The line as two instances that merge to it."""
    start, slope = group.start + group.begin * clock.scrape * group.slope, clock.scrape * group.slope
    match rule.series.aggregate:
        case "sum":
            parts = [(start / 2, slope / 2)] * 2
        case "min":
            parts = [(start, slope), (start + 1, slope)]
        case _:
            parts = [(start, slope), (start - 1, slope)]
    gap = (Stretch(None, group.begin),) if group.begin else ()
    return [
        Feed(rule.series, labels_of(rule, group.name), instance, Course((*gap, Stretch(first, group.count, each))))
        for instance, (first, each) in zip(INSTANCES, parts, strict=True)
    ]
