"""Unit tests of the rules, for `promtool test rules`.

For every alert but those on a baseline, which take days, a case that fires and one that does not, and that a latched
alert stays up for its look-back and then ends. What is expected is worked out from the alert (`AlertRule`), not from
its expression. The oldest instant of a range, which belongs to it only before Prometheus 3, is kept clear of.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from math import ceil, floor
from typing import Any, Final

from alerts import AlertRule, Series
from generators import heartbeat_tests, prometheus
from generators.files import header
from generators.promql import duration
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
    small_step,
)
from generators.yaml_text import yaml_text
from spec import Spec

PATH: Final = "alert_rules/tocsin.tests.yaml"

_UNDER: Final = "under"
_LONG: Final = 600.0  # seconds; a look-back longer than this is tested together with others of its length


def generate(spec: Spec) -> dict[str, str]:
    """The test file; it names the rule file beside it."""
    clock = Clock(float(spec.settings.scrape_interval), float(spec.settings.evaluation_interval))
    rules = [rule for rule in prometheus.alert_rules(spec) if rule.baseline is None]
    tests = [
        *_watchdog(spec, clock),
        *chain.from_iterable(
            heartbeat_tests.cases(spec, clock, rule, rule.heartbeat) if rule.heartbeat else _alert(spec, clock, rule)
            for rule in rules
        ),
        *chain.from_iterable(_latched(spec, clock, batch) for batch in _batches(rules)),
    ]
    document = {
        "rule_files": [prometheus.PATH.rpartition("/")[2]],
        "evaluation_interval": duration(clock.evaluation),
        "tests": tests,
    }
    return {PATH: header() + yaml_text(document)}


# ------------------------------------------------------------------------------------------------------- one by one
def _alert(spec: Spec, clock: Clock, rule: AlertRule) -> Iterator[Case]:
    """The alert at its value, and just below it in the same test where groups can be told apart."""
    title = rule.name if rule.name == rule.family else f"{rule.name} of {rule.family}"
    over = _over(rule)
    groups = [over, *_under(rule)] if _has_groups(rule) else [over]
    last = _last_sample(clock, rule.hold)
    checks = [(rule.hold + clock.slack, [expected_alert(spec, rule, over)])]
    if rule.hold:
        checks.insert(0, (rule.hold - clock.evaluation, []))
    if rule.lookback <= _LONG:
        checks += _end(spec, clock, last, rule, over)
    yield case_of(clock, f"{title} fires", _inputs(rule, groups, clock, last), {rule.name: checks})
    for place, under in enumerate(() if _has_groups(rule) else _under(rule), start=1):
        inputs = _inputs(rule, [under], clock, last)
        yield case_of(clock, f"{title} is silent {place}", inputs, {rule.name: [(rule.hold + clock.slack, [])]})


def _watchdog(spec: Spec, clock: Clock) -> Iterator[Case]:
    always = {
        "exp_labels": prometheus.watchdog_labels(spec),
        "exp_annotations": prometheus.watchdog_annotations(spec),
    }
    needs_a_target = prometheus.heartbeat(spec) != "vector(1)"
    ups = [rule.series for rule in prometheus.alert_rules(spec) if rule.series.metric == "up"]
    inputs = [input_of(series, {}, INSTANCES[0], 0.0, clock, clock.slack) for series in ups[:1]]
    name = f"{prometheus.WATCHDOG} fires, even while the target is down"
    yield case_of(clock, name, inputs, {prometheus.WATCHDOG: [(clock.slack, [always])]})
    if needs_a_target:
        other = Series("up", (("job", "other"),), (), "max", "")
        inputs = [input_of(other, {}, INSTANCES[0], 1.0, clock, clock.slack)]
        name = f"{prometheus.WATCHDOG} stops when there is no target"
        yield case_of(clock, name, inputs, {prometheus.WATCHDOG: [(clock.slack, [])]})


# ---------------------------------------------------------------------------------------------------------- latches
def _batches(rules: Iterable[AlertRule]) -> Iterator[list[AlertRule]]:
    """Alerts with a long look-back, those of equal length together as long as they read different series."""
    batches: list[list[AlertRule]] = []
    for rule in rules:
        if rule.lookback <= _LONG:
            continue
        for batch in batches:
            if batch[0].lookback == rule.lookback and all(other.series != rule.series for other in batch):
                batch.append(rule)
                break
        else:
            batches.append([rule])
    yield from batches


def _latched(spec: Spec, clock: Clock, batch: Sequence[AlertRule]) -> Iterator[Case]:
    last = _last_sample(clock, max(rule.hold for rule in batch))
    inputs = list(chain.from_iterable(_inputs(rule, [_over(rule)], clock, last) for rule in batch))
    checks: dict[str, list[tuple[float, list[Any]]]] = {}
    for rule in batch:
        for place, (time, expected) in enumerate(_end(spec, clock, last, rule, _over(rule))):
            times = checks.setdefault(rule.name, [])
            if place == len(times):
                times.append((time, []))
            times[place][1].extend(expected)
    yield case_of(clock, f"latched for {duration(batch[0].lookback)}, then over", inputs, checks)


def _end(spec: Spec, clock: Clock, last: float, rule: AlertRule, group: Group) -> list[tuple[float, list[Any]]]:
    """After the last sample: still up within the look-back, over when it has passed."""
    over = (last + rule.lookback + 2 * clock.slack, list[Any]())
    if not rule.lookback:
        return [over]
    return [(last + rule.lookback - clock.evaluation, [expected_alert(spec, rule, group)]), over]


# ----------------------------------------------------------------------------------------------------------- values
def _has_groups(rule: AlertRule) -> bool:
    """Whether two groups can be in one test: the alert has labels, and none of them is fixed by its matchers."""
    return bool(set(rule.labels) - {label for label, _ in rule.series.matchers})


def _over(rule: AlertRule) -> Group:
    """A group for which the alert is true, as barely as can be."""
    labels = labels_of(rule, "over")
    answered = 1.0 if rule.answered else None
    if rule.denominator:
        under = ceil(rule.min_denominator)
        least = rule.value * under
        barely = {">=": _up(least), ">": _down(least) + 1, "<=": _down(least), "<": _up(least) - 1}[rule.op]
        return Group(labels, barely, under)
    step = small_step(rule.value)
    value = {">=": rule.value, "<=": rule.value, ">": rule.value + step, "<": rule.value - step}[rule.op]
    return Group(labels, value, answered=answered)


def _under(rule: AlertRule) -> list[Group]:
    """Groups for which it is not: beyond the value, and for a ratio below the floor of the denominator."""
    labels = labels_of(rule, _UNDER)
    if rule.denominator:
        many, few = ceil(rule.min_denominator) * 100, ceil(rule.min_denominator) - 1
        limit = rule.value * many
        outside = {">=": _up(limit) - 1, ">": _down(limit), "<=": _down(limit) + 1, "<": _up(limit)}
        extreme = few if rule.op in (">=", ">") else 0
        return [Group(labels, outside[rule.op], many), Group(labels_of(rule, "few"), extreme, few)]
    step = small_step(rule.value)
    value = {">=": rule.value - step, "<=": rule.value + step, ">": rule.value, "<": rule.value}[rule.op]
    return [Group(labels, value)]


def _up(value: float) -> int:
    return ceil(round(value, 9))  # 0.3 * 2000 is a little more than 600


def _down(value: float) -> int:
    return floor(round(value, 9))


# ----------------------------------------------------------------------------------------------------------- series
def _inputs(rule: AlertRule, groups: Iterable[Group], clock: Clock, last: float) -> list[dict[str, str]]:
    """Series of two instances that merge to the values of `groups`, until `last`."""
    out = []
    for group in groups:
        measured = [(rule.series, group.value)]
        if rule.denominator:
            measured.append((rule.denominator, group.denominator))
        for series, value in measured:
            for instance, part in zip(INSTANCES, instance_values(series, value), strict=True):
                out.append(input_of(series, group.labels, instance, part, clock, last))
        if group.answered is not None:
            twin = Series(rule.answered, (), rule.labels, rule.series.aggregate, "")
            out.append(input_of(twin, group.labels, INSTANCES[0], group.answered, clock, last))
    return out


def _last_sample(clock: Clock, hold: float) -> float:
    """When the series end: a whole number of scrapes, and long enough for an alert that waits for `hold`."""
    return ceil((hold + 2 * clock.slack) / clock.scrape) * clock.scrape
