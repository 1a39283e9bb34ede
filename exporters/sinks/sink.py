"""What every sink is: something that keeps events, or the raw lines they came from, for good."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from events.batch import Detection, EventBatch
from exporters.sources.chunk import Chunk

Place = dict[str, int]
"""Where a sink is in what it writes: plain numbers that the saved state keeps."""


class Sink(Protocol):
    """Keeps what it is given. All methods are called by one thread, which may wait and is not the one that reads.

    A call that raises has kept nothing of what it was given: it is repeated later, with the same arguments. Whatever
    `raw` and `events` have kept is given again after a crash, unless `flush` returned and its place was saved.
    """

    def open(self, place: Place | None) -> Place:
        """Go on behind a place that was saved, and drop what was kept after it; None: nothing was saved yet.

        Returns where it begins.

        Raises:
            OSError: it cannot be opened now.
        """
        ...

    def raw(self, chunk: Chunk) -> None:
        """Keep whole lines as they came, before anybody decodes them. Raises OSError."""
        ...

    def events(self, batch: EventBatch, detections: Sequence[Detection]) -> int:
        """Keep the attempts of these lines, and what was detected in them; how many could not be told in full.

        Raises:
            OSError: nothing of them was kept.
        """
        ...

    def flush(self) -> Place:
        """Make everything durable that was kept; where that ends. Raises OSError."""
        ...

    def saved(self, place: Place) -> None:
        """The saved state has this place now. Nothing before it will be asked for again. Raises OSError."""
        ...

    def close(self) -> None:
        """Give back what is open; nothing is flushed."""
        ...
