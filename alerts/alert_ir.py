"""Alerts in their one compiled form: what generators turn into rules, the exporter watches and replay evaluates.

The meaning of an `AlertRule` at time t, for each member of its labels:

1. `series` is read at t and merged over instances and partitions by its `aggregate`; so is the `denominator`.
2. The compared value is the series, or series / denominator where the denominator is at least `min_denominator`.
3. With a `lookback`, the compared value is the greatest one (the least for ``<`` and ``<=``) in (t - lookback, t].
4. It is compared with `value`; with a `baseline`, with the member's limit at t, which is at least `value`.
5. A `heartbeat` without labels that has no series compares true as well; of one with labels, nobody could say which
   one is missing. With `busy`, nothing is true unless it grew enough, for a heartbeat with labels that of the member.
6. The alert is pending from when it compares true, and fires when it has been for `hold`.

The limit of a baseline, at the newest multiple g of its `step` that is not after t: `samples` are what step 1 gave at
each multiple, and 0 for a member that is not there but was over 0 within the `history` before. Of the samples in
(g - exclude - history, g - exclude] there have to be at least `enough`. The limit is their mean plus `deviations` times
their standard deviation, which counts as at least `DEVIATION_OF_FLOOR` of `value` and `DEVIATION_OF_MEAN` of the mean.
A member whose limit has gone keeps it for one step. One without a limit is compared with `value` when there is
`floor_only`, else it is never true.

How much a counter grew is what Prometheus estimates as its `increase()`; thresholds on it are no small integers.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

import msgspec

from spec import names
from spec.duration import Duration
from spec.lookup import own_stream, signals_of
from spec.model import (
    Absence,
    Alert,
    Baseline,
    Escalation,
    Ratio,
    Rule,
    SeverityName,
    Signal,
    Spec,
    Threshold,
    Tier,
    When,
)

LOOKBACK_SCRAPES = 3
"""A window gauge may miss a scrape; so alerts look at this many of them."""
DEVIATION_OF_FLOOR: Final = 0.2
DEVIATION_OF_MEAN: Final = 0.1
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
class History:
    """What a baseline alert compares with; the floor is the `value` of the alert. Times in seconds.

    `exclude` is a whole number of steps; `enough` is the number of samples from which there is a limit. The names are
    those of the recording rules.
    """

    step: float
    history: float
    exclude: float
    enough: int
    deviations: float
    floor_only: bool
    sample: str
    mean: str
    deviation: str
    limit: str

    @property
    def fresh(self) -> float:
        """How long a recorded limit is valid."""
        return 2 * self.step


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """How an absence alert reads its series. `age`: it is a Unix time, and what is compared is how long ago that was.

    `busy` is a counter that has to grow by `least` or more within `window` seconds; its record is of that growth. It
    has the labels of the heartbeat.
    """

    age: bool
    busy: Series | None = None
    least: float = 0.0
    window: float = 0.0

    @property
    def missing(self) -> float:
        """What is compared when there is no series."""
        return math.inf if self.age else 0.0


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
    baseline: History | None = None
    heartbeat: Heartbeat | None = None


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
    baseline = history_of(spec, name, when, float(alert.for_)) if isinstance(when, Baseline) else None
    heartbeat = heartbeat_of(spec, when) if isinstance(when, Absence) else None
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
        baseline=baseline,
        heartbeat=heartbeat,
    )


def history_of(spec: Spec, name: str, when: Baseline, hold: float) -> History:
    """The history of a baseline alert; it ends before the window, the hold and the limit that it judges began."""
    step, signal = float(spec.settings.baseline_step), spec.signals[when.signal]
    labels = names.signal_labels(signal)
    return History(
        step=step,
        history=float(when.history),
        exclude=step * (math.ceil(round((float(signal.window) + hold) / step, 6)) + 2),
        enough=math.ceil(round(when.min_history / step, 6)),
        deviations=when.deviations,
        floor_only=when.cold_start == "floor_only",
        sample=names.baseline_rule(labels, name, "sample"),
        mean=names.baseline_rule(labels, name, "mean"),
        deviation=names.baseline_rule(labels, name, "deviation"),
        limit=names.baseline_rule(labels, name, "limit"),
    )


def heartbeat_of(spec: Spec, when: Absence) -> Heartbeat:
    """How the series of an absence alert is read."""
    age = bool(when.older_than)
    if not when.busy:
        return Heartbeat(age)
    signal = spec.signals[when.busy]
    labels = names.signal_labels(signal)
    busy = replace(signal_series(when.busy, signal), labels=labels, aggregate="sum")
    operation = f"increase{Duration(when.older_than)}"
    record = names.recording_rule(labels, busy.metric, busy.matchers, operation)
    return Heartbeat(age, replace(busy, record=record), when.busy_at_least, float(when.older_than))


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
        baseline=None,
        heartbeat=None,
    )


def condition(when: When) -> tuple[str, float, float]:
    """Operator, value and floor of the denominator (0 when there is none)."""
    match when:
        case Threshold():
            return when.op, when.value, 0.0
        case Ratio():
            return when.op, when.value, when.min_denominator
        case Rule():
            return ">=", 1.0, 0.0
        case Baseline():
            return ">=", when.floor, 0.0
        case Absence():
            return (">", float(when.older_than), 0.0) if when.older_than else ("<", when.below, 0.0)


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
