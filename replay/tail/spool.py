"""The spool of an exporter's HTTP source, followed from outside: what is posted, as it comes.

Nothing of it is touched: files are opened for reading alone, no lock is taken, and a segment that the exporter removes
meanwhile is read to its end through the open file. Lines are seen when they are written, just before the sync that
their sender waits for; so one that the disk refuses in the end may have been shown.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, Literal

from exporters.sources.chunk import Chunk
from exporters.sources.http import MAX_LINE
from exporters.sources.readers import buffer_of
from exporters.sources.spool import segments, whole_lines
from exporters.sources.status import Status

MOST_OPEN: Final = 64
"""Segments that are open at once; the exporter may remove later ones before their turn comes."""
_CHUNK: Final = 256 * 1024  # bytes


_Identity = tuple[int, int, int, int]


@dataclass(slots=True)
class _Segment:
    number: int
    file: BinaryIO
    offset: int
    last: bool = True  # whether no later one is known; so it may grow


class SpoolTail:
    """Follows the spool in `folder`, which may be made later; see `exporters.sources.Source`.

    With `start_at` ``end``, what is there at the first look is passed over. `close` gives back the open files.
    """

    def __init__(
        self, source: str, folder: Path, *, start_at: Literal["end", "beginning"], max_line: int = MAX_LINE
    ) -> None:
        self.source = source
        self._folder = folder
        self._pass_over = start_at == "end"
        self._buffer = buffer_of(max_line)
        self._open: dict[int, _Segment] = {}
        self._over: dict[int, _Identity] = {}  # segments that are there still, but were read to their end
        self._newest: int | None = None
        self._sequence = 0
        self._reason = ""

    def read(self, budget_bytes: int, *, now: float, piece_bytes: int | None = None) -> Iterator[Chunk]:
        """Hand over what is new; see `exporters.sources.Source`."""
        self._look()
        for segment in list(self._open.values()):
            while budget_bytes > 0:
                length = self._fill(segment)
                if not length:
                    self._let_go(segment)
                    break
                start, segment.offset = segment.offset, segment.offset + length
                budget_bytes -= length
                self._sequence += 1
                data = memoryview(self._buffer)[:length].toreadonly()
                yield Chunk(self.source, str(segment.number), start, segment.offset, data, self._sequence - 1)

    def _look(self) -> None:
        """Open what is new."""
        try:
            found = segments(self._folder)
            self._reason = ""
            for number, path in found.items():
                if len(self._open) < MOST_OPEN:
                    self._meet(number, path)
        except FileNotFoundError:
            self._reason = f"there is no {self._folder} yet; the exporter makes it when it starts on this machine"
            found = {}
        except PermissionError as error:
            self._reason = f"{error.filename}: {error.strerror}; only the user that the exporter runs as may read it"
            return
        except OSError as error:
            self._reason = f"{error.filename}: {error.strerror}"
            return
        self._pass_over = False
        self._over = {number: identity for number, identity in self._over.items() if number in found}
        for number, segment in self._open.items():
            segment.last = number in found and number == self._newest

    def _meet(self, number: int, path: Path) -> None:
        """Open a segment, unless it is known or gone again."""
        try:
            status = path.stat(follow_symlinks=False)
            if number in self._open and os.path.samestat(status, os.fstat(self._open[number].file.fileno())):
                return
            if self._over.get(number) == _identity(status):
                return
            file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb")
        except FileNotFoundError:
            return
        before, self._newest = self._newest, number
        if number in self._open:  # it was made anew, as was the state folder
            self._open.pop(number).file.close()
        if before is not None and number > before + 1:
            self._reason = "posts may be missing here: files were created and removed between two looks"
        start = whole_lines(file) if self._pass_over else 0
        self._open[number] = _Segment(number, file, start)

    def _fill(self, segment: _Segment) -> int:
        """Read whole lines; how many bytes they are, 0 if there are none yet."""
        for most in (_CHUNK, len(self._buffer)):
            try:
                size = os.preadv(segment.file.fileno(), [memoryview(self._buffer)[:most]], segment.offset)
            except OSError as error:
                self._reason = f"segment {segment.number}: {error.strerror}"
                return 0
            if length := self._buffer.rfind(b"\n", 0, size) + 1:
                return length
            if size < most:
                return 0
        return size  # longer than any line that an exporter takes; the rest of it is rejected

    def _let_go(self, segment: _Segment) -> None:
        """Close a segment that was read to its end, if it will not grow any more."""
        if not segment.last:
            self._over[segment.number] = _identity(os.fstat(segment.file.fileno()))
            segment.file.close()
            del self._open[segment.number]

    def positions(self) -> Mapping[str, object]:
        """Nothing is kept."""
        return {}

    def saved(self, positions: Mapping[str, object]) -> None:
        """Nothing is kept."""

    def rewind(self, positions: Mapping[str, object] | None) -> None:
        """Nothing is kept, so nothing is read again."""

    def status(self) -> Status:
        """Whether it can be followed."""
        return Status(self.source, up=not self._reason, reason=self._reason, open_files=len(self._open))

    def close(self) -> None:
        """Give back the open files."""
        for segment in self._open.values():
            segment.file.close()
        self._open.clear()


def _identity(status: os.stat_result) -> _Identity:
    """What tells a file that does not grow any more from one that gets its number, and its inode, later."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
