"""Example courses of a baseline. They take a day of its time, so there is one sample and evaluation each step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, sqrt
from typing import Any, Final

from alerts.cases import INSTANCES, Case, Clock, Course, Feed, Member, labels_of, of_instances
from alerts.rule import AlertRule
from alerts.techniques.baseline.baseline_history import DEVIATION_OF_FLOOR, DEVIATION_OF_MEAN, HistoryRange

_SHORT: Final = {"technique": "baseline", "signal": "attempts_by_model", "floor": 5}
EXAMPLES: Final[tuple[Mapping[str, Any], ...]] = (
    {
        "when": _SHORT | {"deviations": 1.5, "history": "25m", "min_history": "10m", "cold_start": "floor_only"},
        "for": "2m",
    },
    {"when": _SHORT | {"deviations": 1, "history": "20m", "min_history": "5m"}, "for": "1m"},
)
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
class HistoryCase:
    """A member of the alert's labels; its history is everything before what is judged. `limit` None: it has none."""

    name: str
    history: Values
    judged: float
    fires: bool
    mean: float | None = None
    limit: float | None = None


def cases(rule: AlertRule, clock: Clock, history: HistoryRange) -> Iterator[Case]:
    """One case with every member, or one for each where they cannot be told apart."""
    times = times_of(rule, history)
    found = [*members(rule, history, times)]
    for together in [found] if rule.labels else [[member] for member in found]:
        fires = any(member.fires for member in together)
        title = rule.name if rule.labels else f"{rule.name}, {together[0].name},"
        yield _case(clock, rule, times, f"{title} {'fires' if fires else 'is silent'}", together)


def times_of(rule: AlertRule, history: HistoryRange) -> Times:
    """The judged value begins when there is enough history even without it."""
    enough = history.enough + round(history.exclude / history.step)
    return Times(enough, enough + ceil(round(rule.hold / history.step, 6)))


def members(rule: AlertRule, history: HistoryRange, times: Times) -> Iterator[HistoryCase]:
    """Over and under the limit of each sort of history: flat, varied, quiet after much, none or too short."""
    floor, size = rule.value, times.enough
    half = size // 2
    flat = [floor / 10] * size
    varied = [2 * floor] * half + [0.0] * (size - half)
    quiet: Values = [2 * floor] * half + [None] * (size - half)
    for name, past, filled in (("flat", flat, flat), ("varied", varied, varied), ("quiet", quiet, varied)):
        limits = [_limit(rule, history, filled, place) for place in range(times.enough, times.due + 1)]
        mean, limit = limits[-1]
        yield HistoryCase(f"over {name}", past, max(limit for _, limit in limits) * _BARELY, True, mean, limit)
        yield HistoryCase(f"under {name}", past, limit / _BARELY, False)
    new: Values = [None] * size
    if history.floor_only:
        yield HistoryCase("over new", new, floor * _BARELY, True)
        yield HistoryCase("under new", new, floor / _BARELY, False)
        return
    yield HistoryCase("under new", new, floor * 1000, False)
    lacking = times.due - round(history.exclude / history.step) - history.enough + 2
    young: Values = [None] * lacking + [floor / 10] * (size - lacking)  # one sample less than enough
    yield HistoryCase("under young", young, floor * 1000, False)


def _limit(rule: AlertRule, history: HistoryRange, past: Sequence[float], place: int) -> tuple[float, float]:
    """Mean and limit at a step."""
    last = place - round(history.exclude / history.step)
    known = past[max(0, last + 1 - round(history.length / history.step)) : last + 1]
    mean = sum(known) / len(known)
    deviation = sqrt(sum((value - mean) ** 2 for value in known) / len(known))
    deviation = max(deviation, DEVIATION_OF_FLOOR * rule.value, DEVIATION_OF_MEAN * mean)
    return mean, max(mean + history.deviations * deviation, rule.value)


def _case(clock: Clock, rule: AlertRule, times: Times, name: str, together: Sequence[HistoryCase]) -> Case:
    feeds, firing = list[Feed](), list[Member]()
    for member in together:
        labels = labels_of(rule, member.name)
        values = [*member.history, *[member.judged] * (times.size - times.enough)]
        for place, instance in enumerate(INSTANCES):
            shares = [None if value is None else of_instances(rule.series, value)[place] for value in values]
            feeds.append(Feed(rule.series, labels, instance, Course.of(shares)))
        if member.fires:
            firing.append(Member(labels, member.judged, quantities=_quantities(member)))
    none: list[Member] = []
    over = times.size + 2 + ceil(rule.keep / clock.evaluation)
    checks = [(times.due - 1, none), (times.due, firing), (over, none)]
    return Case(rule, name, feeds, [(place * clock.evaluation, expected) for place, expected in checks])


def _quantities(member: HistoryCase) -> dict[str, float]:
    if member.mean is None or member.limit is None:
        return {}
    return {"mean": member.mean, "limit": member.limit}
