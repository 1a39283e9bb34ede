"""Where bytes come from: the file tail, posts over HTTP, all behind one small protocol."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol

from exporters.sources.chunk import Chunk
from exporters.sources.hook_health import Report
from exporters.sources.status import Status

__all__ = ["Chunk", "Report", "Source", "Status"]


class Source(Protocol):
    """What the exporter asks of every source of records."""

    source: str

    def read(self, budget_bytes: int, *, now: float, piece_bytes: int | None = None) -> Iterator[Chunk]:
        """Hand over what is new, about `budget_bytes` of it at most, without ever waiting.

        No chunk is longer than `piece_bytes`, but around a line that is: at most twice as long as the line (None: as
        long as the source likes). A chunk counts as taken once the iterator has given it out, and its data is valid
        until the next one is asked for; who stops asking leaves the rest for the next call. `now` is in Unix seconds.
        """
        ...

    def positions(self) -> Mapping[str, object]:
        """Everything needed to resume after the chunks taken so far; each value can be encoded by msgspec."""
        ...

    def saved(self, positions: Mapping[str, object]) -> None:
        """These positions are kept for good now, as are those that were saved before them."""
        ...

    def rewind(self, positions: Mapping[str, object] | None) -> None:
        """Hand over again what came after these positions, the last that were saved; None: after the very first ones.

        What `status` has counted since then is counted again.
        """
        ...

    def status(self) -> Status:
        """How the source is doing, and what it has counted since it was made."""
        ...

    def close(self) -> None:
        """Give back what the source holds. Positions and status can still be asked for."""
        ...
