"""From alert instances to pages: who is paged, when, and who next if nobody reacts.

What Alertmanager and the escalation rules make of firing alerts, as a pure function: alerts of one incident are one
page, a storm speaks for its single alerts, channels keep their hours, later tiers wait for their time.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from alerts.alert_ir import GROUP_EVALUATIONS, kept_hours
from alerts.calendar import OffHours
from alerts.watch import AlertInstance
from spec import Spec, names
from spec.model import Owner, SeverityName, Tier

Span = tuple[float, float]
"""From, and before when, in Unix seconds; +Inf: without an end."""

_STEP: Final = 300.0  # seconds; hours of calendars begin and end at such a step
_WEEK: Final = 8 * 86_400.0  # seconds in which every calendar has had an hour


@dataclass(frozen=True, slots=True)
class Page:
    """Somebody is woken up: through `channel`, at Unix seconds `at`.

    `tier` 1 is notified first. Later ones are notified `after` seconds and `unless` somebody has done that ("" : in any
    case, as long as it fires).
    """

    at: float
    channel: str
    tier: int = 1
    after: float = 0.0
    unless: str = ""


@dataclass(frozen=True, slots=True)
class Incident:
    """Alerts of one incident that fired together: one page and its later tiers.

    `begin` and `end` are Unix seconds, `end` None while it fires; `pages` come in any case, `later` if nobody reacts.
    """

    key: str
    severity: SeverityName
    owner: Owner
    begin: float
    end: float | None
    instances: tuple[AlertInstance, ...]
    pages: tuple[Page, ...]
    later: tuple[Page, ...]


def incidents(instances: Sequence[AlertInstance], spec: Spec) -> tuple[Incident, ...]:
    """The incidents of `instances`, by time. Alerts that are not stable page nobody, so they open none."""
    return tuple(sorted(_incidents(instances, spec), key=lambda incident: (incident.begin, incident.key)))


def key_of(instance: AlertInstance) -> str:
    """The incident key of an alert instance, with its labels filled in."""
    key = instance.rule.incident_key
    for label in names.placeholders(key):
        key = key.replace(f"{{{label}}}", instance.labels.get(label, ""), 1)
    return key


def storm_of(instance: AlertInstance, instances: Iterable[AlertInstance]) -> AlertInstance | None:
    """The storm that speaks for a single alert when that begins; None: it speaks for itself."""
    if instance.rule.name == names.STORM:
        return None
    begin = instance.fired_at
    for other in instances:
        if other.rule.name == names.STORM and other.rule.family == instance.rule.family:
            first, last = _span(other)
            if first <= begin < last:
                return other
    return None


def _incidents(instances: Sequence[AlertInstance], spec: Spec) -> Iterator[Incident]:
    storms: dict[str, list[Span]] = {}
    for instance in instances:
        if instance.rule.name == names.STORM:
            storms.setdefault(instance.rule.family, []).append(_span(instance))
    groups: dict[tuple[SeverityName, Owner, str], list[tuple[Span, AlertInstance]]] = {}
    for instance in instances:
        alert = instance.rule.alert
        if alert.maturity != "stable":
            continue
        held = [] if instance.rule.name == names.STORM else storms.get(instance.rule.family, [])
        group = groups.setdefault((alert.severity, alert.owner, key_of(instance)), [])
        group += [(span, instance) for span in without(_span(instance), held)]
    hours = Hours(spec)
    patience = GROUP_EVALUATIONS * float(spec.settings.evaluation_interval)
    for (severity, owner, key), group in groups.items():
        for run in _runs(sorted(group, key=lambda member: member[0]), patience):
            spans = [span for span, _ in run]
            begin, end = spans[0][0], max(span[1] for span in spans)
            members = tuple(dict.fromkeys(id(instance) for _, instance in run))
            by_id = {id(instance): instance for _, instance in run}
            tiers = spec.escalations[spec.severities[severity].escalation[owner]].tiers
            pages = [
                page
                for number, tier in enumerate(tiers, start=1)
                for page in _paged(spec, severity, tier, number, spans, hours)
            ]
            yield Incident(
                key,
                severity,
                owner,
                begin,
                None if math.isinf(end) else end,
                tuple(by_id[member] for member in members),
                tuple(page for page in pages if page.tier == 1),
                tuple(page for page in pages if page.tier > 1),
            )


def _paged(
    spec: Spec, severity: SeverityName, tier: Tier, number: int, spans: Sequence[Span], hours: Hours
) -> Iterator[Page]:
    since = spans[0][0] + float(tier.after)
    for channel, calendar in kept_hours(spec, severity, tier, tier.notify).items():
        if not spec.channels[channel].pages:
            continue
        for begin, end in spans:
            at = hours.from_(max(begin, since), calendar)
            if at < end:
                yield Page(at, channel, number, float(tier.after), tier.unless)
                break


def _span(instance: AlertInstance) -> Span:
    return instance.fired_at, math.inf if instance.resolved_at is None else instance.resolved_at


def without(span: Span, holes: Iterable[Span]) -> list[Span]:
    """What of a span is in none of the holes."""
    begin, end = span
    out: list[Span] = []
    for first, last in sorted(holes):
        if last <= begin or first >= end:
            continue
        if first > begin:
            out.append((begin, first))
        begin = max(begin, last)
    if begin < end:
        out.append((begin, end))
    return out


def _runs(group: Sequence[tuple[Span, AlertInstance]], patience: float) -> Iterator[list[tuple[Span, AlertInstance]]]:
    """Spans, by time, that belong together: a pause shorter than `patience` is none."""
    run: list[tuple[Span, AlertInstance]] = []
    end = -math.inf
    for span, instance in group:
        if run and span[0] - end >= patience:
            yield run
            run = []
        run.append((span, instance))
        end = max(end, span[1]) if len(run) > 1 else span[1]
    if run:
        yield run


class Hours:
    """When the calendars of a spec are open."""

    def __init__(self, spec: Spec) -> None:
        self._calendars = {name: OffHours(calendar) for name, calendar in spec.calendars.items()}

    def from_(self, time: float, calendar: str) -> float:
        """The first moment from `time` on in the hours of `calendar` ("": always); +Inf if it is never open."""
        if not calendar or self._open(time, calendar):
            return time
        step = (math.floor(time / _STEP) + 1) * _STEP
        times = np.arange(step, step + _WEEK, _STEP)
        words = self._calendars[calendar].words(times)
        return next((at for at, word in zip(times.tolist(), words, strict=True) if word == "false"), math.inf)

    def _open(self, time: float, calendar: str) -> bool:
        return self._calendars[calendar].words(np.array([time])) == ["false"]
