"""Exact sliding windows in event time, one per group (an account, an address range), for hits that are rare.

A window ends at an event and reaches back (t - W, t]. Nothing is ever "late" and no watermark drops or expires a hit:
one record from the future would otherwise take the windows of everybody else with it. Groups are evicted by the wall
clock of their last touch, by their owner.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right

import numpy as np


class Hits:
    """Times of the last `cap` hits of one group, ascending; `answered` of them reached the model's answer.

    When the cap is reached the oldest hit goes, so a count saturates at the cap, far above any threshold.
    """

    __slots__ = ("answered", "times")

    def __init__(self) -> None:
        self.times: list[float] = []
        self.answered: list[bool] = []

    def add(self, time: float, answered: bool, window: float, cap: int) -> tuple[int, float]:
        """Insert a hit.

        Returns:
            The greatest count of any window (t - window, t] that ends at a hit and contains this one, and its t.
        """
        times = self.times
        if not times or time >= times[-1]:
            times.append(time)
            self.answered.append(answered)
            place = len(times) - 1
        else:
            place = bisect_right(times, time)
            times.insert(place, time)
            self.answered.insert(place, answered)
        if len(times) > cap:
            del times[0], self.answered[0]
            place -= 1
        if place == len(times) - 1:
            return len(times) - bisect_right(times, time - window), time
        # Late: the windows that end at one of the later hits may hold it too.
        first, end = max(place, 0), bisect_left(times, time + window)
        if first >= end:
            return 0, time
        known = np.array(times)
        ends = known[first:end]
        counts = np.arange(first + 1, end + 1) - np.searchsorted(known, ends - window, side="right")
        best = int(counts.argmax())
        return int(counts[best]), float(ends[best])

    def answer(self, time: float) -> bool:
        """A hit of that very time was answered after all; False: there is none without an answer."""
        for place in range(bisect_left(self.times, time), bisect_right(self.times, time)):
            if not self.answered[place]:
                self.answered[place] = True
                return True
        return False

    def last_before(self, end: float) -> float:
        """The time of the last hit before `end`; there is one."""
        return self.times[bisect_left(self.times, end) - 1]

    def forget(self, before: float) -> bool:
        """Drop hits at or before that time; whether any are left."""
        place = bisect_right(self.times, before)
        if place:
            del self.times[:place], self.answered[:place]
        return bool(self.times)

    def count(self, reference: float, window: float) -> int:
        """Hits in (reference - window, reference]."""
        return bisect_right(self.times, reference) - bisect_right(self.times, reference - window)

    def count_answered(self, reference: float, window: float) -> int:
        """Hits in (reference - window, reference] that the model answered."""
        first, last = bisect_right(self.times, reference - window), bisect_right(self.times, reference)
        return sum(self.answered[first:last])

    def save(self) -> list[object]:
        """Plain data that `load` takes back."""
        return [self.times, self.answered]

    @classmethod
    def load(cls, data: list[object]) -> Hits:
        """Take back a snapshot."""
        hits = cls()
        hits.times, hits.answered = list(data[0]), list(data[1])  # type: ignore[call-overload]
        return hits


class Distinct:
    """The distinct values seen by one group, each with the time it was last seen, at most `cap` of them."""

    __slots__ = ("last", "order")

    def __init__(self) -> None:
        self.last: dict[str, float] = {}
        self.order: list[tuple[float, str]] = []

    def add(self, time: float, value: str, window: float, cap: int) -> int:
        """See `value`; how many distinct values the window (time - window, time] holds."""
        before = self.last.get(value)
        if before is None or before < time:
            if before is not None:
                del self.order[bisect_left(self.order, (before, value))]
            self.last[value] = time
            entry = (time, value)
            if not self.order or entry >= self.order[-1]:
                self.order.append(entry)
            else:
                self.order.insert(bisect_left(self.order, entry), entry)
            if len(self.order) > cap:
                del self.last[self.order.pop(0)[1]]
        return self.count(time, window)

    def count(self, reference: float, window: float) -> int:
        """Distinct values last seen in (reference - window, reference]."""
        after = (reference, "\U0010ffff")
        return bisect_right(self.order, after) - bisect_right(self.order, (reference - window, "\U0010ffff"))

    def save(self) -> list[object]:
        """Plain data that `load` takes back."""
        return [[time for time, _ in self.order], [value for _, value in self.order]]

    @classmethod
    def load(cls, data: list[object]) -> Distinct:
        """Take back a snapshot."""
        distinct = cls()
        distinct.order = list(zip(data[0], data[1], strict=True))  # type: ignore[call-overload]
        distinct.last = {value: time for time, value in distinct.order}
        return distinct
