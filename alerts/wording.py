"""Words that techniques share: numbers, units, limits and labels as a person reads them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from alerts.expression import Series
from alerts.text import Answered, Fixed, Part, Value
from spec.duration import Duration
from spec.lookup import signals_of
from spec.model import Signal, Spec

if TYPE_CHECKING:
    from alerts.rule import AlertRule

AT_LEAST: Final = {">=": "at least", ">": "more than", "<=": "at most", "<": "less than"}
OR_MORE: Final = {">=": "{} or more", ">": "more than {}", "<=": "{} or less", "<": "less than {}"}
SIGNS: Final = {">=": "≥", ">": ">", "<=": "≤", "<": "<"}


def number(value: float) -> str:
    """``250000`` and ``0.3``: no exponent as long as a person can read it without."""
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)


def duration(seconds: float) -> str:
    """Seconds as people and Prometheus write them: ``2h5m``."""
    return str(Duration(seconds))


def short(value: float) -> str:
    """``250k``: round numbers of thousands and millions."""
    for size, letter in ((1_000_000, "M"), (1_000, "k")):
        if value >= 10 * size or (value >= size and value % size == 0):
            return f"{value / size:g}{letter}"
    return number(value)


def spoken(signal: str) -> str:
    """The name of a signal as words; one of accounts does not say so."""
    return signal.removesuffix("_by_actor").replace("_", " ")


def within(signal: Signal) -> str:
    """Such as `` in 10m``."""
    return f" in {signal.window}" if signal.window else ""


def unit(signal: Signal) -> str:
    """The unit after a number in a short text."""
    return {"usd": " USD", "seconds": " s"}.get(signal.unit, "")


def amount(value: float, signal: Signal) -> str:
    """A value of a signal with its unit."""
    if signal.unit == "seconds":
        return duration(value)
    return f"{number(value)} {_written(signal)}".strip()


def limit(value: float, signal: Signal) -> str:
    """A value of a signal where its unit was said before."""
    return duration(value) if signal.unit == "seconds" else number(value)


def for_each(rule: AlertRule) -> str:
    """The labels of an alert, as a sentence."""
    return f" For each {' and '.join(f'`{label}`' for label in rule.labels)}." if rule.labels else ""


def lasting(rule: AlertRule) -> str:
    """How long it has to hold, as a sentence."""
    return f" Has to stay so for {duration(rule.hold)}." if rule.hold else ""


def signals(spec: Spec, rule: AlertRule) -> tuple[Signal, ...]:
    """The signals of an alert, in the order of their keys."""
    return tuple(spec.signals[name] for _, name in signals_of(rule.alert))


# ------------------------------------------------------------------------------------------------------- annotations
def measured(signal: Signal) -> Iterator[Part]:
    """The value of an alert on a signal, with its unit."""
    if signal.unit == "seconds":
        yield Value("duration")
        return
    yield Value()
    if signal.unit:
        yield Fixed(f" {_written(signal)}")


def latched(rule: AlertRule, signal: Signal) -> Iterator[Part]:
    """Of which time the value is."""
    if signal.window:
        yield Fixed(f" within {signal.window}")
    if rule.alert.one_shot:
        yield Fixed(f" at the peak of the last {duration(rule.lookback)}")


def answered(rule: AlertRule) -> Iterator[Part]:
    """How many of the hits the model answered, where the signal says so."""
    if rule.answered:
        series = Series(rule.answered, (), rule.labels, rule.series.aggregate)
        yield Fixed(" Answered by the model: ")
        yield Answered(series, rule.worst, rule.lookback)
        yield Fixed(".")


def _written(signal: Signal) -> str:
    return signal.unit.upper() if signal.unit == "usd" else signal.unit
