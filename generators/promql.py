"""Alerts as PromQL that Prometheus 2.42 understands. Text only; nothing is evaluated here."""

from __future__ import annotations

import json
from collections.abc import Iterable

from spec.duration import Duration
from spec.ir import AlertRule, Series


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
    by = f" by ({', '.join(series.labels)})" if series.labels else ""
    return f"{series.aggregate}{by} ({selector(series.metric, series.matchers)})"


def recordings(rule: AlertRule) -> dict[str, str]:
    """The recording rules that an alert reads, expressions by name, each after those it reads itself."""
    rules = {series.record: aggregation(series) for series in (rule.series, rule.denominator) if series}
    if rule.denominator:
        over, under = rule.series.record, rule.denominator.record
        rules[rule.record] = f"{over} / {under} and {under} >= {number(rule.min_denominator)}"
    return rules


def condition(rule: AlertRule) -> str:
    """When the alert is true. With a look-back, the worst of it counts.

    Before Prometheus 3 a range includes its oldest instant, so a latched alert stays up one evaluation longer there.
    """
    value = rule.record
    if rule.lookback:
        value = f"{worst(rule)}_over_time({rule.record}[{duration(rule.lookback)}])"
    return f"{value} {rule.op} {number(rule.value)}"


def worst(rule: AlertRule) -> str:
    """``max`` or ``min``: which of several values is nearer to an alert."""
    return "min" if rule.op in ("<", "<=") else "max"
