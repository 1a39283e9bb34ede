"""Unit tests of alerts on a heartbeat: it fires when missing or bad, not when well or when there is nothing to tell.

The heartbeats of the tests are of two instances. Of a counter that says whether there was anything to tell, one series
begins with the test, so that how much it grew is exact once the window is full. Where heartbeats have groups, a group
that is well and one that has nothing to tell stand beside the one that is bad, and one that is missing is not missed.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil
from typing import Any, Final

from alerts import AlertRule, Series
from alerts.alert_ir import Heartbeat
from generators.unit_tests import (
    INSTANCES,
    Case,
    Clock,
    Group,
    case_of,
    expected_alert,
    input_of,
    instance_values,
    labels_of,
    series_of,
    small_step,
)
from spec import Spec

_BARELY: Final = 1.05
"""How much more, or less, than enough a counter grows."""
_Inputs = list[dict[str, str]]


def cases(spec: Spec, clock: Clock, rule: AlertRule, heartbeat: Heartbeat) -> Iterator[Case]:
    """Every case of the alert."""
    start = _start(clock, rule, heartbeat)
    fires = start + rule.hold + clock.slack
    last = ceil((fires + clock.slack) / clock.scrape) * clock.scrape
    labels, lively, idle = (labels_of(rule, member) for member in ("silent", "lively", "idle"))
    none: list[Any] = []

    def told(value: float) -> list[Any]:
        return [expected_alert(spec, rule, Group(labels, value))]

    def check(name: str, inputs: _Inputs, *checks: tuple[float, list[Any]]) -> Case:
        return case_of(clock, f"{rule.name} {name}", inputs, {rule.name: list(checks)})

    busy = _busy(clock, heartbeat, labels, last, _BARELY)
    missing = [*(busy or _other(rule, clock, last))]
    if rule.labels:
        yield check("is silent when it is missing, as nobody knows of which group", missing, (fires, none))
    else:
        yield check("fires when it is missing", missing, (fires, told(heartbeat.missing)))
    over, bad, well, value = _beats(rule, heartbeat, labels, clock, last, fires)
    beside: _Inputs = []
    if rule.labels:
        beside += _beats(rule, heartbeat, lively, clock, last, fires)[2]
        beside += _busy(clock, heartbeat, lively, last, _BARELY)
        beside += _beats(rule, heartbeat, idle, clock, last, fires)[1]
        beside += _busy(clock, heartbeat, idle, last, 1 / _BARELY)
    yield check(
        "fires, and ends when it is well again",
        [*bad, *busy, *beside],
        (start + rule.hold - clock.evaluation, none),
        (fires, told(value)),
        (over, none),
    )
    yield check("is silent while it is well", [*well, *busy], (fires, none))
    if heartbeat.busy:
        little = _busy(clock, heartbeat, labels, last, 1 / _BARELY)
        yield check("is silent while there is nothing to tell", [*bad, *little], (fires, none))


def _start(clock: Clock, rule: AlertRule, heartbeat: Heartbeat) -> float:
    """When a heartbeat that has never been well is bad, with the window of the counter full."""
    return max(rule.value if heartbeat.age else 0.0, heartbeat.window)


def _beats(
    rule: AlertRule, heartbeat: Heartbeat, labels: dict[str, str], clock: Clock, last: float, fires: float
) -> tuple[float, _Inputs, _Inputs, float]:
    """When it is well again in a bad series; a bad and a good series; and what a bad one is compared as at `fires`."""
    samples = round(last / clock.scrape)
    over = last + 2 * clock.slack
    after = ceil(clock.slack / clock.scrape) + 2
    if heartbeat.age:
        bad = f"0+0x{samples} {over:.15g}+0x{after}"
        well = f"0+{clock.scrape:.15g}x{samples}"
        evaluated = fires // clock.evaluation * clock.evaluation
        return (
            over,
            [series_of(rule.series, labels, instance, bad) for instance in INSTANCES],
            [series_of(rule.series, labels, INSTANCES[0], well), series_of(rule.series, labels, INSTANCES[1], bad)],
            evaluated,
        )
    value = rule.value - small_step(rule.value)
    low = zip(INSTANCES, instance_values(rule.series, value), strict=True)
    high = zip(INSTANCES, instance_values(rule.series, rule.value), strict=True)
    return (
        over,
        [
            series_of(rule.series, labels, instance, f"{part:.15g}+0x{samples} {rule.value:.15g}+0x{after}")
            for instance, part in low
        ],
        [input_of(rule.series, labels, instance, part, clock, last) for instance, part in high],
        value,
    )


def _busy(clock: Clock, heartbeat: Heartbeat, labels: dict[str, str], last: float, times: float) -> _Inputs:
    """A counter that grows by so many times the least within its window."""
    if heartbeat.busy is None:
        return []
    each = heartbeat.least * times * clock.scrape / heartbeat.window
    samples = round(last / clock.scrape) + 8
    return [series_of(heartbeat.busy, labels, "gateway-0:4000", f"0+{each:.12g}x{samples}")]


def _other(rule: AlertRule, clock: Clock, last: float) -> _Inputs:
    """A series of the same metric that is not the heartbeat, because a test needs some input."""
    other = Series(rule.series.metric, (("job", "other"),), (), "max", "")
    return [input_of(other, {}, INSTANCES[0], 1.0, clock, last)]
