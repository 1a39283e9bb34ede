"""What a person reads about a ratio."""

from __future__ import annotations

from collections.abc import Iterator

from alerts import wording
from alerts.rule import AlertRule
from alerts.text import Fixed, Part, Value
from spec.lookup import signals_of
from spec.model import Spec


def describe(spec: Spec, rule: AlertRule, least: float, least_part: float) -> Iterator[Part]:
    """What is divided by what, the share in which time, the limit, and what to do first."""
    part, whole = wording.signals(spec, rule)
    yield Fixed(f"{wording.noun(part.help)[0]}: ")
    yield from wording.up_to(rule)
    yield Value("share")
    yield Fixed(f" of {wording.inside(whole.help)}{wording.within(part)}")
    minimum = f" and at least {wording.number(least_part)}" if least_part else ""
    limit = wording.page_limit(rule, f"{rule.value * 100:g}%", f"{minimum}, out of at least {wording.number(least)}")
    yield Fixed(f" {limit}.")
    yield from wording.ending(rule)


def fires(spec: Spec, rule: AlertRule, least: float, least_part: float) -> str:
    """When it fires, in sentences."""
    part, whole = wording.signals(spec, rule)
    share = f"{wording.AT_LEAST[rule.op]} {rule.value * 100:g} % of {wording.inside(whole.help)}"
    text = f"{wording.noun(part.help)[0]}: {share}{wording.within(part)}{wording.scope(rule)}."
    former = f"{wording.number(least_part)} of the former and " if least_part else ""
    return f"{text} Needs at least {former}{wording.number(least)} of the latter."


def brief(spec: Spec, rule: AlertRule) -> str:
    """When it fires, in a few words."""
    (_, name), *_ = signals_of(rule.alert)
    share = f"{wording.number(round(100 * rule.value, 6))} %"
    return f"{wording.spoken(name)} {wording.SIGNS[rule.op]} {share}{wording.within(spec.signals[name])}"
