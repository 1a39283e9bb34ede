"""A lane: a sink with its queue and its thread, so that a slow or failing sink never holds up reading.

The reading thread hands on what it reads, as long as the queue has room for it. A sink whose queue is full is *behind*
in a source from there on: it is handed nothing of what is read, and catches up later with a reader of its own
(`exporters.sinks.lanes`). What a sink was handed is known by file and offset (`marks`), so that nothing is handed on
twice, however often a source is read again.

A sink acknowledges: once it has flushed, the positions that reading had then, the marks, and the sink's own place
become its `acknowledged`. That is what the saved state keeps.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import threading
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np

from events.batch import Detection, EventBatch, RawLines
from exporters.quarantine import fault_of
from exporters.sinks.sink import Place, Sink
from exporters.sources.chunk import Chunk
from exporters.sources.spool import SpoolPosition

QUEUE: Final = 8 * 1024 * 1024
"""Bytes of lines that wait for a sink, about, before it is behind."""
FIRST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 5.0
"""Seconds before a failed sink is tried again: doubled each time, up to this."""

Marks = dict[str, int]
"""Of a source: how far each of its files was handed on, as an offset."""

log = logging.getLogger("tocsin")


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """What a sink has kept for good: the positions of each source, the marks, and the sink's own place."""

    positions: dict[str, Mapping[str, object]] = field(default_factory=dict)
    marks: dict[str, Marks] = field(default_factory=dict)
    place: Place | None = None


@dataclass(slots=True)
class _Item:
    """One step of work: lines and their attempts, or the positions that reading has now."""

    size: int = 0
    chunk: Chunk | None = None
    batch: EventBatch | None = None
    detections: Sequence[Detection] = ()
    raw_kept: bool = False
    source: str = ""
    positions: Mapping[str, object] | None = None
    marks: Marks = field(default_factory=dict)


