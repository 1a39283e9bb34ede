"""The small language that alerts are lowered to, and that every backend compiles.

It knows metrics, labels, how series merge, and times; nothing of any backend: no names of recording rules, no text of
a query. Every value is a vector: one number for each member of the labels. Times are in seconds.

A technique lowers an alert to a condition (`Compare`, or `While` around one). The reference meaning is its evaluation,
not this; the conformance tests hold the two together.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Literal

Aggregate = Literal["max", "sum", "min"]
Statistic = Literal["max", "min", "mean", "deviation", "forecast"]


@dataclass(frozen=True, slots=True)
class Series:
    """A metric as it is now: the series that `matchers` select, merged to one for each member of `labels`.

    `aggregate` says how instances and partitions merge.
    """

    metric: str
    matchers: tuple[tuple[str, str], ...]
    labels: tuple[str, ...]
    aggregate: str


@dataclass(frozen=True, slots=True)
class Increase:
    """How much a counter grew within `window`, its series added up."""

    of: Series
    window: float


@dataclass(frozen=True, slots=True)
class Share:
    """`part` divided by `whole`, for those who have at least `least` of the whole, and `least_part` of the part."""

    part: Series
    whole: Series
    least: float
    least_part: float = 0.0


@dataclass(frozen=True, slots=True)
class Age:
    """How long ago the Unix time was that a series shows."""

    of: Series


@dataclass(frozen=True, slots=True)
class Samples:
    """A series at each multiple of `step`; a member that is not there is 0 if it was over 0 within `history` before."""

    of: Series
    step: float
    history: float


@dataclass(frozen=True, slots=True)
class OverTime:
    """A statistic of the values within `window`, up to `before` ago; only where there are at least `least` of them.

    ``deviation`` is the standard deviation of the whole population, ``forecast`` what a straight line through the
    values (least squares) says of `ahead` from now.
    """

    statistic: Statistic
    of: Vector
    window: float
    before: float = 0.0
    least: int = 0
    ahead: float = 0.0


@dataclass(frozen=True, slots=True)
class Scaled:
    """A vector, so many times."""

    factor: float
    of: Vector


@dataclass(frozen=True, slots=True)
class Sum:
    """Two vectors, member by member."""

    left: Vector
    right: Vector


@dataclass(frozen=True, slots=True)
class AtLeast:
    """A vector, but never below `floor`; nor below `other`, which has every member."""

    of: Vector
    floor: float
    other: Vector | None = None


@dataclass(frozen=True, slots=True)
class Quantity:
    """A part of an alert that has a name, by which pages show it. Its name is unique in the alert.

    With a `step` it is worked out at the multiples of that alone, and each value is good for two steps.
    """

    name: str
    of: Vector
    step: float = 0.0


@dataclass(frozen=True, slots=True)
class OrMissing:
    """A vector without labels; `value` when its series is not there."""

    of: Series | Age
    value: float


Vector = Series | Increase | Share | Age | Samples | OverTime | Scaled | Sum | AtLeast | Quantity | OrMissing


@dataclass(frozen=True, slots=True)
class Compare:
    """True for the members whose value compares with the limit; `otherwise` is the limit of who has none of its own."""

    of: Vector
    op: str
    limit: float | Quantity
    otherwise: float | None = None


@dataclass(frozen=True, slots=True)
class While:
    """True for the members for which `of` is, as long as the counter of the same member grew by `least` or more."""

    of: Compare
    grew: Increase
    least: float


Expression = Compare | While
Node = Expression | Vector


def walk(node: Node) -> Iterator[Node]:
    """An expression and all that it is made of, each part before what it is part of; some parts more than once."""
    for field in fields(node):
        part = getattr(node, field.name)
        if isinstance(part, Node):
            yield from walk(part)
    yield node
