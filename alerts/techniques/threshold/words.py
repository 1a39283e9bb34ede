"""What a person reads about a threshold."""

from __future__ import annotations

from collections.abc import Iterator

from alerts import wording
from alerts.rule import AlertRule
from alerts.text import Fixed, Part
from spec.lookup import signals_of
from spec.model import Spec


def describe(spec: Spec, rule: AlertRule) -> Iterator[Part]:
    """What is measured, how much in which time, the limit, and what to do first."""
    (signal,) = wording.signals(spec, rule)
    what, more = wording.noun(signal.help)
    yield Fixed(f"{what}: ")
    yield from wording.up_to(rule)
    yield from wording.measured(signal)
    limit = wording.page_limit(rule, wording.limit(rule.value, signal))
    yield Fixed(f"{wording.within(signal)} {limit}.{f' {more}' if more else ''}")
    yield from wording.ending(rule)


def fires(spec: Spec, rule: AlertRule) -> str:
    """When it fires, in sentences."""
    (signal,) = wording.signals(spec, rule)
    what, more = wording.noun(signal.help)
    text = f"{what}: {wording.AT_LEAST[rule.op]} {wording.amount(rule.value, signal)}{wording.within(signal)}"
    return f"{text}{wording.scope(rule)}.{f' {more}' if more else ''}"


def brief(spec: Spec, rule: AlertRule) -> str:
    """When it fires, in a few words."""
    (_, name), *_ = signals_of(rule.alert)
    signal = spec.signals[name]
    limit = f"{wording.SIGNS[rule.op]} {wording.short(rule.value)}{wording.unit(signal)}"
    return f"{wording.spoken(name)} {limit}{wording.within(signal)}"
