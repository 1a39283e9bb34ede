"""Alerts in their one compiled form: what generators turn into rules, the exporter watches and replay evaluates.

The meaning of an `AlertRule` at time t, for each member of its labels:

1. `series` is read at t and merged over instances and partitions by its `aggregate`; so is the `denominator`.
2. The compared value is the series, or series / denominator where the denominator is at least `min_denominator`.
3. With a `lookback`, the compared value is the greatest one (the least for ``<`` and ``<=``) in (t - lookback, t].
4. The alert is pending from when that compares true with `value`, and fires when it has been for `hold`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

import msgspec

from spec import names
from spec.lookup import own_stream, signals_of
from spec.model import Alert, Escalation, Ratio, Rule, SeverityName, Signal, Spec, Threshold, Tier

LOOKBACK_SCRAPES = 3
"""A window gauge may miss a scrape; so alerts look at this many of them."""
GROUP_EVALUATIONS: Final = 4
"""Evaluations between two notifications about one incident: what begins again sooner is the same page."""


@dataclass(frozen=True, slots=True)
class Series:
    """What an alert looks at.

    `matchers` select series of a health or external metric; `labels` are those that the aggregation keeps; `aggregate`
    is max, sum or min: how instances and partitions merge; `record` is the name of the recording rule.
    """

    metric: str
    matchers: tuple[tuple[str, str], ...]
    labels: tuple[str, ...]
    aggregate: str
    record: str


@dataclass(frozen=True, slots=True)
class AlertRule:
    """An alert ready to be evaluated. Times in seconds.

    `record` is the series compared (a ratio has its own); `lookback` 0 means the sample at the evaluation; `hold` is
    how long the comparison has to be true; `incident_key` is a template over labels; `channels` are those of the first
    tier that the alert's maturity allows; `answered` is the metric of the answered part of the hits, "" when there is
    none; `family` is the alert that a storm stands for, else the alert itself.
    """

    name: str
    alert: Alert
    labels: tuple[str, ...]
    series: Series
    denominator: Series | None
    min_denominator: float
    op: str
    value: float
    record: str
    lookback: float
    hold: float
    static_labels: dict[str, str]
    incident_key: str
    channels: tuple[str, ...]
    pages: bool
    answered: str = ""
    family: str = ""


def compile_alerts(spec: Spec) -> tuple[AlertRule, ...]:
    """Every alert that is switched on and not in the sandbox, in the spec's order, each followed by its storm."""
    return tuple(_rules(spec))


def _rules(spec: Spec) -> Iterator[AlertRule]:
    storm = spec.alerts.get(names.STORM)
    for name, alert in spec.alerts.items():
        if name == names.STORM or not alert.enabled or alert.maturity == "sandbox":
            continue
        rule = _compile(spec, name, alert)
        yield rule
        if alert.fold and storm is not None and storm.enabled:
            yield _storm(spec, rule, storm)


def _compile(spec: Spec, name: str, alert: Alert) -> AlertRule:
    when = alert.when
    signal_name = signals_of(alert)[0][1]
    signal = spec.signals[signal_name]
    denominator: Series | None = None
    op, value, floor = condition(when)
    series = signal_series(signal_name, signal, op="" if isinstance(when, Ratio) else op)
    record = series.record
    if isinstance(when, Ratio):
        denominator = signal_series(when.denominator, spec.signals[when.denominator])
        record = names.ratio_rule(series.labels, name)
    channels = first_channels(spec, alert)
    entity = spec.incidents[alert.incident].entity
    return AlertRule(
        name=name,
        alert=alert,
        labels=series.labels,
        series=series,
        denominator=denominator,
        min_denominator=floor,
        op=op,
        value=value,
        record=record,
        lookback=lookback(spec, alert, signal),
        hold=float(alert.for_),
        static_labels=_static_labels(spec, name, alert, signal),
        incident_key=names.incident_key(alert.incident, entity if entity in series.labels else ""),
        channels=channels,
        pages=any(spec.channels[channel].pages for channel in channels),
        answered=names.answered_metric(signal_name) if signal.answered else "",
        family=name,
    )


