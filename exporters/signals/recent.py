"""Bounded memories of what was seen: attempts (against duplicates) and requests (one request, many attempts)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Ids = npt.NDArray[np.uint64]

_EMPTY = np.uint64(0)
_SPREAD = np.uint64(0x9E3779B97F4A7C15)  # ids are hashes already, but a log may have been made by somebody else


class _Table:
    """A set of up to `room` ids that are not 0: open addressing in one array, eight bytes a slot, half of them free."""

    __slots__ = ("_mask", "_shift", "count", "slots")

    def __init__(self, room: int) -> None:
        bits = max(4, (2 * room - 1).bit_length())
        self.slots: Ids = np.zeros(1 << bits, np.uint64)
        self._mask = np.int64((1 << bits) - 1)
        self._shift = np.uint64(64 - bits)
        self.count = 0

    def _first(self, ids: Ids) -> npt.NDArray[np.int64]:
        return ((ids * _SPREAD) >> self._shift).astype(np.int64)

    def contains(self, ids: Ids) -> npt.NDArray[np.bool_]:
        """For each id, whether it is in the set."""
        found = np.zeros(len(ids), np.bool_)
        if not self.count:
            return found
        open_, at = np.arange(len(ids)), self._first(ids)
        while len(open_):
            held = self.slots[at]
            hit = held == ids[open_]
            found[open_[hit]] = True
            on = ~hit & (held != _EMPTY)
            open_, at = open_[on], (at[on] + 1) & self._mask
        return found

    def insert(self, ids: Ids) -> None:
        """Add ids that are distinct and not in the set."""
        self.count += len(ids)
        at = self._first(ids)
        while len(ids):
            free = self.slots[at] == _EMPTY
            self.slots[at[free]] = ids[free]  # of several that want the same slot, one stays
            lost = self.slots[at] != ids
            ids, at = ids[lost], (at[lost] + 1) & self._mask

    def ids(self) -> Ids:
        """All of them, in no order."""
        ids: Ids = self.slots[self.slots != _EMPTY]
        return ids


class Recent:
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
        return bool(self._contains(_ids([value]))[0])

    def __len__(self) -> int:
        return self._young.count + self._old.count

    def _contains(self, ids: Ids) -> npt.NDArray[np.bool_]:
        return self._young.contains(ids) | self._old.contains(ids)

    def among(self, values: Sequence[int]) -> list[bool]:
        """For each of `values`, whether it is remembered."""
        known: list[bool] = self._contains(_ids(values)).tolist()
        return known

    def new(self, values: Sequence[int]) -> list[int] | None:
        """Remember `values`; the places of those not seen before, or None when all are new (the usual case)."""
        ids = _ids(values)
        unique, first = np.unique(ids, return_index=True)
        places = np.sort(first[~self._contains(unique)])
        fresh = ids[places]
        while len(fresh):
            if self._young.count >= self.horizon:
                self._old, self._young = self._young, _Table(self.horizon)
            room = self.horizon - self._young.count
            self._young.insert(fresh[:room])
            fresh = fresh[room:]
        return None if len(places) == len(ids) else places.tolist()

    def save(self) -> dict[str, Ids]:
        """Plain data that `load` takes back."""
        return {"young": self._young.ids(), "old": self._old.ids()}

    def load(self, data: Mapping[str, Any]) -> None:
        """Take back a snapshot, as far as there is room."""
        self._young, self._old = _Table(self.horizon), _Table(self.horizon)
        self._young.insert(data["young"][: self.horizon])
        self._old.insert(data["old"][: self.horizon])


def _ids(values: Sequence[int]) -> Ids:
    ids = np.array(values, np.uint64)
    ids[ids == _EMPTY] = 1
    return ids


class Requests:
    """Counts each request once, by the outcome that its attempts settle on.

    A success settles it at once, and so does a refusal before any provider was tried. A failed attempt may be followed
    by a fallback's success, in either order in the log: it waits until the log has moved `grace` seconds of event time
    beyond it. Event time and not the wall clock, so that the count is a function of the log alone.
    """

    def __init__(self, grace: float, horizon: int) -> None:
        self.grace = grace
        self.settled = Recent(horizon)
        self.pending: dict[int, tuple[float, int]] = {}  # call id -> (time of the last failed attempt, its cell)
        self.newest = 0.0

    def settle(
        self,
        call_ids: Sequence[int],
        succeeded: Sequence[bool],
        final: Sequence[bool],
        cells: npt.NDArray[np.int64],
        times: npt.NDArray[np.float64],
    ) -> list[int]:
        """Take a batch of attempts; the cells in which a request is to be counted now."""
        waiting = [
            place for place, (success, last) in enumerate(zip(succeeded, final, strict=True)) if not (success or last)
        ]
        ended = np.arange(len(cells))
        calls = call_ids
        if waiting:
            ended = np.delete(ended, waiting)
            calls = [call_ids[place] for place in ended.tolist()]
        fresh = self.settled.new(calls)
        counted: list[int] = cells[ended if fresh is None else ended[fresh]].tolist()
        pending = self.pending
        if pending:
            for call in pending.keys() & set(calls):
                del pending[call]
        if waiting:
            known = self.settled.among([call_ids[place] for place in waiting])
            for place, settled in zip(waiting, known, strict=True):
                if not settled:
                    call = call_ids[place]
                    pending.pop(call, None)  # the newest failure is the last in line
                    pending[call] = (float(times[place]), int(cells[place]))
        if len(times):
            self.newest = max(self.newest, float(times.max()))
        if pending:
            counted += self.overdue(self.newest)
        return counted

    def overdue(self, reference: float) -> list[int]:
        """The cells of failures for which, at event time `reference`, nothing can follow any more.

        The oldest come first, so a walk ends at the first one that may still be waited for.
        """
        pending, over, counted = self.pending, [], []
        while pending:
            call, (time, cell) = next(iter(pending.items()))
            if time + self.grace >= reference and len(pending) <= self.settled.horizon:
                break
            del pending[call]
            over.append(call)
            counted.append(cell)
        if over:
            self.settled.new(over)
        return counted

    def save(self) -> dict[str, object]:
        """Plain data that `load` takes back."""
        return {
            "settled": self.settled.save(),
            "pending": [[call, time, cell] for call, (time, cell) in self.pending.items()],
            "newest": self.newest,
        }

    def load(self, data: Mapping[str, Any], cells: int) -> None:
        """Take back a snapshot; pending requests of cells that no longer exist (`cells` of them do) are dropped."""
        self.settled.load(data["settled"])
        self.pending = {call: (time, cell) for call, time, cell in data["pending"] if cell < cells}
        self.newest = float(data["newest"])
