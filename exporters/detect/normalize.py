"""Texts as the bytes that rules are written for."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

import numpy as np

_PIECE = 256
"""Characters normalised at once: sorting a run of combining marks takes time that grows with its square."""

_UNSEEN = re.compile(
    "[\u00ad\u0300-\u036f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\U000e0000-\U000e01ef]+"
)
"""What a reader does not see or reads over: marks that no letter took, invisible characters, tag characters.

One class, because a choice of classes takes three times as long.
"""

_TAGS = 0xE0000
_TAB, _FEED, _RETURN, _SPACE = (np.uint8(ord(letter)) for letter in "\t\n\r ")
_QUOTES = (("\u2019", "'"), ("\u2018", "'"), ("\u201c", '"'), ("\u201d", '"'))


def normal(text: str) -> bytes:
    """The bytes of `text` to scan, without NUL.

    They are `plain` in UTF-8, each run of white space one byte long: a line feed if it has one, else its first. A lone
    surrogate is a question mark.
    """
    return joined([text])[:-1]


def joined(texts: Iterable[str]) -> bytes:
    """Each of `texts` as by `normal`, and a NUL behind it."""
    parts = [text if text.isascii() else plain(text) for text in texts]
    data = "\0".join([*parts, ""]).encode("utf-8", "replace")
    if data.count(b"\0") > len(parts):
        data = "\0".join([*(part.replace("\0", " ") for part in parts), ""]).encode("utf-8", "replace")
    return _squeezed(data)


def _squeezed(data: bytes) -> bytes:
    """`data` with runs of white space one byte long.

    A pattern in which white space has no end makes the engine follow each beginning of a match for ever: that is five
    times as slow as scanning, and this a twelfth of it.
    """
    octets = np.frombuffer(data, np.uint8)
    white = (octets - _TAB <= _RETURN - _TAB) | (octets == _SPACE)  # below a tab it wraps around
    dropped = np.flatnonzero(white[1:] & white[:-1]) + 1
    if not dropped.size:
        return data
    first = np.concatenate(([True], np.diff(dropped) > 1))
    feeds = octets[dropped] == _FEED
    out = octets.copy()
    out[dropped[first][np.cumsum(first)[feeds] - 1] - 1] = _FEED
    return np.delete(out, dropped).tobytes()


def plain(text: str) -> str:
    """The `text` without what hides words from a rule. ASCII stays as it is.

    Anything else gets Unicode form NFKC and ASCII quotes; invisible characters and marks that no letter took go, and
    tag characters (an invisible copy of ASCII) become what they spell.
    """
    if text.isascii():
        return text
    pieces = (text[at : at + _PIECE] for at in range(0, len(text), _PIECE))
    text = _UNSEEN.sub(_seen, "".join(unicodedata.normalize("NFKC", piece) for piece in pieces))
    for mark, ascii_mark in _QUOTES:
        text = text.replace(mark, ascii_mark)
    return text


def _seen(run: re.Match[str]) -> str:
    return "".join(chr(ord(letter) - _TAGS) for letter in run.group() if 0x20 <= ord(letter) - _TAGS < 0x7F)
