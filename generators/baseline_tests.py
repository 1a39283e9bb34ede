"""Unit tests of alerts on a baseline, for `promtool test rules`.

In a file of their own, with a sample and an evaluation at each step of the baseline: they take a day of its time. What
is expected is worked out from the alert (`AlertRule`), not from its expressions.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil, sqrt
from typing import Any, Final

import yaml

from alerts import AlertRule
from alerts.alert_ir import DEVIATION_OF_FLOOR, DEVIATION_OF_MEAN, History
from generators import prometheus
from generators.files import header
from generators.promql import duration
from generators.unit_tests import (
    INSTANCES,
    Case,
    Clock,
    Group,
    case_of,
    expected_alert,
    instance_values,
    labels_of,
    series_of,
)
from generators.yaml_text import yaml_text
from spec import Spec

PATH: Final = "alert_rules/tocsin-baseline.tests.yaml"

_BARELY: Final = 1.001
_AFTER: Final = 3
"""Steps that what is judged goes on after the alert is due."""
Values = Sequence[float | None]
"""One at each step; None: there is no series."""


@dataclass(frozen=True, slots=True)
class Times:
    """Places of steps: the judged value begins at `enough`, the alert is due at `due`, samples end at `size`."""

    enough: int
    due: int

    @property
    def size(self) -> int:
        """How many steps have a sample."""
        return self.due + _AFTER


@dataclass(frozen=True, slots=True)
class Member:
    """A member of the alert's labels; its history is everything before what is judged. `limit` None: it has none."""

    name: str
    history: Values
    judged: float
    fires: bool
    mean: float | None = None
    limit: float | None = None


def generate(spec: Spec) -> dict[str, str]:
    """The test file; it names the rule file beside it. Without baselines there is one too, which tests nothing."""
    step = float(spec.settings.baseline_step)
    clock = Clock(step, step)
    rules = [rule for rule in prometheus.alert_rules(spec) if rule.baseline]
    text = prometheus.generate(spec)[prometheus.PATH]
    document = {
        "rule_files": [prometheus.PATH.rpartition("/")[2]],
        "evaluation_interval": duration(step),
        "group_eval_order": [group["name"] for group in yaml.safe_load(text)["groups"]],
        "tests": [case for rule in rules if rule.baseline for case in cases(spec, clock, rule, rule.baseline)],
    }
    return {PATH: header() + yaml_text(document)}


def cases(spec: Spec, clock: Clock, rule: AlertRule, history: History) -> Iterator[Case]:
    """One case with every member, or one for each where they cannot be told apart."""
    times = times_of(rule, history)
    found = [*members(rule, history, times)]
    for together in [found] if rule.labels else [[member] for member in found]:
        fires = any(member.fires for member in together)
        title = rule.name if rule.labels else f"{rule.name}, {together[0].name},"
        yield _case(spec, clock, rule, times, f"{title} {'fires' if fires else 'is silent'}", together)


def times_of(rule: AlertRule, history: History) -> Times:
    """The judged value begins when there is enough history even without it."""
    enough = history.enough + round(history.exclude / history.step)
    return Times(enough, enough + ceil(round(rule.hold / history.step, 6)))


def members(rule: AlertRule, history: History, times: Times) -> Iterator[Member]:
    """Over and under the limit of each sort of history: flat, varied, quiet after much, none or too short."""
    floor, size = rule.value, times.enough
    half = size // 2
    flat = [floor / 10] * size
    varied = [2 * floor] * half + [0.0] * (size - half)
    quiet: Values = [2 * floor] * half + [None] * (size - half)
    for name, past, filled in (("flat", flat, flat), ("varied", varied, varied), ("quiet", quiet, varied)):
        limits = [_limit(rule, history, filled, place) for place in range(times.enough, times.due + 1)]
        mean, limit = limits[-1]
        yield Member(f"over {name}", past, max(limit for _, limit in limits) * _BARELY, True, mean, limit)
        yield Member(f"under {name}", past, limit / _BARELY, False)
    new: Values = [None] * size
    if history.floor_only:
        yield Member("over new", new, floor * _BARELY, True)
        yield Member("under new", new, floor / _BARELY, False)
        return
    yield Member("under new", new, floor * 1000, False)
    lacking = times.due - round(history.exclude / history.step) - history.enough + 2
    young: Values = [None] * lacking + [floor / 10] * (size - lacking)  # one sample less than enough
    yield Member("under young", young, floor * 1000, False)


def _limit(rule: AlertRule, history: History, past: Sequence[float], place: int) -> tuple[float, float]:
    """Mean and limit at a step."""
    last = place - round(history.exclude / history.step)
    known = past[max(0, last + 1 - round(history.history / history.step)) : last + 1]
    mean = sum(known) / len(known)
    deviation = sqrt(sum((value - mean) ** 2 for value in known) / len(known))
    deviation = max(deviation, DEVIATION_OF_FLOOR * rule.value, DEVIATION_OF_MEAN * mean)
    return mean, max(mean + history.deviations * deviation, rule.value)


def _case(spec: Spec, clock: Clock, rule: AlertRule, times: Times, name: str, together: Sequence[Member]) -> Case:
    inputs, alerts = [], []
    for member in together:
        labels = labels_of(rule, member.name)
        values = [*member.history, *[member.judged] * (times.size - times.enough)]
        for place, instance in enumerate(INSTANCES):
            shares = [None if value is None else instance_values(rule.series, value)[place] for value in values]
            inputs.append(series_of(rule.series, labels, instance, notation(shares)))
        if member.fires:
            alerts.append(expected_alert(spec, rule, Group(labels, member.judged, recorded=_recorded(rule, member))))
    none: list[Any] = []
    checks = [(times.due - 1, none), (times.due, alerts), (times.size + 2, none)]
    return case_of(clock, name, inputs, {rule.name: [(place * clock.evaluation, told) for place, told in checks]})


def _recorded(rule: AlertRule, member: Member) -> dict[str, float]:
    if rule.baseline is None or member.mean is None or member.limit is None:
        return {}
    return {rule.baseline.mean: member.mean, rule.baseline.limit: member.limit}


def notation(values: Values) -> str:
    """Values as promtool writes them, stretches of the same value in one word, and the end of the series."""
    words: list[str] = []
    for value, stretch in itertools.groupby(values):
        size = len(list(stretch))
        if value is not None:
            words.append(f"{value:.15g}" + (f"+0x{size - 1}" if size > 1 else ""))
        elif not words:
            words.append(f"_x{size}")
        else:
            words += ["stale", *([f"_x{size - 1}"] if size > 1 else [])]
    return " ".join([*words, "stale"])
