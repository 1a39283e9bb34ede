"""The spool: whole lines that were acknowledged to somebody, on disk until a saved state has counted them.

Segments are files of lines with rising numbers; only the newest is written to. `append` returns once its lines are
synced: whoever comes while a sync runs shares the next one with all others that came. Reading stops at what is synced,
so a position never lies behind what a power cut leaves, and a failed write was never seen by anybody.

A segment is removed when it lies before the last two saved positions, as the state file, too, is kept with the one
before it. So a spool holds about what came between three saves, and nothing a while after the last post.

Not the file tail: that finds out which file is which, while here one writer knows; it takes a file that begins like
another for its copy, and here a sender chooses how a file begins; and it reads what is written, synced or not.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, BinaryIO, Final

import msgspec

from exporters.sources.readers import Buffer
from runtime.beneath import make_private

SEGMENT: Final = 16 * 1024 * 1024
"""Bytes after which a new segment is begun."""
_SUFFIX: Final = ".jsonl"
_REMEMBERED: Final = 1_000  # segments
_STEP: Final = 64 * 1024  # bytes, looking for a segment's last line end


_Whole = Annotated[int, msgspec.Meta(ge=0, le=1 << 53)]


class SpoolFullError(Exception):
    """There is no room for these lines until others have been counted and saved."""


class SpoolSlowError(Exception):
    """The disk did not take the lines in time; nobody may count on them."""


class SpoolPosition(msgspec.Struct, frozen=True):
    """How far a spool was read: all before byte `offset` of a segment."""

    segment: _Whole = 0
    offset: _Whole = 0


class Cursor:
    """Somebody who reads a spool: `at` is how far, `lost` are bytes that were gone before they could be read."""

    def __init__(self, at: SpoolPosition) -> None:
        self.at = at
        self.lost = 0


class _Batch:
    """Lines that are synced together."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.done = False
        self.error: OSError | None = None


