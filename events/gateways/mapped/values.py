"""Plain JSON values as what a column holds. A value that does not fit is left out and counted under its path."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from events import bounds
from events.batch import Floats
from events.gateways import timestamps
from events.gateways.bounded_cache import BoundedCache
from events.gateways.mapped.model import Words

SECONDS: Final = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
"""The length of each unit."""
_LONGEST: Final = 4_096  # characters of a text that is searched for words
_BOOLEANS: Final = {"true": True, "false": False}
# The types that need no second look. Nearly all values of a field have them, and then none is looked at by itself.
_TEXTS: Final = frozenset((str, type(None)))
_NUMBERS: Final = frozenset((int, float, type(None)))
_FLAGS: Final = frozenset((bool, type(None)))


def texts_of(values: Sequence[Any], field: str, dropped: Counter[str]) -> list[str | None]:
    """Names, as `text_of` has each."""
    if {*map(type, values)} <= _TEXTS:
        return [value or None for value in values]
    return [text_of(value, field, dropped) for value in values]


def numbers_of(values: Sequence[Any], field: str, dropped: Counter[str]) -> Floats:
    """Numbers, as `number_of` has each."""
    if {*map(type, values)} <= _NUMBERS:
        try:
            return np.array(values, np.float64)
        except OverflowError:  # an integer beyond all floats
            pass
    return np.array([number_of(value, field, dropped) for value in values], np.float64)


def booleans_of(values: Sequence[Any], field: str, dropped: Counter[str]) -> list[bool | None]:
    """True or false, as `boolean_of` has each."""
    if {*map(type, values)} <= _FLAGS:
        return list(values)
    return [boolean_of(value, field, dropped) for value in values]


def text_of(value: Any, field: str, dropped: Counter[str]) -> str | None:
    """A name: text, or a whole number as text. None if it is empty."""
    if type(value) is str:
        return value or None
    if value is None:
        return None
    if type(value) is int and -bounds.MOST <= value <= bounds.MOST:
        return str(value)
    dropped[field] += 1
    return None


def number_of(value: Any, field: str, dropped: Counter[str]) -> float:
    """A number, also one in text; NaN if it is none."""
    kind = type(value)
    if kind is float:
        return value  # type: ignore[no-any-return]
    if kind is int:
        return float(value) if abs(value) < 1 << 1000 else math.inf
    if value is None or value == "":
        return math.nan
    if kind is str and len(value) <= 64:
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not math.isnan(number):
            return number
    dropped[field] += 1
    return math.nan


def boolean_of(value: Any, field: str, dropped: Counter[str]) -> bool | None:
    """True or false, also as text."""
    if value is None or type(value) is bool:
        return value
    found = _BOOLEANS.get(value.lower()) if type(value) is str else None
    if found is None:
        dropped[field] += 1
    return found


def seconds_of(values: Sequence[Any], unit: str, field: str, dropped: Counter[str]) -> Floats:
    """Lengths of time in seconds."""
    return numbers_of(values, field, dropped) * SECONDS[unit]


def times_of(values: Sequence[Any], form: str, field: str, dropped: Counter[str], out_of_range: Counter[str]) -> Floats:
    """Points in time, Unix seconds; NaN where there is none or none that can be."""
    if form == "rfc3339":
        times = np.array([_rfc3339(value, field, dropped) for value in values], np.float64)
    else:
        times = seconds_of(values, form.removeprefix("unix_"), field, dropped)
    wrong = (times <= 0) | (times >= bounds.LAST)
    if wrong.any():
        dropped[field] += int(wrong.sum())
        out_of_range[field] += int(wrong.sum())
        times[wrong] = np.nan
    return times


def _rfc3339(value: Any, field: str, dropped: Counter[str]) -> float:
    if value is None or value == "":
        return math.nan
    seconds = timestamps.iso8601(value)
    if seconds is None:
        dropped[field] += 1
        return math.nan
    return seconds


class WordTable:
    """The words that a table makes of values. A value that is in no table is unknown and counted, if words are all."""

    def __init__(self, table: Words) -> None:
        self._words = {text.casefold(): word for text, word in table.words.items()}
        self._contains = [(text.casefold(), word) for text, word in table.contains.items()]
        self._otherwise = table.otherwise or None
        self._closed = not (table.contains or table.otherwise)
        self._cache: BoundedCache[str, str | None] = BoundedCache(self._look_up, 4_096)

    def words(self, values: Sequence[Any], field: str, dropped: Counter[str]) -> list[str | None]:
        """The word of each value; that of a list is its first element's that has one."""
        if {*map(type, values)} <= _TEXTS:
            cache, otherwise = self._cache, self._otherwise
            found = [cache[value] if value else otherwise for value in values]
            if not self._closed or None not in found:
                return found
        return [self.word(value, field, dropped) for value in values]

    def word(self, value: Any, field: str, dropped: Counter[str]) -> str | None:
        """The word of one value; None if it has none."""
        if isinstance(value, list):
            for item in value:
                if (word := self._one(item, field, dropped)) is not None and word != self._otherwise:
                    return word
            return self._otherwise
        return self._one(value, field, dropped)

    def _one(self, value: Any, field: str, dropped: Counter[str]) -> str | None:
        if value is None or value == "":
            return self._otherwise
        if type(value) is bool:
            value = "true" if value else "false"
        text = text_of(value, field, dropped)
        if text is None:
            return self._otherwise
        word = self._cache[text]
        if word is None and self._closed:
            dropped[field] += 1
        return word

    def _look_up(self, text: str) -> str | None:
        text = text[:_LONGEST].casefold()
        if (word := self._words.get(text)) is not None:
            return word
        for part, word in self._contains:
            if part in text:
                return word
        return self._otherwise
