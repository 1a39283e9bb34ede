"""What a page says about an alert: its annotations, as templates for Prometheus and as the text they turn into.

An annotation is a row of parts. Each part knows its template, inside what Prometheus 2.42 understands, and what
Prometheus makes of it, which is what the unit tests of the rules expect.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from math import isinf
from typing import Final, Literal, Protocol
from urllib.parse import quote_plus

from alerts import AlertRule
from alerts.alert_ir import Heartbeat, History
from generators.links import DASHBOARD_FILTERS, dashboard_url, runbook_url
from generators.promql import duration, number, recorded, worst
from spec import Spec
from spec.lookup import signals_of
from spec.model import Ratio

_UNKNOWN: Final = "unknown, see the gateway log"
_NOT_YET: Final = "not known yet"
_OVER: Final = {">=": "{} or more", ">": "more than {}", "<=": "{} or less", "<": "less than {}"}


@dataclass(frozen=True, slots=True)
class Firing:
    """An alert that fires: its labels, its value, and the hits that the model answered (None: nobody knows).

    `alerts` are the names of the alerts of its incident, where it stands for those; `recorded` are values that rules
    recorded for it, by the name of the rule.
    """

    labels: Mapping[str, str]
    value: float
    answered: float | None = None
    alerts: tuple[str, ...] = ()
    recorded: Mapping[str, float] = field(default_factory=dict)


class Part(Protocol):
    """A piece of an annotation."""

    def template(self) -> str:
        """As Prometheus reads it."""
        ...

    def text(self, firing: Firing) -> str:
        """As Prometheus prints it."""
        ...


Parts = tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Fixed:
    """The same for every firing."""

    words: str

    def template(self) -> str:
        """The words, with braces that are not meant as a template kept from being one."""
        return self.words.replace("{{", '{{ "{{" }}')

    def text(self, firing: Firing) -> str:
        """The words."""
        return self.words


@dataclass(frozen=True, slots=True)
class Label:
    """The value of a label. In a query of an address, `quoted`."""

    name: str
    quoted: bool = False

    def template(self) -> str:
        """With the quoting of Go's templates, which needs no newer Prometheus."""
        return f"{{{{ $labels.{self.name}{' | urlquery' if self.quoted else ''} }}}}"

    def text(self, firing: Firing) -> str:
        """The value."""
        value = firing.labels[self.name]
        return quote_plus(value, safe="~") if self.quoted else value


@dataclass(frozen=True, slots=True)
class Value:
    """The value of the alert, as people read it: ``250k``, ``35%`` or ``2m 0s``."""

    form: Literal["humanize", "humanizePercentage", "humanizeDuration"] = "humanize"

    def template(self) -> str:
        """Left to Prometheus."""
        return f"{{{{ $value | {self.form} }}}}"

    def text(self, firing: Firing) -> str:
        """What Prometheus prints."""
        match self.form:
            case "humanizePercentage":
                return f"{firing.value * 100:.4g}%"
            case "humanizeDuration":
                return _human_duration(firing.value)
            case _:
                return human(firing.value)


@dataclass(frozen=True, slots=True)
class Answered:
    """How many of the hits the model answered, read from a series of its own that may be missing."""

    metric: str
    labels: tuple[str, ...]
    aggregate: str
    over: str
    lookback: float

    def template(self) -> str:
        """A query inside the template; `with` keeps an empty answer from being an error."""
        selector = ",".join(f"{label}=%q" for label in self.labels)
        series = f"{self.metric}{{{selector}}}" if selector else self.metric
        query = f"{self.aggregate}({self.over}_over_time({series}[{duration(self.lookback)}]))"
        values = "".join(f" $labels.{label}" for label in self.labels)
        found = "{{ with . | first | value }}up to {{ . | humanize }}{{ else }}none{{ end }}"
        return f'{{{{ with printf "{query}"{values} | query }}}}{found}{{{{ else }}}}{_UNKNOWN}{{{{ end }}}}'

    def text(self, firing: Firing) -> str:
        """What the template says."""
        if firing.answered is None:
            return _UNKNOWN
        return f"up to {human(firing.answered)}" if firing.answered else "none"


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a baseline's rule recorded for the labels of the alert, which may be nothing yet."""

    record: str
    labels: tuple[str, ...]
    history: History

    def template(self) -> str:
        """A query inside the template."""
        matchers = ",".join(f"{label}=%q" for label in self.labels)
        query = recorded(f"{self.record}{{{matchers}}}" if matchers else self.record, self.history)
        values = "".join(f" $labels.{label}" for label in self.labels)
        found = "{{ . | first | value | humanize }}"
        return f'{{{{ with printf "{query}"{values} | query }}}}{found}{{{{ else }}}}{_NOT_YET}{{{{ end }}}}'

    def text(self, firing: Firing) -> str:
        """What the template says."""
        value = firing.recorded.get(self.record)
        return _NOT_YET if value is None else human(value)


def annotations_of(spec: Spec, rule: AlertRule) -> dict[str, Parts]:
    """The annotations of an alert: summary, description, runbook_url, dashboard_url."""
    return {
        "summary": filled(rule.alert.summary),
        "description": tuple(_description(spec, rule)),
        "runbook_url": (Fixed(runbook_url(spec, rule.name)),),
        "dashboard_url": tuple(_dashboard_url(spec, rule)),
    }


