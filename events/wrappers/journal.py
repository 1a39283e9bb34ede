"""The journal export format (``journalctl -o export``): entries of fields, of which some may hold any bytes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

FIRST: Final = b"__CURSOR="
"""What an entry begins with."""
_FIELD: Final = re.compile(rb"[A-Z_][A-Z0-9_]{0,63}(=|\n)")
_LOOKED: Final = 64 * 1024  # bytes in which an entry begins, when reading begins in the middle of one
_SIZE: Final = 8  # bytes of the length of a field of any bytes


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry: where it begins and ends, the number of its first line, and its message. `open`: it has not ended."""

    start: int
    end: int
    line: int
    message: bytes
    open: bool = False


def looks_exported(line: bytes) -> bool:
    """Whether a line is a field of an entry."""
    return line.startswith(b"_") and _FIELD.match(line + b"\n") is not None


def begins_at(data: bytes) -> int:
    """Where the first entry in `data` begins; -1: there is none."""
    if data.startswith(FIRST):
        return 0
    found = data.find(b"\n" + FIRST, 0, _LOOKED)
    return found + 1 if found >= 0 else -1


def entries(data: bytes, start: int, line: int) -> Iterator[Entry]:
    """The entries of `data` from byte `start` on, which is in line number `line`."""
    while start < len(data):
        if data[start] == ord("\n"):
            start, line = start + 1, line + 1
            continue
        end, message, whole = _entry(data, start)
        yield Entry(start, end, line, message, open=not whole)
        line += data.count(b"\n", start, end)
        start = end


def _entry(data: bytes, start: int) -> tuple[int, bytes, bool]:
    """Where an entry ends, its message, and whether all of it is there."""
    message, place = b"", start
    while place < len(data):
        if data[place] == ord("\n"):
            return place + 1, message, True
        end = data.find(b"\n", place)
        if end < 0:
            break
        name, equals, value = data[place:end].partition(b"=")
        if not equals:
            size = int.from_bytes(data[end + 1 : end + 1 + _SIZE], "little")
            first = end + 1 + _SIZE
            end = first + size
            if end >= len(data):
                break
            value = data[first:end]
        if name == b"MESSAGE":
            message = value
        place = end + 1
        if place > start + 1 and data.startswith(FIRST, place):  # the line between two entries is missing
            return place, message, True
    return len(data), message, False
