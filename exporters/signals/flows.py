"""Sliding sums for flows that every attempt feeds (requests, tokens, cost), for many groups at once.

Columns instead of objects: time slices for each group. The window is made of the last `SLICES` slices, the one in
progress included, so it slides in steps of window / SLICES; within it every value is exact. Groups do not share a
clock: a record far ahead of its neighbours only makes its own group forget, and only what is a whole ring behind.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from exporters.signals.distinct import distinct
from exporters.signals.slices import Floats, Ints, Slices, Sums

SLICES = 20
_RING = SLICES + SLICES // 5  # the slack lets records arrive out of order by a fifth of the window
_EPOCH = 1_577_836_800.0  # 2020: slices are counted from here, so that their numbers fit into 32 bits
_FARTHEST = 2**31 - 64  # slices from it; at half a second each that is 34 years
_FIRST = 2**31  # number of the slice that begins at the epoch
_SIGN = np.uint32(_FIRST)  # a snapshot counts from 0 there, with a sign


class Flow:
    """`measures` sums over one window length for a growing number of groups (rows)."""

    def __init__(self, window: float, measures: int) -> None:
        self.window = window
        self.step = window / SLICES
        self.measures = measures
        self._slices = Slices(measures, _RING)
        self._read: tuple[int, Floats] | None = None  # the last slice that was read, and its windows

    @property
    def rows(self) -> int:
        """Groups there is room for."""
        return len(self._slices)

    def clear(self, row: int) -> None:
        """Forget a group."""
        if row < self.rows:
            self._read = None
            self._slices.clear(row)

    def add(self, rows: Ints, times: Floats, weights: list[Floats]) -> tuple[Ints, Floats, Floats]:
        """Add events: group, time (Unix seconds) and one weight per measure (NaN adds nothing).

        Returns:
            The distinct (group, slice) pairs touched: groups, the end of each slice in Unix seconds, and the window
            value at that slice, shape (measures, pairs). That is how an attack inside a backlog is seen although it
            rises and falls between two scrapes.
        """
        self._read = None
        slices = self._numbers(times)
        if len(slices):
            self._slices.grow(int(rows.max()) + 1)
        span = _RING - SLICES + 1
        if len(slices) == 0 or slices.max() - slices.min() < span:
            return self._add(rows, slices, weights)
        # A backlog: go through it in spans short enough that a ring holds span and window together.
        parts = []
        blocks = slices // span
        for block in sorted(set(blocks.tolist())):
            chosen = np.flatnonzero(blocks == block)
            parts.append(self._add(rows[chosen], slices[chosen], [weight[chosen] for weight in weights]))
        return (
            np.concatenate([part[0] for part in parts]),
            np.concatenate([part[1] for part in parts]),
            np.concatenate([part[2] for part in parts], axis=1),
        )

    def _add(self, rows: Ints, slices: Ints, weights: list[Floats]) -> tuple[Ints, Floats, Floats]:
        low = int(slices.min()) if len(slices) else 0
        width = int(slices.max()) - low + 1 if len(slices) else 1
        pairs, inverse = distinct(rows * width + (slices - low), self.rows * width)
        row, piece = pairs // width, pairs % width + low
        amounts: Sums = np.empty((self.measures, len(pairs)), np.float32)
        for measure, weight in enumerate(weights):
            amounts[measure] = np.bincount(inverse, np.where(np.isnan(weight), 0.0, weight), len(pairs))
        self._slices.add(row, piece, amounts)
        ends: Floats = (piece + (1 - _FIRST)).astype(np.float64) * self.step + _EPOCH
        return row, ends, self._slices.windows(row, piece, SLICES)

    def _numbers(self, times: Floats) -> Ints:
        number = np.clip(np.floor((times - _EPOCH) / self.step), -_FARTHEST, _FARTHEST)
        return number.astype(np.int64) + _FIRST

    def values(self, reference: float) -> Floats:
        """The window that ends at `reference` (Unix seconds), shape (measures, rows). It is not to be written to."""
        last = int(self._numbers(np.array([reference]))[0])
        if self._read is None or self._read[0] != last:
            self._read = last, self._slices.every_window(last, SLICES)
        return self._read[1]

    def save(self, rows: int) -> dict[str, object]:
        """Plain data that `load` takes back, for the first `rows` groups: of all that they hold, group and slice."""
        row, piece, total = self._slices.entries(rows)
        stamp = np.stack([row.astype(np.int32), (piece ^ _SIGN).view(np.int32)])
        return {"window": self.window, "stamp": stamp, "sum": total}

    def load(self, window: float, stamp: npt.NDArray[np.int32], total: Sums) -> bool:
        """Take back a snapshot; False (and nothing taken) when it is of another shape.

        Earlier versions saved a ring of slots for each group, used or not.
        """
        if window != self.window or len(total) != self.measures:
            return False
        if total.ndim == 3:
            if total.shape[1:] != stamp.shape or stamp.shape[1:] != (_RING,):
                return False
            row, slot = np.nonzero(stamp != np.iinfo(np.int32).min)
            number, total = stamp[row, slot], total[:, row, slot]
        else:
            if stamp.shape != (2, *total.shape[1:]):
                return False
            row, number = stamp[0].astype(np.int64), stamp[1]
        self._slices, self._read = Slices(self.measures, _RING), None
        self._slices.fill(row, number.view(np.uint32) ^ _SIGN, total)
        return True
