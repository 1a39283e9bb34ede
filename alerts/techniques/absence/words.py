"""What a person reads about an absence."""

from __future__ import annotations

from collections.abc import Iterator

from alerts import wording
from alerts.rule import AlertRule
from alerts.techniques.absence.evaluation import Busy
from alerts.text import Fixed, Part, Value
from alerts.wording import duration, number
from spec.lookup import signals_of
from spec.model import Spec


def describe(spec: Spec, rule: AlertRule, *, age: bool, busy: Busy | None) -> Iterator[Part]:
    """The value or the age, the limit, and what there was to tell."""
    signal, *others = wording.signals(spec, rule)
    yield Value("duration" if age else "number")
    limit = duration(rule.value) if age else number(rule.value)
    missing = "" if rule.labels else f", or when nothing tells{' (+Inf)' if age else ''}"
    yield Fixed(f"{' old' if age else ''}; the alert is at {wording.OR_MORE[rule.op].format(limit)}{missing}. ")
    yield Fixed(signal.help)
    if busy is not None:
        yield from (Fixed(f" Meanwhile at least {_amount(busy)} of: {other.help}") for other in others)


def fires(spec: Spec, rule: AlertRule, *, age: bool, busy: Busy | None) -> str:
    """When it fires, in sentences."""
    signal, *others = wording.signals(spec, rule)
    limit = duration(rule.value) if age else number(rule.value)
    missing = "" if rule.labels else ", or missing"
    text = f"when it is {'old, ' if age else ''}{wording.AT_LEAST[rule.op]} {limit}{missing}. What: {signal.help}"
    if busy is not None:
        text += "".join(f" And at least {_amount(busy)} of: {other.help}" for other in others)
    return f"{text}{wording.for_each(rule)} Has to stay so for {duration(rule.hold)}."


def brief(spec: Spec, rule: AlertRule, *, age: bool) -> str:
    """When it fires, in a few words."""
    (_, name), *_ = signals_of(rule.alert)
    if age:
        return f"{wording.spoken(name)} older than {duration(rule.value)}"
    return f"{wording.spoken(name)} < {number(rule.value)}{wording.unit(spec.signals[name])}"


def _amount(busy: Busy) -> str:
    return f"{number(busy.least)} within {duration(busy.window)}"
