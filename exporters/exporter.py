"""A running exporter: reads its sources into the engine, answers scrapes, and keeps its state.

Reading and scraping exclude each other, so what a scrape commits is one moment: the counters, and the positions up to
which they have counted. See docs/adr/0001.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np

from exporters.engine import Engine
from exporters.feeds import Feeds
from exporters.process import trim
from exporters.samples import Table
from exporters.sources import Source
from exporters.state import StateFolder
from spec.version import VERSION

BUDGET: Final = 16 * 1024 * 1024
"""Bytes read between two moments at which a scrape may come in, at most: of the most hostile text two seconds' work."""
TOGETHER: Final = 8_192
"""Attempts counted between them, about: as many as make what a batch costs by itself small beside them."""
SAVE_EVERY: Final = 10.0
"""Seconds between two saves when nobody scrapes."""

log = logging.getLogger("tocsin")


class Exporter:
    """Ties sources, engine and state folder together. `close` saves once more."""

    def __init__(self, engine: Engine, sources: Mapping[str, Source], folder: StateFolder, *, now: float) -> None:
        self._engine = engine
        self._state = engine.state
        self._sources = sources
        self._folder = folder
        self._feeds = Feeds(sources, engine.state)
        self._lock = threading.Lock()
        self._saved = now
        self._duration = 0.0
        self._size = 0
        self._scrape_seconds = 0.0
        self._failing = False
        self.turns = 0  # of reading, for health checks
        self.last_turn = time.monotonic()

    # ------------------------------------------------------------------------------------------------ reading
    def poll(self) -> int:
        """Read what is new, so much that a scrape has not to wait for long; how many bytes that was."""
        size = 0
        with self._lock:
            now = time.time()
            for name, source in self._sources.items():
                chunks = (chunk.data for chunk in source.read(BUDGET, now=now))
                fed = self._engine.feed(name, chunks, now=now, most=TOGETHER)
                if fed:
                    self._state.health.add("tocsin_bytes_read_total", (name,), fed)
                size += fed
            self._feeds.count(now)
            if now - self._saved >= SAVE_EVERY or now < self._saved:
                self._save(now)
        self.turns += 1
        self.last_turn = time.monotonic()
        return size

    # ------------------------------------------------------------------------------------------------ scraping
    def scrape(self) -> list[Table]:
        """What Prometheus is to see now: durable before this returns, or counted as a snapshot that failed."""
        begun = time.perf_counter()
        with self._lock:
            now = time.time()
            self._feeds.count(now)
            tables = self._state.show(now)
            self._save(now)
            tables += self._feeds.tables(now)
            tables += self._own(now)
            self._scrape_seconds = time.perf_counter() - begun
        return tables

    def _own(self, now: float) -> Iterator[Table]:
        health = self._state.spec.health
        gauges = {
            "tocsin_series": float(self._state.families.series),
            "tocsin_accounts": float(self._state.accounts),
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
    def _save(self, now: float) -> None:
        begun = time.perf_counter()
        positions = {name: source.positions() for name, source in self._sources.items()}
        try:
            self._size = self._folder.save({"state": self._state.save(), "positions": positions})
        except OSError as error:
            self._state.health.add("tocsin_snapshot_failures_total")
            if not self._failing:
                log.error("cannot save the state in %s: %s; make room there", self._folder.path, error.strerror)
            self._failing = True
            return
        if self._failing:
            log.info("the state is saved again")
        self._failing = False
        self._saved = now
        for name, source in self._sources.items():
            source.saved(positions[name])
        trim()  # of what a backlog, a scrape or this save took
        self._duration = time.perf_counter() - begun

    def close(self) -> None:
        """Save, and give back sources and folder."""
        with self._lock:
            self._save(time.time())
            for source in self._sources.values():
                source.close()
            self._folder.close()


def restore(engine: Engine, folder: StateFolder) -> dict[str, Any] | None:
    """Take the saved state into the engine; the saved positions of each source, None on a first start.

    Raises:
        StateError: it was written by a newer version.
    """
    loaded = folder.load()
    health = engine.state.health
    if loaded.damaged:
        log.error("the state was damaged (%s); going on from the one before, counters start at 0", loaded.damaged)
    if loaded.data is None:
        if loaded.damaged:
            health.add("tocsin_state_resets_total", ("damaged",))
        return None
    for reason in engine.state.load(loaded.data["state"], reset_counters=bool(loaded.damaged)):
        log.warning("part of the saved state does not fit the present spec and starts anew: %s", reason)
        health.add("tocsin_state_resets_total", (reason,))
    positions: dict[str, Any] = loaded.data["positions"]
    return positions
