"""A running exporter: reads its sources into the engine, answers scrapes, and keeps its state.

Reading and scraping exclude each other, so what a scrape commits is one moment: the counters, and the positions up to
which they have counted. See docs/adr/0001. Reading gives way after each slice of time (`exporters.pace`), once
everything that a source gave out is counted; and whoever waits longest is next (`runtime.fair_lock`).
"""

from __future__ import annotations

import errno
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import numpy as np

from events.batch import Fault
from exporters.careful import Careful
from exporters.engine import CountingError
from exporters.memory import Memory
from exporters.metric_table import Table
from exporters.pace import Pace
from exporters.quarantine import SAY_EVERY, Quarantine, fault_of
from exporters.reject_log import RejectLog
from exporters.signals.saved import parts
from exporters.signals.state import SignalState
from exporters.sinks import Acknowledged
from exporters.sinks.lanes import Lanes, from_plain, to_plain
from exporters.sinks.lanes import tables as sink_tables
from exporters.source_metrics import Feeds
from exporters.sources import Chunk, Source
from exporters.sources.http import position_of
from exporters.sources.identity import load_positions
from runtime.fair_lock import FairLock
from runtime.process import trim
from runtime.state_file import StateError, StateFolder
from spec.version import VERSION

BUDGET: Final = 16 * 1024 * 1024
"""Bytes read of a source between two moments at which a scrape may come in, at most."""
TOGETHER: Final = 8_192
"""Attempts counted between them, about: as many as make what a batch costs by itself small beside them."""
DRAIN: Final = 2.0
"""Seconds that a sink gets at the end to write what it was handed; what it has not written is read again."""
SAVE_EVERY: Final = 10.0
"""Seconds between two saves when nobody scrapes."""

log = logging.getLogger("tocsin")


class Progress:
    """What reading is at, for whoever asks without waiting. Times are those of the exporter's clock."""

    def __init__(self, now: float) -> None:
        self.turns = 0
        self.last_turn = now
        self.source = ""  # what is read right now, if anything is
        self.since = now
        self.thread: int | None = None  # the one that reads, by its id in the system

    def begins(self, source: str, now: float) -> None:
        """A slice of a source is being read."""
        self.source, self.since, self.thread = source, now, threading.get_native_id()

    def turned(self, now: float) -> None:
        """All sources had their slice."""
        self.source, self.turns, self.last_turn = "", self.turns + 1, now


class ClosedError(Exception):
    """The exporter has ended; what it would show could not be saved any more."""


