"""A bounded memory of ids: what was seen before is recognised as a duplicate."""

from __future__ import annotations

from collections.abc import Mapping
from secrets import randbits
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from events.batch import Ids

_EMPTY = np.uint64(0)
_HALF = np.uint64(32)
FARTHEST: Final = 128
"""Slots between the first one of an id and the one that it is in; chance makes it no more in a table of a million."""
_MOST_LAYOUTS: Final = 16  # then an id may lie anywhere; chance never brings it there


class _Table:
    """A set of up to `room` ids that are not 0: open addressing in one array, eight bytes a slot, half of them free.

    Where an id goes depends on a secret of this table. When one lies too far from its first slot, the table is laid out
    anew with another secret. So nobody can choose ids that are slow to find.
    """

    __slots__ = ("_farthest", "_mask", "_secret", "_shift", "count", "rounds", "slots")

    def __init__(self, room: int) -> None:
        bits = max(4, (2 * room - 1).bit_length())
        self.slots: Ids = np.zeros(1 << bits, np.uint64)
        self._mask = np.int64((1 << bits) - 1)
        self._shift = np.uint64(64 - bits)
        self._secret = _fresh_secret()
        self._farthest = 0  # slots between the first one of any id and the one that it is in
        self.count = 0
        self.rounds = 0  # of probing, ever: each is a few array operations

    def _first(self, ids: Ids) -> npt.NDArray[np.int64]:
        mask, one, two = self._secret
        mixed = (ids ^ mask) * one
        mixed ^= mixed >> _HALF
        return ((mixed * two) >> self._shift).astype(np.int64)

    def contains(self, ids: Ids) -> npt.NDArray[np.bool_]:
        """For each id, whether it is in the set."""
        found = np.zeros(len(ids), np.bool_)
        if not self.count:
            return found
        open_, at = np.arange(len(ids)), self._first(ids)
        for _ in range(self._farthest + 1):
            self.rounds += 1
            held = self.slots[at]
            hit = held == ids[open_]
            found[open_[hit]] = True
            on = ~hit & (held != _EMPTY)
            open_, at = open_[on], (at[on] + 1) & self._mask
            if not len(open_):
                break
        return found

    def insert(self, ids: Ids) -> None:
        """Add ids that are distinct and not in the set."""
        left = self._placed(ids, FARTHEST)
        layouts = 0
        while len(left):
            layouts += 1
            held = np.concatenate([self.ids(), left])
            self.slots, self._secret, self._farthest = np.zeros_like(self.slots), _fresh_secret(), 0
            left = self._placed(held, FARTHEST if layouts < _MOST_LAYOUTS else len(self.slots))
        self.count += len(ids)

    def _placed(self, ids: Ids, farthest: int) -> Ids:
        """Put ids into slots at most `farthest` from their first ones; those that found none."""
        at = self._first(ids)
        for distance in range(farthest + 1):
            if not len(ids):
                break
            self.rounds += 1
            self._farthest = max(self._farthest, distance)
            free = self.slots[at] == _EMPTY
            self.slots[at[free]] = ids[free]  # of several that want the same slot, one stays
            lost = self.slots[at] != ids
            ids, at = ids[lost], (at[lost] + 1) & self._mask
        return ids

    def ids(self) -> Ids:
        """All of them, in no order."""
        ids: Ids = self.slots[self.slots != _EMPTY]
        return ids


def _fresh_secret() -> tuple[np.uint64, np.uint64, np.uint64]:
    """What is mixed into ids, and two odd factors."""
    return np.uint64(randbits(64)), np.uint64(randbits(64) | 1), np.uint64(randbits(64) | 1)


class Dedup:
    """A set of 64-bit ids that remembers at least the last `horizon` of them, and at most twice as many.

    Two generations: when the young one is full it becomes the old one. So a duplicate is recognised for certain as
    long as fewer than `horizon` other ids came between.
    """

    __slots__ = ("_old", "_young", "horizon")

    def __init__(self, horizon: int) -> None:
        self.horizon = horizon
        self._young = _Table(horizon)
        self._old = _Table(horizon)

    def __contains__(self, value: int) -> bool:
        return bool(self.among(np.array([value], np.uint64))[0])

    def __len__(self) -> int:
        return self._young.count + self._old.count

    @property
    def rounds(self) -> int:
        """Rounds of probing that the two tables have taken: their work, in array operations."""
        return self._young.rounds + self._old.rounds

    def _contains(self, ids: Ids) -> npt.NDArray[np.bool_]:
        return self._young.contains(ids) | self._old.contains(ids)

    def among(self, ids: Ids) -> npt.NDArray[np.bool_]:
        """For each of `ids`, whether it is remembered."""
        return self._contains(_held(ids))

    def new(self, ids: Ids) -> npt.NDArray[np.int64] | None:
        """Remember `ids`; the places of those not seen before, or None when all are new (the usual case)."""
        ids = _held(ids)
        is_new = ~self._contains(ids)
        ordered = np.sort(ids)
        if (ordered[1:] == ordered[:-1]).any():
            first = np.zeros(len(ids), np.bool_)
            first[np.unique(ids, return_index=True)[1]] = True
            is_new &= first
        places = np.flatnonzero(is_new)
        fresh = ids[places]
        while len(fresh):
            if self._young.count >= self.horizon:
                self._old, self._young = self._young, _Table(self.horizon)
            room = self.horizon - self._young.count
            self._young.insert(fresh[:room])
            fresh = fresh[room:]
        return None if len(places) == len(ids) else places

    def save(self) -> dict[str, Ids]:
        """Plain data that `load` takes back."""
        return {"young": self._young.ids(), "old": self._old.ids()}

    def load(self, data: Mapping[str, Any]) -> None:
        """Take back a snapshot, as far as there is room."""
        self._young, self._old = _Table(self.horizon), _Table(self.horizon)
        self._young.insert(data["young"][: self.horizon])
        self._old.insert(data["old"][: self.horizon])


def _held(ids: Ids) -> Ids:
    """`ids` as a table holds them: 0 is a free slot there."""
    return np.where(ids == _EMPTY, np.uint64(1), ids)
