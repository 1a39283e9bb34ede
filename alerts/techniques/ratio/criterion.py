"""A ratio, compiled: the share of the numerator compares with a value where there is enough of the denominator."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from alerts.cases import Case, Clock
from alerts.expression import Compare, Quantity, Series, Share
from alerts.rule import AlertRule, Criterion, Question, Reading
from alerts.series import signal_series
from alerts.techniques.ratio import cases, words
from alerts.techniques.ratio.evaluation import RatioWatch
from alerts.techniques.ratio.model import Ratio
from alerts.text import Part
from spec.model import Alert, Spec


@dataclass(frozen=True, slots=True, kw_only=True)
class RatioCriterion(Criterion):
    """`series` is the numerator. A share counts where both are as large as their minimum."""

    denominator: Series
    min_denominator: float
    min_numerator: float = 0.0

    @property
    def compared(self) -> Quantity:
        """The share."""
        return Quantity("ratio", Share(self.series, self.denominator, self.min_denominator, self.min_numerator))

    @property
    def readings(self) -> tuple[Reading, ...]:
        """Both series."""
        whole = Reading(self.denominator, "gauge", self.min_denominator)
        around = max(self.value * self.min_denominator, self.min_numerator)
        return Reading(self.series, "gauge", around), whole

    def expression(self, lookback: float) -> Compare:
        """The worst share of the look-back."""
        return Compare(self.over(lookback), self.op, self.value)

    def watch(self, rule: AlertRule) -> RatioWatch:
        """Of shares."""
        return RatioWatch(rule, self.denominator, self.min_denominator, self.min_numerator)

    def describe(self, spec: Spec, rule: AlertRule) -> Iterator[Part]:
        """See `words.describe`."""
        return words.describe(spec, rule, self.min_denominator, self.min_numerator)

    def fires(self, spec: Spec, rule: AlertRule) -> str:
        """See `words.fires`."""
        return words.fires(spec, rule, self.min_denominator, self.min_numerator)

    def brief(self, spec: Spec, rule: AlertRule) -> str:
        """See `words.brief`."""
        return words.brief(spec, rule)

    def questions(self) -> Iterator[Question]:
        """The two that are divided."""
        yield Question(f"Numerator: `{self.series.metric}`", self.series)
        yield Question(f"Denominator: `{self.denominator.metric}`", self.denominator)

    def cases(self, rule: AlertRule, clock: Clock) -> Iterator[Case]:
        """See `cases.cases`."""
        return cases.cases(rule, clock, self.denominator, self.min_denominator, self.min_numerator)

    def latch(self, rule: AlertRule, clock: Clock) -> Case | None:
        """See `cases.latch`."""
        return cases.latch(rule, clock, self.denominator, self.min_denominator, self.min_numerator)


def compile_ratio(spec: Spec, alert: Alert) -> RatioCriterion:
    """The criterion of an alert on a share; its parts add up even where a low share alerts."""
    when = alert.when
    assert isinstance(when, Ratio)  # noqa: S101 - the registry calls it for no other
    return RatioCriterion(
        series=signal_series(spec, when.numerator),
        op=when.op,
        value=when.value,
        denominator=signal_series(spec, when.denominator),
        min_denominator=when.min_denominator,
        min_numerator=when.min_numerator,
    )
