"""A baseline, compiled: the value compares with a limit that is worked out from the member's own past.

The limit, at the newest multiple g of `step` that is not after the evaluation: the samples are those of the series at
each multiple of the step, and 0 for a member that is not there but was over 0 within the `history` before. Of those in
(g - exclude - history, g - exclude] there have to be at least `enough`. The limit is their mean plus `deviations` times
their standard deviation, which counts as at least `DEVIATION_OF_FLOOR` of `value` and `DEVIATION_OF_MEAN` of the mean.
A member whose limit has gone keeps it for one step. One without a limit is compared with `value` when there is
`floor_only`, else it is never true.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from alerts.cases import Case, Clock
from alerts.expression import AtLeast, Compare, OverTime, Quantity, Samples, Scaled, Sum
from alerts.rule import AlertRule, Question, SeriesCriterion
from alerts.series import signal_series
from alerts.techniques.baseline import cases, words
from alerts.techniques.baseline.baseline_history import DEVIATION_OF_FLOOR, DEVIATION_OF_MEAN, HistoryRange
from alerts.techniques.baseline.evaluation import BaselineWatch
from alerts.techniques.baseline.model import Baseline
from alerts.text import Part
from spec.model import Alert, Spec


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineCriterion(SeriesCriterion):
    """`value` is the floor of the limit."""

    history: HistoryRange

    @property
    def besides(self) -> str:
        """How far above its mean."""
        return words.besides(self.history)

    @property
    def least_span(self) -> float:
        """What a limit needs, if nothing fires before there is one."""
        past = self.history
        return 0.0 if past.floor_only else past.exclude + (past.enough - 1) * past.step

    @property
    def mean(self) -> Quantity:
        """What is usual."""
        return Quantity("mean", self._samples("mean", self.history.enough), self.history.step)

    @property
    def limit(self) -> Quantity:
        """From where on it alerts."""
        share = Scaled(DEVIATION_OF_MEAN, self.mean)
        least = AtLeast(self._samples("deviation"), DEVIATION_OF_FLOOR * self.value, share)
        deviation = Quantity("deviation", least, self.history.step)
        above = AtLeast(Sum(self.mean, Scaled(self.history.deviations, deviation)), self.value)
        return Quantity("limit", above, self.history.step)

    def _samples(self, statistic: Literal["mean", "deviation"], enough: int = 0) -> OverTime:
        history = self.history
        samples = Samples(self.series, history.step, history.length)
        return OverTime(statistic, samples, history.length, history.exclude, enough)

    def expression(self, lookback: float) -> Compare:
        """The worst value of the look-back, with the limit now."""
        return Compare(self.over(lookback), self.op, self.limit, self.value if self.history.floor_only else None)

    def watch(self, rule: AlertRule) -> BaselineWatch:
        """Of values and limits."""
        return BaselineWatch(rule, self.history)

    def describe(self, spec: Spec, rule: AlertRule) -> Iterator[Part]:
        """See `words.describe`."""
        return words.describe(spec, rule, self.history, self.mean, self.limit)

    def fires(self, spec: Spec, rule: AlertRule) -> str:
        """See `words.fires`."""
        return words.fires(spec, rule, self.history)

    def brief(self, spec: Spec, rule: AlertRule) -> str:
        """See `words.brief`."""
        return words.brief(spec, rule, self.history)

    def questions(self) -> Iterator[Question]:
        """The usual, and the limit."""
        yield Question("Usual value", self.mean, listed=True)
        yield Question("Limit from which it alerts", self.limit, listed=True)

    def cases(self, rule: AlertRule, clock: Clock) -> Iterator[Case]:
        """See `cases.cases`."""
        return cases.cases(rule, clock, self.history)


def compile_baseline(spec: Spec, alert: Alert) -> BaselineCriterion:
    """The criterion of an alert on a group's own history."""
    when = alert.when
    assert isinstance(when, Baseline)  # noqa: S101 - the registry calls it for no other
    return BaselineCriterion(
        series=signal_series(spec, when.signal, op=">="),
        op=">=",
        value=when.floor,
        history=history_of(spec, when, float(alert.for_)),
    )


def history_of(spec: Spec, when: Baseline, hold: float) -> HistoryRange:
    """The history of a baseline alert; it ends before the window, the hold and the limit that it judges began."""
    step, signal = float(spec.settings.baseline_step), spec.signals[when.signal]
    return HistoryRange(
        step=step,
        length=float(when.history),
        exclude=step * (math.ceil(round((float(signal.window) + hold) / step, 6)) + 2),
        enough=math.ceil(round(when.min_history / step, 6)),
        deviations=when.deviations,
        floor_only=when.cold_start == "floor_only",
    )
