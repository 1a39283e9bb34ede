"""Bounded memories of what was seen: attempts (against duplicates) and requests (one request, many attempts)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from exporters.batch import Ids

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
        return bool(self.among(np.array([value], np.uint64))[0])

    def __len__(self) -> int:
        return self._young.count + self._old.count

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
        calls: Ids,
        final: npt.NDArray[np.bool_],
        cells: npt.NDArray[np.int64],
        times: npt.NDArray[np.float64],
    ) -> list[int]:
        """Take a batch of attempts; the cells in which a request is to be counted now.

        `calls` are the ids of their requests; `final` says of an attempt that it settles its request.
        """
        ended, waiting = np.flatnonzero(final), np.flatnonzero(~final)
        settled = calls[ended]
        fresh = self.settled.new(settled)
        counted: list[int] = cells[ended if fresh is None else ended[fresh]].tolist()
        pending = self.pending
        if pending:
            for call in settled.tolist():
                pending.pop(call, None)
        if len(waiting):
            waiting = waiting[~self.settled.among(calls[waiting])]
            for call, time, cell in zip(
                calls[waiting].tolist(), times[waiting].tolist(), cells[waiting].tolist(), strict=True
            ):
                pending.pop(call, None)  # the newest failure is the last in line
                pending[call] = (time, cell)
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
            self.settled.new(np.array(over, np.uint64))
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
