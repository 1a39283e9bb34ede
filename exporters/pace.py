"""How much is read at once: as much as takes about a slice of time, whatever the content costs.

Between two slices scrapes get their turn. A slice ends with the first piece that is counted when its time is over, so
the longest wait is a slice and one piece. Costly content makes the pieces smaller, cheap content makes them larger.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from exporters.sources import Chunk

SLICE: Final = 0.2
"""Seconds of reading after which waiting scrapes are served."""
LARGEST: Final = 256 * 1024
"""Bytes decoded at once, at most, but for a line that is longer."""
SMALLEST: Final = 4 * 1024
"""Bytes decoded at once that costly content is never cut below."""
_FIRST: Final = 64 * 1024


class Pace:
    """The size of the pieces of one source; `clock` is in seconds and never goes back."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.piece = _FIRST

    def slice(self, chunks: Iterable[Chunk]) -> Iterator[Chunk]:
        """The chunks, until the time of a slice is over; at least one chunk, and none is asked for in vain."""
        begun = before = self._clock()
        for chunk in chunks:
            yield chunk
            now = self._clock()
            self._learn(now - before, len(chunk.data))
            if now - begun >= SLICE:
                return
            before = now

    def _learn(self, seconds: float, size: int) -> None:
        """A piece of `size` bytes took `seconds`: let the next ones take a quarter of a slice at most."""
        if seconds * 4 > SLICE:
            wanted = int(size * SLICE / (seconds * 4))
            self.piece = max(SMALLEST, min(self.piece, wanted))
        else:
            self.piece = min(LARGEST, 2 * self.piece)
