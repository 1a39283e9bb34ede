"""A trend, compiled: what a straight line through the newest values says of a time ahead compares with a value."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from alerts.cases import Case, Clock
from alerts.expression import Compare, OverTime
from alerts.rule import AlertRule, Question, SeriesCriterion
from alerts.series import signal_series
from alerts.techniques.trend import cases, words
from alerts.techniques.trend.evaluation import Line, TrendWatch
from alerts.techniques.trend.model import Trend
from alerts.text import Part
from spec.model import Alert, Spec


@dataclass(frozen=True, slots=True, kw_only=True)
class TrendCriterion(SeriesCriterion):
    """`line` says which values count, and how far ahead it is followed."""

    line: Line

    @property
    def besides(self) -> str:
        """That it is not so yet."""
        return words.besides(self.line)

    @property
    def forecast(self) -> OverTime:
        """What the line says."""
        line = self.line
        return OverTime("forecast", self.series, line.window, least=line.enough, ahead=line.ahead)

    def expression(self, lookback: float) -> Compare:
        """Now: the line itself bridges a missed scrape."""
        return Compare(self.forecast, self.op, self.value)

    def watch(self, rule: AlertRule) -> TrendWatch:
        """Of forecasts."""
        return TrendWatch(rule, self.line)

    def describe(self, spec: Spec, rule: AlertRule) -> Iterator[Part]:
        """See `words.describe`."""
        return words.describe(spec, rule, self.line)

    def fires(self, spec: Spec, rule: AlertRule) -> str:
        """See `words.fires`."""
        return words.fires(spec, rule, self.line)

    def brief(self, spec: Spec, rule: AlertRule) -> str:
        """See `words.brief`."""
        return words.brief(spec, rule, self.line)

    def questions(self) -> Iterator[Question]:
        """The forecast beside the value."""
        yield Question("Forecast", self.forecast, listed=True)

    def cases(self, rule: AlertRule, clock: Clock) -> Iterator[Case]:
        """See `cases.cases`."""
        return cases.cases(rule, clock, self.line)


def compile_trend(spec: Spec, alert: Alert) -> TrendCriterion:
    """The criterion of an alert on a forecast."""
    when = alert.when
    assert isinstance(when, Trend)  # noqa: S101 - the registry calls it for no other
    return TrendCriterion(
        series=signal_series(spec, when.signal, op=when.op),
        op=when.op,
        value=when.value,
        line=Line(float(when.window), float(when.ahead), when.min_samples),
    )