class Exporter:
    """Ties sources, engine, its memory and state folder together. `close` saves what was not saved yet.

    `clock` measures how long reading takes, in seconds; it never goes back. `lanes` are the sinks of everything that is
    read; they write once a state that knows of them is saved.
    """

    def __init__(
        self,
        memory: Memory,
        sources: Mapping[str, Source],
        folder: StateFolder,
        *,
        now: float,
        clock: Callable[[], float] = time.monotonic,
        lanes: Lanes | None = None,
    ) -> None:
        self._memory = memory
        self._lanes = lanes
        memory.engine.tap = lanes
        self._sources = sources
        self._folder = folder
        self._feeds = Feeds(sources, memory.state)
        self._paces = {name: Pace(clock) for name in sources}
        self._careful = Careful(memory)
        self._quarantine = Quarantine(folder.path.parent)
        memory.engine.rejected = RejectLog(self._path_of).take
        self._positions: dict[str, Mapping[str, object]] = {}  # those saved last
        self._unkept = dict.fromkeys(sources, 0)  # bytes read since then
        self._lock = FairLock()
        self._clock = clock
        self._saved = now
        self._unsaved = True  # something may have changed since the last save
        self._closed = False
        self._duration = 0.0
        self._size = 0
        self._scrape_seconds = 0.0
        self._failing = False
        self._reported_at = -SAY_EVERY
        self._chunk: Chunk  # what is read right now
        self.progress = Progress(clock())
        if lanes is not None:
            lanes.start()
            self.save()

    @property
    def _state(self) -> SignalState:
        return self._memory.state

    # ------------------------------------------------------------------------------------------------ reading
    def poll(self) -> int:
        """Read a slice of what is new in each source; how many bytes that was. Scrapes get their turn in between."""
        size = 0
        for name in self._sources:
            with self._lock:
                self.progress.begins(name, self._clock())
                size += self._read(name, time.time())
        for sink, name in self._lanes.missing() if self._lanes else ():
            with self._lock:
                self.progress.begins(name, self._clock())
                size += self._catch_up(sink, name, time.time())
        with self._lock:
            now = time.time()
            self._count(now)
            if now - self._saved >= SAVE_EVERY or now < self._saved or self._careful.found:
                self._careful.found = False
                self._save(now)
        self.progress.turned(self._clock())
        return size

    def _read(self, name: str, now: float) -> int:
        """Read a slice of a source; how many bytes that was. Nothing that is read ends the exporter."""
        pace, self._unsaved, before = self._paces[name], True, self._unkept[name]
        lanes = self._lanes
        if lanes is not None:
            lanes.begin(name)
        try:
            chunks = self._noted(name, self._sources[name].read(BUDGET, now=now, piece_bytes=pace.piece))
            if self._careful.left(name) > 0:
                for chunk in islice(chunks, 1):
                    self._careful.feed(chunk, now=now, faults=self._set_aside)
                    self._feeds.count_into(self._state)
            else:
                self._memory.engine.feed(pace.slice(chunks), now=now, most=TOGETHER, faults=self._set_aside)
        except CountingError as error:
            self._go_back(error)
            return 1  # there is something to read
        except Exception as error:
            if lanes is not None:
                lanes.abandon()
            self._feeds.failed(name, "read", error)
        else:
            if lanes is not None:
                lanes.end(name)
            self._feeds.worked(name, "read")
        fed = self._unkept[name] - before
        if fed:
            self._state.health.add("tocsin_bytes_read_total", (name,), fed)
        return fed

    def _catch_up(self, sink: str, name: str, now: float) -> int:
        """Read a slice of what a sink has missed in a source; how many bytes that was."""
        if self._lanes is None:
            return 0
        try:
            size = self._lanes.catch_up(self._memory.engine, sink, name, now=now)
        except Exception as error:
            self._feeds.failed(name, "read", error)
            return 0
        self._unsaved = True
        return size

    def _noted(self, name: str, chunks: Iterator[Chunk]) -> Iterator[Chunk]:
        for chunk in chunks:
            self._chunk = chunk
            self._unkept[name] += len(chunk.data)
            yield chunk

    def _set_aside(self, faults: Sequence[Fault]) -> None:
        """Enter what went wrong in the present chunk into the quarantine."""
        chunk = self._chunk
        path = self._path_of(chunk.source, chunk.file)
        for fault in faults:
            self._quarantine.enter(chunk.source, chunk.file, path, chunk.start + max(0, fault.start), fault)

    def _path_of(self, source: str, file: str) -> str:
        """The path of a file by the key of its position; empty if it has none."""
        return str(getattr(self._sources[source].positions().get(file), "path", ""))

    def _go_back(self, error: Exception) -> None:
        """Counting has failed half way: take up what was saved last, and count again from there with care.

        Raises:
            StateError: what was saved last cannot be read back any more.
        """
        fault = fault_of("count", error.__cause__ or error)
        if not 0 <= time.monotonic() - self._reported_at < SAY_EVERY:
            self._reported_at = time.monotonic()
            log.error("counting failed with %s at %s; going back to the last saved state", fault.error, fault.place)
        loaded = self._folder.load()
        if loaded.damaged:
            raise StateError(f"the state is damaged ({loaded.damaged})") from error
        self._memory.go_back(None if loaded.data is None else parts(loaded.data))
        self._feeds.go_back(self._state)
        if self._lanes is not None:
            self._lanes.go_back()
        for name, source in self._sources.items():
            source.rewind(self._positions.get(name))
        self._careful.begin(self._unkept)
        self._unkept = dict.fromkeys(self._sources, 0)
        self._state.health.add("tocsin_state_reloads_total")

    # ------------------------------------------------------------------------------------------------ scraping
    def scrape(self) -> list[Table]:
        """What Prometheus is to see now: durable before this returns, or counted as a snapshot that failed.

        Raises:
            ClosedError: the exporter was closed.
        """
        begun = time.perf_counter()
        with self._lock:
            if self._closed:
                raise ClosedError
            now = time.time()
            self._count(now)
            try:
                tables = self._memory.scrape(now)
            except Exception as error:
                self._go_back(error)
                tables = self._memory.scrape(now)
            if not self._save(now):
                tables = self._memory.scrape(now)
            tables += self._feeds.tables(now)
            tables += self._own(now)
            self._scrape_seconds = time.perf_counter() - begun
        return tables

    def _count(self, now: float) -> None:
        self._feeds.count(now)
        if self._lanes is not None:
            self._lanes.count(self._state)

    def _own(self, now: float) -> Iterator[Table]:
        health = self._state.spec.health
        yield from sink_tables(self._lanes, {name: metric.help for name, metric in health.items()})
        gauges = {
            "tocsin_series": float(self._state.families.series),
            "tocsin_accounts": float(self._state.accounts),
            "tocsin_conversation_texts": float(len(self._state.conversations)),
            "tocsin_snapshot_timestamp_seconds": self._saved,
            "tocsin_snapshot_age_seconds": max(0.0, now - self._saved),
            "tocsin_snapshot_size_bytes": float(self._size),
            "tocsin_snapshot_duration_seconds": self._duration,
            "tocsin_scrape_duration_seconds": self._scrape_seconds,
        }
        for name, value in gauges.items():
            yield Table(name, "gauge", health[name].help, (), [()], np.array([value]))
        build = "tocsin_build_info"
        yield Table(build, "gauge", health[build].help, ("version",), [(VERSION,)], np.ones(1))

    # ------------------------------------------------------------------------------------------------ state
    def save(self) -> None:
        """Save now, if anything may have changed since the last time."""
        with self._lock:
            if self._unsaved and not self._closed:
                self._save(time.time())

    def _save(self, now: float) -> bool:
        """Save; False: the state could not be, so the one before was taken up."""
        begun = time.perf_counter()
        positions = {name: source.positions() for name, source in self._sources.items()}
        kept = self._lanes.acknowledged() if self._lanes else {}
        try:
            plain = {**self._memory.save(), "positions": positions, "sinks": to_plain(kept)}
            self._size = self._folder.save(plain)
        except OSError as error:
            self._state.health.add("tocsin_snapshot_failures_total")
            if not self._failing:
                advice = "; make room there" if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
                log.error("cannot save the state in %s: %s%s", self._folder.path, error.strerror, advice)
            self._failing = True
            return True
        except Exception as error:
            self._go_back(error)
            return False
        if self._failing:
            log.info("the state is saved again")
        self._failing = self._unsaved = False
        self._saved = now
        self._positions, self._unkept = positions, dict.fromkeys(self._sources, 0)
        self._feeds.kept()
        for name, source in self._sources.items():
            source.saved(self._lanes.committed(name, positions[name], kept) if self._lanes else positions[name])
        if self._lanes is not None:
            self._lanes.saved(kept)
        trim()  # of what a backlog, a scrape or this save took
        self._duration = time.perf_counter() - begun
        return True

    def close(self) -> None:
        """Save what was not saved yet, and give back sources and folder. Whoever scrapes now is refused."""
        if self._lanes is not None and not self._closed and self._lanes.settle(DRAIN):
            self._unsaved = True  # what the sinks have written to the end
        self.save()
        with self._lock:
            if self._closed:
                return
            self._closed = True
            if self._lanes is not None:
                self._lanes.close()
            for source in self._sources.values():
                source.close()
            self._folder.close()


