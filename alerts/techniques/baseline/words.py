"""What a person reads about a baseline."""

from __future__ import annotations

from collections.abc import Iterator

from alerts import wording
from alerts.expression import Quantity
from alerts.rule import AlertRule
from alerts.techniques.baseline.baseline_history import History
from alerts.text import Fixed, Known, Part
from alerts.wording import duration, number
from spec.lookup import signals_of
from spec.model import Spec


def describe(spec: Spec, rule: AlertRule, past: History, mean: Quantity, limit: Quantity) -> Iterator[Part]:
    """The value beside what is usual and the limit."""
    (signal,) = wording.signals(spec, rule)
    yield from wording.measured(signal)
    if signal.window:
        yield Fixed(f" within {signal.window}")
    yield Fixed(f"; usual (mean of {duration(past.history)}): ")
    yield Known(mean)
    yield Fixed(f", limit ({number(past.deviations)} deviations above): ")
    yield Known(limit)
    yield Fixed(f", never below: {wording.limit(rule.value, signal)}. {signal.help}")


def fires(spec: Spec, rule: AlertRule, past: History) -> str:
    """When it fires, in sentences."""
    (signal,) = wording.signals(spec, rule)
    text = f"when there is {wording.AT_LEAST[rule.op]} {wording.amount(rule.value, signal)}. What: {signal.help}"
    text += f" And {number(past.deviations)} deviations over its own mean of {duration(past.history)}"
    new = f"{duration(past.enough * past.step)} of history"
    if past.floor_only:
        text += f"; with less than {new} known, that much alone is enough."
    else:
        text += f"; never with less than {new} known."
    if signal.window:
        text += f" Within {signal.window}."
    return text + wording.for_each(rule) + wording.lasting(rule)


def brief(spec: Spec, rule: AlertRule, past: History) -> str:
    """When it fires, in a few words."""
    (_, name), *_ = signals_of(rule.alert)
    signal = spec.signals[name]
    limit = f"≥ {wording.short(rule.value)}{wording.unit(signal)}{wording.within(signal)}"
    return f"{wording.spoken(name)} {limit}, {number(past.deviations)} σ up"


def besides(past: History) -> str:
    """What has to be true beside the floor."""
    return f"{number(past.deviations)} deviations over its mean"
