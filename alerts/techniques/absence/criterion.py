"""An absence, compiled: a heartbeat is too old, too low, or not there.

Without labels, one that has no series compares true as well; of one with labels, nobody could say which one is missing.
With a counter, nothing is true unless that grew enough; for a heartbeat with labels, that of the member. How much a
counter grew is what Prometheus estimates as its ``increase()``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from alerts.cases import Case, Clock
from alerts.expression import Age, Compare, Increase, OrMissing, Series, While
from alerts.rule import AlertRule, Criterion, Question, Reading
from alerts.series import signal_series
from alerts.techniques.absence import cases, words
from alerts.techniques.absence.evaluation import Activity, HeartbeatWatch
from alerts.techniques.absence.model import Absence
from alerts.text import Part
from spec.model import Alert, Spec


@dataclass(frozen=True, slots=True, kw_only=True)
class AbsenceCriterion(Criterion):
    """`age`: the series is a Unix time, and what is compared is how long ago that was."""

    age: bool
    activity: Activity | None = None

    @property
    def missing(self) -> float:
        """What is compared when there is no series."""
        return math.inf if self.age else 0.0

    @property
    def compared(self) -> Series | Age:
        """The heartbeat, or its age."""
        return Age(self.series) if self.age else self.series

    @property
    def readings(self) -> tuple[Reading, ...]:
        """The heartbeat and the counter."""
        beat = Reading(self.series, "clock" if self.age else "gauge", self.value)
        if self.activity is None:
            return (beat,)
        return beat, Reading(self.activity.counter, "counter", self.activity.least, self.activity.window)

    def expression(self, lookback: float) -> Compare | While:
        """Now: a heartbeat that was bad a while ago is none that is bad."""
        beat = self.compared
        bad = Compare(beat if self.series.labels else OrMissing(beat, self.missing), self.op, self.value)
        if self.activity is None:
            return bad
        return While(bad, Increase(self.activity.counter, self.activity.window), self.activity.least)

    def watch(self, rule: AlertRule) -> HeartbeatWatch:
        """Of heartbeats."""
        return HeartbeatWatch(rule, age=self.age, missing=self.missing, activity=self.activity)

    def describe(self, spec: Spec, rule: AlertRule) -> Iterator[Part]:
        """See `words.describe`."""
        return words.describe(spec, rule, age=self.age, activity=self.activity)

    def fires(self, spec: Spec, rule: AlertRule) -> str:
        """See `words.fires`."""
        return words.fires(spec, rule, age=self.age, activity=self.activity)

    def brief(self, spec: Spec, rule: AlertRule) -> str:
        """See `words.brief`."""
        return words.brief(spec, rule, age=self.age)

    def questions(self) -> Iterator[Question]:
        """Whether there was anything to tell."""
        if self.activity is not None:
            yield Question("Activity that should have arrived", Increase(self.activity.counter, self.activity.window))

    def cases(self, rule: AlertRule, clock: Clock) -> Iterator[Case]:
        """See `cases.cases`."""
        return cases.cases(rule, clock, age=self.age, missing=self.missing, activity=self.activity)


def compile_absence(spec: Spec, alert: Alert) -> AbsenceCriterion:
    """The criterion of an alert on a heartbeat."""
    when = alert.when
    assert isinstance(when, Absence)  # noqa: S101 - the registry calls it for no other
    op, value = when.comparison
    activity: Activity | None = None
    if when.while_counter:
        counter = signal_series(spec, when.while_counter)
        activity = Activity(replace(counter, aggregate="sum"), when.min_increase, float(when.older_than))
    series = signal_series(spec, when.signal, op=op)
    return AbsenceCriterion(series=series, op=op, value=value, age=when.ages, activity=activity)
