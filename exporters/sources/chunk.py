"""The unit that a source hands on: some whole lines, and where they came from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

from events.wrappers.whole import pieces


@dataclass(frozen=True, slots=True)
class Chunk:
    r"""Whole lines of one file, each ending in ``b"\n"``.

    `start` and `end` are byte offsets in the decompressed stream of `file`, so that (file, start) names a record for
    ever. ``end - start`` is ``len(data)``, except where a chunk does not end with a newline in the file: one is added,
    and ``len(data)`` is one more. That is the unfinished last line of a file that will never grow again, or a chunk
    that ends between two objects of one line. A record on several lines is never cut. Between two chunks of a file
    there is a gap where a line was too long. `file` is the key of the file's position. `sequence` counts the chunks of
    one reader from 0.

    `lead` are lines that came before, at the end of the file that this one took the place of: they begin the first
    record of `data`. They were handed out there in a chunk that is `continued`, which holds no whole record.

    `data` is a window into a buffer that is used again: it is valid until the next chunk is asked for.
    """

    source: str
    file: str
    start: int
    end: int
    data: memoryview
    sequence: int
    lead: bytes = b""
    continued: bool = False

    @classmethod
    def of(cls, source: str, data: bytes, *, file: str = "", start: int = 0, sequence: int = 0) -> Self:
        """A chunk of whole lines that begin at byte `start` of `file`."""
        return cls(source, file, start, start + len(data), memoryview(data), sequence)

    def part(self, first: int, last: int) -> Self:
        """The part from byte `first` to before byte `last` of the data, which are where lines begin."""
        end = self.end if last >= len(self.data) else self.start + last
        lead = b"" if first else self.lead
        return replace(self, start=self.start + first, end=end, data=self.data[first:last], lead=lead)

    def pieces(self) -> list[bytes]:
        """The data, cut between its lines wherever that cuts no record."""
        if not self.lead:
            return pieces(bytes(self.data))
        found = pieces(self.lead + bytes(self.data))
        skipped = 0
        while skipped + len(found[0]) <= len(self.lead):
            skipped += len(found.pop(0))
        found[0] = found[0][len(self.lead) - skipped :]
        return found
