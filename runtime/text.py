"""Texts from outside, made fit for a terminal, a log or a page: nothing steers, nothing hides, lines have a width.

The width of a text is in columns of a terminal: two for a wide character, none for a mark on the one before.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Final

_ADDRESSES: Final = ("http://", "https://")


def printable(text: str) -> str:
    """The text with everything escaped that could steer a terminal, begin a line or turn the direction of reading."""
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii") for letter in text
    )


def one_line(text: str, most: int) -> str:
    """At most `most` characters of a text that others chose, and dots if there are more; all of them ASCII."""
    shown = text[:most].encode("unicode_escape").decode("ascii")
    return shown if len(shown) <= most else shown[:most] + "..."


def width_of(text: str) -> int:
    """How many columns a text takes."""
    return sum(map(_letter_width, text))


def cut(text: str, width: int) -> str:
    """The text in at most `width` columns, and so many letters and marks; what is missing is an ellipsis."""
    if width_of(text) <= width and len(text) <= 2 * width:
        return text
    kept, used = "", 0
    for letter in text[: 2 * width]:
        used += _letter_width(letter)
        if used > width - 1:
            break
        kept += letter
    return kept + "…"


def wrapped(text: str, width: int, indent: str = "") -> list[str]:
    """Lines of at most `width` columns, each with its indent; 0: one line.

    They break at spaces alone, so a name or a path stays whole. A word that is too long for a line is broken too,
    unless it is an address: that is of use only in one piece.
    """
    if not width:
        return [indent + text]
    room = width - width_of(indent)
    lines: list[str] = []
    line = ""
    for word in text.split(" "):
        joined = f"{line} {word}" if line else word
        if width_of(joined) <= room:
            line = joined
            continue
        if line:
            lines.append(line)
        *whole, line = [word] if word.startswith(_ADDRESSES) else _pieces(word, room)
        lines += whole
    if line:
        lines.append(line)
    return [indent + part.rstrip(" ") for part in lines]


def _pieces(word: str, width: int) -> Sequence[str]:
    pieces, piece, used = [], "", 0
    for letter in word:
        wide = _letter_width(letter)
        if piece and used + wide > max(width, 2):
            pieces.append(piece)
            piece, used = "", 0
        piece, used = piece + letter, used + wide
    return [*pieces, piece]


def _letter_width(letter: str) -> int:
    if unicodedata.combining(letter):
        return 0
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1
