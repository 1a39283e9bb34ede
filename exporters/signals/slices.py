"""Sums by row and time slice, for many rows of which most hold few slices at a time.

A row has `FEW` slots; one that needs more gets a ring of them, with one for each slice that can count (measured over
10,000 accounts: a sixth of the memory of a ring for everybody). A slot knows which slice it holds, so rows do not share
a clock. Slices have numbers from 1 to 2**32 - 1.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Stamps = npt.NDArray[np.uint32]
Sums = npt.NDArray[np.float32]

FEW = 4


class Slots:
    """`width` slots a row. `stamp[row, slot]` is the slice that a slot holds, 0 for none; `sum[measure, row, slot]`.

    Room is made of zeros that nobody has written: the system gives memory for it when a row is used.
    """

    __slots__ = ("stamp", "sum", "width")

    def __init__(self, width: int, measures: int) -> None:
        self.width = width
        self.stamp: Stamps = np.zeros((0, width), np.uint32)
        self.sum: Sums = np.zeros((measures, 0, width), np.float32)

    def __len__(self) -> int:
        return len(self.stamp)

    def grow(self, rows: int) -> None:
        """Make room for `rows` rows."""
        size = len(self)
        if rows > size:
            room = max(rows, size + size // 2, 16)
            stamp = np.zeros((room, self.width), np.uint32)
            total = np.zeros((len(self.sum), room, self.width), np.float32)
            stamp[:size], total[:, :size] = self.stamp, self.sum
            self.stamp, self.sum = stamp, total

    def put(self, rows: Ints, slots: Ints, slices: Ints | Stamps, sums: Sums, fresh: Bools) -> None:
        """Add `sums` to slots, all of them different; those that are `fresh` are emptied before."""
        self.stamp[rows[fresh], slots[fresh]] = slices[fresh]
        self.sum[:, rows[fresh], slots[fresh]] = 0
        self.sum[:, rows, slots] += sums

    def set(self, rows: Ints, slots: Ints | Stamps, slices: Stamps, sums: Sums) -> None:
        """Let slots hold `slices`; of several for one slot the last counts."""
        self.stamp[rows, slots] = slices
        self.sum[:, rows, slots] = sums

    def clear(self, rows: int | Ints) -> None:
        """Empty rows."""
        self.stamp[rows] = 0
        self.sum[:, rows] = 0

    def windows(self, rows: Ints | slice, last: Ints | int, length: int) -> Floats:
        """What `rows` hold of the `length` slices up to `last`, shape (measures, rows)."""
        stamp, total = self.stamp[rows], self.sum[:, rows]
        inside = (stamp <= last) & (stamp > last - length)
        value: Floats = np.where(inside, total, np.float32(0)).sum(axis=-1, dtype=np.float64)
        return value

    def entries(self, rows: Ints | slice) -> tuple[Ints, Stamps, Sums]:
        """The slots of `rows` in use: place in `rows`, slice, and sums of shape (measures, entries)."""
        stamp = self.stamp[rows]
        place, slot = np.nonzero(stamp)
        return place, stamp[place, slot], self.sum[:, rows][:, place, slot]


class Slices:
    """Rows of slices with `measures` sums each. What is `ring` slices behind another of its row may be forgotten."""

    def __init__(self, measures: int, ring: int) -> None:
        self._few = Slots(FEW, measures)
        self._rings = Slots(ring, measures)
        self._ring: Ints = np.zeros(0, np.int64)  # of each row, its place in the rings, counted from 1; 0: it has none
        self._used = 0  # rings ever given
        self._free: list[int] = []  # of them, those that were given back

    def __len__(self) -> int:
        return len(self._few)

    def grow(self, rows: int) -> None:
        """Make room for `rows` rows."""
        if rows > len(self):
            self._few.grow(rows)
            ring = np.zeros(len(self), np.int64)
            ring[: len(self._ring)] = self._ring
            self._ring = ring

    def clear(self, row: int) -> None:
        """Forget a row."""
        self._few.clear(row)
        self._give_back(np.array([row]))

    # ------------------------------------------------------------------------------------------------ taking in
    def add(self, row: Ints, piece: Ints, amounts: Sums) -> None:
        """Add to distinct pairs of row and slice, in order of rows, then slices; `amounts` is (measures, pairs).

        Slices of one row in one call have to be in different slots of a ring; less than a ring apart they are.
        """
        few = np.flatnonzero(self._ring[row] == 0)
        added = np.zeros(len(row), np.bool_)
        added[few] = self._add_to_few(row[few], piece[few], amounts[:, few])
        crowded = few[~added[few]]
        if len(crowded):
            self._give_rings(np.array(sorted(set(row[crowded].tolist()))), busy=row)
        rest = np.flatnonzero(~added)
        self._add_to_rings(self._ring[row[rest]] - 1, piece[rest], amounts[:, rest])

    def _add_to_few(self, row: Ints, piece: Ints, amounts: Sums) -> Bools:
        """As `add`, to rows without a ring; which pairs found a slot."""
        held = self._few.stamp[row]
        same = held == piece[:, None]
        slot, fresh = same.argmax(axis=1), ~same.any(axis=1)
        new = np.flatnonzero(fresh)
        added = np.ones(len(row), np.bool_)
        if len(new):  # of the new slices of a row the first takes the oldest slot, and so on
            rank = _ranks(row[new])
            oldest = held[new].argsort(axis=1)[np.arange(len(new)), np.minimum(rank, FEW - 1)]
            forgettable = held[new, oldest] <= piece[new] - self._rings.width  # or empty
            slot[new], added[new] = oldest, forgettable & (rank < FEW)
        self._few.put(row[added], slot[added], piece[added], amounts[:, added], fresh[added])
        return added

    def _add_to_rings(self, ring: Ints, piece: Ints, amounts: Sums) -> None:
        """As `add`, by place in the rings. What is a whole ring behind is too late for any window."""
        slot = piece % self._rings.width
        held = self._rings.stamp[ring, slot]
        keep = held <= piece
        self._rings.put(ring[keep], slot[keep], piece[keep], amounts[:, keep], (held < piece)[keep])

    # ------------------------------------------------------------------------------------------------ rings
    def _give_rings(self, rows: Ints, *, busy: Ints) -> None:
        """Move `rows`, which have no ring, to rings; those that `busy` rows have stay theirs."""
        if self._used - len(self._free) + len(rows) > len(self._rings):
            self._take_rings_back(busy)
            active = self._used - len(self._free) + len(rows)
            self._rings.grow(active + active // 2)  # or the next ones would ask for rings back again
        again = min(len(rows), len(self._free))
        fresh = range(self._used, self._used + len(rows) - again)
        ring = np.array([*self._free[:again], *fresh], np.int64)
        del self._free[:again]
        self._used += len(fresh)
        self._rings.grow(self._used)
        order = np.argsort(self._few.stamp[rows], axis=1)
        place, column = np.nonzero(np.take_along_axis(self._few.stamp[rows], order, axis=1))
        column = order[place, column]  # the newest last: of two slices that share a slot of the ring, it stays
        held = self._few.stamp[rows[place], column]
        self._rings.set(ring[place], held % self._rings.width, held, self._few.sum[:, rows[place], column])
        self._few.clear(rows)
        self._ring[rows] = ring + 1

    def _take_rings_back(self, busy: Ints) -> None:
        """Move rows whose slices would fit there to few slots again; what may be forgotten is."""
        idle = self._ring > 0
        idle[busy] = False
        rows = np.flatnonzero(idle)
        ring = self._ring[rows] - 1
        stamp = self._rings.stamp[ring].astype(np.int64)
        stamp[stamp <= stamp.max(axis=1, initial=0)[:, None] - self._rings.width] = 0
        quiet = np.flatnonzero(np.count_nonzero(stamp, axis=1) <= FEW)
        newest = np.argsort(-stamp[quiet], axis=1)[:, :FEW]
        self._few.stamp[rows[quiet]] = np.take_along_axis(stamp[quiet], newest, axis=1)
        self._few.sum[:, rows[quiet]] = np.take_along_axis(self._rings.sum[:, ring[quiet]], newest[None], axis=2)
        self._give_back(rows[quiet])

    def _give_back(self, rows: Ints) -> None:
        """Take the rings of `rows`, as far as they have any, for others."""
        ring = self._ring[rows]
        ring = ring[ring > 0] - 1
        self._rings.clear(ring)
        self._free += ring.tolist()
        self._ring[rows] = 0

    # ------------------------------------------------------------------------------------------------ reading
    def windows(self, row: Ints, last: Ints, length: int) -> Floats:
        """What each of `row` holds of the `length` slices up to each of `last`, shape (measures, rows)."""
        ring = self._ring[row]
        values = self._few.windows(row, last[:, None], length)
        ringed = np.flatnonzero(ring)
        if len(ringed):
            values[:, ringed] = self._rings.windows(ring[ringed] - 1, last[ringed, None], length)
        return values

    def every_window(self, last: int, length: int) -> Floats:
        """What every row holds of the `length` slices up to `last`, shape (measures, rows)."""
        values = self._few.windows(slice(None), last, length)
        ringed = np.flatnonzero(self._ring)
        values[:, ringed] = self._rings.windows(self._ring[ringed] - 1, last, length)
        return values

    def entries(self, rows: int) -> tuple[Ints, Stamps, Sums]:
        """What the first `rows` rows hold: row, slice, and sums of shape (measures, entries)."""
        return self._joined(self._few.entries(slice(rows)), np.flatnonzero(self._ring[:rows]))

    def entries_of(self, rows: Ints) -> tuple[Ints, Stamps, Sums]:
        """As `entries`, of `rows`, all of them different."""
        place, stamp, total = self._few.entries(rows)
        return self._joined((rows[place], stamp, total), rows[self._ring[rows] > 0])

    def _joined(self, few: tuple[Ints, Stamps, Sums], ringed: Ints) -> tuple[Ints, Stamps, Sums]:
        """Entries of few slots, and those of the rows that have rings."""
        place, stamp, total = self._rings.entries(self._ring[ringed] - 1)
        return (
            np.concatenate([few[0], ringed[place]]),
            np.concatenate([few[1], stamp]),
            np.concatenate([few[2], total], axis=1),
        )

    def fill(self, row: Ints, piece: Stamps, sums: Sums) -> None:
        """Take back what `entries` gave, or rings of an earlier version; nothing was added before."""
        self.grow(int(row.max(initial=-1)) + 1)
        order = np.argsort(row, kind="stable")
        row, piece, sums = row[order], piece[order], sums[:, order]
        crowded = np.bincount(row, minlength=len(self)) > FEW
        self._give_rings(np.flatnonzero(crowded), busy=row)
        few, ringed = np.flatnonzero(~crowded[row]), np.flatnonzero(crowded[row])
        self._few.put(row[few], _ranks(row)[few], piece[few], sums[:, few], np.ones(len(few), np.bool_))
        self._add_to_rings(self._ring[row[ringed]] - 1, piece[ringed].astype(np.int64), sums[:, ringed])


def _ranks(row: Ints) -> Ints:
    """For each entry of `row`, in which equal numbers stand together, how many of the same stand before it."""
    places = np.arange(len(row))
    begins = np.ones(len(row), np.bool_)
    begins[1:] = row[1:] != row[:-1]
    ranks: Ints = places - np.maximum.accumulate(np.where(begins, places, 0))
    return ranks
