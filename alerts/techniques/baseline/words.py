"""What a person reads about a baseline."""

from __future__ import annotations

from collections.abc import Iterator

from alerts import wording
from alerts.expression import Quantity
from alerts.rule import AlertRule
from alerts.techniques.baseline.baseline_history import HistoryRange
from alerts.text import Fixed, Known, Part
from alerts.wording import duration, number
from spec.lookup import signals_of
from spec.model import Spec


def describe(spec: Spec, rule: AlertRule, history: HistoryRange, mean: Quantity, limit: Quantity) -> Iterator[Part]:
    """The value beside what is usual and the limit."""
    (signal,) = wording.signals(spec, rule)
    yield Fixed(f"{wording.noun(signal.help)[0]}: ")
    yield from wording.measured(signal)
    yield Fixed(f"{wording.within(signal)}. Usual (mean of {duration(history.length)}): ")
    yield Known(mean)
    yield Fixed(f". Limit ({number(history.deviations)} deviations above): ")
    yield Known(limit)
    yield Fixed(f", but at least {wording.limit(rule.value, signal)}.")
    yield from wording.ending(rule)


def fires(spec: Spec, rule: AlertRule, history: HistoryRange) -> str:
    """When it fires, in sentences."""
    (signal,) = wording.signals(spec, rule)
    least = f"{wording.AT_LEAST[rule.op]} {wording.amount(rule.value, signal)}{wording.within(signal)}"
    text = f"{wording.noun(signal.help)[0]}: {least}, and {number(history.deviations)} deviations over its own mean of "
    text += f"{duration(history.length)}{wording.scope(rule)}."
    new = f"less than {duration(history.enough * history.step)} of history"
    if history.floor_only:
        return f"{text} With {new} the first limit alone is enough."
    return f"{text} Never with {new}."


def brief(spec: Spec, rule: AlertRule, history: HistoryRange) -> str:
    """When it fires, in a few words."""
    (_, name), *_ = signals_of(rule.alert)
    signal = spec.signals[name]
    limit = f"≥ {wording.short(rule.value)}{wording.unit(signal)}{wording.within(signal)}"
    return f"{wording.spoken(name)} {limit}, {number(history.deviations)} σ up"


def besides(history: HistoryRange) -> str:
    """What has to be true beside the floor."""
    return f"{number(history.deviations)} deviations over its mean"
