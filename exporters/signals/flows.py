"""Sliding sums for flows that every attempt feeds (requests, tokens, cost), for many groups at once.

Columns instead of objects: a ring of time slices for each group. The window is made of the last `SLICES` slices,
the one in progress included, so it slides in steps of window / SLICES; within it every value is exact. Each ring slot
knows which slice it holds, so groups do not share a clock: a record far ahead of its neighbours only overwrites slots
of its own group, and only those a whole ring away.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from exporters.signals.distinct import distinct

SLICES = 20
_RING = SLICES + SLICES // 5  # the slack lets records arrive out of order by a fifth of the window
_NEVER = np.iinfo(np.int32).min
_EPOCH = 1_577_836_800.0  # 2020: slices are counted from here, so that their numbers fit into 32 bits
_FARTHEST = 2**31 - 64  # slices from it; at half a second each that is 34 years

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class Flow:
    """`measures` sums over one window length for a growing number of groups (rows)."""

    def __init__(self, window: float, measures: int) -> None:
        self.window = window
        self.step = window / SLICES
        self.measures = measures
        self.late = 0
        self._stamp: npt.NDArray[np.int32] = np.full((0, _RING), _NEVER, np.int32)
        self._sum: npt.NDArray[np.float32] = np.zeros((measures, 0, _RING), np.float32)
        self._read: tuple[int, Floats] | None = None  # the last slice that was read, and its windows

    @property
    def rows(self) -> int:
        """Groups there is room for."""
        return len(self._stamp)

    def grow(self, rows: int) -> None:
        """Make room for `rows` groups."""
        if rows <= self.rows:
            return
        room = max(rows, self.rows + self.rows // 2, 16)
        stamp = np.full((room, _RING), _NEVER, np.int32)
        total = np.zeros((self.measures, room, _RING), np.float32)
        stamp[: self.rows], total[:, : self.rows] = self._stamp, self._sum
        self._stamp, self._sum = stamp, total

    def clear(self, row: int) -> None:
        """Forget a group."""
        if row < self.rows:
            self._read = None
            self._stamp[row] = _NEVER
            self._sum[:, row] = 0

    def add(self, rows: Ints, times: Floats, weights: list[Floats]) -> tuple[Ints, Floats, Floats]:
        """Add events: group, time (Unix seconds) and one weight per measure (NaN adds nothing).

        Returns:
            The distinct (group, slice) pairs touched: groups, the end of each slice in Unix seconds, and the window
            value at that slice, shape (measures, pairs). That is how an attack inside a backlog is seen although it
            rises and falls between two scrapes.
        """
        self._read = None
        slices = self._slice(times)
        if len(slices):
            self.grow(int(rows.max()) + 1)
        span = _RING - SLICES + 1
        if len(slices) == 0 or slices.max() - slices.min() < span:
            return self._add(rows, slices, weights)
        # A backlog: go through it in spans short enough that the ring holds span and window together.
        parts = []
        blocks = slices // span
        for block in np.unique(blocks):
            chosen = np.nonzero(blocks == block)[0]
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
        slot = piece % _RING
        held = self._stamp[row, slot]
        fresh, stale = held < piece, held > piece
        if stale.any():
            self.late += int(np.count_nonzero(stale[inverse]))
        if fresh.any():
            self._stamp[row[fresh], slot[fresh]] = piece[fresh]
            self._sum[:, row[fresh], slot[fresh]] = 0
        keep = ~stale
        for measure, weight in enumerate(weights):
            amount = np.bincount(inverse, np.where(np.isnan(weight), 0.0, weight), len(pairs))
            self._sum[measure, row[keep], slot[keep]] += amount[keep].astype(np.float32)
        ends: Floats = (piece + 1).astype(np.float64) * self.step + _EPOCH
        return row, ends, self._window(self._stamp[row], self._sum[:, row], piece[:, None])

    def _slice(self, times: Floats) -> Ints:
        number = np.clip(np.floor((times - _EPOCH) / self.step), -_FARTHEST, _FARTHEST)
        return number.astype(np.int64)

    @staticmethod
    def _window(stamp: npt.NDArray[np.int32], total: npt.NDArray[np.float32], last: Ints | int) -> Floats:
        inside = (stamp <= last) & (stamp > last - SLICES)
        value: Floats = np.where(inside, total, np.float32(0)).sum(axis=-1, dtype=np.float64)
        return value

    def values(self, reference: float) -> Floats:
        """The window that ends at `reference` (Unix seconds), shape (measures, rows). It is not to be written to."""
        last = int(self._slice(np.array([reference]))[0])
        if self._read is None or self._read[0] != last:
            self._read = last, self._window(self._stamp, self._sum, last)
        return self._read[1]

    def save(self, rows: int) -> dict[str, object]:
        """Plain data that `load` takes back, for the first `rows` groups."""
        rows = min(rows, self.rows)
        return {
            "window": self.window,
            "stamp": self._stamp[:rows].copy(),
            "sum": np.ascontiguousarray(self._sum[:, :rows]),
        }

    def load(self, window: float, stamp: npt.NDArray[np.int32], total: npt.NDArray[np.float32]) -> bool:
        """Take back a snapshot; False (and nothing taken) when it is of another shape."""
        if window != self.window or total.shape != (self.measures, *stamp.shape) or stamp.shape[1:] != (_RING,):
            return False
        self._stamp, self._sum, self._read = stamp.copy(), total.copy(), None
        return True
