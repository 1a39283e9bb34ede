"""What a person reads about an absence."""

from __future__ import annotations

from collections.abc import Iterator

from alerts import wording
from alerts.rule import AlertRule
from alerts.techniques.absence.evaluation import Activity
from alerts.text import Fixed, Part, Value
from alerts.wording import duration, number
from spec.lookup import signals_of
from spec.model import Spec


def describe(spec: Spec, rule: AlertRule, *, age: bool, activity: Activity | None) -> Iterator[Part]:
    """What it means, the age or the value, the limit, and what to do first."""
    _, *others = wording.signals(spec, rule)
    yield Fixed(" ".join(rule.alert.meaning.split()))
    if age:
        yield Fixed(" Age of the newest: ")
        yield Value("duration")
        none = "" if rule.labels else "; +Inf: there is none"
        yield Fixed(f" {wording.page_limit(rule, duration(rule.value), none)}.")
    elif rule.value != 1:  # below 1 there is only 0, which needs no words
        yield Fixed(" Value: ")
        yield Value()
        yield Fixed(f" {wording.page_limit(rule, number(rule.value))}.")
    if activity is not None:
        yield from (
            Fixed(f" Meanwhile at least {_amount(activity)}: {wording.inside(other.help)}.") for other in others
        )
    yield from wording.ending(rule)


def fires(spec: Spec, rule: AlertRule, *, age: bool, activity: Activity | None) -> str:
    """When it fires, in sentences."""
    signal, *others = wording.signals(spec, rule)
    limit = duration(rule.value) if age else number(rule.value)
    missing = "" if rule.labels else ", or missing"
    old = " ago" if age else ""
    text = f"{wording.noun(signal.help)[0]}: {wording.AT_LEAST[rule.op]} {limit}{old}{missing}{wording.scope(rule)}."
    if activity is not None:
        text += "".join(f" Meanwhile at least {_amount(activity)}: {wording.inside(other.help)}." for other in others)
    return text


def brief(spec: Spec, rule: AlertRule, *, age: bool) -> str:
    """When it fires, in a few words."""
    (_, name), *_ = signals_of(rule.alert)
    if age:
        return f"{wording.spoken(name)} older than {duration(rule.value)}"
    return f"{wording.spoken(name)} < {number(rule.value)}{wording.unit(spec.signals[name])}"


def _amount(activity: Activity) -> str:
    return f"{number(activity.least)} in {duration(activity.window)}"
