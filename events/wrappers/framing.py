"""Where records begin and end, when a line is not a record: objects over several lines, and many objects in a line.

A top-level array is read as the objects in it, so ``[``, ``]`` and ``,`` between records are no more than spaces. That
needs no memory of how a file began: reading may go on behind any object.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from typing import Final

import numpy as np

BETWEEN: Final = b" \t\r\n,[]"
"""What may stand between two records."""
_STRINGS: Final = re.compile(rb'"[^"]*"')
_TURN: Final = re.compile(rb"(\s*\})\s*,?\s*(\{)\s*")  # one object ends here, and the next begins
_SPACE: Final = b" \t\r"
_WORDS: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789<")

Span = tuple[int, int]


def _masked(text: bytes) -> bytes:
    """`text` without escapes in strings, in the same length."""
    if b"\\" not in text:
        return text
    return text.replace(b"\\\\", b"__").replace(b'\\"', b"__")


def objects_in(text: bytes) -> list[Span]:
    """The objects in `text` that stand in no other one, by their braces and strings alone."""
    octets = np.frombuffer(_masked(text), np.uint8)
    outside = (np.cumsum(octets == ord('"'), dtype=np.uint8) & 1) == 0
    places = np.flatnonzero(outside & ((octets == ord("{")) | (octets == ord("}"))))
    depth = np.cumsum(np.where(octets[places] == ord("{"), 1, -1), dtype=np.int32)
    if len(depth) and depth.min() < 0:  # a brace that closes nothing: what is before it counts
        cut = int(np.argmax(depth < 0))
        places, depth = places[:cut], depth[:cut]
    ends = np.flatnonzero(depth == 0)
    starts = np.concatenate([[0], ends[:-1] + 1]) if len(ends) else ends
    return list(zip(places[starts].tolist(), (places[ends] + 1).tolist(), strict=True))


def _grown(line: bytes) -> int | None:
    """How many objects a line leaves open; None: it ends inside a string, so it is no line of a whole object."""
    masked = _masked(line)
    if masked.count(b'"') % 2:
        return None
    rest = _STRINGS.sub(b"", masked)
    return rest.count(b"{") - rest.count(b"}")


def _one_line(line: bytes) -> bool:
    """Whether a line looks like an object of its own, as nearly all do."""
    return len(line) > 2 and line.startswith(b"{") and line.rstrip(_SPACE).endswith(b"}")


class Frame:
    """Logical lines of some data: where each begins and ends, the number of its first line, and whether it is `open`.

    An open one is an object that has not ended; only the last one can be.
    """

    __slots__ = ("end", "line", "lines", "open", "start")

    def __init__(self, start: int, end: int, line: int, lines: int, *, open_: bool = False) -> None:
        self.start, self.end, self.line, self.lines, self.open = start, end, line, lines, open_


def frames(data: bytes) -> Iterator[Frame]:
    r"""The logical lines of `data`: lines, and objects that stand on several lines.

    An object goes on over lines as long as each of them ends outside of its strings, and none is an object of its own
    that begins at the margin, or begins with a word there: so a torn line never swallows those after it.
    """
    waiting: list[Span] = []
    first = depth = 0
    for number, (start, end) in enumerate(_lines(data)):
        line = data[start:end]
        if not waiting and (_one_line(line) or not line.lstrip(BETWEEN).startswith(b"{")):
            yield Frame(start, end, number, 1)
            continue
        grown = _grown(line)
        if waiting and (grown is None or line[:1] in _MARGIN or (grown == 0 and _one_line(line))):
            yield from _apart(waiting, first)
            waiting, depth = [], 0
        if not waiting:
            if grown is None or grown <= 0 or line[:1] in _MARGIN:
                yield Frame(start, end, number, 1)
                continue
            first = number
        elif depth == 1 and grown == 0 and (turn := _TURN.fullmatch(line)):
            yield Frame(waiting[0][0], start + turn.end(1), first, len(waiting) + 1)
            waiting, first = [(start + turn.start(2), end)], number
            continue
        waiting.append((start, end))
        depth += grown or 0
        if depth <= 0:
            yield Frame(waiting[0][0], end, first, len(waiting))
            waiting, depth = [], 0
    if waiting:
        yield Frame(waiting[0][0], waiting[-1][1], first, len(waiting), open_=True)


_MARGIN: Final = frozenset(bytes((letter,)) for letter in _WORDS)


def _apart(lines: list[Span], first: int) -> Iterator[Frame]:
    """Lines that make no whole object."""
    yield Frame(lines[0][0], lines[-1][1], first, len(lines), open_=True)


def _lines(data: bytes) -> Iterator[Span]:
    """Where the lines are, without their newlines, and without a byte order mark."""
    start = len(codecs.BOM_UTF8) if data.startswith(codecs.BOM_UTF8) else 0
    while start < len(data):
        end = data.find(b"\n", start)
        end = len(data) if end < 0 else end
        yield start, end
        start = end + 1
