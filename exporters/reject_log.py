"""Our log of what could not be read: where it stands and what it looks like, never what it says, and not often."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

from events.batch import Reject
from events.wrappers.looks import looks_like
from exporters.sources.chunk import Chunk
from runtime.text import one_line

SAY_EVERY: Final = 60.0
"""Seconds between two lines about one source, at least."""
_SHOWN: Final = 300  # characters of a path

log = logging.getLogger("tocsin")


class RejectLog:
    """Writes of rejected records. `path_of` gives the path of a file by source and key; `clock` is in seconds."""

    def __init__(self, path_of: Callable[[str, str], str], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._path_of = path_of
        self._clock = clock
        self._said: dict[str, float] = {}
        self._unsaid: dict[str, Counter[str]] = {}

    def take(self, chunk: Chunk, rejects: Sequence[Reject]) -> None:
        """Say that records of a chunk were rejected, unless it was said lately: then the next line counts them."""
        counts = self._unsaid.setdefault(chunk.source, Counter())
        counts.update(reject.reason for reject in rejects)
        if not self._may_say(chunk.source):
            return
        first = min(rejects, key=lambda reject: reject.line)
        start, text = _line(chunk, first.line)
        looks = looks_like(text)
        log.warning(
            "source %s: %d record(s) rejected (%s). For instance %s at byte %d of %s: it looks like %s. %s",
            chunk.source,
            counts.total(),
            ", ".join(f"{count} {reason}" for reason, count in counts.most_common()),
            first.reason,
            chunk.start + start,
            one_line(self._path_of(chunk.source, chunk.file) or chunk.file, _SHOWN),
            looks.what,
            looks.hint,
        )
        counts.clear()

    def skipped(self, source: str, count: int, where: tuple[str, int] | None) -> None:
        """Lines were too long; `where` is the path and the byte of the last of them, as far as it is known."""
        counts = self._unsaid.setdefault(source, Counter())
        counts["too_long"] += count
        if not self._may_say(source):
            return
        place = f", the last at byte {where[1]} of {one_line(where[0], _SHOWN)}" if where is not None else ""
        log.warning("source %s: %d line(s) rejected as too_long%s", source, counts["too_long"], place)
        counts.clear()

    def _may_say(self, source: str) -> bool:
        now = self._clock()
        if 0 <= now - self._said.get(source, -SAY_EVERY) < SAY_EVERY:
            return False
        self._said[source] = now
        return True


def _line(chunk: Chunk, number: int) -> tuple[int, bytes]:
    """Where a line begins in the data of a chunk, and what it is."""
    data = bytes(chunk.data)
    start = 0
    for _ in range(number):
        start = data.find(b"\n", start) + 1
    end = data.find(b"\n", start)
    return start, data[start : end if end >= 0 else len(data)]
