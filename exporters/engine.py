"""From raw lines to signals: the one path that a live log, a replay and a benchmark take."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final, Protocol

import numpy as np

from events.batch import Detection, EventBatch, Fault, Provenance, Raw, RawLines, Reject
from events.coverage import Coverage
from events.gateways import Gateway
from events.gateways.abilities import abilities
from events.wrappers.whole import pieces
from exporters.detect import Detector, Rule
from exporters.quarantine import fault_of
from exporters.signals.conversations import LateAnswer
from exporters.signals.state import SignalState
from exporters.sources.chunk import Chunk

MOST_APART: Final = 64
"""Lines of a chunk that are looked for one by one when reading fails; beyond them a failing part is set aside whole."""


class CountingError(Exception):
    """Counting a batch failed on the way, so the state is not to be trusted any more; the cause says why."""


class Tap(Protocol):
    """Is handed everything that the engine reads, and never raises."""

    def raw(self, chunk: Chunk) -> None:
        """Lines that nobody has decoded yet. They live until the next chunk is asked for."""
        ...

    def events(self, batch: EventBatch, detections: Sequence[Detection]) -> None:
        """The attempts of these lines, duplicates too, and what was detected in them."""
        ...


class Engine:
    """Decodes, removes duplicates, looks for attacks, counts what is new. A record that fails does not stop the others.

    `adapters` are those of each source, `detectors` look at what the attempts say.
    """

    def __init__(
        self,
        state: SignalState,
        adapters: Mapping[str, Gateway],
        detectors: Sequence[Detector] = (),
    ) -> None:
        self.state = state
        self._adapters = adapters
        self._detectors = tuple(detectors)
        self.tap: Tap | None = None
        """Who is handed everything that `feed` reads."""
        self.rejected: Callable[[Chunk, Sequence[Reject]], None] = lambda _chunk, _rejects: None
        """Is shown the records that `feed` could not read, while the chunk lives."""

    def coverage(self, source: str) -> Coverage:
        """An empty count of what is looked at of a source."""
        adapter = self._adapters[source]
        return Coverage(adapter.name, *abilities(adapter), scanned=bool(self._detectors))

    def decode(self, chunk: Chunk) -> EventBatch:
        """The attempts in a chunk, with their provenance. A line that raises becomes a reject and a fault."""
        data: Raw = chunk.lead + bytes(chunk.data) if chunk.lead else chunk.data
        if chunk.continued:
            data = b""
        try:
            batch = self._decode(chunk.source, data)
        except Exception as error:
            batch = self._without_culprits(chunk.source, bytes(data), error)
        if chunk.lead:
            _move_back(batch, chunk.lead)
        batch.provenance = _provenance(batch, chunk)
        return batch

    def _decode(self, source: str, data: Raw) -> EventBatch:
        return self._adapters[source].decode(data, source=source, seed=self.state.seed)

    def _without_culprits(self, source: str, data: bytes, error: Exception) -> EventBatch:
        """The batch of `data` without the lines that raise. They become blanks, so that others keep their places."""
        lines = _apart(data)
        culprits: dict[int, Exception] = {}

        def look(first: int, last: int) -> None:
            try:
                self._decode(source, b"".join(lines[first:last]))
            except Exception as found:
                if last - first == 1 or len(culprits) >= MOST_APART:
                    culprits.update(dict.fromkeys(range(first, last), found))
                    return
                middle = (first + last) // 2
                look(first, middle)
                look(middle, last)

        look(0, len(lines))
        kept = [_blank(line) if number in culprits else line for number, line in enumerate(lines)]
        try:
            batch = self._decode(source, b"".join(kept))
        except Exception:  # they raise only together
            culprits = dict.fromkeys(range(len(lines)), error)
            batch = self._decode(source, b"")
        start = number = 0
        for place, line in enumerate(lines):
            if place in culprits and line.strip():
                length = len(line.removesuffix(b"\n"))
                fault = fault_of("decode", culprits[place], line=number, start=start, length=length)
                batch.faults.append(fault)
                batch.rejects.append(Reject(number, "quarantined", f"{fault.error} at {fault.place}"))
            start += len(line)
            number += line.count(b"\n")
        return batch

    def take(self, batch: EventBatch, *, now: float) -> EventBatch:
        """Count a batch; what of it was new.

        Raises:
            CountingError: counting failed, and may be half done.
        """
        return self.see(batch, now=now)[0]

    def see(self, batch: EventBatch, *, now: float) -> tuple[EventBatch, Sequence[Detection]]:
        """As `take`; also what was detected in the new attempts, without what their senders had sent before.

        Raises:
            CountingError: counting failed, and may be half done.
        """
        batch = self._new_events(batch)
        detections, late = self._new_content(batch, self._look_at(batch), now)
        self._take(batch, detections, late, now)
        return batch, detections

    def _new_events(self, batch: EventBatch) -> EventBatch:
        try:
            return self.state.new_events(batch)
        except Exception as error:
            raise CountingError from error

    def _new_content(
        self, batch: EventBatch, detections: Sequence[Detection], now: float
    ) -> tuple[list[Detection], list[LateAnswer]]:
        try:
            return self.state.new_content(batch, detections, now=now)
        except Exception as error:
            raise CountingError from error

    def _take(self, batch: EventBatch, detections: Sequence[Detection], late: Sequence[LateAnswer], now: float) -> None:
        try:
            self.state.take(batch, detections, late, now=now)
        except Exception as error:
            raise CountingError from error

    def _look_at(self, batch: EventBatch, data: Raw = b"") -> list[Detection]:
        """What the detectors see in a batch, of `data`; what was too much to look at is counted.

        A record whose content raises gets a fault.
        """

        def failed(row: int, error: Exception) -> None:
            raw = batch.raw[row] if row < len(batch.raw) else b""
            start = bytes(data).find(raw)
            batch.faults.append(fault_of("scan", error, start=start, length=len(raw)))

        detections = self.detect(batch, failed=failed)
        for detector in self._detectors:
            for reason, count in detector.take_skipped().items():
                self.state.health.add("tocsin_content_matches_skipped_total", (batch.source, reason), count)
        return detections

    def detect(
        self, batch: EventBatch, *, failed: Callable[[int, Exception], None] = lambda _row, _error: None
    ) -> list[Detection]:
        """What the detectors see in a batch; nothing is counted. `failed` gets the rows on which a detector raises."""
        found: list[Detection] = []
        for detector in self._detectors if batch.size else ():
            try:
                found += detector.detect(batch)
            except Exception:
                found += self._detect_row_by_row(detector, batch, failed)
        return found

    @staticmethod
    def _detect_row_by_row(
        detector: Detector, batch: EventBatch, failed: Callable[[int, Exception], None]
    ) -> list[Detection]:
        found: list[Detection] = []
        for row in range(batch.size):
            try:
                found += [replace(one, row=row) for one in detector.detect(batch.rows([row]))]
            except Exception as error:
                failed(row, error)
        return found

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The content rules that are looked for."""
        return tuple(rule for detector in self._detectors for rule in detector.rules)

    def observe(self, chunk: Chunk, tap: Tap) -> None:
        """Hand a chunk to `tap` alone, as `feed` does; nothing is counted."""
        tap.raw(chunk)
        batch = self.decode(chunk)
        tap.events(batch, self.detect(batch))
        for detector in self._detectors:
            detector.take_skipped()

    def _seen(self, chunk: Chunk) -> tuple[EventBatch, Sequence[Detection]]:
        """The attempts of a chunk that are new, and what was detected in them, sent before or not."""
        if self.tap is None:
            fresh = self._new_events(self.decode(chunk))
            return fresh, self._look_at(fresh, chunk.data)
        self.tap.raw(chunk)
        batch = self.decode(chunk)
        detections = self._look_at(batch, chunk.data)
        self.tap.events(batch, detections)
        fresh = self._new_events(batch)
        if fresh.size < batch.size and batch.provenance is not None and fresh.provenance is not None:
            places = {name: row for row, name in enumerate(_names(fresh, fresh.provenance))}
            rows = [places.get(name) for name in _names(batch, batch.provenance)]
            detections = [replace(one, row=row) for one in detections if (row := rows[one.row]) is not None]
        return fresh, detections

    def feed(
        self,
        chunks: Iterable[Chunk],
        *,
        now: float,
        most: int | None = None,
        faults: Callable[[Sequence[Fault]], None] = lambda _faults: None,
    ) -> int:
        """Decode chunks of one source and count them together; how many bytes they were.

        No further chunk is asked for once there are `most` attempts. Each chunk's bytes are needed only until the next
        one is asked for, and its texts no longer than that. `faults` is told before that what went wrong in a chunk.

        Raises:
            CountingError: counting failed, and may be half done.
            Exception: whatever `chunks` raises; what it gave out before is counted.
        """
        size, rows = 0, 0
        batches: list[EventBatch] = []
        detections: list[Detection] = []
        late: list[LateAnswer] = []
        try:
            for chunk in chunks:
                batch, seen = self._seen(chunk)
                found, answered = self._new_content(batch, seen, now)
                detections += [replace(one, row=rows + one.row) for one in found]
                late += [one._replace(row=rows + one.row) for one in answered]
                if batch.faults:
                    faults(batch.faults)
                if batch.rejects:
                    self.rejected(chunk, batch.rejects)
                batch.detach()
                batches.append(batch)
                size, rows = size + len(chunk.data), rows + batch.size
                if most is not None and rows >= most:
                    break
        finally:
            if batches:
                self._take(EventBatch.joined(batches), detections, late, now)
        return size


