"""Sliding sums for flows that every attempt feeds (requests, tokens, cost), for many groups at once.

Columns instead of objects: time slices for each group. The window is made of the last `SLICES` slices, the one in
progress included, so it slides in steps of window / SLICES; within it every value is exact. Groups do not share a
clock: a record far ahead of its neighbours only makes its own group forget, and only what is a whole ring behind.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from exporters.signals.slices import Floats, Ints, Slices, Sums
from exporters.signals.unique import unique_places

SLICES = 20
_RING = SLICES + SLICES // 5  # the slack lets records arrive out of order by a fifth of the window
_EPOCH = 1_577_836_800.0  # 2020: slices are counted from here, so that their numbers fit into 32 bits
_FARTHEST = 2**31 - 64  # slices from it; at half a second each that is 34 years
_FIRST = 2**31  # number of the slice that begins at the epoch
_SIGN = np.uint32(_FIRST)  # a snapshot counts from 0 there, with a sign


class SlidingSums:
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
        return self._add_backlog(rows, slices, weights)

    def _add_backlog(self, rows: Ints, slices: Ints, weights: list[Floats]) -> tuple[Ints, Floats, Floats]:
        """As `add`, for slices of which a ring does not hold all.

        The windows come from the events and from what the groups hold, side by side; so the work does not depend on
        how far apart the events are. Then the rings take what would be left in them after one event at a time.
        """
        row, piece, amounts = self._pairs(rows, slices, weights)
        low = min(int(piece.min()), 1) - SLICES
        held_row, held_piece, held = self._slices.entries_of(np.unique(row))
        all_rows, all_pieces = np.concatenate([held_row, row]), np.concatenate([held_piece.astype(np.int64), piece])
        width = int(all_pieces.max()) - low + 1
        places, inverse = np.unique(all_rows * width + (all_pieces - low), return_inverse=True)
        sums: Sums = np.zeros((self.measures, len(places) + 1), np.float32)  # with one at the end that is 0
        sums[:, inverse[: len(held_row)]] = held
        own = inverse[len(held_row) :]
        sums[:, own] += amounts
        begins = np.searchsorted(places, row * width + (piece - low) - SLICES, side="right")
        bounds = np.stack([begins, own + 1], axis=1).ravel()
        values = np.add.reduceat(sums.astype(np.float64), bounds, axis=1)[:, ::2]
        self._keep_newest(row, piece, amounts)
        return row, self._ends(piece), values

    def _keep_newest(self, row: Ints, piece: Ints, amounts: Sums) -> None:
        """Add pairs to the slices, of those that share a slot of a ring only the newest."""
        _, last = np.unique((row * _RING + piece % _RING)[::-1], return_index=True)
        kept = np.sort(len(row) - 1 - last)
        self._slices.add(row[kept], piece[kept], amounts[:, kept])

    def _add(self, rows: Ints, slices: Ints, weights: list[Floats]) -> tuple[Ints, Floats, Floats]:
        row, piece, amounts = self._pairs(rows, slices, weights)
        self._slices.add(row, piece, amounts)
        return row, self._ends(piece), self._slices.windows(row, piece, SLICES)

    def _pairs(self, rows: Ints, slices: Ints, weights: list[Floats]) -> tuple[Ints, Ints, Sums]:
        """The distinct pairs of group and slice, in order, and what is added to each, shape (measures, pairs)."""
        low = int(slices.min()) if len(slices) else 0
        width = int(slices.max()) - low + 1 if len(slices) else 1
        pairs, inverse = unique_places(rows * width + (slices - low), self.rows * width)
        amounts: Sums = np.empty((self.measures, len(pairs)), np.float32)
        for measure, weight in enumerate(weights):
            amounts[measure] = np.bincount(inverse, np.where(np.isnan(weight), 0.0, weight), len(pairs))
        return pairs // width, pairs % width + low, amounts

    def _ends(self, piece: Ints) -> Floats:
        """When slices end, Unix seconds."""
        ends: Floats = (piece + (1 - _FIRST)).astype(np.float64) * self.step + _EPOCH
        return ends

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
