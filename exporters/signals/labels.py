"""Bounded label values: log content is attacker-controlled, series are not to be."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable

OTHER = "other"
UNKNOWN = "unknown"
_MAX_VALUE = 128  # characters: a label is a name; longer text is content
_NO_RUNE = "\ufffd"  # Prometheus takes it in a label, but in a query it is an error: nobody could choose that label
_BLANKS = frozenset(f"\u115f\u1160\u2800\u3164\uffa0{_NO_RUNE}")  # letters and symbols to Unicode, and nothing to see
_HASH = 16  # hexadecimal digits
_MARKED = re.compile(f"~[0-9a-f]{{{_HASH}}}\\Z")
_ODD = re.compile(rf"[{''.join(sorted(_BLANKS))}]|\A\s|\s\Z|{_MARKED.pattern}")
_STEERING = frozenset(("Cc", "Cf", "Cs", "Zl", "Zp"))
"""Unicode's categories of what has no shape of its own: it steers a screen, turns text, breaks lines, or hides."""


def _steers(letter: str) -> bool:
    return letter in _BLANKS or unicodedata.category(letter) in _STEERING


def label_text(value: str) -> str:
    """`value` as a label: short, and on one line.

    Labels stand in pages. A line break or a change of direction in one could make a page say what nobody wrote. Two
    values never share a label, or two accounts would be one series, of which Prometheus drops one. So what has to be
    changed ends in ``~`` and a hash of all of it, and so does what looks like that. What nobody can see is ``?``.
    """
    if len(value) <= _MAX_VALUE and value.isprintable() and not _ODD.search(value):
        return value
    shown = "".join("?" if _steers(letter) else letter for letter in value[:_MAX_VALUE]).strip() or "?"
    if shown == value and not _MARKED.search(value):
        return value
    hashed = hashlib.blake2b(value.encode("utf-8", "surrogatepass"), digest_size=_HASH // 2).hexdigest()
    return f"{shown[: _MAX_VALUE - _HASH - 1]}~{hashed}"


class LabelSet:
    """The admitted values of one label.

    A closed set admits only its words. An open one admits up to `cap` values, and only those that a successful attempt
    used: a failed request can name any model it likes, so what was never served never takes a place. Where the values
    are not the client's choice (`vouched`), no proof is asked for.
    """

    __slots__ = ("admitted", "cap", "closed", "vouched")

    def __init__(self, cap: int, closed: Iterable[str] = (), *, vouched: bool = False) -> None:
        words = tuple(closed)
        self.closed = bool(words)
        self.vouched = vouched
        self.cap = len(words) if words else cap
        self.admitted: dict[str, str] = {word: word for word in words}  # labels by what they stand for

    def __len__(self) -> int:
        return len(self.admitted)

    def admit(self, value: str | None, *, proven: bool) -> str:
        """The label for `value`: itself, ``other`` when there is no room or no proof, ``unknown`` when absent."""
        if value is None or value == "":
            return UNKNOWN
        known = self.admitted.get(value)
        if known is not None:
            return known
        if not self.closed and (proven or self.vouched) and len(self.admitted) < self.cap:
            label = label_text(value)
            self.admitted[value] = label
            return label
        return OTHER

    def restore(self, values: Iterable[str]) -> None:
        """Take back the values of a snapshot, as far as there is room."""
        if self.closed:
            return
        for value in values:
            if len(self.admitted) < self.cap:
                self.admitted[value] = label_text(value)