def _storm(spec: Spec, rule: AlertRule, pattern: Alert) -> AlertRule:
    """The alert that replaces `rule`'s single ones; it stays up as long as they would, to keep holding them back."""
    signal_name = signals_of(pattern)[0][1]
    signal = spec.signals[signal_name]
    selected = msgspec.structs.replace(signal, where={**signal.where, "alert": (rule.name,)})
    series = signal_series(signal_name, selected)
    own = rule.alert
    alert = msgspec.structs.replace(
        pattern,
        severity=own.severity,
        owner=own.owner,
        incident=own.incident,
        maturity=own.maturity,
        confidence=own.confidence,
        one_shot=own.one_shot,
        for_=own.for_,
        fold=0,
        atlas=own.atlas,
        attack=own.attack,
        owasp=own.owasp,
        when=Threshold(signal=signal_name, value=float(own.fold)),
    )
    return replace(
        rule,
        name=names.STORM,
        alert=alert,
        labels=series.labels,
        series=series,
        denominator=None,
        min_denominator=0.0,
        op=">=",
        value=float(own.fold),
        record=series.record,
        incident_key=f"{own.incident}/{rule.name}",
        answered="",
    )


def condition(when: Threshold | Ratio | Rule) -> tuple[str, float, float]:
    """Operator, value and floor of the denominator (0 when there is none)."""
    match when:
        case Threshold():
            return when.op, when.value, 0.0
        case Ratio():
            return when.op, when.value, when.min_denominator
        case Rule():
            return ">=", 1.0, 0.0


def signal_series(name: str, signal: Signal, *, op: str = "") -> Series:
    """The series of a signal, as an alert that compares it with `op` reads it."""
    matchers: tuple[tuple[str, str], ...] = ()
    if not own_stream(signal):
        matchers = tuple((label, words[0]) for label, words in sorted(signal.where.items()))
    labels = names.signal_labels(signal)
    metric = names.signal_metric(name, signal)
    operation = aggregate(signal, op)
    return Series(metric, matchers, labels, operation, names.recording_rule(labels, metric, matchers, operation))


def aggregate(signal: Signal, op: str = "") -> str:
    """How instances and partitions of a signal merge.

    Below a threshold, the least counts. One account is counted by one partition, so the greatest is the whole. Distinct
    counts do not add up, and neither do gauges. What is left adds up.
    """
    if op in ("<", "<="):
        return "min"
    if signal.by in ("actor", "source_range") or signal.measure in ("distinct", "gauge") or not own_stream(signal):
        return "max"
    return "sum"


def lookback(spec: Spec, alert: Alert, signal: Signal) -> float:
    """How far an alert looks back, in seconds: past the last tier for a one-shot alert, else over a missed scrape."""
    if alert.one_shot:
        tiers = escalation_of(spec, alert).tiers
        return float(tiers[-1].after if tiers else 0.0) + float(spec.settings.latch_margin)
    return LOOKBACK_SCRAPES * float(spec.settings.scrape_interval) if own_stream(signal) else 0.0


def escalation_of(spec: Spec, alert: Alert) -> Escalation:
    """The escalation of an alert: its severity's, for its owner."""
    return spec.escalations[spec.severities[alert.severity].escalation[alert.owner]]


def first_channels(spec: Spec, alert: Alert) -> tuple[str, ...]:
    """Who hears first: tier 0 for a stable alert; only the chats of it for one that is still proving itself."""
    tiers = escalation_of(spec, alert).tiers
    channels = tiers[0].notify if tiers else ()
    if alert.maturity == "stable":
        return channels
    quiet = tuple(channel for channel in channels if not spec.channels[channel].pages)
    return tuple(channel for channel in quiet if spec.channels[channel].type == "slack") or quiet


def kept_hours(spec: Spec, severity: SeverityName, tier: Tier, channels: Iterable[str]) -> dict[str, str]:
    """Channels of a tier with the calendar in whose hours they speak; "" is always.

    What pages keeps the hours of the severity; a tier that names hours keeps those as a whole.
    """
    page = spec.severities[severity].page
    kept = page if page in spec.calendars else ""
    return {channel: tier.during or (kept if spec.channels[channel].pages else "") for channel in channels}


def _static_labels(spec: Spec, name: str, alert: Alert, signal: Signal) -> dict[str, str]:
    return {
        **spec.settings.extra_labels,
        "severity": spec.settings.severity_words[alert.severity],
        "tocsin_severity": alert.severity,
        "owner": alert.owner,
        "incident": alert.incident,
        "category": signal.category,
        "layer": signal.layer,
        "anomaly": signal.anomaly,
        "maturity": alert.maturity,
        "confidence": alert.confidence,
        "alert_family": name,
    }
