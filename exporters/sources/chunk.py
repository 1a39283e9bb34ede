"""The unit that a source hands on: some whole lines, and where they came from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Chunk:
    r"""Whole lines of one file, each ending in ``b"\n"``.

    `start` and `end` are byte offsets in the decompressed stream of `file`, so that (file, start) names a record for
    ever. ``end - start`` is ``len(data)``, except for the unfinished last line of a file that will never grow again: a
    newline is added to it, so ``len(data)`` is one more. Between two chunks of a file there is a gap where a line was
    too long. `file` is the key of the file's position. `sequence` counts the chunks of one reader from 0.

    `data` is a window into a buffer that is used again: it is valid until the next chunk is asked for.
    """

    source: str
    file: str
    start: int
    end: int
    data: memoryview
    sequence: int
