"""A threshold, compiled: the greatest (or least) value of the look-back compares with a fixed one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from alerts.cases import Case, Clock
from alerts.expression import Compare
from alerts.rule import AlertRule, Question, SeriesCriterion
from alerts.series import signal_series
from alerts.techniques.threshold import cases, words
from alerts.text import Part
from alerts.watch import Watch
from spec.model import Alert, Spec


@dataclass(frozen=True, slots=True, kw_only=True)
class ThresholdCriterion(SeriesCriterion):
    """The series itself is compared."""

    def expression(self, lookback: float) -> Compare:
        """The worst value of the look-back."""
        return Compare(self.over(lookback), self.op, self.value)

    def watch(self, rule: AlertRule) -> Watch:
        """The plain one."""
        return Watch(rule)

    def describe(self, spec: Spec, rule: AlertRule) -> Iterator[Part]:
        """See `words.describe`."""
        return words.describe(spec, rule)

    def fires(self, spec: Spec, rule: AlertRule) -> str:
        """See `words.fires`."""
        return words.fires(spec, rule)

    def brief(self, spec: Spec, rule: AlertRule) -> str:
        """See `words.brief`."""
        return words.brief(spec, rule)

    def questions(self) -> Iterator[Question]:
        """None: the series says all."""
        return iter(())

    def cases(self, rule: AlertRule, clock: Clock) -> Iterator[Case]:
        """See `cases.cases`."""
        return cases.cases(rule, clock)

    def latch(self, rule: AlertRule, clock: Clock) -> Case | None:
        """See `cases.latch`."""
        return cases.latch(rule, clock)


def compile_threshold(spec: Spec, alert: Alert) -> ThresholdCriterion:
    """The criterion of an alert whose condition compares one signal with a value."""
    (_, signal), *_ = alert.when.signals
    op, value = alert.when.comparison
    return ThresholdCriterion(series=signal_series(spec, signal, op=op), op=op, value=value)
