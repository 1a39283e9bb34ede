"""What a page says about an alert that fires: a row of parts, some of which are filled in when it does.

`text` of a part is what a person reads. A backend that fills in by itself renders its own template from the same part.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import isinf
from typing import Final, Literal, Protocol
from urllib.parse import quote_plus

from alerts.expression import Quantity, Series

UNKNOWN: Final = "unknown, see the gateway log"
NOT_YET: Final = "not known yet"


@dataclass(frozen=True, slots=True)
class Firing:
    """An alert that fires: its labels, its value, and the hits that the model answered (None: nobody knows).

    `alerts` are the names of the alerts of its incident, where it stands for those; `quantities` are the values of its
    quantities, by name.
    """

    labels: Mapping[str, str]
    value: float
    answered: float | None = None
    alerts: tuple[str, ...] = ()
    quantities: Mapping[str, float] = field(default_factory=dict)


class Part(Protocol):
    """A piece of an annotation."""

    def text(self, firing: Firing) -> str:
        """As a person reads it."""
        ...


Parts = tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Fixed:
    """The same for every firing."""

    words: str

    def text(self, firing: Firing) -> str:
        """The words."""
        return self.words


@dataclass(frozen=True, slots=True)
class Label:
    """The value of a label. In a query of an address, `quoted`."""

    name: str
    quoted: bool = False

    def text(self, firing: Firing) -> str:
        """The value."""
        value = firing.labels[self.name]
        return quote_plus(value, safe="~") if self.quoted else value


@dataclass(frozen=True, slots=True)
class Value:
    """The value of the alert, as people read it: ``250k``, ``35%`` or ``2m 0s``."""

    form: Literal["number", "share", "duration"] = "number"

    def text(self, firing: Firing) -> str:
        """The value in its form."""
        match self.form:
            case "share":
                return f"{firing.value * 100:.4g}%"
            case "duration":
                return human_duration(firing.value)
            case _:
                return human(firing.value)


@dataclass(frozen=True, slots=True)
class Answered:
    """How many of the hits the model answered at most within `lookback`, from a series that may be missing."""

    of: Series
    worst: Literal["max", "min"]
    lookback: float

    def text(self, firing: Firing) -> str:
        """The number, or that it is unknown."""
        if firing.answered is None:
            return UNKNOWN
        return f"up to {human(firing.answered)}" if firing.answered else "none"


@dataclass(frozen=True, slots=True)
class Known:
    """The newest value of a quantity of the alert, which may not have one yet."""

    quantity: Quantity

    def text(self, firing: Firing) -> str:
        """The value, or that there is none."""
        value = firing.quantities.get(self.quantity.name)
        return NOT_YET if value is None else human(value)


def text(parts: Iterable[Part], firing: Firing) -> str:
    """An annotation as a person reads it."""
    return "".join(part.text(firing) for part in parts)


def filled(pattern: str) -> Parts:
    """``{actor} ({tenant})`` with the labels in braces to be filled in; other braces are text."""
    pieces = re.split(r"(?<!\{)\{([A-Za-z_]\w*)\}(?!\})", pattern, flags=re.ASCII)
    parts = (Label(piece) if place % 2 else Fixed(piece) for place, piece in enumerate(pieces))
    return tuple(part for part in parts if part != Fixed(""))


def human(value: float) -> str:
    """A number with a prefix such as k or m, four digits.

    Source: the template function `humanize` in ``template/template.go`` of Prometheus 2.42.
    """
    if value == 0:
        return "0"
    prefix = ""
    if abs(value) >= 1:
        for letter in "kMGTPEZY":
            if abs(value) < 1000:
                break
            prefix, value = letter, value / 1000
    else:
        for letter in "munpfazy":
            if abs(value) >= 1:
                break
            prefix, value = letter, value * 1000
    return f"{value:.4g}{prefix}"


def human_duration(seconds: float) -> str:
    """Seconds as `humanizeDuration` of Prometheus prints them, for what is not shorter than a second or 0."""
    if isinf(seconds):
        return "+Inf"
    if seconds < 60:
        return f"{seconds:.4g}s"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days}d {hours}h {minutes}m {rest}s"
    return f"{hours}h {minutes}m {rest}s" if hours else f"{minutes}m {rest}s"
