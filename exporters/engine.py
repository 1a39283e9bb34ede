"""From raw lines to signals: the one path that a live log, a replay and a benchmark take."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from exporters.batch import Detection, EventBatch, Raw, Text
from exporters.detect import Rule, Scanner
from exporters.gateways import Gateway
from exporters.signals.state import SignalState


class Engine:
    """Decodes, removes duplicates, scans, counts.

    `adapters` are those of each source, `scanner` looks at content (None: nobody does).
    """

    def __init__(
        self,
        state: SignalState,
        adapters: Mapping[str, Gateway],
        scanner: Scanner | None = None,
    ) -> None:
        self.state = state
        self._adapters = adapters
        self._scanner = scanner

    def decode(self, source: str, data: Raw) -> EventBatch:
        """The attempts in whole lines of a source."""
        return self._adapters[source].decode(data, source=source, seed=self.state.seed)

    def take(self, batch: EventBatch, *, now: float) -> EventBatch:
        """Count a batch; what of it was new."""
        return self.see(batch, now=now)[0]

    def see(self, batch: EventBatch, *, now: float) -> tuple[EventBatch, Sequence[Detection]]:
        """As `take`; also what was detected in the new attempts."""
        batch = self.state.fresh(batch)
        detections = self._detect(batch)
        self.state.take(batch, detections, now=now)
        return batch, detections

    def detect(self, texts: Sequence[Text]) -> list[Detection]:
        """What the content rules see in `texts`; nothing is counted."""
        return self._scanner.scan(texts) if self._scanner is not None and texts else []

    def _detect(self, batch: EventBatch) -> list[Detection]:
        """As `detect`, in a batch; what was too much to look at is counted."""
        detections = self.detect(batch.texts)
        if self._scanner is not None:
            for reason, count in self._scanner.take_skipped().items():
                self.state.health.add("tocsin_content_matches_skipped_total", (batch.source, reason), count)
        return detections

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The content rules that are looked for."""
        return self._scanner.rules if self._scanner is not None else ()

    def feed(self, source: str, chunks: Iterable[Raw], *, now: float, most: int | None = None) -> int:
        """Decode chunks of a source and count them together; how many bytes they were.

        No further chunk is asked for once there are `most` attempts. Each chunk's bytes are needed only until the next
        one is asked for, and its texts no longer than that.
        """
        size, rows = 0, 0
        batches: list[EventBatch] = []
        detections: list[Detection] = []
        for data in chunks:
            batch = self.state.fresh(self.decode(source, data))
            detections += [replace(found, row=rows + found.row) for found in self._detect(batch)]
            batch.detach()
            batches.append(batch)
            size, rows = size + len(data), rows + batch.size
            if most is not None and rows >= most:
                break
        if batches:
            self.state.take(EventBatch.joined(batches), detections, now=now)
        return size
