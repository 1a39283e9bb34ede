"""PromQL over metrics of the spec, filtered by the dashboard's variables."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Final

from alerts.series import signal_series
from generators.errors import GeneratorError
from generators.prometheus.promql import number
from spec import MetricInfo, Spec, catalogue, load_spec, names
from spec.errors import nearest
from spec.lookup import callers, filters, signals_of
from spec.model import Signal

RATE: Final = "$__rate_interval"
RANGE: Final = "$__range"


class NotInSpecError(Exception):
    """A panel shows something that an overlay has taken out of the spec."""


class UnknownNameError(GeneratorError):
    """A panel names something that not even the shipped spec has: it is misspelt."""


class QueryBuilder:
    """Queries for one spec. Metrics without one of the dashboards' `filters` are shown whole.

    Every method raises `NotInSpecError` for a metric, a label of it or a signal that an overlay has removed, and
    `UnknownNameError` for one that was never there.
    """

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.filters = filters(spec.fields)
        self._metrics: dict[str, MetricInfo] = {
            metric.name: metric for metric in (*catalogue(spec), *catalogue(spec, expand_histograms=True))
        }
        conditions = [alert.when for alert in spec.alerts.values()]
        self._aging = {when.signals[0][1] for when in conditions if when.ages}

    def series(self, metric: str, *matchers: str, variables: Iterable[str] | None = None) -> str:
        """The series of a metric that the `variables` leave."""
        if metric not in self._metrics:
            raise self.absent(metric)
        variables = self.filters if variables is None else variables
        chosen = [f'{name}=~"${name}"' for name in variables if name in self._metrics[metric].labels]
        inner = ",".join((*matchers, *chosen))
        return f"{metric}{{{inner}}}" if inner else metric

    def rate(
        self,
        counter: str,
        *matchers: str,
        by: Iterable[str] = (),
        times: int = 1,
        ago: str = "",
        variables: Iterable[str] | None = None,
    ) -> str:
        """Per second; `times` 60 makes it per minute; `ago` (``1d``) is how much earlier."""
        factor, offset = f"{times} * " if times != 1 else "", f" offset {ago}" if ago else ""
        series = self.series(counter, *matchers, variables=variables)
        return f"{factor}sum{self._grouped(counter, by)} (rate({series}[{RATE}]{offset}))"

    def increase(self, counter: str, *matchers: str, by: Iterable[str] = ()) -> str:
        """Over the whole range of the dashboard: for single values and tables."""
        return f"sum{self._grouped(counter, by)} (increase({self.series(counter, *matchers)}[{RANGE}]))"

    def quantile(self, share: float, histogram: str, by: Iterable[str] = ()) -> str:
        """The value that a `share` of the observations stays below."""
        rates = f"rate({self.series(histogram + '_bucket')}[{RATE}])"
        kept = self._grouped(f"{histogram}_bucket", ("le", *by))
        return f"histogram_quantile({share:g}, sum{kept} ({rates}))"

    def gauge(self, aggregate: str, metric: str, *, by: Iterable[str] = ()) -> str:
        """A gauge merged over exporters."""
        return f"{aggregate}{self._grouped(metric, by)} ({self.series(metric)})"

    def signal(self, name: str, *, answered: bool = False, variables: Iterable[str] | None = None) -> str:
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
            raise self.absent(name)
        return self.spec.signals[name]

    def has(self, signal: str) -> bool:
        """Whether the spec has a signal; an overlay may have removed it."""
        if signal in self.spec.signals:
            return True
        self.absent(signal)
        return False

    def absent(self, name: str) -> NotInSpecError:
        """What to raise for a metric, signal or exporter that the spec lacks.

        Raises:
            UnknownNameError: the shipped spec lacks it too.
        """
        known = _shipped()
        if name not in known:
            text = f"a panel names {name!r}, expected a metric, signal or exporter of the shipped spec"
            raise UnknownNameError(f"{text}{nearest(name, known)}")
        return NotInSpecError(name)

    def _grouped(self, metric: str, by: Iterable[str]) -> str:
        """A clause that keeps some labels of a metric."""
        by = tuple(by)
        known = self._metrics[metric].labels if metric in self._metrics else by
        for label in by:
            if label not in (*known, *names.RESERVED_LABELS):
                if label not in _shipped().get(metric, ()):
                    text = f"a panel keeps the label {label!r} of {metric}, expected one of {', '.join(known)}"
                    raise UnknownNameError(f"{text}{nearest(label, known)}")
                raise NotInSpecError(label)
        return _by(by)

    def attacks(
        self,
        *,
        by: str = "",
        named: bool = False,
        answered: bool = False,
        category: str = "",
        variables: Iterable[str] | None = None,
    ) -> str:
        """The hits of every attack signal (of a category), with the signal in the label ``kind``.

        Those `by` one identity, else by all that are a `caller`; `named`: whose they are is in the label ``caller``.
        """
        wanted = (by,) if by else callers(self.spec.fields)
        found = {
            name: signal.by
            for name, signal in self.spec.signals.items()
            if signal.answered and signal.by in wanted and category in ("", signal.category)
        }
        if not found:
            raise NotInSpecError(f"a signal by {' or '.join(wanted)} with `answered`")
        parts = []
        for name, identity in found.items():
            series = self.signal(name, answered=answered, variables=variables)
            series = f'label_replace({series}, "kind", "{kind(name)}", "", "")'
            parts.append(f'label_join({series}, "caller", "", "{identity}")' if named else series)
        return "\n  or ".join(parts)

    def limit(self, signal: str) -> float | None:
        """The lowest value from which an alert on the signal (a share: with it as numerator) is true."""
        self.has(signal)
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
        self.has(signal)
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
    return re.sub(r"_hits(_by_\w+)?$", "", signal).replace("_", " ")


@cache
def _shipped() -> Mapping[str, tuple[str, ...]]:
    """Metrics with their labels, signals and exporters that there are without overlays."""
    spec = load_spec()
    metrics = (*catalogue(spec), *catalogue(spec, expand_histograms=True))
    others = (*spec.signals, *(metric.exporter for metric in spec.external.values()))
    return dict.fromkeys(others, ()) | {metric.name: metric.labels for metric in metrics}


def _by(labels: Iterable[str]) -> str:
    listed = ", ".join(labels)
    return f" by ({listed})" if listed else ""


def _reads(spec: Spec, name: str, text: str) -> bool:
    signal = spec.signals.get(name)
    return signal is not None and shows(text, names.signal_metric(name, signal))
