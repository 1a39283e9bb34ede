"""Signals as a reader sees them: which groups are published, with their peaks, and how many are over each limit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from exporters.metric_table import Table
from exporters.signals.entities import NOBODY, Entity
from exporters.signals.signals import Signals
from exporters.signals.trackers import Reading, Tracker
from exporters.view.peak_hold import PeakHold

Floats = npt.NDArray[np.float64]


class GroupTables:
    """Makes the tables of all signals. Peaks are shown for `keep` seconds.

    A group over a limit that has a place among the published ones keeps it, so that nobody noisier takes it.
    """

    def __init__(self, signals: Signals, *, keep: float) -> None:
        self._signals = signals
        self._peaks = {name: PeakHold(keep) for name in signals.trackers if name not in signals.compared}
        self._published: dict[str, set[int]] = {by: set() for by in signals.entities}
        self._nobody: dict[str, list[Table]] = {}  # the tables of a signal when there is nothing
        signals.observe(self._peaks, self._forget)

    def _forget(self, by: str, row: int) -> None:
        """A group was evicted; its row may be somebody else's next."""
        self._published[by].discard(row)
        for name, peaks in self._peaks.items():
            if self._signals.trackers[name].signal.by == by:
                peaks.clear(row)

    def tables(self, readings: Mapping[str, Reading], now: float) -> list[Table]:
        """What a scrape at `now` sees of `readings`, which are those of every signal; it is remembered as served."""
        tables: list[Table] = []
        standing: list[tuple[str, int, int]] = []
        shown = {
            name: self._peaks[name].held(reading, now) if name in self._peaks else reading
            for name, reading in readings.items()
        }
        for entity in self._signals.entities.values():
            bad: set[int] = set()
            for name, tracker in self._signals.trackers.items():
                if tracker.signal.by == entity.by:
                    over, beyond = self._publish(entity, tracker, shown[name], tables)
                    standing += [(alert, len(rows), len(rows & beyond)) for alert, rows in over.items()]
                    bad = bad.union(*over.values())
            self._published[entity.by] &= bad
        alerts = [(alert,) for alert, _, _ in standing]
        for metric, place in (("llm_violating_groups", 1), ("llm_violators_beyond_cap", 2)):
            counts = np.array([counted[place] for counted in standing], float)
            tables.append(self._signals.table(metric, alerts, counts))
        return tables

    def _publish(
        self, entity: Entity, tracker: Tracker, reading: Reading, tables: list[Table]
    ) -> tuple[dict[str, set[int]], set[int]]:
        """Make the signal's tables; the rows over the limit of each alert, and those that had no room."""
        if not len(reading.rows):
            if tracker.name not in self._nobody:
                self._nobody[tracker.name] = self._empty(entity, tracker)
            tables += self._nobody[tracker.name]
            return {limit.alert: set() for limit in tracker.limits}, set()
        over = {
            limit.alert: set(reading.rows[np.flatnonzero(limit.exceeded(reading.values))].tolist())
            for limit in tracker.limits
        }
        bad: set[int] = set().union(*over.values())
        published = self._published[entity.by]
        places, beyond = entity.choose(reading.rows, reading.values, bad, published)
        chosen = reading.rows[places].tolist()
        published |= bad & set(chosen)
        keys = [self._signals.key(entity, row) for row in chosen]
        tables += self._pair(
            tracker, keys, reading.values[places], reading.parts[places] if reading.parts is not None else None
        )
        return over, beyond

    def _empty(self, entity: Entity, tracker: Tracker) -> list[Table]:
        """A signal about everything is 0 when nothing happens; one about somebody is about nobody then."""
        keys: list[tuple[str, ...]] = [()] if entity.by == NOBODY else []
        zeros = np.zeros(len(keys))
        return self._pair(tracker, keys, zeros, zeros)

    def _pair(
        self, tracker: Tracker, keys: Sequence[tuple[str, ...]], values: Floats, parts: Floats | None
    ) -> list[Table]:
        """The table of a signal, and that of its answered part if it has one."""
        name, answered = self._signals.metrics[tracker.name]
        tables = [self._signals.table(name, keys, values)]
        if answered and parts is not None:
            tables.append(self._signals.table(answered, keys, parts))
        return tables

    # ------------------------------------------------------------------------------------------------ snapshot
    def save(self) -> dict[str, object]:
        """Plain data that `load` takes back."""
        return {
            "published": {by: sorted(rows) for by, rows in self._published.items()},
            "peaks": {
                name: {"print": self._signals.print(name), **peaks.save()} for name, peaks in self._peaks.items()
            },
        }

    def load(self, data: Mapping[str, Any]) -> None:
        """Take back a snapshot, of the signals of which the spec says the same."""
        for by, rows in data["published"].items():
            if by in self._published:
                self._published[by] = set(rows)
        for name, peaks in self._peaks.items():
            saved = data["peaks"].get(name)
            if saved is not None and self._signals.has_meaning(name, saved["print"]):
                peaks.load(saved)
