"""Names that have to exist."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import ClassVar

from spec.checks.base import Gravity, Issue
from spec.errors import Path, nearest
from spec.log_fields import mentioned
from spec.lookup import identities, own_stream, signals_of
from spec.model import Spec
from spec.vocabulary import LOG_PLACES, MEASURES, SIDE_TABLES, STREAM_DIMENSIONS


class ReferencesResolve:
    """Signals, fields, metrics, channels, calendars, escalations and incidents that are named exist."""

    id: ClassVar[str] = "TOC001"
    severity: ClassVar[Gravity] = "error"

    def check(self, spec: Spec) -> Iterator[Issue]:
        """Every name that leads nowhere."""
        yield from _settings(spec)
        yield from _families(spec)
        yield from _signals(spec)
        yield from _alerts(spec)
        yield from _people(spec)
        for name, gateway in spec.gateways.items():
            for place in gateway.log:
                yield from _known(place, LOG_PLACES, "a place in a gateway's log", ("gateways", name, "log", place))


def _known(name: str, names: Iterable[str], kind: str, path: Path) -> Iterator[Issue]:
    names = list(names)
    if name not in names:
        yield Issue(f"found {name!r}, expected the name of {kind}{nearest(name, names)}", path)


def _settings(spec: Spec) -> Iterator[Issue]:
    yield from _known(spec.settings.offhours_calendar, spec.calendars, "a calendar", ("settings", "offhours_calendar"))
    for severity in spec.severities:
        if severity not in spec.settings.severity_words:
            yield Issue(f"no word for the severity {severity!r}", ("settings", "severity_words"))


def _families(spec: Spec) -> Iterator[Issue]:
    for name, family in spec.families.items():
        here: Path = ("families", name)
        dimensions = SIDE_TABLES.get(family.measure, STREAM_DIMENSIONS["events"])
        for index, label in enumerate(family.labels):
            if label not in family.split:
                yield from _known(label, dimensions, "a dimension of its measure", (*here, "labels", index))
            elif label not in spec.fields:
                yield from _known(label, spec.fields, "a field", (*here, "labels", index))
        for dimension in family.where:
            yield from _known(dimension, dimensions, "a dimension of its measure", (*here, "where", dimension))
        if not family.split:
            yield from _known(family.measure, (*MEASURES, *SIDE_TABLES), "a measure", (*here, "measure"))
        for label, columns in family.split.items():
            for word, column in columns.items():
                yield from _known(column, MEASURES, "a measure", (*here, "split", label, word))


def _signals(spec: Spec) -> Iterator[Issue]:
    labels_of = {name: metric.labels for name, metric in spec.health.items()}
    labels_of |= {name: metric.labels for name, metric in spec.external.items()}
    for name, signal in spec.signals.items():
        here: Path = ("signals", name)
        if not own_stream(signal):
            table = spec.health if signal.stream == "health" else spec.external
            yield from _known(signal.metric, table, f"a metric of the table {signal.stream!r}", (*here, "metric"))
            labels = labels_of.get(signal.metric, (signal.by, *signal.where))
            kind, by = "a label of its metric", labels
        else:
            labels = STREAM_DIMENSIONS[signal.stream]
            kind, by = f"a dimension of the stream {signal.stream!r}", labels
            if signal.stream != "rejects":
                by = (*identities(spec.fields), *labels)
            yield from _measure(name, spec)
        for dimension in signal.where:
            yield from _known(dimension, labels, kind, (*here, "where", dimension))
        if signal.by:
            yield from _known(signal.by, by, kind, (*here, "by"))
            yield from _known(signal.by, spec.fields, "a field", (*here, "by"))
        for column in signal.at_least:
            yield from _known(column, MEASURES, "a measure", (*here, "at_least", column))


def _measure(name: str, spec: Spec) -> Iterator[Issue]:
    signal = spec.signals[name]
    path: Path = ("signals", name, "field")
    if signal.measure == "sum":
        yield from _known(signal.field, MEASURES, "a measure to sum", path)
    elif signal.measure == "distinct":
        yield from _known(
            signal.field, (*identities(spec.fields), *STREAM_DIMENSIONS[signal.stream]), "a field to count", path
        )


def _alerts(spec: Spec) -> Iterator[Issue]:
    for name, alert in spec.alerts.items():
        for key, signal in signals_of(alert) if alert.enabled else ():
            yield from _known(signal, spec.signals, "a signal", ("alerts", name, "when", key))
        yield from _known(alert.incident, spec.incidents, "an incident", ("alerts", name, "incident"))
        yield from _known(alert.severity, spec.severities, "a severity", ("alerts", name, "severity"))
        for index, step in enumerate(alert.triage):
            for place in mentioned(step):
                yield from _known(place, LOG_PLACES, "a place in a gateway's log", ("alerts", name, "triage", index))


def _people(spec: Spec) -> Iterator[Issue]:
    for name, severity in spec.severities.items():
        here: Path = ("severities", name)
        yield from _known(
            severity.page, ("always", "never", *spec.calendars), "a calendar, or always or never", (*here, "page")
        )
        for owner, escalation in severity.escalation.items():
            yield from _known(escalation, spec.escalations, "an escalation", (*here, "escalation", owner))
        for alert_name, alert in spec.alerts.items():
            if alert.severity == name and alert.owner not in severity.escalation:
                text = f"no escalation for the owner {alert.owner!r}; the alert {alert_name} needs one"
                yield Issue(text, (*here, "escalation"))
    for chain_name, chain in spec.escalations.items():
        for index, tier in enumerate(chain.tiers):
            here = ("escalations", chain_name, "tiers", index)
            for number, channel in enumerate(tier.notify):
                yield from _known(channel, spec.channels, "a channel", (*here, "notify", number))
            if tier.during:
                yield from _known(tier.during, spec.calendars, "a calendar", (*here, "during"))
    for incident_name, incident in spec.incidents.items():
        if incident.entity:
            yield from _known(incident.entity, spec.fields, "a field", ("incidents", incident_name, "entity"))
