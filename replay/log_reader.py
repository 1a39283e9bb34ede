"""Log files as batches of attempts that become known one after the other. Memory is bounded, whatever a file holds."""

from __future__ import annotations

import gzip
import io
import zlib
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from events.batch import EventBatch, Reject, line_ends
from events.wrappers.whole import RecordEnds, objects_end
from exporters.sources.chunk import Chunk
from exporters.sources.packed import GZIP_MAGIC, ZSTD_MAGIC, DamagedError, ZstdFile
from replay.arrival import AHEAD, known
from replay.unread import FileCoverage
from runtime.errors import TocsinError

Floats = npt.NDArray[np.float64]
Decode = Callable[[Chunk], EventBatch]

SOURCE: Final = "log"
"""The name of the one source that all logs are: a record that stands in two of them counts once."""
CHUNK: Final = 256 * 1024
"""Bytes that are read and decoded at once."""
MAX_LINE: Final = 8 * 1024 * 1024
"""Bytes of the longest line that is decoded, newline included: that of the file tail."""
_MOST_WAITING: Final = 4  # batches that are decoded ahead


class LogError(TocsinError):
    """A log cannot be read; the text names it and says why."""


class Log:
    """A log file, plain, gzip or zstd. `size` is in bytes as stored, `done` how many of them were read so far."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.done = 0
        try:
            self.regular = path.is_file()
            self.size = path.stat().st_size if self.regular else 0
        except OSError as error:
            raise LogError(f"{path}: cannot be read: {error.strerror}") from error

    def chunks(self, limit: int = MAX_LINE, size: int = CHUNK) -> Iterator[tuple[Chunk, int]]:
        r"""Whole lines, each ending in ``b"\n"``, and how many lines before them were longer than `limit`.

        Raises:
            LogError: it cannot be read, or the compressed data is damaged.
        """
        self.done = 0
        try:
            with self.path.open("rb") as stored:
                lines = _records(_unpacked(stored), limit, size)
                for sequence, (start, data, skipped) in enumerate(lines):
                    self.done = stored.tell() if stored.seekable() else 0
                    yield Chunk.of(SOURCE, data, file=str(self.path), start=start, sequence=sequence), skipped
        except (gzip.BadGzipFile, EOFError, zlib.error, DamagedError) as error:
            raise LogError(f"{self.path}: the compressed data is damaged or cut off") from error
        except OSError as error:
            raise LogError(f"{self.path}: cannot be read: {error.strerror}") from error


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


def _unpacked(stored: io.BufferedReader) -> _Readable:
    """The file, decompressed if its first bytes say that it is compressed, whatever its name."""
    magic = stored.peek(len(ZSTD_MAGIC))
    if magic.startswith(GZIP_MAGIC):
        return gzip.GzipFile(fileobj=stored)
    return ZstdFile(stored) if magic.startswith(ZSTD_MAGIC) else stored


def _records(file: _Readable, limit: int, size: int) -> Iterator[tuple[int, bytes, int]]:
    """Where whole records begin, the lines with them, and how many lines before them were too long."""
    ends, rest, start, skipped, skipping = RecordEnds(), bytearray(), 0, 0, False
    again = 0  # bytes that it takes before a record may have ended
    while data := file.read(size):
        rest += data
        while rest:
            first = rest.find(b"\n") + 1
            long = (first or len(rest)) > limit
            if skipping or (long and not objects_end(rest, limit)):
                skipped += not skipping
                skipping = not first
                start += first or len(rest)
                del rest[: first or len(rest)]
                again = 0
                continue
            if len(rest) < again:
                break
            end = ends.whole(rest, min(len(rest), limit)) or objects_end(rest, min(len(rest), limit))
            if not end and len(rest) > limit:
                end = ends.lines(rest, limit)
            if not end:
                again = min(2 * len(rest), limit + 1)
                break
            again = 0
            yield start, _ended(bytes(rest[:end])), skipped
            skipped = 0
            del rest[:end]
            start += end
    last = _ended(bytes(rest)) if rest else b""
    if len(last) > limit and last.find(b"\n") + 1 > limit:
        last, skipped = b"", skipped + 1
    if last or skipped:
        yield start, last, skipped


def _ended(data: bytes) -> bytes:
    return data if data.endswith(b"\n") else data + b"\n"


@dataclass(frozen=True, slots=True)
class Arrivals:
    """A batch, and when each of its attempts and of its rejects became known: ascending Unix seconds."""

    batch: EventBatch
    attempts: Floats
    rejects: Floats

    def between(self, first: tuple[int, int], last: tuple[int, int]) -> EventBatch:
        """The part from place `first` to before place `last`; a place is (attempt, reject)."""
        part, batch = range(first[0], last[0]), self.batch
        if len(part) < batch.size:
            batch = batch.rows(part)
        batch = replace(batch, rejects=batch.rejects[first[1] : last[1]])
        if first != (0, 0):  # what belongs to no row is counted once
            batch = replace(
                batch,
                faults=[],
                dropped_fields={},
                out_of_range={},
                unread=Counter(),
                wrapped=Counter(),
                notes=None,
            )
        return batch


def arrivals(
    decode: Decode, chunks: Iterator[tuple[Chunk, int]], coverage: FileCoverage | None = None
) -> Generator[Arrivals, None, None]:
    """The batches of a file. Rejects before the first attempt come with it; without any attempt they are at -Inf.

    What is decoded is entered in `coverage`.
    """
    waiting: deque[tuple[EventBatch, list[int]]] = deque()
    clock, early = -np.inf, Counter[str]()

    def take() -> Arrivals | None:
        nonlocal clock
        batch, places = waiting.popleft()
        following = [other.numbers("time") for other, _ in waiting]
        attempts = known(batch.numbers("time"), np.concatenate([np.zeros(0), *following]), clock)
        if not batch.size and clock == -np.inf:
            early.update(reject.reason for reject in batch.rejects)
            return None
        if early:
            rejects = [Reject(0, reason, "") for reason, count in early.items() for _ in range(count)]
            batch, places = replace(batch, rejects=[*rejects, *batch.rejects]), [0] * len(rejects) + places
            early.clear()
        before = np.concatenate([[float(attempts[0]) if clock == -np.inf else clock], attempts])
        clock = float(before[-1])
        return Arrivals(batch, attempts, before[np.array(places, np.int64)])

    for chunk, too_long in chunks:
        batch, places = _decoded(decode, chunk, too_long, coverage)
        waiting.append((batch, places))
        while sum(batch.size for batch, _ in waiting) - waiting[0][0].size >= AHEAD or len(waiting) > _MOST_WAITING:
            if arrived := take():
                yield arrived
    last = waiting[-1][0] if waiting else None
    while waiting:
        if arrived := take():
            yield arrived
    if early and last is not None:
        rejects = [Reject(0, reason, "") for reason, count in early.items() for _ in range(count)]
        yield Arrivals(replace(last, rejects=rejects), np.zeros(0), np.full(len(rejects), -np.inf))


def _decoded(
    decode: Decode, chunk: Chunk, too_long: int, coverage: FileCoverage | None
) -> tuple[EventBatch, list[int]]:
    """The batch, and for each reject how many attempts stand before it."""
    batch = decode(chunk)
    if coverage is not None:
        coverage.take(chunk, batch, too_long)
    rejects = sorted(batch.rejects, key=lambda reject: reject.line)
    places = [0] * too_long + _attempts_before(chunk, rejects, batch)
    rejects = [Reject(0, "too_long", "")] * too_long + rejects
    return replace(batch, rejects=rejects, raw=(), records=(), describe=None), places


def _attempts_before(chunk: Chunk, rejects: Sequence[Reject], batch: EventBatch) -> list[int]:
    if not rejects or batch.provenance is None:
        return [0] * len(rejects)
    starts = np.concatenate([[0], line_ends(chunk.data) + 1]) + chunk.start
    places = np.minimum([reject.line for reject in rejects], len(starts) - 1)
    before: list[int] = np.searchsorted(batch.provenance.offset, starts[places]).tolist()
    return before


class Feed:
    """One log by the time at which its records became known. `next` is when the next one does; +Inf at the end.

    `coverage` says what was read of it, and what was not.

    A file is opened only when its time comes, so that any number of rotated ones can be fed.

    Raises:
        LogError: the log cannot be read.
    """

    def __init__(self, log: Log, decode: Decode) -> None:
        self.log = log
        self._decode = decode
        self.coverage = FileCoverage(str(log.path))
        self._open = arrivals(decode, log.chunks(), self.coverage)
        self._current = next(self._open, None)
        self._place = (0, 0)
        self.next = self._when()
        self._waits = log.regular
        if self._waits:
            self._open.close()
            self._current = None
            log.done = 0

    def until(self, now: float) -> Iterator[EventBatch]:
        """What became known up to `now`, in order.

        Raises:
            LogError: the log cannot be read further.
        """
        if self.next > now:
            return
        if self._waits:
            self._waits = False
            self.coverage = FileCoverage(str(self.log.path))
            self._open = arrivals(self._decode, self.log.chunks(), self.coverage)
            self._current = next(self._open, None)
        while self._current is not None and self._when() <= now:
            current = self._current
            last = (
                int(np.searchsorted(current.attempts, now, side="right")),
                int(np.searchsorted(current.rejects, now, side="right")),
            )
            yield current.between(self._place, last)
            self._place = last
            if last == (len(current.attempts), len(current.rejects)):
                self._current, self._place = next(self._open, None), (0, 0)
        self.next = self._when()

    def _when(self) -> float:
        if self._current is None:
            return np.inf
        attempt, reject = self._place
        return min(
            float(self._current.attempts[attempt]) if attempt < len(self._current.attempts) else np.inf,
            float(self._current.rejects[reject]) if reject < len(self._current.rejects) else np.inf,
        )
