"""What a person reads about a threshold."""

from __future__ import annotations

from collections.abc import Iterator

from alerts import wording
from alerts.rule import AlertRule
from alerts.text import Fixed, Part
from spec.lookup import signals_of
from spec.model import Spec


def describe(spec: Spec, rule: AlertRule) -> Iterator[Part]:
    """The value, of which time, the limit, and what is measured."""
    (signal,) = wording.signals(spec, rule)
    yield from wording.measured(signal)
    yield from wording.latched(rule, signal)
    limit = wording.OR_MORE[rule.op].format(wording.limit(rule.value, signal))
    yield Fixed(f"; the alert is at {limit}. {signal.help}")
    yield from wording.answered(rule)


def fires(spec: Spec, rule: AlertRule) -> str:
    """When it fires, in sentences."""
    (signal,) = wording.signals(spec, rule)
    text = f"when there is {wording.AT_LEAST[rule.op]} {wording.amount(rule.value, signal)}. What: {signal.help}"
    if signal.window:
        text += f" Within {signal.window}."
    return text + wording.for_each(rule) + wording.lasting(rule)


def brief(spec: Spec, rule: AlertRule) -> str:
    """When it fires, in a few words."""
    (_, name), *_ = signals_of(rule.alert)
    signal = spec.signals[name]
    limit = f"{wording.SIGNS[rule.op]} {wording.short(rule.value)}{wording.unit(signal)}"
    return f"{wording.spoken(name)} {limit}{wording.within(signal)}"
