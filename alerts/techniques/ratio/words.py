"""What a person reads about a ratio."""

from __future__ import annotations

from collections.abc import Iterator

from alerts import wording
from alerts.rule import AlertRule
from alerts.text import Fixed, Part, Value
from spec.lookup import signals_of
from spec.model import Spec


def describe(spec: Spec, rule: AlertRule, least: float) -> Iterator[Part]:
    """The share, of how much, of which time, the limit, and what is divided."""
    part, whole = wording.signals(spec, rule)
    yield Value("share")
    yield Fixed(f" of at least {wording.number(least)}")
    yield from wording.latched(rule, part)
    yield Fixed(f"; the alert is at {wording.OR_MORE[rule.op].format(f'{rule.value * 100:g}%')}. {part.help}")
    yield Fixed(f" As a share of: {whole.help}")
    yield from wording.answered(rule)


def fires(spec: Spec, rule: AlertRule, least: float) -> str:
    """When it fires, in sentences."""
    part, whole = wording.signals(spec, rule)
    text = f"when there is {wording.AT_LEAST[rule.op]} {rule.value * 100:g} %. What: {part.help}"
    text += f" As a share of: {whole.help} At least {wording.number(least)} of those are needed."
    if part.window:
        text += f" Within {part.window}."
    return text + wording.for_each(rule) + wording.lasting(rule)


def brief(spec: Spec, rule: AlertRule) -> str:
    """When it fires, in a few words."""
    (_, name), *_ = signals_of(rule.alert)
    share = f"{wording.number(round(100 * rule.value, 6))} %"
    return f"{wording.spoken(name)} {wording.SIGNS[rule.op]} {share}{wording.within(spec.signals[name])}"
