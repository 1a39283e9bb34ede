"""Alerts as PromQL that Prometheus 2.42 understands. Text only; nothing is evaluated here."""

from __future__ import annotations

import json
from collections.abc import Iterable

from alerts.alert_ir import DEVIATION_OF_FLOOR, DEVIATION_OF_MEAN, AlertRule, Heartbeat, History, Series
from spec.duration import Duration


def number(value: float) -> str:
    """``250000`` and ``0.3``: no exponent as long as a person can read it without."""
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)


def duration(seconds: float) -> str:
    """Seconds as Prometheus writes them: ``2h5m``."""
    return str(Duration(seconds))


def selector(metric: str, matchers: Iterable[tuple[str, str]] = ()) -> str:
    """``up{job="tocsin"}``; values are quoted."""
    inner = ",".join(f"{label}={json.dumps(value, ensure_ascii=False)}" for label, value in matchers)
    return f"{metric}{{{inner}}}" if inner else metric


def aggregation(series: Series) -> str:
    """Instances and partitions merged: ``max by (actor, tenant) (llm_jailbreak_hits)``."""
    return f"{series.aggregate}{_by(series)} ({selector(series.metric, series.matchers)})"


def _by(series: Series) -> str:
    return f" by ({', '.join(series.labels)})" if series.labels else ""


def recordings(rule: AlertRule) -> dict[str, str]:
    """The recording rules that an alert reads, expressions by name, each after those it reads itself."""
    rules = {series.record: aggregation(series) for series in (rule.series, rule.denominator) if series}
    if rule.denominator:
        over, under = rule.series.record, rule.denominator.record
        rules[rule.record] = f"{over} / {under} and {under} >= {number(rule.min_denominator)}"
    if rule.heartbeat and rule.heartbeat.busy:
        rules[rule.heartbeat.busy.record] = growth(rule.heartbeat.busy, rule.heartbeat.window)
    return rules


def growth(series: Series, window: float) -> str:
    """How much a counter grew: ``sum (increase(requests_total[10m]))``."""
    return f"{series.aggregate}{_by(series)} (increase({selector(series.metric, series.matchers)}[{duration(window)}]))"


def baseline_recordings(rule: AlertRule, history: History) -> dict[str, str]:
    """The recording rules of a baseline, to be evaluated at each of its steps, each after those it reads.

    The samples read themselves, so that a member that is quiet counts as 0 as long as it is known.
    """
    sampled = f"{history.sample}[{duration(history.history)}]"
    past = f"{sampled} offset {duration(history.exclude)}"
    least = number(DEVIATION_OF_FLOOR * rule.value)
    share = f"{number(DEVIATION_OF_MEAN)} * {history.mean}"
    return {
        history.sample: f"{aggregation(rule.series)} or 0 * (max_over_time({sampled}) > 0)",
        history.mean: f"avg_over_time({past}) and count_over_time({past}) >= {history.enough}",
        history.deviation: f"clamp_min(stddev_over_time({past}) > {share} or {share}, {least})",
        history.limit: (
            f"clamp_min({history.mean} + {number(history.deviations)} * {history.deviation}, {number(rule.value)})"
        ),
    }


def recorded(record: str, history: History) -> str:
    """What was last recorded of a baseline, which is done seldom."""
    return f"last_over_time({record}[{duration(history.fresh)}])"


def condition(rule: AlertRule) -> str:
    """When the alert is true. With a look-back, the worst of it counts.

    Before Prometheus 3 a range includes its oldest instant, so a latched alert stays up one evaluation longer there.
    """
    value = rule.record
    if rule.lookback:
        value = f"{worst(rule)}_over_time({rule.record}[{duration(rule.lookback)}])"
    if rule.baseline:
        return _above_limit(rule, rule.baseline, value)
    if rule.heartbeat:
        return _without_heartbeat(rule, rule.heartbeat)
    return f"{value} {rule.op} {number(rule.value)}"


def _above_limit(rule: AlertRule, history: History, value: str) -> str:
    limit = recorded(history.limit, history)
    above = f"{value} {rule.op} {limit}"
    if not history.floor_only:
        return above
    return f"{above} or ({value} {rule.op} {number(rule.value)} unless {limit})"


def _without_heartbeat(rule: AlertRule, heartbeat: Heartbeat) -> str:
    compared = f"{rule.op} {number(rule.value)}"
    silent = f"time() - {rule.record} {compared}" if heartbeat.age else f"{rule.record} {compared}"
    if not rule.labels:
        missing = f"absent({rule.record}) * Inf" if heartbeat.age else f"absent({rule.record}) - 1"
        silent = f"{silent} or {missing} {compared}"
    if heartbeat.busy is None:
        return silent
    silent = silent if rule.labels else f"({silent})"
    return f"{silent} and {heartbeat.busy.record} >= {number(heartbeat.least)}"


def worst(rule: AlertRule) -> str:
    """``max`` or ``min``: which of several values is nearer to an alert."""
    return "min" if rule.op in ("<", "<=") else "max"