class Spool:
    """The spool in `folder`, of at most `limit` bytes, read on from `position`. One process at a time may use it.

    Raises:
        OSError: the folder cannot be made or read.
    """

    def __init__(
        self, folder: Path, *, limit: int, position: SpoolPosition | None = None, segment_bytes: int = SEGMENT
    ) -> None:
        self.limit = limit
        self._folder = folder
        self._segment_bytes = min(segment_bytes, max(1, limit // 4))
        make_private(folder)
        self._directory = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._sizes = {number: _size(path) for number, path in segments(folder).items()}
        self._taken = sum(self._sizes.values())
        self._first = position or SpoolPosition()
        self._saved = SpoolPosition()  # a sink may still need what was counted before
        self._own = Cursor(self._first)
        self._removed: dict[int, int] = {}  # sizes of segments that were removed while somebody may read them
        self._newest = max([*self._sizes, self._first.segment])
        self._file: int | None = None  # the newest segment, while it may grow
        self._pending = _Batch()
        self._gate = threading.Lock()  # over the numbers
        self._disk = threading.Lock()  # over the file

    # ------------------------------------------------------------------------------------------------ writing
    def append(self, lines: bytes, *, patience: float = 5.0) -> None:
        """Keep whole lines; when this returns they are on the disk, in one piece. `patience` is in seconds.

        Raises:
            SpoolFullError: there is no room.
            SpoolSlowError: the disk is too slow; the lines may be counted nevertheless.
            OSError: the disk refused them, or the spool is closed.
        """
        with self._gate:
            if self._taken + len(lines) > self.limit:
                raise SpoolFullError
            self._taken += len(lines)
            batch = self._pending
            batch.parts.append(lines)
        if not self._disk.acquire(timeout=patience):
            with self._gate:
                if batch is self._pending:  # nobody writes it yet, and nobody shall
                    batch.parts.remove(lines)
                    self._taken -= len(lines)
            raise SpoolSlowError
        try:
            if not batch.done:
                self._commit()
        finally:
            self._disk.release()
        if batch.error is not None:
            raise OSError(batch.error.errno, batch.error.strerror)

    def _commit(self) -> None:
        with self._gate:
            batch, self._pending = self._pending, _Batch()
        size = sum(map(len, batch.parts))
        try:
            self._write(batch.parts, size)
        except OSError as error:
            batch.error = error
            with self._gate:
                self._taken -= size
        batch.done = True

    def _write(self, parts: list[bytes], size: int) -> None:
        file, start = self._open(), self._sizes[self._newest]
        try:
            place = start
            for part in parts:
                rest = memoryview(part)
                while rest:
                    done = os.pwrite(file, rest, place)
                    rest, place = rest[done:], place + done
            os.fdatasync(file)
        except OSError:
            self._seal(start)
            raise
        with self._gate:
            self._sizes[self._newest] = start + size

    def _open(self) -> int:
        """The segment to write to."""
        if self._directory < 0:
            raise OSError(9, "the spool is closed")
        if self._file is not None and self._sizes[self._newest] >= self._segment_bytes:
            self._seal(None)
        if self._file is None:
            number = self._newest + 1
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            file = os.open(self._path(number), flags, 0o600)
            try:
                os.fsync(self._directory)
            except OSError:
                os.close(file)
                self._path(number).unlink(missing_ok=True)
                raise
            self._file = file
            with self._gate:
                self._sizes[number] = 0
                self._newest = number
        return self._file

    def _seal(self, cut: int | None) -> None:
        """Let the newest segment grow no more; what lies behind `cut` was refused."""
        file, self._file = self._file, None
        if file is None:
            return
        try:
            if cut is not None:
                os.ftruncate(file, cut)
        except OSError:
            pass  # after a restart it is read, and known by its ids if it comes again
        finally:
            os.close(file)
        if cut == 0:
            with self._gate:
                del self._sizes[self._newest]
            self._path(self._newest).unlink(missing_ok=True)

    # ------------------------------------------------------------------------------------------------ reading
    def read(
        self, budget: int, buffer: Buffer, chunk: int, cursor: Cursor | None = None
    ) -> Iterator[tuple[SpoolPosition, int, memoryview]]:
        """New lines, about `budget` bytes of them: where they begin, the offset behind them, and the bytes.

        They are new to `cursor`, or to the spool's own reader. At most `chunk` bytes at once, or a line as long as
        `buffer`. They are taken when they are given out, and valid
        until the next step.

        Raises:
            OSError: a segment cannot be read.
        """
        reader = cursor or self._own
        while budget > 0:
            at = reader.at
            with self._gate:
                end = self._sizes.get(at.segment, 0)
                later = min((number for number in self._sizes if number > at.segment), default=None)
            if at.offset >= end:
                if later is None:
                    return
                with self._gate:
                    for number in range(at.segment, later):
                        reader.lost += max(0, self._removed.get(number, 0) - (at.offset if number == at.segment else 0))
                reader.at = SpoolPosition(later)
                continue
            length = self._fill(at, end, buffer, chunk)
            if not length:
                reader.lost += end - at.offset
                reader.at = SpoolPosition(at.segment, end)
                continue
            reader.at = SpoolPosition(at.segment, at.offset + length)
            budget -= length
            yield at, at.offset + length, memoryview(buffer)[:length].toreadonly()

    def _fill(self, at: SpoolPosition, end: int, buffer: Buffer, chunk: int) -> int:
        """Read whole lines; how many bytes they are, 0 if there are none."""
        try:
            file = os.open(self._path(at.segment), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            return 0
        try:
            for most in (chunk, len(buffer)):
                size = os.preadv(file, [memoryview(buffer)[: min(most, end - at.offset)]], at.offset)
                if length := buffer.rfind(b"\n", 0, size) + 1:
                    return length
        finally:
            os.close(file)
        return 0

    # ------------------------------------------------------------------------------------------------ keeping
    @property
    def position(self) -> SpoolPosition:
        """How far it was read."""
        return self._own.at

    @property
    def lost(self) -> int:
        """Bytes that were damaged or removed by somebody else before they could be read."""
        return self._own.lost

    def rewind(self, position: SpoolPosition | None) -> None:
        """Read on from a saved position again; None: from where it was read first."""
        self._own.at = position or self._first

    @property
    def size(self) -> int:
        """Bytes kept, read or not."""
        return self._taken

    @property
    def unread(self) -> int:
        """Bytes that wait to be read."""
        return self.unread_of(self._own)

    def unread_of(self, cursor: Cursor) -> int:
        """Bytes that wait to be read by somebody."""
        at = cursor.at
        with self._gate:
            later = sum(size for number, size in self._sizes.items() if number > at.segment)
            return later + max(0, self._sizes.get(at.segment, 0) - at.offset)

    def saved(self, position: SpoolPosition) -> None:
        """A state with this position is on the disk now: remove what also the one before it had counted."""
        before, self._saved = self._saved, position
        if self._disk.acquire(blocking=False):
            try:
                if position.segment == self._newest and position.offset >= self._sizes.get(self._newest, 0):
                    self._seal(None)  # so that it can go at the next save, though nobody posts
            finally:
                self._disk.release()
        with self._gate:
            over = [number for number, size in self._sizes.items() if self._is_over(number, size, before)]
        for number in over:
            try:
                self._path(number).unlink(missing_ok=True)
            except OSError:
                continue  # tried again after the next save
            with self._gate:
                size = self._sizes.pop(number)
                self._taken -= size
                self._removed[number] = size
                while len(self._removed) > _REMEMBERED:
                    del self._removed[next(iter(self._removed))]

    def _is_over(self, number: int, size: int, position: SpoolPosition) -> bool:
        sealed = number < self._newest or self._file is None
        return sealed and (number < position.segment or (number == position.segment and position.offset >= size))

    def close(self) -> None:
        """Take no more lines. A write that hangs is left alone: nobody was told that it is safe."""
        if not self._disk.acquire(timeout=5.0):
            return
        try:
            self._seal(None)
            if self._directory >= 0:
                os.close(self._directory)
            self._directory = -1
        finally:
            self._disk.release()

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:012d}{_SUFFIX}"


def folder_of(state_folder: Path, source: str) -> Path:
    """Where the spool of a source is."""
    return state_folder / "spool" / source


def segments(folder: Path) -> dict[int, Path]:
    """The segments of the spool in `folder` by their numbers, ascending.

    Raises:
        OSError: it cannot be listed.
    """
    found = {int(path.stem): path for path in folder.iterdir() if _ours(path)}
    return {number: found[number] for number in sorted(found)}


def _ours(path: Path) -> bool:
    named = path.suffix == _SUFFIX and path.stem.isascii() and path.stem.isdigit()
    return named and path.is_file() and not path.is_symlink()


def _size(path: Path) -> int:
    with path.open("rb") as file:
        return whole_lines(file)


def whole_lines(segment: BinaryIO) -> int:
    """Where the last whole line of a segment ends; a torn one behind it was acknowledged to nobody."""
    end = segment.seek(0, os.SEEK_END)
    while end:
        start = max(0, end - _STEP)
        segment.seek(start)
        if found := segment.read(end - start).rfind(b"\n") + 1:
            return start + found
        end = start
    return 0