def template(parts: Iterable[Part]) -> str:
    """An annotation as Prometheus reads it."""
    return "".join(part.template() for part in parts)


def text(parts: Iterable[Part], firing: Firing) -> str:
    """An annotation as Prometheus prints it."""
    return "".join(part.text(firing) for part in parts)


def filled(pattern: str) -> Parts:
    """``{actor} ({tenant})`` with the labels in braces to be filled in."""
    pieces = re.split(r"\{([^{}]*)\}", pattern)
    parts = (Label(piece) if place % 2 else Fixed(piece) for place, piece in enumerate(pieces))
    return tuple(part for part in parts if part != Fixed(""))


def human(value: float) -> str:
    """A number as the template function `humanize` prints it. Source: ``template/template.go`` of Prometheus 2.42."""
    if value == 0:
        return "0"
    prefix = ""
    if abs(value) >= 1:
        for letter in "kMGTPEZY":
            if abs(value) < 1000:
                break
            prefix, value = letter, value / 1000
    else:
        for letter in "munpfazy":
            if abs(value) >= 1:
                break
            prefix, value = letter, value * 1000
    return f"{value:.4g}{prefix}"


def _human_duration(seconds: float) -> str:
    """Seconds as the template function `humanizeDuration` prints them, for what is not shorter than a second or 0."""
    if isinf(seconds):
        return "+Inf"
    if seconds < 60:
        return f"{seconds:.4g}s"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days}d {hours}h {minutes}m {rest}s"
    return f"{hours}h {minutes}m {rest}s" if hours else f"{minutes}m {rest}s"


def _description(spec: Spec, rule: AlertRule) -> Iterator[Part]:
    if rule.baseline:
        yield from _above_baseline(spec, rule, rule.baseline)
        return
    if rule.heartbeat:
        yield from _silent(spec, rule, rule.heartbeat)
        return
    signal, *others = (spec.signals[name] for _, name in signals_of(rule.alert))
    ratio = isinstance(rule.alert.when, Ratio)
    duration_like = signal.unit == "seconds" and not ratio
    yield Value("humanizePercentage" if ratio else "humanizeDuration" if duration_like else "humanize")
    if ratio:
        yield Fixed(f" of at least {number(rule.min_denominator)}")
    elif signal.unit and not duration_like:
        yield Fixed(f" {signal.unit.upper() if signal.unit == 'usd' else signal.unit}")
    if signal.window:
        yield Fixed(f" within {signal.window}")
    if rule.alert.one_shot:
        yield Fixed(f" at the peak of the last {duration(rule.lookback)}")
    limit = f"{rule.value * 100:g}%" if ratio else duration(rule.value) if duration_like else number(rule.value)
    yield Fixed(f"; the alert is at {_OVER[rule.op].format(limit)}. {signal.help}")
    for other in others:
        yield Fixed(f" As a share of: {other.help}")
    if rule.answered:
        yield Fixed(" Answered by the model: ")
        yield Answered(rule.answered, rule.labels, rule.series.aggregate, worst(rule), rule.lookback)
        yield Fixed(".")


def _above_baseline(spec: Spec, rule: AlertRule, history: History) -> Iterator[Part]:
    signal = spec.signals[signals_of(rule.alert)[0][1]]
    duration_like = signal.unit == "seconds"
    yield Value("humanizeDuration" if duration_like else "humanize")
    if signal.unit and not duration_like:
        yield Fixed(f" {signal.unit.upper() if signal.unit == 'usd' else signal.unit}")
    if signal.window:
        yield Fixed(f" within {signal.window}")
    yield Fixed(f"; usual (mean of {duration(history.history)}): ")
    yield Recorded(history.mean, rule.labels, history)
    yield Fixed(f", limit ({number(history.deviations)} deviations above): ")
    yield Recorded(history.limit, rule.labels, history)
    floor = duration(rule.value) if duration_like else number(rule.value)
    yield Fixed(f", never below: {floor}. {signal.help}")


def _silent(spec: Spec, rule: AlertRule, heartbeat: Heartbeat) -> Iterator[Part]:
    signal, *others = (spec.signals[name] for _, name in signals_of(rule.alert))
    yield Value("humanizeDuration" if heartbeat.age else "humanize")
    limit = duration(rule.value) if heartbeat.age else number(rule.value)
    missing = "" if rule.labels else f", or when nothing tells{' (+Inf)' if heartbeat.age else ''}"
    yield Fixed(f"{' old' if heartbeat.age else ''}; the alert is at {_OVER[rule.op].format(limit)}{missing}. ")
    yield Fixed(signal.help)
    for other in others:
        least, window = number(heartbeat.least), duration(heartbeat.window)
        yield Fixed(f" Meanwhile at least {least} within {window} of: {other.help}")


def _dashboard_url(spec: Spec, rule: AlertRule) -> Iterator[Part]:
    """The dashboard, filtered to what the alert is about as far as the dashboard can."""
    yield Fixed(dashboard_url(spec))
    for place, label in enumerate(label for label in rule.labels if label in DASHBOARD_FILTERS):
        yield Fixed(f"{'&' if place else '?'}var-{label}=")
        yield Label(label, quoted=True)
