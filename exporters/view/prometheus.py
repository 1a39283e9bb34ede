"""One Prometheus that reads a signal state.

The state says what is; this says what a reader that looks every few seconds has to be shown of it, so that it misses
nothing: new series at 0, old values after a long downtime, peaks between two scrapes. Each reader has its own view.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

from exporters.metric_table import Table
from exporters.signals.state import SignalState, Snapshot
from exporters.view.groups import GroupTables
from exporters.view.scrape_hold import ScrapeClock, ScrapeHold

_PEAKS: int = 3  # scrape intervals for which a peak is shown


class PrometheusView:
    """The view of one reader. It has to be there before the events are whose peaks it is to show.

    It reads the state and never changes it; what it remembers is saved beside the state.
    """

    def __init__(self, state: SignalState) -> None:
        interval = float(state.spec.settings.scrape_interval)
        self._state = state
        self._clock = ScrapeClock(interval)
        self._holds: dict[str, ScrapeHold] = {}  # by metric
        self._groups = GroupTables(state.signals, keep=_PEAKS * interval)

    def scrape(self, now: float) -> list[Table]:
        """What a scrape at `now` (Unix seconds) sees; it is remembered as served."""
        return self._tables(self._state.snapshot(now), now)

    def scrape_alerts(self, now: float, counters: Collection[str]) -> list[Table]:
        """The part of `scrape` that alerts look at: signals, how many groups are over limits, own counters.

        `counters` are those of the last that are wanted, the same ones each time.
        """
        return self._tables(self._state.snapshot(now, families=False, counters=counters), now)

    def _tables(self, snapshot: Snapshot, now: float) -> list[Table]:
        again = self._clock.begin(now)
        held = [self._held(table, now, again=again) for table in snapshot.counters]
        return [*held, *self._groups.tables(snapshot.readings, now)]

    def _held(self, table: Table, now: float, *, again: bool) -> Table:
        hold = self._hold(table)
        values = hold.show(table.values.reshape(-1, hold.width), now, self._clock.hold, again=again)
        return replace(table, values=values.reshape(table.values.shape))

    def _hold(self, table: Table) -> ScrapeHold:
        hold = self._holds.get(table.name)
        if hold is None:
            width = table.values.shape[1] if table.values.ndim > 1 else 1
            hold = self._holds[table.name] = ScrapeHold(width)
        return hold

    # ------------------------------------------------------------------------------------------------ snapshot
    def save(self) -> dict[str, object]:
        """Plain data that `load` takes back; it means something only beside the state that was saved with it."""
        keys = {table.name: table.keys for table in self._state.counters()}
        return {
            "scrapes": self._clock.save(),
            "series": {
                name: {"keys": list(keys[name][: len(hold)]), **hold.save()} for name, hold in self._holds.items()
            },
            **self._groups.save(),
        }

    def load(self, data: Mapping[str, Any], resets: Iterable[str] = ()) -> None:
        """Take back what was saved beside the state, which is loaded already; `resets` is what that gave.

        Counters that started from 0 have shown nothing yet. Prometheus understands that.
        """
        self._clock.load(data["scrapes"])
        reset = {"damaged", "layout"} & set(resets)
        for table in self._state.counters():
            saved = data["series"].get(table.name)
            if saved is None or "damaged" in reset or (reset and table.name not in self._state.spec.health):
                continue
            places = {key: place for place, key in enumerate(table.keys)}
            found = [places.get(tuple(key)) for key in saved["keys"]]
            self._hold(table).load(saved, found, len(places))
        self._groups.load(data)
