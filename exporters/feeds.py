"""The sources of an exporter as counters and gauges: what was read, what was lost, how far behind reading is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from exporters.samples import Table
from exporters.signals.state import SignalState
from exporters.sources import Source, Status
from spec.model import HealthMetric

_GAUGES = (
    "tocsin_source_up",
    "tocsin_unread_bytes",
    "tocsin_newest_event_timestamp_seconds",
    "tocsin_feed_lag_seconds",
    "tocsin_feed_recent_gaps",
)
_SPOOL = "tocsin_spool_bytes"


class Feeds:
    """Watches the status of sources; their counters start at 0 with each process and are added up in the state."""

    def __init__(self, sources: Mapping[str, Source], state: SignalState) -> None:
        self._sources = sources
        self._state = state
        self._before: dict[str, Status] = {}

    def count(self, now: float) -> None:
        """Add what sources have counted since the last time."""
        for name, source in self._sources.items():
            status, before = source.status(), self._before.get(name)
            health = self._state.health
            health.add("tocsin_bytes_lost_total", (name,), status.bytes_lost - (before.bytes_lost if before else 0))
            for kind, count in status.rotations.items():
                fresh = count - (before.rotations.get(kind, 0) if before else 0)
                health.add("tocsin_rotations_total", (name, kind), fresh)
            for metric, counts, earlier in (
                ("tocsin_http_requests_total", status.answers, before.answers if before else {}),
                ("tocsin_http_refused_total", status.refused, before.refused if before else {}),
            ):
                for kind, count in counts.items():
                    health.add(metric, (name, kind), count - earlier.get(kind, 0))
            too_long = status.lines_too_long - (before.lines_too_long if before else 0)
            self._state.reject(name, "too_long", too_long, now=now)
            self._count_gaps(name, status, now)
            self._before[name] = status

    def _count_gaps(self, name: str, status: Status, now: float) -> None:
        writers, health = self._state.writers, self._state.health
        gaps, lost = writers.gaps[name], writers.lost[name]
        writers.settle(name, now, idle=status.unread_bytes <= status.partial_bytes)
        health.add("tocsin_feed_gaps_total", (name,), writers.gaps[name] - gaps)
        health.add("tocsin_feed_records_lost_total", (name,), writers.lost[name] - lost)

    def tables(self, now: float) -> Iterator[Table]:
        """The gauges of every source, as of the last `count`."""
        metrics: Mapping[str, HealthMetric] = self._state.spec.health
        keys = [(name,) for name in self._sources]
        rows = np.array([self._gauges(name, now) for name in self._sources], np.float64).reshape(-1, len(_GAUGES))
        for place, metric in enumerate(_GAUGES):
            yield Table(metric, "gauge", metrics[metric].help, ("source",), keys, rows[:, place])

        spools = {name: status.spool_bytes for name, status in self._before.items() if status.spool_bytes is not None}
        sizes = np.array(list(spools.values()), np.float64)
        yield Table(_SPOOL, "gauge", metrics[_SPOOL].help, ("source",), [(name,) for name in spools], sizes)

    def _gauges(self, name: str, now: float) -> tuple[float, ...]:
        status, newest = self._before[name], self._state.newest.get(name, 0.0)
        waiting = status.unread_bytes - status.partial_bytes
        lag = now - newest if waiting > 0 and newest else 0.0
        gaps = self._state.writers.recent(name, now)
        return float(status.up), float(status.unread_bytes), newest, max(0.0, lag), float(gaps)
