"""Alerts in their one compiled form: what generators turn into rules, and replay evaluates.

The meaning of an `AlertRule` at time t, for each member of its labels:

1. A series is read at t and merged over instances and partitions by its `aggregate`.
2. What the technique makes of it (`Criterion.compared`) compares with a limit; with a lookback, the greatest one (the
   least for ``<`` and ``<=``) in (t - lookback, t]. What else has to hold, `criterion` of the technique says.
3. The alert is pending from when that is true, and fires when it has been for `hold`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final

import msgspec

from alerts.rule import AlertRule
from alerts.series import signal_series
from alerts.techniques import criterion_of
from alerts.techniques.threshold.model import Threshold
from spec import names
from spec.lookup import own_stream, signals_of
from spec.model import Alert, Escalation, SeverityName, Signal, Spec, Tier

LOOKBACK_SCRAPES = 3
"""A window gauge may miss a scrape; so alerts look at this many of them."""
GROUP_EVALUATIONS: Final = 4
"""Evaluations between two notifications about one incident: what begins again sooner is the same page."""


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
    signal_name = signals_of(alert)[0][1]
    signal = spec.signals[signal_name]
    criterion = criterion_of(spec, alert)
    channels = first_channels(spec, alert)
    entity = spec.incidents[alert.incident].entity
    return AlertRule(
        name=name,
        alert=alert,
        criterion=criterion,
        lookback=lookback(spec, alert, signal),
        hold=float(alert.for_),
        keep=float(alert.keep_firing_for),
        static_labels=_static_labels(spec, name, alert, signal),
        incident_key=names.incident_key(alert.incident, entity if entity in criterion.series.labels else ""),
        channels=channels,
        pages=any(spec.channels[channel].pages for channel in channels),
        answered=names.answered_metric(signal_name) if signal.answered else "",
        family=name,
    )


def _storm(spec: Spec, rule: AlertRule, pattern: Alert) -> AlertRule:
    """The alert that replaces `rule`'s single ones; it stays up as long as they would, to keep holding them back."""
    signal_name = signals_of(pattern)[0][1]
    every = signal_series(spec, signal_name)
    series = replace(every, matchers=tuple(sorted({**dict(every.matchers), "alert": rule.name}.items())))
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
        keep_firing_for=own.keep_firing_for,
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
        criterion=replace(criterion_of(spec, alert), series=series),
        incident_key=f"{own.incident}/{rule.name}",
        answered="",
    )


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
    """Who is notified first: tier 0 for a stable alert; only the chats of it for one that is still proving itself."""
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