class Lane:
    """The lane of a sink, which goes on behind what `acknowledged` says. `start` starts its thread."""

    def __init__(self, name: str, sink: Sink, acknowledged: Acknowledged, *, queue_bytes: int = QUEUE) -> None:
        self.name = name
        self.behind: set[str] = set()
        self.fed = dict(acknowledged.positions)
        """The positions of each source behind what was handed on."""
        self.written = 0
        self.failures: Counter[str] = Counter()
        self.up = True
        self._sink = sink
        self._limit = queue_bytes
        self._acknowledged = acknowledged
        self._marks = {source: dict(marks) for source, marks in acknowledged.marks.items()}
        self._taking = ""  # the source whose slice is handed on now
        self._chunk: Chunk | None = None  # the one that was handed on last, until its events come
        self._gate = threading.Condition()
        self._queue: deque[_Item] = deque()
        self._queued = 0
        self._saved: Place | None = None
        self._told: Place | None = None
        self._idle = True
        self._stop = False
        self._opened = False
        self._thread = threading.Thread(target=self._run, name=f"sink {name}", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    # ------------------------------------------------------------------------------------------------ handing on
    @property
    def has_room(self) -> bool:
        """Whether the queue takes more."""
        with self._gate:
            return self._queued < self._limit

    def begin(self, source: str) -> None:
        """A slice of a source is read: it is handed on as a whole, or not at all."""
        if source not in self.behind and not self.has_room:
            self.behind.add(source)
        self._taking = "" if source in self.behind else source

    def resume(self, source: str) -> None:
        """A slice of what was missed is read, for this sink alone."""
        self._taking = source

    def end(self, positions: Mapping[str, object]) -> None:
        """The slice is over, and reading has these positions."""
        source, self._taking = self._taking, ""
        if not source:
            return
        self._chunk = None
        marks = self._marks.setdefault(source, {})
        for gone in _forgotten(marks, positions):
            del marks[gone]
        self.fed[source] = positions
        self._put(_Item(source=source, positions=positions, marks=dict(marks)))

    def abandon(self) -> None:
        """The slice broke off: what it may have missed is read again."""
        source, self._taking, self._chunk = self._taking, "", None
        if source:
            self.behind.add(source)

    def raw(self, chunk: Chunk) -> None:
        """Take lines that nobody has decoded yet, as far as they were not handed on before."""
        self._chunk = None
        if chunk.source != self._taking:
            return
        mark = self._marks.get(chunk.source, {}).get(chunk.file, 0)
        if mark >= chunk.end:
            return
        if mark > chunk.start:
            chunk = chunk.part(mark - chunk.start, len(chunk.data))
        self._chunk = replace(chunk, data=memoryview(bytes(chunk.data)))

    def events(self, batch: EventBatch, detections: Sequence[Detection]) -> None:
        """Take the attempts of the lines that `raw` took."""
        chunk, self._chunk = self._chunk, None
        if chunk is None:
            return
        kept, found = _own(batch, detections, chunk)
        self._marks.setdefault(chunk.source, {})[chunk.file] = chunk.end
        self._put(_Item(size=len(chunk.data), chunk=chunk, batch=kept, detections=found))

    def _put(self, item: _Item) -> None:
        with self._gate:
            self._queue.append(item)
            self._queued += item.size
            self._gate.notify_all()

    # ------------------------------------------------------------------------------------------------ acknowledging
    @property
    def acknowledged(self) -> Acknowledged:
        """What the sink has kept for good."""
        with self._gate:
            return self._acknowledged

    @property
    def waiting(self) -> int:
        """Bytes in the queue, also those that are being written."""
        with self._gate:
            return self._queued

    def saved(self, acknowledged: Acknowledged) -> None:
        """The saved state has this now."""
        with self._gate:
            self._saved = acknowledged.place
            self._gate.notify_all()

    def settle(self, patience: float) -> bool:
        """Wait until everything that was handed on is kept for good, `patience` seconds at most; whether it is."""
        with self._gate:
            return self._gate.wait_for(lambda: self._idle and not self._queue, patience)

    def close(self, patience: float = 5.0) -> None:
        """End the thread; what it has not written is read again the next time."""
        with self._gate:
            self._stop = True
            self._gate.notify_all()
        self._thread.join(patience)
        if self._thread.is_alive():
            log.error("sink %s: a write hangs; no longer waiting for it", self.name)

    # ------------------------------------------------------------------------------------------------ the thread
    def _run(self) -> None:
        done: list[_Item] = []  # kept, and not flushed yet
        pause = FIRST_PAUSE
        while True:
            with self._gate:
                if not done:
                    self._idle = not self._queue
                    self._gate.notify_all()
                    self._gate.wait_for(self._has_work)
                if self._stop:
                    break
                item = self._queue[0] if self._queue and self._opened else None
                self._idle = False
                saved = self._saved
            try:
                self._step(item, done, saved)
            except Exception as error:
                self._failed(error)
                with self._gate:
                    self._gate.wait_for(lambda: self._stop, pause)
                pause = min(LONGEST_PAUSE, 2 * pause)
            else:
                pause = FIRST_PAUSE
                if not self.up:
                    log.info("sink %s: writes again", self.name)
                self.up = True
        with contextlib.suppress(Exception):
            self._sink.close()

    def _has_work(self) -> bool:
        """What was written before any state knew of the sink would be written twice after a crash, so it waits."""
        if self._stop or not self._opened or self._saved is not self._told:
            return True
        return bool(self._queue) and self._saved is not None

    def _step(self, item: _Item | None, done: list[_Item], saved: Place | None) -> None:
        if not self._opened:
            self._acknowledge([], self._sink.open(self._acknowledged.place))
            self._opened = True
            return
        if saved is not None and saved is not self._told:
            self._sink.saved(saved)
            self._told = saved
        if item is not None:
            self._keep(item)
            with self._gate:
                self._queue.popleft()
            done.append(item)
            if self._queue and sum(one.size for one in done) < self._limit // 4:
                return
        if done:
            self._acknowledge(done, self._sink.flush())
            done.clear()

    def _keep(self, item: _Item) -> None:
        if item.chunk is None or item.batch is None:
            return
        if not item.raw_kept:
            self._sink.raw(item.chunk)
            item.raw_kept = True
        unreported = self._sink.events(item.batch, item.detections)
        self.written += item.batch.size
        if unreported:
            self.failures["record"] += unreported

    def _acknowledge(self, done: Sequence[_Item], place: Place) -> None:
        """Everything in `done` is durable: positions and marks up to its last positions; the rest comes with the next.

        Only what lies behind positions is acknowledged with them, so marks may be ahead of them and never behind.
        """
        before = self._acknowledged
        positions, marks = dict(before.positions), {name: dict(found) for name, found in before.marks.items()}
        for item in done:
            if item.positions is not None:
                positions[item.source], marks[item.source] = item.positions, dict(item.marks)
            elif item.chunk is not None:
                marks.setdefault(item.chunk.source, {})[item.chunk.file] = item.chunk.end
        with self._gate:
            self._acknowledged = Acknowledged(positions, marks, place)
            self._queued -= sum(item.size for item in done)
            self._gate.notify_all()

    def _failed(self, error: Exception) -> None:
        reason = "error"
        if isinstance(error, OSError):
            reason = "disk_full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "write"
        self.failures[reason] += 1
        if self.up:
            fault = fault_of("sink", error)
            why = error.strerror if isinstance(error, OSError) and error.strerror else f"{fault.error} at {fault.place}"
            log.error("sink %s: cannot write (%s): %s; metrics go on, and it catches up later", self.name, reason, why)
        self.up = False


def _forgotten(marks: Marks, positions: Mapping[str, object]) -> list[str]:
    """The files of which nothing will come any more: their names may be given to others."""
    spool = positions.get("spool")
    if isinstance(spool, SpoolPosition):
        return [name for name in marks if not name.isdecimal() or int(name) < spool.segment]
    return [name for name in marks if name not in positions] if positions else []


def _own(batch: EventBatch, detections: Sequence[Detection], chunk: Chunk) -> tuple[EventBatch, Sequence[Detection]]:
    """The part of a batch that lies in `chunk`, which lives as long as that."""
    provenance, raw = batch.provenance, batch.raw
    whole = isinstance(raw, RawLines) and raw.size_of_data == len(chunk.data)
    if provenance is None or whole:
        lines: Any = raw.on(chunk.data) if isinstance(raw, RawLines) else list(raw)
        return replace(batch, raw=lines, records=()), list(detections)
    rows = np.flatnonzero(provenance.offset >= chunk.start).tolist()
    new = {row: place for place, row in enumerate(rows)}
    part = batch.rows(rows)
    part.records = ()
    return part, [replace(one, row=new[one.row]) for one in detections if one.row in new]
