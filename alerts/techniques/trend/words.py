"""What a person reads about a trend."""

from __future__ import annotations

from collections.abc import Iterator

from alerts import wording
from alerts.rule import AlertRule
from alerts.techniques.trend.evaluation import Line
from alerts.text import Fixed, Part
from alerts.wording import duration
from spec.lookup import signals_of
from spec.model import Spec


def describe(spec: Spec, rule: AlertRule, line: Line) -> Iterator[Part]:
    """The forecast, of when, from what, and the limit."""
    (signal,) = wording.signals(spec, rule)
    yield Fixed(f"{wording.noun(signal.help)[0]}: forecast ")
    yield from wording.measured(signal)
    limit = wording.page_limit(rule, wording.limit(rule.value, signal))
    yield Fixed(f" {duration(line.ahead)} from now, if it continues as in the last {duration(line.window)} {limit}.")
    yield from wording.ending(rule)


def fires(spec: Spec, rule: AlertRule, line: Line) -> str:
    """When it fires, in sentences."""
    (signal,) = wording.signals(spec, rule)
    limit = f"{wording.AT_LEAST[rule.op]} {wording.amount(rule.value, signal)}"
    text = f"{wording.noun(signal.help)[0]}: forecast {limit}{wording.within(signal)}, {duration(line.ahead)} from now"
    text += f"{wording.scope(rule)}. The forecast continues the last {duration(line.window)}"
    return f"{text}. It needs {line.enough} values."


def brief(spec: Spec, rule: AlertRule, line: Line) -> str:
    """When it fires, in a few words."""
    (_, name), *_ = signals_of(rule.alert)
    limit = f"{wording.SIGNS[rule.op]} {wording.short(rule.value)}{wording.unit(spec.signals[name])}"
    return f"{wording.spoken(name)} {limit} {duration(line.ahead)} from now"


def besides(line: Line) -> str:
    """That the value is a forecast."""
    return f"that {duration(line.ahead)} from now"
