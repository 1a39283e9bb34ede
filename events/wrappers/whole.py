"""How much of what was read so far is whole records: what follows is the beginning of one, and waits for its end.

A reader asks this for each piece that it reads. Of a file of one record a line it costs a look at the last line.
"""

from __future__ import annotations

import mmap
from typing import Final

from events.wrappers.encodings import encoding_of
from events.wrappers.framing import BETWEEN, objects_in
from events.wrappers.registry import PARTED
from events.wrappers.unwrap import may_come_in_parts, unfinished, unwrap

Buffer = bytes | bytearray | mmap.mmap

LONG: Final = 256 * 1024
"""Bytes of a line that is looked into before it has ended: it may hold many objects."""
_OPEN, _CLOSE, _RETURN = ord("{"), ord("}"), ord("\r")
_DOCKER: Final = b'{"log":'
_TEXT: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789<(")
_HEAD: Final = 128  # bytes of a line that tell whether it is a part of one
_BLANK: Final = b" \t\r\n"


class RecordEnds:
    """Where the records of one file end. It remembers whether the file has wrappers that cut long lines."""

    def __init__(self) -> None:
        self._parts: bool | None = None

    def whole(self, buffer: Buffer, size: int) -> int:
        """How many of the first `size` bytes are whole records, when they begin with one.

        They end with a newline, but for objects of one line that is longer than `size`.
        """
        encoding = encoding_of(buffer[: min(size, 8)])
        if encoding is not None:
            end = self.lines(buffer, size)
            open_at = unfinished(bytes(buffer[:end])) if end else None
            return end if open_at is None else open_at
        end = buffer.rfind(b"\n", 0, size) + 1
        if not end:
            return 0
        if self._parts is None:
            self._parts = may_come_in_parts(bytes(buffer[: buffer.find(b"\n", 0, end)]))
        if not self._parts and self._plain(buffer, end):
            return end
        open_at = unfinished(bytes(buffer[:end]))
        return end if open_at is None else open_at

    @staticmethod
    def lines(buffer: Buffer, size: int) -> int:
        """How many of the first `size` bytes are whole lines, whatever the records."""
        encoding = encoding_of(buffer[: min(size, 8)])
        return buffer.rfind(b"\n", 0, size) + 1 if encoding is None else encoding.end_of_line(buffer, 0, size)

    def _plain(self, buffer: Buffer, end: int) -> bool:
        """Whether the last line that is not blank is a line of its own, by its first and last bytes."""
        last = end - 1
        start = buffer.rfind(b"\n", 0, last) + 1
        while start and not buffer[start:last].strip(_BLANK):
            last = start - 1
            start = buffer.rfind(b"\n", 0, last) + 1
        if last > start and buffer[last - 1] == _RETURN:
            last -= 1
        if last - start > 2 and buffer[start] == _OPEN and buffer[last - 1] == _CLOSE:
            self._parts = buffer[start : start + len(_DOCKER)] == _DOCKER
            return not self._parts
        if last > start and buffer[start] in _TEXT:
            self._parts = PARTED.match(bytes(buffer[start : min(last, start + _HEAD)])) is not None
            return not self._parts
        return False


def objects_end(buffer: Buffer, size: int) -> int:
    """Where the last whole object ends in the first `size` bytes of a line with several; 0: there are none.

    A line that holds one object alone is not for this: it is whole once its newline is there. So a line that begins
    like one is only looked into when it is long, but not when one object would be that long.
    """
    if buffer[0] == _OPEN and not LONG <= size <= 4 * LONG:
        return 0
    if bytes(buffer[: min(size, _HEAD)]).lstrip(BETWEEN)[:1] != b"{":
        return 0
    text = bytes(buffer[:size])
    spans = objects_in(text)
    if not spans or (len(spans) == 1 and text[:1] == b"{" and not text[spans[0][1] :].strip(_BLANK)):
        return 0
    return spans[-1][1]


def pieces(data: bytes) -> list[bytes]:
    """`data`, which is whole lines, cut between its lines wherever that cuts no record."""
    if encoding_of(data) is not None:
        return [data]
    lines = [line + b"\n" for line in data.removesuffix(b"\n").split(b"\n")]
    found = unwrap(data)
    if found is None:
        return lines
    spans = sorted(zip(found.starts, found.lengths, strict=True), reverse=True)
    joined: list[bytes] = []
    start = covered = 0  # where the line begins, and up to where records reach that began before it
    for line in lines:
        if start < covered:
            joined[-1] += line
        else:
            joined.append(line)
        start += len(line)
        while spans and spans[-1][0] < start:
            begin, length = spans.pop()
            covered = max(covered, begin + length)
    return joined
