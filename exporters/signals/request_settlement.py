"""One request, many attempts: when a request's outcome is settled, and in which cell it counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from events.batch import Ids
from exporters.signals.dedup import Dedup


class RequestSettlement:
    """Counts each request once, by the outcome that its attempts settle on.

    A success settles it at once, and so does a refusal before any provider was tried. A failed attempt may be followed
    by a fallback's success, in either order in the log: it waits until the log has moved `grace` seconds of event time
    beyond it. Event time and not the wall clock, so that the count is a function of the log alone.
    """

    def __init__(self, grace: float, horizon: int) -> None:
        self.grace = grace
        self.settled = Dedup(horizon)
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

    def abandoned(self, data: Mapping[str, Any], cells: int) -> list[int]:
        """The cells of what waits in a snapshot whose ids mean nothing any more: nobody will settle it."""
        self.newest = float(data["newest"])
        return [cell for _call, _time, cell in data["pending"] if cell < cells]