@dataclass(frozen=True, slots=True)
class Restored:
    """What was saved beside the state: the positions of sources, None on a first start, and what sinks have kept."""

    positions: dict[str, Any] | None
    sinks: Mapping[str, Acknowledged]


def restore(memory: Memory, folder: StateFolder) -> dict[str, Any] | None:
    """As `restore_all`; only the positions."""
    return restore_all(memory, folder).positions


def restore_all(memory: Memory, folder: StateFolder) -> Restored:
    """Take up the saved state; what else was saved.

    A state of any other shape than was saved gives way to the one before, and that to an empty one.

    Raises:
        StateError: it was written by a newer version, or cannot be read.
    """
    loaded = folder.load(lambda data: _try(memory, data))
    health = memory.state.health
    if loaded.data is None:
        if loaded.damaged:
            log.error("the state file is damaged (%s), and so is the previous one; starting empty", loaded.damaged)
            health.add("tocsin_state_resets_total", ("damaged",))
        return Restored(None, {})
    if loaded.damaged:
        log.error("the state file is damaged (%s); using the previous one, counters start at 0", loaded.damaged)
    saved = parts(loaded.data)
    for reason in memory.load(saved, reset_counters=bool(loaded.damaged)):
        log.warning("part of the saved state does not fit the current spec and starts empty: %s", reason)
        health.add("tocsin_state_resets_total", (reason,))
    return Restored(saved.positions, from_plain(loaded.data.get("sinks", {})))


def _try(memory: Memory, data: dict[str, Any]) -> None:
    """See whether what a state file holds can be used.

    Raises:
        ValueError: it cannot.
    """
    saved = parts(data)
    for found in saved.positions.values():
        if "spool" in found:
            position_of(found)
        else:
            load_positions(found)
    from_plain(data.get("sinks", {}))
    memory.test(saved)
