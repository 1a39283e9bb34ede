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
    yield from wording.measured(signal)
    limit = wording.OR_MORE[rule.op].format(wording.limit(rule.value, signal))
    yield Fixed(f" expected in {duration(line.ahead)}, if it goes on as in the last {duration(line.window)}")
    yield Fixed(f"; the alert is at {limit}. {signal.help}")


def fires(spec: Spec, rule: AlertRule, line: Line) -> str:
    """When it fires, in sentences."""
    (signal,) = wording.signals(spec, rule)
    limit = f"{wording.AT_LEAST[rule.op]} {wording.amount(rule.value, signal)}"
    text = f"when it will be {limit} in {duration(line.ahead)}, if it goes on as in the last {duration(line.window)}. "
    text += f"What: {signal.help}"
    if signal.window:
        text += f" Within {signal.window}."
    text += f" Needs {line.enough} values for a forecast."
    return text + wording.for_each(rule) + wording.lasting(rule)


def brief(spec: Spec, rule: AlertRule, line: Line) -> str:
    """When it fires, in a few words."""
    (_, name), *_ = signals_of(rule.alert)
    limit = f"{wording.SIGNS[rule.op]} {wording.short(rule.value)}{wording.unit(spec.signals[name])}"
    return f"{wording.spoken(name)} {limit} {duration(line.ahead)} from now"


def besides(line: Line) -> str:
    """That the value is a forecast."""
    return f"that {duration(line.ahead)} from now"
