"""Peaks: the greatest value of a window since Prometheus has last seen it.

A backlog that is read in a second rises and falls between two scrapes, and so does a short burst; what is published is
therefore the greater one of the window now and its peak. A peak stays until it was served for `keep` seconds, by a
clock that starts at the first scrape that showed it: while Prometheus is away nothing is forgotten.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from exporters.signals.trackers import Reading

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class PeakHold:
    """One peak for each group, by row. `value` is 0 where there is none; `part` is the answered part of it.

    Flows have no answered part, so `part` is one 0 for all rows until a hit was answered.
    """

    __slots__ = ("any", "keep", "part", "served", "value")

    def __init__(self, keep: float) -> None:
        self.keep = keep
        self.any = False  # whether there may be one
        self.value: Floats = np.zeros(0)
        self.part = self._no_parts()
        self.served: Floats = np.zeros(0)  # when it was first shown; +Inf: not yet

    def grow(self, rows: int) -> None:
        """Make room for `rows` groups."""
        missing = rows - len(self.value)
        if missing > 0:
            missing = max(missing, len(self.value) // 8, 16)
            self.value = np.concatenate([self.value, np.zeros(missing)])
            self.served = np.concatenate([self.served, np.full(missing, np.inf)])
            parts = self.part.flags.writeable
            self.part = np.concatenate([self.part, np.zeros(missing)]) if parts else self._no_parts()

    def clear(self, row: int) -> None:
        """Forget a group's peak."""
        if row < len(self.value):
            self._drop(row)

    def raise_one(self, row: int, value: float, part: float) -> None:
        """A window of group `row` reached `value`, `part` of it answered."""
        self.grow(row + 1)
        self.any = True
        if value > self.value[row] or (value == self.value[row] and part > self.part[row]):
            if part and not self.part.flags.writeable:
                self.part = self.part.copy()
            if self.part.flags.writeable:
                self.part[row] = part
            self.value[row], self.served[row] = value, np.inf

    def raise_many(self, rows: Ints, values: Floats) -> None:
        """Windows of many groups; a group may stand more than once in `rows`."""
        if not len(rows):
            return
        self.grow(int(rows.max()) + 1)
        before = self.value[rows]
        higher = values > before
        if higher.any():
            self.any = True
            np.maximum.at(self.value, rows[higher], values[higher])
            self.served[rows[higher]] = np.inf

    def over(self, now: float) -> None:
        """Drop what was served long enough; then start the clock of what this scrape serves for the first time."""
        if not self.any:
            return
        ahead = np.isfinite(self.served) & (self.served > now)
        self.served[ahead] = now  # the clock was set back: or they would stay until it is there again
        over = now - self.served >= self.keep
        if over.any():
            self._drop(over)
        positive = self.value > 0
        self.any = bool(positive.any())
        self.served[positive & np.isinf(self.served)] = now

    def held(self, reading: Reading, now: float) -> Reading:
        """What a scrape at `now` sees: for each group the greater one of window and peak, groups at 0 left out.

        It is remembered as served.
        """
        self.over(now)
        if not self.any:
            return reading
        high = np.flatnonzero(self.value)
        if not len(high):
            return reading
        size = 1 + max(int(high.max()), int(reading.rows.max(initial=0)))
        values, parts = np.zeros(size), np.zeros(size)
        values[reading.rows] = reading.values
        if reading.parts is not None:
            parts[reading.rows] = reading.parts
        raised = high[self.value[high] > values[high]]
        values[raised], parts[raised] = self.value[raised], self.part[raised]
        rows = np.flatnonzero(values)
        return Reading(rows, values[rows], None if reading.parts is None else parts[rows])

    def save(self) -> dict[str, object]:
        """Plain data that `load` takes back."""
        rows = np.flatnonzero(self.value)
        return {"rows": rows, "value": self.value[rows], "part": self.part[rows], "served": self.served[rows]}

    def load(self, data: Mapping[str, Any]) -> None:
        """Take back a snapshot."""
        rows = data["rows"]
        if len(rows):
            self.any = True
            self.grow(int(rows.max()) + 1)
            if data["part"].any():
                self.part = np.zeros(len(self.value))
                self.part[rows] = data["part"]
            self.value[rows], self.served[rows] = data["value"], data["served"]

    def _no_parts(self) -> Floats:
        return np.broadcast_to(0.0, len(self.value))

    def _drop(self, rows: int | npt.NDArray[np.bool_]) -> None:
        self.value[rows], self.served[rows] = 0.0, np.inf
        if self.part.flags.writeable:
            self.part[rows] = 0.0
