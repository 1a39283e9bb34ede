"""What a page says about an alert: its annotations, and how Prometheus fills them in, as 2.42 understands it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import Final

from alerts import AlertRule
from alerts.backends import CannotExpressError
from alerts.text import NOT_YET, UNKNOWN, Answered, Firing, Fixed, Known, Label, Part, Parts, Value, filled
from generators.links import dashboard_url, runbook_url
from generators.prometheus.promql import duration, value
from spec import Spec
from spec.lookup import filters

_FORMS: Final = {"number": "humanize", "share": "humanizePercentage", "duration": "humanizeDuration"}


class Templated(ABC):
    """A part that only Prometheus fills in."""

    @abstractmethod
    def template(self) -> str:
        """As Prometheus reads it."""

    @abstractmethod
    def text(self, firing: Firing) -> str:
        """As a person reads it."""


def annotations_of(spec: Spec, rule: AlertRule) -> dict[str, Parts]:
    """The annotations of an alert: summary, description, runbook_url, dashboard_url."""
    return {
        "summary": filled(rule.alert.summary),
        "description": tuple(rule.criterion.describe(spec, rule)),
        "runbook_url": (Fixed(runbook_url(spec, rule.name)),),
        "dashboard_url": tuple(_dashboard_url(spec, rule)),
    }


def template(parts: Iterable[Part], rule: AlertRule | None = None) -> str:
    """An annotation as Prometheus reads it; those that ask for values of the alert need its `rule`.

    Raises:
        CannotExpressError: Prometheus cannot fill in a part.
    """
    return "".join(_template(part, rule) for part in parts)


def _template(part: Part, rule: AlertRule | None) -> str:
    match part:
        case Fixed():  # braces that are not meant as a template are kept from being one
            return part.words.replace("{{", '{{ "{{" }}')
        case Label():  # the quoting is that of Go's templates, which needs no newer Prometheus
            return f"{{{{ $labels.{part.name}{' | urlquery' if part.quoted else ''} }}}}"
        case Value():
            return f"{{{{ $value | {_FORMS[part.form]} }}}}"
        case Answered() if rule is not None:
            over = f"{part.worst}_over_time({_of_alert(part.of.metric, rule)}[{duration(part.lookback)}])"
            found = "{{ with . | first | value }}up to {{ . | humanize }}{{ else }}none{{ end }}"
            return _asked(f"{part.of.aggregate}({over})", rule, found, UNKNOWN)
        case Known() if rule is not None:
            query = value(rule, part.quantity)
            metric, bracket, rest = query.partition("[")
            found = "{{ . | first | value | humanize }}"
            return _asked(_of_alert(metric, rule) + bracket + rest, rule, found, NOT_YET)
        case Templated():
            return part.template()
    raise CannotExpressError(f"a {type(part).__name__} in an annotation")


def _of_alert(metric: str, rule: AlertRule) -> str:
    """The series of a metric with the labels of the alert, which `_asked` fills in."""
    matchers = ",".join(f"{label}=%q" for label in rule.labels)
    return f"{metric}{{{matchers}}}" if matchers else metric


def _asked(query: str, rule: AlertRule, found: str, otherwise: str) -> str:
    """A query inside the template; `with` keeps an empty answer from being an error."""
    values = "".join(f" $labels.{label}" for label in rule.labels)
    return f'{{{{ with printf "{query}"{values} | query }}}}{found}{{{{ else }}}}{otherwise}{{{{ end }}}}'


def _dashboard_url(spec: Spec, rule: AlertRule) -> Iterator[Part]:
    """The dashboard, filtered to what the alert is about as far as the dashboard can."""
    yield Fixed(dashboard_url(spec))
    chosen = filters(spec.fields)
    for place, label in enumerate(label for label in rule.labels if label in chosen):
        yield Fixed(f"{'&' if place else '?'}var-{label}=")
        yield Label(label, quoted=True)
