"""From raw lines to signals: the one path that a live log, a replay and a benchmark take."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from exporters.batch import EventBatch, Raw
from exporters.detect import Detection, Scanner
from exporters.gateways import Gateway
from exporters.signals.state import SignalState

Sink = Callable[[EventBatch, Sequence[Detection]], None]
"""Something that keeps events: it gets every batch after it was counted, valid until it returns."""


class Engine:
    """Decodes, removes duplicates, scans, counts.

    `adapters` are those of each source, `scanner` looks at content (None: nobody does).
    """

    def __init__(
        self,
        state: SignalState,
        adapters: Mapping[str, Gateway],
        scanner: Scanner | None = None,
        sinks: Sequence[Sink] = (),
    ) -> None:
        self.state = state
        self._adapters = adapters
        self._scanner = scanner
        self._sinks = sinks

    def decode(self, source: str, data: Raw) -> EventBatch:
        """The attempts in whole lines of a source."""
        return self._adapters[source].decode(data, source=source)

    def take(self, batch: EventBatch, *, now: float) -> EventBatch:
        """Count a batch; what of it was new."""
        batch = self.state.fresh(batch)
        detections = self._scanner.scan(batch.texts) if self._scanner is not None and batch.texts else []
        self.state.take(batch, detections, now=now)
        for sink in self._sinks:
            sink(batch, detections)
        return batch

    def feed(self, source: str, data: Raw, *, now: float) -> EventBatch:
        """Decode and count."""
        return self.take(self.decode(source, data), now=now)
