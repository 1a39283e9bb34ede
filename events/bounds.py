"""Numbers from outside, and how large each kind of them can be.

Every decoder takes its limits from here: records, envelopes, notices, health files, posts. A number beyond its limit
is left out and counted, because a sum that has taken it in never recovers: after 1e15 dollars, three cents add nothing.
"""

from __future__ import annotations

import math
from typing import Annotated, Final

import msgspec

MOST: Final = 1 << 53
"""The largest count. Up to here a float holds every integer, so nothing is lost on the way into a metric."""
TOKENS: Final = 1e9
"""Tokens of one attempt; the largest context windows have ten million."""
COST_USD: Final = 1e5
"""Dollars of one attempt."""
SECONDS: Final = 30 * 86_400.0
"""Seconds that one attempt may take; the longest batch jobs take days."""
MOST_LOST: Final = 10**9
"""Records that one gap stands for. A greater gap says that the numbers jumped, not that as many records were lost."""

Count = Annotated[int, msgspec.Meta(ge=0, le=MOST)]
"""A count in JSON: an integer from 0 to MOST."""
LAST: Final = 253_402_300_799.0
"""The last second of the year 9999 in Unix seconds: text has no room for more, so no log can mean it."""
Instant = Annotated[float, msgspec.Meta(ge=0, le=LAST)]
"""Unix seconds in JSON."""


def finite(value: object) -> int | float | None:
    """`value` if it is a finite number from -MOST to MOST, else None. Booleans and text are no numbers."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if -MOST <= value <= MOST else None  # not so for NaN, and an integer of any size can be compared


def count(value: object) -> int | None:
    """`value`, rounded, if it is a number from 0 to MOST, else None."""
    number = finite(value)
    return None if number is None or number < 0 else round(number)


def known(value: float) -> float | None:
    """`value` of a number column; None stands for NaN there."""
    return None if math.isnan(value) else value
