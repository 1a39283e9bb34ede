"""JSON inside of a JSON text: what a mapping's `parse` opens, so that paths lead on into it.

Only what paths name is decoded there too, and what a strict decoder refuses is fitted as a line would be. The work is
linear in the text, which is no longer than its line.
"""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from events.gateways.decode import Decoded
from events.gateways.fitting import UNFIT, Fitter, Fitting
from events.gateways.lenient import UnreadableError, parse

LONGEST: Final = 8 * 1024 * 1024
"""Characters of a text that is opened; a line of a log is no longer."""
MOST: Final = 8
"""Texts that a mapping may open."""
DEEPEST: Final = 3
"""Texts inside of each other that it may open."""


@dataclass(frozen=True, slots=True)
class NestedText:
    """A text to open. `path` is its path; `holders` are the attributes that lead to the object it is a field of.

    `kind` is the type of what is inside, as far as paths ask for it.
    """

    path: str
    holders: tuple[str, ...]
    attribute: str
    kind: Any


class Opener:
    """Puts what a text holds in its place, in every record of a batch."""

    def __init__(self, nested: NestedText) -> None:
        self._nested = nested
        self._decode = msgspec.json.Decoder(nested.kind).decode
        self._fitter = Fitter(nested.kind, path=nested.path)

    def open_in(self, decoded: Decoded[Any]) -> None:
        """Open the text of each record. What is no JSON object there is left out and counted under its path."""
        attribute = self._nested.attribute
        for holder in self._holders(decoded.records):
            value = getattr(holder, attribute, None)
            if value is not None:
                setattr(holder, attribute, self._opened(value, decoded))

    def _holders(self, records: Sequence[Any]) -> list[Any]:
        found = [*records]
        for attribute in self._nested.holders:
            get = operator.attrgetter(attribute)
            found = [inner for holder in found if (inner := get(holder)) is not None]
        return found

    def _opened(self, value: Any, decoded: Decoded[Any]) -> Any:
        if type(value) is not str:  # some writers put the object itself there
            return self._fitted(value, decoded)
        if not value or value.isspace():
            return None
        if len(value) > LONGEST:
            decoded.dropped[self._nested.path] += 1
            return None
        try:
            return self._decode(value)
        except (ValueError, RecursionError):
            pass
        left_out: Counter[str] = Counter()
        try:
            plain = parse(value.encode(errors="replace"), left_out)
        except UnreadableError:
            decoded.dropped[self._nested.path] += 1
            return None
        decoded.dropped.update(left_out)
        return self._fitted(plain, decoded)

    def _fitted(self, plain: Any, decoded: Decoded[Any]) -> Any:
        fitting = Fitting(decoded.dropped)
        found = self._fitter.fit(plain, fitting)
        if fitting.unread:
            decoded.unread["misfits"] += fitting.unread
        return None if found is UNFIT else found
