"""From a comparison at each step to alerts that begin and end: look-back, hold, and the worst that was seen."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from alerts.expression import Series
from alerts.rule import AlertRule
from alerts.tables import Key
from alerts.view import Values, View

OPERATORS: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    ">=": operator.ge,
    ">": operator.gt,
    "<=": operator.le,
    "<": operator.lt,
}
DAY: Final = 86_400.0
"""Seconds; days of UTC, for which an alert instance keeps its worst values."""
INSTANT: Final = 1e-6
"""Seconds that make no difference: scaled durations are no whole numbers."""


@dataclass(slots=True)
class AlertInstance:
    """An alert that fired for one member of its labels. Times in Unix seconds; `resolved_at` None: it fires still.

    `value` is the worst compared value so far, `answered` the greatest answered part of the hits (None: the alert's
    signal does not tell); `daily_worst` are the worst value of each day since 1970, and when it was seen first.
    """

    rule: AlertRule
    labels: dict[str, str]
    fired_at: float
    value: float
    answered: float | None
    resolved_at: float | None = None
    daily_worst: dict[int, tuple[float, float]] = field(default_factory=dict)


@dataclass(slots=True)
class _Member:
    """One member of a rule's labels for which the comparison is true, by its look-back at least."""

    since: float
    last: float
    value: float
    answered: float | None
    daily_worst: dict[int, tuple[float, float]]
    instance: AlertInstance | None = None


def stands(series: Series, view: View, fixed: Collection[str]) -> bool:
    """Whether a series cannot even fall: it is among the `fixed` ones, not there, or a counter."""
    return series.metric in fixed or view.fixed(series.metric)


class Watch:
    """One rule and those for whom it is true: the evaluation of a technique that compares a series as it is.

    Others compare something else (`compared`) or find out in another way for whom it is true (`true`).
    """

    def __init__(self, rule: AlertRule) -> None:
        self.rule = rule
        self.series, self.value = rule.series, rule.value
        self.over = OPERATORS[rule.op]
        self._worst = min if rule.worst == "min" else max
        self._labels, self._hold, self._answered = rule.labels, rule.hold, rule.answered
        self.latch, self._keep = rule.lookback, rule.keep
        self._members: dict[Key, _Member] = {}
        self._now = 0.0

    def compared(self, view: View) -> Values:
        """What is compared."""
        return view.vector(self.series)

    def true(self, t: float, view: View) -> list[tuple[Key, float]]:
        """For whom the comparison is true at `t`, and what was compared."""
        keys, values = self.compared(view)
        if not len(values):
            return []
        true = self.over(values, self.value).nonzero()[0].tolist()
        return [(keys[place], float(values[place])) for place in true]

    def step(self, t: float, view: View) -> list[AlertInstance]:
        """The alert instances that began or ended at `t`."""
        self._now = t
        true = self.true(t, view)
        if true:
            answered = view.values(self._answered) if self._answered else None
            for key, value in true:
                self._see(key, value, None if answered is None else answered.get(key, 0.0), t)
        return [instance for key in list(self._members) for instance in self._move(key, t)] if self._members else []

    def _see(self, key: Key, value: float, answered: float | None, t: float) -> None:
        member = self._members.get(key)
        if member is None:
            self._members[key] = _Member(t, t, value, answered, {int(t // DAY): (value, t)})
            return
        member.last = t
        day = int(t // DAY)
        peak = member.daily_worst.get(day)
        if peak is None or (value != peak[0] and self._worst(value, peak[0]) == value):
            member.daily_worst[day] = (value, t)
            member.value = self._worst(member.value, value)
        if answered is not None:
            member.answered = max(answered, member.answered or 0.0)
        if member.instance is not None:
            member.instance.value, member.instance.answered = member.value, member.answered

    def _move(self, key: Key, t: float) -> Iterable[AlertInstance]:
        member = self._members[key]
        if member.last < t and t - member.last >= self._lasts(member) - INSTANT:
            del self._members[key]
            if member.instance is not None:
                member.instance.resolved_at = t
                yield member.instance
        elif member.instance is None and t - member.since >= self._hold - INSTANT:
            labels = {label: word for label, word in zip(self._labels, key, strict=True) if word}
            member.instance = AlertInstance(
                self.rule, labels, t, member.value, member.answered, daily_worst=member.daily_worst
            )
            yield member.instance

    def _lasts(self, member: _Member) -> float:
        """How long it goes on after the comparison was last true by itself; `keep` is for what fires only."""
        return self.latch + (0.0 if member.instance is None else self._keep)

    def steady_until(self, view: View, fixed: Collection[str]) -> float:
        """See `alerts.evaluator.Evaluator.steady_until`."""
        return math.inf if self.steady(view, fixed) else -math.inf

    def steady(self, view: View, fixed: Collection[str]) -> bool:
        """Whether no comparison can change its result as long as values only fall."""
        values = view.vector(self.series)[1]
        if not len(values) or stands(self.series, view, fixed) or not values.any():  # and what is 0 stays 0
            return True
        return self.rule.op in (">=", ">") and not self.over(values, self.value).any()

    @property
    def due(self) -> float:
        """See `alerts.evaluator.Evaluator.due`."""
        return min(map(self._due_of, self._members.values()), default=math.inf)

    def _due_of(self, member: _Member) -> float:
        begins = member.since + self._hold if member.instance is None else math.inf
        ends = member.last + self._lasts(member) if member.last < self._now else math.inf
        return min(begins, ends)