def _apart(data: bytes) -> list[bytes]:
    """Lines that can be decoded alone: a record on several lines stays whole."""
    try:
        return pieces(data)
    except Exception:  # what raised may do so here too
        return [line + b"\n" for line in data.removesuffix(b"\n").split(b"\n")]


def _move_back(batch: EventBatch, lead: bytes) -> None:
    """Count lines and bytes from behind `lead`."""
    lines = lead.count(b"\n")
    batch.rejects = [Reject(max(0, each.line - lines), each.reason, each.detail) for each in batch.rejects]
    batch.faults = [
        each._replace(line=max(0, each.line - lines), start=max(0, each.start - len(lead))) for each in batch.faults
    ]


def _blank(lines: bytes) -> bytes:
    """Spaces in their place."""
    return b"\n".join(b" " * len(line) for line in lines.split(b"\n"))


def _names(batch: EventBatch, provenance: Provenance) -> Iterator[tuple[int, int]]:
    """What tells the attempts of a chunk apart: a wrapper may hold several at one place."""
    return zip(provenance.offset.tolist(), batch.ids("event_id").tolist(), strict=True)


def _provenance(batch: EventBatch, chunk: Chunk) -> Provenance | None:
    """Where the attempts of a batch, which was decoded from `chunk`, are; the adapter has to keep the raw lines."""
    if not isinstance(batch.raw, RawLines):
        return None
    starts, lengths = batch.raw.spans()
    ends = starts + lengths - len(chunk.lead)
    starts = np.maximum(0, starts - len(chunk.lead))  # of a record that begins in the file before: what is here of it
    return Provenance(
        (chunk.file,),
        np.zeros(batch.size, np.int32),
        starts + chunk.start,
        ends - starts,
        np.full(batch.size, chunk.sequence, np.int64),
    )
