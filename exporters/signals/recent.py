"""Bounded memories of what was seen: attempts (against duplicates) and requests (one request, many attempts)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt


class Recent:
    """A set of 64-bit ids that remembers at least the last `horizon` of them, and at most twice as many.

    Two generations: when the young one is full it becomes the old one. So a duplicate is recognised for certain as
    long as fewer than `horizon` other ids came between.
    """

    __slots__ = ("horizon", "old", "young")

    def __init__(self, horizon: int) -> None:
        self.horizon = horizon
        self.young: set[int] = set()
        self.old: set[int] = set()

    def __contains__(self, value: int) -> bool:
        return value in self.young or value in self.old

    def __len__(self) -> int:
        return len(self.young) + len(self.old)

    def add(self, value: int) -> None:
        """Remember `value`."""
        if len(self.young) >= self.horizon:
            self.old, self.young = self.young, set()
        self.young.add(value)

    def new(self, values: Sequence[int]) -> list[int] | None:
        """Remember `values`; the places of those not seen before, or None when all are new (the usual case)."""
        batch = set(values)
        if len(batch) == len(values) and self.young.isdisjoint(batch) and self.old.isdisjoint(batch):
            if len(self.young) + len(batch) <= self.horizon:
                self.young |= batch
            else:
                for value in values:
                    self.add(value)
            return None
        places = []
        for place, value in enumerate(values):
            if value not in self:
                self.add(value)
                places.append(place)
        return places

    def save(self) -> dict[str, npt.NDArray[np.uint64]]:
        """Plain data that `load` takes back."""
        return {name: np.fromiter(getattr(self, name), np.uint64) for name in ("young", "old")}

    def load(self, young: Iterable[int], old: Iterable[int]) -> None:
        """Take back a snapshot."""
        self.young = {int(value) for value in young}
        self.old = {int(value) for value in old}


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
        ends = [success or last for success, last in zip(succeeded, final, strict=True)]
        ended = [place for place, end in enumerate(ends) if end]
        calls = [call_ids[place] for place in ended]
        fresh = self.settled.new(calls)
        counted: list[int] = cells[ended if fresh is None else [ended[place] for place in fresh]].tolist()
        pending = self.pending
        if pending:
            for call in pending.keys() & set(calls):
                del pending[call]
        if len(ended) < len(ends):
            for place, end in enumerate(ends):
                call = call_ids[place]
                if not end and call not in self.settled:
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
        pending, counted = self.pending, []
        while pending:
            call, (time, cell) = next(iter(pending.items()))
            if time + self.grace >= reference and len(pending) <= self.settled.horizon:
                break
            del pending[call]
            self.settled.add(call)
            counted.append(cell)
        return counted

    def save(self) -> dict[str, object]:
        """Plain data that `load` takes back."""
        return {
            "settled": self.settled.save(),
            "pending": [[call, time, cell] for call, (time, cell) in self.pending.items()],
            "newest": self.newest,
        }

    def load(self, data: dict[str, object], cells: int) -> None:
        """Take back a snapshot; pending requests of cells that no longer exist (`cells` of them do) are dropped."""
        settled: dict[str, Iterable[int]] = data["settled"]  # type: ignore[assignment]
        self.settled.load(settled["young"], settled["old"])
        pending: list[tuple[int, float, int]] = data["pending"]  # type: ignore[assignment]
        self.pending = {call: (time, cell) for call, time, cell in pending if cell < cells}
        self.newest = float(data["newest"])  # type: ignore[arg-type]
