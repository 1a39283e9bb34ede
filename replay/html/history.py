"""The course of each signal over a replay, in bounded memory: the worst value of any group by stretches of time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

from exporters.metric_table import Table
from spec import Spec, names
from spec.lookup import own_stream

MOST: Final = 480
"""Stretches that are kept; when a replay has more, they get twice as long."""


class History:
    """Is shown the scrapes of a replay (`replay.run.Watcher`). `width` are the seconds of a stretch."""

    def __init__(self, spec: Spec) -> None:
        self.width = float(spec.settings.scrape_interval)
        self._signals = {
            names.signal_metric(name, signal): name for name, signal in spec.signals.items() if own_stream(signal)
        }
        self._values: dict[str, dict[int, float]] = {name: {} for name in self._signals.values()}
        self._first: int | None = None
        self._last = 0
        self._any = False  # whether the last scrape had a value

    def __call__(self, now: float, tables: Sequence[Table]) -> None:
        """Take in a scrape."""
        place = int(now // self.width)
        if self._first is None:
            self._first = place
        self._last = max(self._last, place)
        while self._last - self._first >= MOST:
            self._halve()
            place = int(now // self.width)
        self._any = False
        for table in tables:
            name = self._signals.get(table.name)
            if name is not None and len(table.values):
                values = self._values[name]
                value = float(table.values.max())
                self._any = self._any or value > 0
                if value and value > values.get(place, 0.0):
                    values[place] = value

    @property
    def due(self) -> float:
        """The start of the next stretch: of values that only fall, the first one there is its greatest."""
        return (self._last + 1) * self.width if self._any else math.inf

    def _halve(self) -> None:
        self.width *= 2
        self._first, self._last = (self._first or 0) // 2, self._last // 2
        for name, values in self._values.items():
            halved: dict[int, float] = {}
            for place, value in values.items():
                halved[place // 2] = max(value, halved.get(place // 2, 0.0))
            self._values[name] = halved

    def course(self, signal: str) -> Mapping[float, float]:
        """When each stretch with a value above 0 begins, in Unix seconds, and its greatest value."""
        return {place * self.width: value for place, value in sorted(self._values[signal].items())}
