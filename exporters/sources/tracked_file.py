"""One content of one file: its position, its open reader, and one step of reading it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Final, Literal

from events.wrappers import continues
from events.wrappers.whole import RecordEnds, objects_end
from exporters.sources.discovery import Found, Where
from exporters.sources.identity import COVERED, Fingerprint, Identity, Position, Skip
from exporters.sources.readers import Buffer, Reader, open_reader, peek

_PEEKED: Final = 64 * 1024  # bytes at the beginning of a file
_NEWLINE: Final = ord("\n")

Verdict = Literal["open", "same", "other", "short"]


class ReplacedError(Exception):
    """The file does not hold any more what was read from it."""


@dataclass(slots=True)
class Counters:
    """What a tail counts, over all its files."""

    bytes_lost: int = 0
    too_long_at: tuple[str, int] | None = None  # the last such line
    bytes_skipped: int = 0
    bytes_before_start: int = 0
    lines_too_long: int = 0
    rotations: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(("rename", "truncate", "delete", "replaced", "gzip"), 0)
    )
    errors: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("open", "read", "gzip"), 0))


@dataclass(frozen=True, slots=True)
class Step:
    """What one step brought.

    `length` bytes of whole lines at the front of the buffer, from `start` to `end` of the stream. `cost` is the work
    done in bytes, at least 1. `lead` are lines of the file before that begin the first record.
    """

    length: int
    start: int
    end: int
    cost: int
    lead: bytes = b""


@dataclass(slots=True)
class Trial:
    """A compressed file that begins like the content; it is read up to the position and compared there."""

    found: Found
    head: bytes
    cursor: int = 0
    tail: bytes = b""


class TrackedFile:
    """A content, from its first sight until it is forgotten.

    It is *attached* while there is a file to read it from (`where` is that file's inode), be it open or not; otherwise
    only its position is remembered, so that the content is recognised wherever it turns up again. `present` says
    whether the patterns match the file; a deleted file stays attached until it is drained. While there is a `trial`,
    nothing is handed out and the position is still that of the file before. `follow`: its paths may be links.
    """

    def __init__(self, key: str, position: Position, *, follow: bool = False) -> None:
        self.key = key
        self._follow = follow
        self.identity = position.identity
        self.generation = position.generation
        self.path = position.path
        self.stem = position.stem
        self.offset = position.offset
        self.size = position.size
        self.skip: Skip = position.skip
        self.done = position.done
        self.ignored = position.ignored
        self.gone = position.gone
        self.before = position.before  # what `tail` holds the bytes of, where that is empty
        self.tail = b""
        self.head = b""  # what `identity.head` was taken of, once it has been attached
        self.where: Where | None = None
        self.packed = False
        self.present = False
        self.look = (0, 0)
        self.reader: Reader | None = None
        self.trial: Trial | None = None
        self.refused: set[Where] = set()  # files that were tried and hold something else
        self.caught_up = False
        self.finished = False  # compressed, and its stream ended or broke
        self.failed = ""
        self.rest = 0  # bytes of an unfinished last record
        self.held = b""  # those bytes, if they are whole lines
        self.lead = position.lead
        self._ends = RecordEnds()
        self.quiet_since = 0.0

    # ------------------------------------------------------------------------------------------------ state
    @property
    def rotated(self) -> bool:
        """Whether it has another name than the one it was written under."""
        return self.path != self.stem

    @property
    def unread(self) -> int:
        """Bytes seen and not read."""
        return 0 if self.done or self.ignored else max(0, self.size - self.offset)

    def is_final(self, now: float, grace: float) -> bool:
        """Whether it will never grow again: complete, or rotated or gone and quiet for `grace` seconds."""
        return self.finished or ((self.rotated or not self.present) and now - self.quiet_since >= grace)

    def is_over(self, found: Found) -> bool:
        """Whether nothing more is to be read from the compressed file `found`, which was known and has not changed."""
        return (self.done or self.ignored) and found.size == self.size

    def pending(self, now: float, grace: float) -> bool:
        """Whether a step may bring something."""
        if self.where is None or self.done or self.ignored:
            return False
        return not self.caught_up or (self.rest > 0 and self.is_final(now, grace))

    def position(self) -> Position:
        """What to store."""
        return Position(
            identity=self.identity,
            generation=self.generation,
            path=self.path,
            stem=self.stem,
            offset=self.offset,
            before=Fingerprint.of(self.tail) if self.tail else self.before,
            size=self.size,
            skip=self.skip,
            done=self.done,
            ignored=self.ignored,
            gone=self.gone,
            lead=self.lead,
        )

    # ------------------------------------------------------------------------------------------------ attachment
    def attach(self, found: Found, reader: Reader | None, head: bytes, now: float) -> None:
        """Read this content from `found` from now on; a compressed file has to pass the trial first."""
        self.where = found.where
        self.packed = found.packed
        self.present = True
        self.gone = 0.0
        self.look = found.look
        self.reader = reader
        self.caught_up = self.finished = False
        self.failed = ""
        self.rest = 0
        self.quiet_since = now
        self.done = self.done and found.packed and found.size == self.size
        if found.packed and self.offset and not self.done:
            self.trial = Trial(found, head)
            return
        self._adopt(found, head)
        if not found.packed:
            self.size = max(found.size, self.offset)
        elif not self.done:
            self.size = found.size

    def _adopt(self, found: Found, head: bytes) -> None:
        self.head = head
        self.identity = Identity(*found.where, Fingerprint.of(head))
        self.choose_path(found)

    def choose_path(self, found: Found) -> None:
        """Keep the path if it still leads to the file, else take another that does."""
        if self.path not in found.paths:
            self.path = self.stem if self.stem in found.paths else found.path

    def detach(self, now: float) -> None:
        """Remember the position only."""
        self.close()
        self._forget_tail()
        self.where = None
        self.present = False
        self.trial = None
        self.gone = self.gone or now

    def close(self) -> None:
        """Close the file, if it is open."""
        if self.reader is not None:
            self.reader.close()
            self.reader = None

    def open(self) -> Reader:
        """The reader, opened if need be.

        Raises:
            OSError: it cannot be opened or read.
            ReplacedError: its path leads to another file now, or the file was overwritten.
        """
        if self.reader is not None:
            return self.reader
        path = self.trial.found.path if self.trial else self.path
        self.reader, status = open_reader(path, packed=self.packed, follow=self._follow)
        try:
            if (status.st_dev, status.st_ino) != self.where:
                raise ReplacedError
            if not self.packed:
                self._check(self.reader)
            elif self.offset:  # a new stream begins at 0
                found = self.trial.found if self.trial else Found(self.where, *self.look, (self.path,))
                self.trial = Trial(found, peek(self.reader, 0, COVERED))
        except (OSError, ReplacedError):
            self.close()
            raise
        return self.reader

    def refresh(self, now: float, counters: Counters) -> None:
        """Look at the open file, and take in what has changed.

        Raises:
            OSError: it cannot be read.
            ReplacedError: it was cut or overwritten.
        """
        reader = self.open()
        status = reader.stat()
        if (status.st_size, status.st_mtime_ns) != self.look:
            self._check(reader)
            self._notice(status, now, counters)

    def verify(self) -> None:
        """See that it still holds before the position what was read there. Raises as `refresh`."""
        self._check(self.open())

    def _check(self, reader: Reader) -> None:
        """Compare the file before the position with what was read there. Raises as `refresh`."""
        if self.packed:
            if reader.stat().st_size < reader.raw:
                raise ReplacedError
        elif self.offset:
            self._load_tail(reader)
            # Rewritten in place, it may end as before. Up to a kilobyte from the start the tail covers everything.
            if self.offset > COVERED and not self.identity.head.matches_start(peek(reader, 0, COVERED)):
                raise ReplacedError
        elif not self.identity.head.matches_start(peek(reader, 0, COVERED)):
            raise ReplacedError

    def _load_tail(self, reader: Reader) -> None:
        length = len(self.tail) or self.before.length
        data = peek(reader, self.offset - length, length)
        if (data != self.tail) if self.tail else not self.before.matches_end(data):
            raise ReplacedError
        self.tail = data

    def _forget_tail(self) -> None:
        if self.tail:
            self.before = Fingerprint.of(self.tail)
            self.tail = b""

    def _notice(self, status: os.stat_result, now: float, counters: Counters) -> None:
        size = status.st_size
        self.look = (size, status.st_mtime_ns)
        self.caught_up = self.finished = False
        self.quiet_since = now
        if self.packed:
            self._measure()
            return
        if size < self.size:  # what was cut off was not read yet
            counters.bytes_lost += self.size - max(size, self.offset)
        self.size = size
        if self.reader is not None and self.identity.head.length < COVERED:
            head = peek(self.reader, 0, COVERED)
            same = min(self.offset or COVERED, len(self.head))  # behind the position it may have been cut
            if head[:same] != self.head[:same]:
                raise ReplacedError
            self.head = head
            self.identity = Identity(self.identity.device, self.identity.inode, Fingerprint.of(self.head))

    def _measure(self) -> None:
        """Where a compressed stream ends is not known; what is left of the file is."""
        if self.trial is None:
            self.size = self.offset + max(0, self.look[0] - (self.reader.raw if self.reader else 0))

    # ------------------------------------------------------------------------------------------------ reading
    def compare(self, buffer: Buffer, share: int) -> tuple[int, Verdict]:
        """One step of the trial: read towards the position, and compare there. Returns the cost and the verdict so far.

        ``short``: the stream ends or breaks before the position.

        Raises:
            OSError: it cannot be read.
            ReplacedError: see `open`.
        """
        reader = self.open()
        trial = self.trial
        if trial is None:
            return 1, "same"
        raw = reader.raw
        size = reader.read_at(memoryview(buffer)[: min(share, self.offset - trial.cursor)], trial.cursor)
        trial.tail = _tail(trial.tail, buffer, size)
        trial.cursor += size
        reader.release(trial.cursor)
        self.caught_up = reader.at_end
        cost = max(size, reader.raw - raw, 1)
        if trial.cursor < self.offset:
            return cost, "short" if reader.at_end and (reader.ended or reader.error) else "open"
        if not (Fingerprint.of(self.tail) if self.tail else self.before).matches_end(trial.tail):
            return cost, "other"
        self.trial = None
        self.tail = trial.tail
        self._adopt(trial.found, trial.head)
        self.caught_up = False
        self._measure()
        return cost, "same"

    def step(self, buffer: Buffer, share: int, max_line: int, counters: Counters, *, final: bool) -> Step:
        """Read about `share` bytes on, and put the whole lines among them at the front of `buffer`.

        A record that is longer than `share` is read whole, up to `max_line` bytes; of a longer one its whole lines are
        handed out, or it is skipped. If `final`, an unfinished last record counts as whole.

        Raises:
            OSError: it cannot be read.
            ReplacedError: see `open`.
        """
        reader = self.open()
        if self.trial:  # it had to be opened again
            return Step(0, self.offset, self.offset, 1)
        start, raw, asked = self.offset, reader.raw, share
        view = memoryview(buffer)
        size = reader.read_at(view[:asked], start)
        whole = reader.at_end
        if self.skip:
            self._check(reader)
            length = self._skip(buffer, size, counters)
            self._advance(buffer, length, reader)
            self._conclude(reader, whole and length == size, 0, counters)
            return Step(0, start, start, max(size, reader.raw - raw, 1))
        end = self._whole(buffer, size)
        while not end and not whole and size == asked < max_line:
            if end := objects_end(buffer, size):
                break
            asked = min(2 * asked, max_line)
            size += reader.read_at(view[size:asked], start + size)
            whole = reader.at_end
            end = self._whole(buffer, size)
        self._check(reader)  # it may have been cut and have grown again since it was looked at
        if not end and size == max_line:  # a record without an end
            end = objects_end(buffer, size) or self._ends.lines(buffer, size)
            whole = False
        length = end
        if not end and size == max_line:
            self.skip = "line"
            counters.lines_too_long += 1
            counters.too_long_at = (self.path, start)
            counters.bytes_skipped += size
            end, whole = size, False
        elif not end and size and whole and (final or reader.ended or reader.error):
            length = end = size
        self.held = bytes(buffer[end:size]) if whole and end < size and buffer[size - 1] == _NEWLINE else b""
        if length and buffer[length - 1] != _NEWLINE:
            buffer[length] = _NEWLINE
            length += 1
        lead = self.lead if length else b""
        if length:
            self.lead = b""
        self._advance(buffer, end, reader)
        self._conclude(reader, whole, size - end, counters)
        return Step(length, start, self.offset, max(size, reader.raw - raw, 1), lead)

    def _whole(self, buffer: Buffer, size: int) -> int:
        """How many of the first `size` bytes are whole records."""
        if not self.lead:
            return self._ends.whole(buffer, size)
        data = self.lead + bytes(buffer[:size])
        return max(0, RecordEnds().whole(data, len(data)) - len(self.lead))

    def continues(self, older: TrackedFile) -> bool | None:
        """Whether this file, of which nothing was read yet, goes on with the record that an older one ends with.

        None: what is there does not tell yet. Raises as `open`.
        """
        data = peek(self.open(), 0, _PEEKED)
        return continues(older.held, data[: data.rfind(b"\n") + 1]) if b"\n" in data else None

    def take_over(self, older: TrackedFile) -> tuple[int, int, bytes]:
        """Begin with the record that an older file ends with. Where its lines are there, and the lines."""
        self.lead, older.held = older.held, b""
        start = older.offset
        older.tail = _tail(older.tail, bytearray(self.lead), len(self.lead))
        older.offset += len(self.lead)
        older.rest = 0
        return start, older.offset, self.lead

    def _skip(self, buffer: Buffer, size: int, counters: Counters) -> int:
        """How many of the bytes read are to be passed over."""
        if self.skip == "hole":
            zeros = size - len(buffer[:size].lstrip(b"\0"))
            if zeros < size:
                self.skip = ""
            return zeros
        length = buffer.find(b"\n", 0, size) + 1
        if length:
            self.skip = ""
        counters.bytes_skipped += length or size
        return length or size

    def _advance(self, buffer: Buffer, length: int, reader: Reader) -> None:
        self.tail = _tail(self.tail, buffer, length)
        self.offset += length
        reader.release(self.offset)

    def _conclude(self, reader: Reader, caught_up: bool, rest: int, counters: Counters) -> None:
        """Take note of where the step ended."""
        self.caught_up = caught_up
        self.rest = rest if caught_up else 0
        if not self.packed:
            self.size = max(self.size, self.offset + self.rest)
            return
        self._measure()
        if caught_up and (self.finished or reader.ended or reader.error):
            self.finish(reader.error, counters)

    def finish(self, error: str, counters: Counters) -> None:
        """Nothing more will come from a compressed file; it is done with once its unfinished last line is out."""
        if error and not self.failed:
            self.failed = error
            counters.errors["gzip"] += 1
        self.finished = True
        if not self.rest:
            self.done = True
            self.size = self.look[0]
            self.close()
            self._forget_tail()


def _tail(tail: bytes, buffer: Buffer, length: int) -> bytes:
    """The last kilobyte of `tail` and the first `length` bytes of `buffer`."""
    last = bytes(memoryview(buffer)[max(0, length - COVERED) : length])
    return last if len(last) == COVERED else (tail + last)[-COVERED:]
