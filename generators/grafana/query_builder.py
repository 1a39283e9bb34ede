"""PromQL over metrics of the spec, filtered by the dashboard's variables."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from alerts.series import signal_series
from generators.links import DASHBOARD_FILTERS
from generators.prometheus.promql import number
from spec import MetricInfo, Spec, catalogue, names
from spec.lookup import signals_of
from spec.model import Signal

VARIABLES: Final = DASHBOARD_FILTERS
"""Labels that the dashboard filters by. Metrics without one of them are shown whole."""

RATE: Final = "$__rate_interval"
RANGE: Final = "$__range"


class NotInSpecError(Exception):
    """A panel shows something that the spec does not have, for instance because an overlay disabled it."""


class QueryBuilder:
    """Queries for one spec. Every method raises `NotInSpecError` for a metric or signal that the spec lacks."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self._metrics: dict[str, MetricInfo] = {
            metric.name: metric for metric in (*catalogue(spec), *catalogue(spec, expand_histograms=True))
        }
        conditions = [alert.when for alert in spec.alerts.values()]
        self._aging = {when.signals[0][1] for when in conditions if when.ages}

    def series(self, metric: str, *matchers: str, variables: Iterable[str] = VARIABLES) -> str:
        """The series of a metric that the `variables` leave."""
        if metric not in self._metrics:
            raise NotInSpecError(metric)
        filters = [f'{name}=~"${name}"' for name in variables if name in self._metrics[metric].labels]
        inner = ",".join((*matchers, *filters))
        return f"{metric}{{{inner}}}" if inner else metric

    def rate(
        self,
        counter: str,
        *matchers: str,
        by: Iterable[str] = (),
        times: int = 1,
        ago: str = "",
        variables: Iterable[str] = VARIABLES,
    ) -> str:
        """Per second; `times` 60 makes it per minute; `ago` (``1d``) is how much earlier."""
        factor, offset = f"{times} * " if times != 1 else "", f" offset {ago}" if ago else ""
        return f"{factor}sum{_by(by)} (rate({self.series(counter, *matchers, variables=variables)}[{RATE}]{offset}))"

    def increase(self, counter: str, *matchers: str, by: Iterable[str] = ()) -> str:
        """Over the whole range of the dashboard: for single values and tables."""
        return f"sum{_by(by)} (increase({self.series(counter, *matchers)}[{RANGE}]))"

    def quantile(self, share: float, histogram: str, by: Iterable[str] = ()) -> str:
        """The value that a `share` of the observations stays below."""
        rates = f"rate({self.series(histogram + '_bucket')}[{RATE}])"
        return f"histogram_quantile({share:g}, sum{_by(('le', *by))} ({rates}))"

    def gauge(self, aggregate: str, metric: str, *, by: Iterable[str] = ()) -> str:
        """A gauge merged over exporters."""
        return f"{aggregate}{_by(by)} ({self.series(metric)})"

    def signal(self, name: str, *, answered: bool = False, variables: Iterable[str] = VARIABLES) -> str:
        """A signal merged over exporters as alerts merge it; `answered`: the part that the model answered.

        Of a counter that is read it is the rate; of a heartbeat that alerts judge by its age, the age in seconds.
        """
        signal = self.definition(name)
        merged = signal_series(self.spec, name)
        matchers = [f'{label}="{value}"' for label, value in merged.matchers]
        metric = names.answered_metric(name) if answered else merged.metric
        series = self.series(metric, *matchers, variables=variables)
        if signal.measure == "counter":
            return f"sum{_by(merged.labels)} (rate({series}[{RATE}]))"
        expression = f"{merged.aggregate}{_by(merged.labels)} ({series})"
        return f"time() - {expression}" if name in self._aging else expression

    def definition(self, name: str) -> Signal:
        """A signal's entry."""
        if name not in self.spec.signals:
            raise NotInSpecError(name)
        return self.spec.signals[name]

    def has(self, *signals: str) -> bool:
        """Whether the spec has all of them."""
        return all(name in self.spec.signals for name in signals)

    def attacks(self, *, answered: bool = False, category: str = "", variables: Iterable[str] = VARIABLES) -> str:
        """The hits of every attack signal (of a category) by account, with the signal in the label ``kind``."""
        found = [
            name
            for name, signal in self.spec.signals.items()
            if signal.answered and signal.by == "actor" and category in ("", signal.category)
        ]
        if not found:
            raise NotInSpecError("a signal by actor with `answered`")
        signals = ((name, self.signal(name, answered=answered, variables=variables)) for name in found)
        parts = [f'label_replace({series}, "kind", "{kind(name)}", "", "")' for name, series in signals]
        return "\n  or ".join(parts)

    def limit(self, signal: str) -> float | None:
        """The lowest value from which an alert on the signal (a share: with it as numerator) is true."""
        values = [
            alert.when.comparison[1]
            for alert in self.spec.alerts.values()
            if alert.enabled and signals_of(alert)[0][1] == signal and alert.when.comparison[0] in (">=", ">")
        ]
        return min(values, default=None)

    def alerts_on(self, expressions: Iterable[str]) -> list[str]:
        """Alerts whose first signal is in one of the expressions, in the spec's order."""
        texts = " ".join(expressions)
        return [
            name
            for name, alert in self.spec.alerts.items()
            if alert.enabled and alert.maturity != "sandbox" and _reads(self.spec, signals_of(alert)[0][1], texts)
        ]

    def categories_on(self, expressions: Iterable[str]) -> set[str]:
        """Categories whose metrics are in one of the expressions."""
        text = " ".join(expressions)
        return {metric.category for metric in self._metrics.values() if metric.category and shows(text, metric.name)}

    def business_hours(self) -> str:
        """The calendar against which requests are off hours, in words."""
        calendar = self.spec.calendars[self.spec.settings.offhours_calendar]
        days = " ".join(day.capitalize() for day in calendar.days)
        return f"{days}, {calendar.from_} to {calendar.to} {calendar.timezone}"

    def floor(self, signal: str) -> str:
        """The least denominator of a ratio alert on the signal, as text; "" when there is none."""
        for alert in self.spec.alerts.values():
            if alert.when.least_whole and signals_of(alert)[0][1] == signal:
                return number(alert.when.least_whole)
        return ""


def firing(*matchers: str) -> str:
    """Our alerts that fire; the watchdog, which always does, has no family."""
    inner = ",".join(('alertstate="firing"', 'alert_family!=""', *matchers))
    return f"ALERTS{{{inner}}}"


def is_(**labels: str) -> str:
    """A matcher: ``verdict="block"``."""
    return ",".join(f'{label}="{value}"' for label, value in labels.items())


def shows(text: str, metric: str) -> bool:
    """Whether PromQL names a metric; of a histogram one of its series counts."""
    suffixes = "|".join(names.HISTOGRAM_SUFFIXES)
    return re.search(rf"(?<![\w:]){re.escape(metric)}({suffixes})?(?![\w:])", text) is not None


def kind(signal: str) -> str:
    """A signal of hits in words: ``jailbreak_hits`` as ``jailbreak``."""
    return signal.removesuffix("_hits").replace("_", " ")


def _by(labels: Iterable[str]) -> str:
    listed = ", ".join(labels)
    return f" by ({listed})" if listed else ""


def _reads(spec: Spec, name: str, text: str) -> bool:
    signal = spec.signals.get(name)
    return signal is not None and shows(text, names.signal_metric(name, signal))
