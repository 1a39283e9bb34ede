"""Words that techniques share: numbers, units, limits and labels as a person reads them."""

from __future__ import annotations

import math
import re
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
_PLACE: Final = re.compile(r" ?\{log:[^}]*\}")
SIGNS: Final = {">=": "≥", ">": ">", "<=": "≤", "<": "<"}


def number(value: float) -> str:
    """``250000`` and ``0.3``: exact, as in the spec and in queries; no exponent where a person can read it without."""
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)


def readable(value: float) -> str:
    """``1,234`` and ``12.34``: four digits are enough for a person."""
    return f"{value:,.0f}" if value.is_integer() else f"{value:,.4g}"


def compact(value: float) -> str:
    """``1,234``, ``12.3``, ``0.042`` or ``15k``: a number where there is little room; ``?`` for none."""
    if not math.isfinite(value):
        return "?"
    if abs(value) >= 10_000:
        for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
            if abs(value) >= size:
                return f"{value / size:.3g}{letter}"
    return f"{value:,.0f}" if float(value).is_integer() or abs(value) >= 100 else f"{value:.3g}"


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
    """A value of a signal in a page, in few words: ``250k``, ``50 USD``, ``2m``."""
    return duration(value) if signal.unit == "seconds" else f"{short(value)}{unit(signal)}"


def noun(help: str) -> tuple[str, str]:
    """What is measured, without its full stop, and what else the help says."""
    first, _, rest = help.partition(". ")
    return first.removesuffix("."), rest


def inside(help: str) -> str:
    """What is measured, inside a sentence: it begins small, unless with an abbreviation."""
    words, _ = noun(help)
    return words if words[1:2].isupper() else words[:1].lower() + words[1:]


def scope(rule: AlertRule) -> str:
    """Of what and for how long, behind a comparison: ``, per `actor`, sustained for 2m``."""
    labels = f", per {' and '.join(f'`{label}`' for label in rule.labels)}" if rule.labels else ""
    return f"{labels}, sustained for {duration(rule.hold)}" if rule.hold else labels


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
    if signal.unit and signal.unit not in signal.help:
        yield Fixed(f" {_written(signal)}")


def up_to(rule: AlertRule) -> Iterator[Part]:
    """Says that the value is a peak, where it is one."""
    if rule.alert.one_shot:
        yield Fixed("up to ")


def page_limit(rule: AlertRule, value: str, more: str = "") -> str:
    """The limit, in brackets: ``(page limit: 3 or more)``; `more` is said behind it."""
    return f"({'page limit' if rule.pages else 'limit'}: {OR_MORE[rule.op].format(value)}{more})"


def ending(rule: AlertRule) -> Iterator[Part]:
    """The end of a description: the first step, when a latched alert ends, how many hits the model answered."""
    if rule.alert.triage:
        yield Fixed(f" First: {_PLACE.sub('', ' '.join(rule.alert.triage[0].split()))}")
    if rule.alert.one_shot:
        yield Fixed(f" This alert ends {duration(rule.lookback)} after the limit was last reached.")
    elif rule.keep:
        yield Fixed(f" This alert ends {duration(rule.keep)} after the limit was last reached.")
    if rule.answered:
        series = Series(rule.answered, (), rule.labels, rule.series.aggregate)
        yield Fixed(" Answered by the model: ")
        yield Answered(series, rule.worst, rule.lookback)
        yield Fixed(".")


def _written(signal: Signal) -> str:
    return signal.unit.upper() if signal.unit == "usd" else signal.unit
