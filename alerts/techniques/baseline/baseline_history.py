"""The past of each member of a baseline alert, and the limit that follows from it; `criterion` says what it means."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from alerts.tables import Key
from alerts.watch import INSTANT

DEVIATION_OF_FLOOR: Final = 0.2
DEVIATION_OF_MEAN: Final = 0.1


@dataclass(frozen=True, slots=True)
class HistoryRange:
    """Which part of the past counts, and what follows from it. Times in seconds; `exclude` is a whole number of steps.

    `enough` is the number of samples from which there is a limit; without one the floor is it if `floor_only`.
    """

    step: float
    length: float
    exclude: float
    enough: int
    deviations: float
    floor_only: bool


class BaselineHistory:
    """The history of every member of one alert's labels. Times in seconds, taken in ascending order."""

    def __init__(self, history: HistoryRange, floor: float) -> None:
        self._history = history
        self._floor = floor
        self._length = math.ceil(round(history.length / history.step, 6))
        self._exclude = round(history.exclude / history.step)
        self._size = self._length + self._exclude + 2
        self._rows: dict[Key, int] = {}
        self._samples: npt.NDArray[np.float64] = np.full((0, self._size), np.nan)  # by row, and by step modulo size
        self._positive: list[int] = []  # the step at which each row was last over 0
        self._before: Mapping[Key, float] = {}
        self._newest: int | None = None

    def observe(self, t: float, now: Mapping[Key, float]) -> None:
        """What a scrape at `t` says; until the next one it is what Prometheus would sample."""
        step = self._history.step
        newest = math.floor((t + INSTANT) / step)
        first = math.ceil((t - INSTANT) / step) if self._newest is None else self._newest + 1
        for place in range(max(first, newest - self._size + 1), newest + 1):  # of a long gap, what is remembered
            self._sample(place, now if place * step > t - INSTANT else self._before)
        self._newest, self._before = newest, now

    @property
    def next(self) -> float:
        """When the next sample is taken."""
        return math.inf if self._newest is None else (self._newest + 1) * self._history.step

    def limits(self, keys: Iterable[Key]) -> Iterator[tuple[Key, float]]:
        """The limit of each of the members that has one now."""
        for key in keys:
            row = self._rows.get(key)
            if row is None or self._newest is None:
                continue
            limit = self._limit(row, self._newest)
            if limit is None:  # who has lost it keeps it for a step
                limit = self._limit(row, self._newest - 1)
            if limit is not None:
                yield key, limit

    def _sample(self, place: int, now: Mapping[Key, float]) -> None:
        for key in now.keys() - self._rows.keys():
            self._rows[key] = len(self._rows)
            self._positive.append(place - self._length)
            self._samples = np.vstack([self._samples, np.full(self._size, np.nan)])
        column = self._samples[:, place % self._size]
        column[:] = np.nan
        for key, row in self._rows.items():
            value = now.get(key)
            if value is not None:
                column[row] = value
                if value > 0:
                    self._positive[row] = place
            elif self._positive[row] > place - self._length:
                column[row] = 0.0

    def _limit(self, row: int, place: int) -> float | None:
        last = place - self._exclude
        samples = self._samples[row, np.arange(last - self._length + 1, last + 1) % self._size]
        known = samples[~np.isnan(samples)]
        if len(known) < max(1, self._history.enough):
            return None
        mean = float(known.mean())
        deviation = max(float(known.std()), DEVIATION_OF_MEAN * mean, DEVIATION_OF_FLOOR * self._floor)
        return max(mean + self._history.deviations * deviation, self._floor)
