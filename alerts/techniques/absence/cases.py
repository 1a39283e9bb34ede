"""Example courses of a heartbeat: it fires when missing or bad, not when well or when there is nothing to tell.

Heartbeats are of two instances. Of a counter that says whether there was anything to tell, one series begins with the
case, so that how much it grew is exact once the window is full. Where heartbeats have groups, a group that is well and
one that has nothing to tell stand beside the one that is bad, and one that is missing is not missed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, Final

from alerts.cases import (
    INSTANCES,
    Case,
    Clock,
    Course,
    Feed,
    Member,
    Stretch,
    labels_of,
    of_instances,
    on_instances,
    small_step,
    steady,
)
from alerts.expression import Series
from alerts.rule import AlertRule
from alerts.techniques.absence.evaluation import Activity

EXAMPLES: Final[tuple[Mapping[str, Any], ...]] = (
    {
        "when": {
            "technique": "absence",
            "signal": "newest_event_by_source",
            "older_than": "10m",
            "while_counter": "hook_records",
            "min_increase": 15,
        },
        "for": "2m",
    },
    {
        "when": {
            "technique": "absence",
            "signal": "newest_event",
            "older_than": "10m",
            "while_counter": "gateway_requests",
            "min_increase": 15,
        },
        "for": "2m",
    },
    {"when": {"technique": "absence", "signal": "exporter_up", "below": 1}, "for": "2m"},
)
_BARELY: Final = 1.05
"""How much more, or less, than enough a counter grows."""


@dataclass(frozen=True, slots=True)
class _Beats:
    """A bad and a good heartbeat; when the bad one is well again, and what it is compared as when it has to fire."""

    bad: Sequence[Feed]
    well: Sequence[Feed]
    over: float
    value: float


def cases(rule: AlertRule, clock: Clock, *, age: bool, missing: float, activity: Activity | None) -> Iterator[Case]:
    """Every case of the alert."""
    # One that has never been well is bad from then on, with the window of the counter full.
    start = max(rule.value if age else 0.0, activity.window if activity is not None else 0.0)
    fires = start + rule.hold + clock.slack
    last = ceil((fires + clock.slack) / clock.scrape) * clock.scrape
    labels, lively, idle = (labels_of(rule, member) for member in ("silent", "lively", "idle"))
    none: list[Member] = []

    def beats(labels: Mapping[str, str]) -> _Beats:
        return _aged(rule, labels, clock, last, fires) if age else _low(rule, labels, clock, last)

    def case(name: str, feeds: Sequence[Feed], *checks: tuple[float, Sequence[Member]]) -> Case:
        return Case(rule, f"{rule.name} {name}", feeds, list(checks))

    enough = _grows(clock, activity, labels, last, _BARELY)
    unseen = enough or _other(rule, clock, last)
    if rule.labels:
        yield case("is silent when it is missing: nobody knows the group", unseen, (fires, none))
    else:
        yield case("fires when it is missing", unseen, (fires, [Member(labels, missing)]))
    beside: list[Feed] = []
    if rule.labels:
        beside += [*beats(lively).well, *_grows(clock, activity, lively, last, _BARELY)]
        beside += [*beats(idle).bad, *_grows(clock, activity, idle, last, 1 / _BARELY)]
    tried = beats(labels)
    yield case(
        "fires, and ends when it is well again",
        [*tried.bad, *enough, *beside],
        (start + rule.hold - clock.evaluation, none),
        (fires, [Member(labels, tried.value)]),
        (tried.over + rule.keep, none),
    )
    yield case("is silent while it is well", [*tried.well, *enough], (fires, none))
    if activity is not None:
        little = _grows(clock, activity, labels, last, 1 / _BARELY)
        yield case("is silent while there is nothing to tell", [*tried.bad, *little], (fires, none))


def _aged(rule: AlertRule, labels: Mapping[str, str], clock: Clock, last: float, fires: float) -> _Beats:
    """A time that stands still, and one that goes on."""
    samples, over = round(last / clock.scrape) + 1, last + 2 * clock.slack
    bad = Course((Stretch(0.0, samples), Stretch(over, _after(clock))), marked=False)
    well = Course((Stretch(0.0, samples, clock.scrape),), marked=False)
    stands = [Feed(rule.series, labels, instance, bad) for instance in INSTANCES]
    goes_on = [Feed(rule.series, labels, INSTANCES[0], well), stands[1]]
    return _Beats(stands, goes_on, over, fires // clock.evaluation * clock.evaluation)


def _low(rule: AlertRule, labels: Mapping[str, str], clock: Clock, last: float) -> _Beats:
    """A value below the limit, and one at it."""
    samples, value = round(last / clock.scrape) + 1, rule.value - small_step(rule.value)
    bad = [
        Feed(
            rule.series,
            labels,
            instance,
            Course((Stretch(part, samples), Stretch(rule.value, _after(clock))), marked=False),
        )
        for instance, part in zip(INSTANCES, of_instances(rule.series, value), strict=True)
    ]
    well = list(on_instances(rule.series, labels, rule.value, clock, last))
    return _Beats(bad, well, last + 2 * clock.slack, value)


def _after(clock: Clock) -> int:
    """Samples of a heartbeat that is well again."""
    return ceil(clock.slack / clock.scrape) + 3


def _grows(clock: Clock, activity: Activity | None, labels: Mapping[str, str], last: float, times: float) -> list[Feed]:
    """A counter that grows by so many times the least within its window."""
    if activity is None:
        return []
    each = activity.least * times * clock.scrape / activity.window
    course = Course((Stretch(0.0, round(last / clock.scrape) + 9, each),), marked=False)
    return [Feed(activity.counter, labels, "gateway-0:4000", course)]


def _other(rule: AlertRule, clock: Clock, last: float) -> list[Feed]:
    """A series of the same metric that is not the heartbeat, because a case needs something to read."""
    other = Series(rule.series.metric, (("job", "other"),), (), "max")
    return [steady(other, {}, INSTANCES[0], 1.0, clock, last)]
