"""One signal over the groups of its field: its windows, and when an alert's threshold was crossed."""

from __future__ import annotations

import operator
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from exporters.signals.sliding_sums import SLICES, SlidingSums
from exporters.signals.windows import Distinct, Hits
from spec.model import Signal

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_LEAST_CAP: Final = 256  # hits kept of a group, at least
_TRIM_FROM: Final = 64  # below so many, old hits cost nothing
_OPERATORS: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    ">=": operator.ge,
    ">": operator.gt,
    "<=": operator.le,
    "<": operator.lt,
}


@dataclass(frozen=True, slots=True)
class Limit:
    """When a value of a signal is an alert's business."""

    alert: str
    op: str
    value: float

    def exceeded(self, values: Any) -> Any:
        """For each value (or for the one), whether it is over the limit."""
        return _OPERATORS[self.op](values, self.value)


@dataclass(frozen=True, slots=True)
class Reading:
    """A signal at one moment: values above 0 by row of its groups, and the answered part of them (None: not kept)."""

    rows: Ints
    values: Floats
    parts: Floats | None = None


_NOBODY: Final = Reading(np.zeros(0, np.int64), np.zeros(0))
_NOBODY_WITH_PARTS: Final = Reading(np.zeros(0, np.int64), np.zeros(0), np.zeros(0))


class PeakObserver(Protocol):
    """Is told how high the windows of a signal rise between two readings."""

    def raise_one(self, row: int, value: float, part: float) -> None:
        """A window of group `row` reached `value`, `part` of it answered."""
        ...

    def raise_many(self, rows: Ints, values: Floats) -> None:
        """Windows of many groups; a group may stand more than once in `rows`."""
        ...


class Tracker(ABC):
    """One signal. `limits` are those of the alerts over it; `violated` takes when a group was last over one.

    `slack` is by how much, in seconds, what windows end at may lag behind the wall clock.
    """

    def __init__(
        self, name: str, signal: Signal, limits: Sequence[Limit], *, violated: dict[int, float], slack: float
    ) -> None:
        self.name = name
        self.signal = signal
        self.limits = tuple(limits)
        self.window = float(signal.window)
        self.observers: list[PeakObserver] = []
        self._violated = violated
        self._idle = self.window + slack
        self._crossed: dict[tuple[str, int], float] = {}  # event time at which a group was last over a limit

    def _crossings(self, row: int, value: float, time: float, now: float) -> Iterator[str]:
        """Alerts whose limit the group has just gone over: it was not over it within the window before."""
        for limit in self.limits:
            if limit.exceeded(value):
                self._violated[row] = now
                before = self._crossed.get((limit.alert, row))
                if before is None or abs(time - before) >= self.window:
                    yield limit.alert
                self._crossed[limit.alert, row] = time if before is None else max(time, before)

    @abstractmethod
    def read(self, reference: float) -> Reading:
        """The windows that end at event time `reference`. Nothing is changed."""

    def expire(self, now: float) -> None:  # noqa: B027 -- most keep nothing that has to go
        """Forget what can be in no window any more at `now`, by the wall clock."""

    def forget(self, row: int) -> None:
        """A group was evicted."""
        for limit in self.limits:
            self._crossed.pop((limit.alert, row), None)

    def save(self) -> dict[str, object]:
        """Plain data that `load` takes back."""
        return {"crossed": [[alert, row, time] for (alert, row), time in self._crossed.items()]}

    def load(self, data: Mapping[str, Any]) -> None:
        """Take back a snapshot of the same signal."""
        alerts = {limit.alert for limit in self.limits}
        self._crossed = {(alert, row): time for alert, row, time in data["crossed"] if alert in alerts}


class _Rare(Tracker):
    """Signals whose hits are rare: exact windows of single hits, only for the groups that have any."""

    def __init__(
        self, name: str, signal: Signal, limits: Sequence[Limit], *, violated: dict[int, float], slack: float
    ) -> None:
        super().__init__(name, signal, limits, violated=violated, slack=slack)
        self.cap = max([_LEAST_CAP, *(4 * round(limit.value) for limit in limits)])
        self._touched: dict[int, float] = {}  # wall clock of the last hit

    def expire(self, now: float) -> None:
        """Forget groups whose hits can be in no window any more. Not by event time, which may be of a backlog."""
        for row in [row for row, touched in self._touched.items() if now - touched > self._idle]:
            del self._touched[row]
            self._expire(row)

    @abstractmethod
    def _expire(self, row: int) -> None:
        """Forget the hits of a group."""


class HitTracker(_Rare):
    """Counts hits."""

    def __init__(
        self, name: str, signal: Signal, limits: Sequence[Limit], *, violated: dict[int, float], slack: float
    ) -> None:
        super().__init__(name, signal, limits, violated=violated, slack=slack)
        self._groups: dict[int, Hits] = {}

    def take(self, rows: Sequence[int], times: Sequence[float], answered: Sequence[bool], now: float) -> Iterator[str]:
        """Take hits in; the alerts whose limit was crossed, once for each group that crossed it.

        They are taken in order of time: what comes late makes more work.
        """
        order = sorted(range(len(times)), key=times.__getitem__)
        groups, window, cap, observers = self._groups, self.window, self.cap, self.observers
        for place in order:
            row, time, good = rows[place], times[place], answered[place]
            hits = groups.get(row)
            if hits is None:
                hits = groups[row] = Hits()
            count, when = hits.add(time, good, window, cap)
            self._touched[row] = now
            for peaks in observers:
                peaks.raise_one(row, count, hits.count_answered(when, window) if self.signal.answered else 0.0)
            if self.limits:
                yield from self._crossings(row, count, when, now)
            if len(hits.times) > _TRIM_FROM:
                hits.forget(hits.times[-1] - 3 * window)

    def answer(self, rows: Sequence[int], since: Sequence[float], times: Sequence[float], now: float) -> Iterator[str]:
        """Hits of the past, at `since`, have an answer at `times`; the alerts whose limit was crossed.

        One that is in no window with its answer, or was forgotten, counts again: as an answered hit of then.
        """
        for row, first, time in zip(rows, since, times, strict=True):
            hits = self._groups.get(row)
            if hits is None or abs(time - first) >= self.window or not hits.answer(first):
                yield from self.take([row], [time], [True], now)
                continue
            self._touched[row] = now
            end = hits.last_before(first + self.window)
            for peaks in self.observers:
                peaks.raise_one(row, hits.count(end, self.window), hits.count_answered(end, self.window))

    def _expire(self, row: int) -> None:
        self._groups.pop(row, None)

    def read(self, reference: float) -> Reading:
        """The windows that end at event time `reference`."""
        if not self._groups:
            return _NOBODY_WITH_PARTS if self.signal.answered else _NOBODY
        counted = [(row, hits.count(reference, self.window), hits) for row, hits in self._groups.items()]
        counted = [entry for entry in counted if entry[1]]
        rows = np.array([row for row, _, _ in counted], np.int64)
        values = np.array([count for _, count, _ in counted], np.float64)
        if not self.signal.answered:
            return Reading(rows, values)
        parts = [hits.count_answered(reference, self.window) for _, _, hits in counted]
        return Reading(rows, values, np.array(parts, np.float64))

    def forget(self, row: int) -> None:
        """A group was evicted."""
        super().forget(row)
        self._groups.pop(row, None)
        self._touched.pop(row, None)

    def save(self) -> dict[str, object]:
        """Plain data that `load` takes back."""
        hits = [[row, self._touched[row], *group.save()] for row, group in self._groups.items()]
        return {**super().save(), "hits": hits}

    def load(self, data: Mapping[str, Any]) -> None:
        """Take back a snapshot of the same signal."""
        super().load(data)
        for row, touched, *saved in data["hits"]:
            self._groups[row], self._touched[row] = Hits.load(saved), touched


class DistinctTracker(_Rare):
    """Counts distinct values. A value seen again within a `SLICES`-th of the window is not moved on for it.

    Most groups have one value for ever, as an account has its address range; where one value is no news to any alert,
    it is kept as a plain pair, and a window of values is made when a second one comes.
    """

    def __init__(
        self, name: str, signal: Signal, limits: Sequence[Limit], *, violated: dict[int, float], slack: float
    ) -> None:
        super().__init__(name, signal, limits, violated=violated, slack=slack)
        self._groups: dict[int, Distinct] = {}
        self._sole: dict[int, str] = {}
        self._seen: Floats = np.zeros(0)  # by row, when the sole value was seen last; means nothing without one
        self._one_is_news = any(limit.value <= 1 for limit in limits)

    def take(self, rows: Ints, values: Sequence[str | None], times: Floats, now: float) -> Iterator[str]:
        """Take in who had which value, and when; the alerts whose limit was crossed, once for each group."""
        size = int(rows.max(initial=-1)) + 1
        if size > len(self._seen):
            self._seen = np.concatenate([self._seen, np.zeros(size - len(self._seen) + len(self._seen) // 8)])
        sole = self._sole.get
        pairs = zip(rows.tolist(), values, strict=True)
        other = [place for place, (row, value) in enumerate(pairs) if sole(row) != value]
        usual = np.ones(len(rows), np.bool_)
        usual[other] = False
        np.maximum.at(self._seen, rows[usual], times[usual])
        news = {
            (int(rows[place]), value): float(times[place]) for place in other if (value := values[place]) is not None
        }
        for (row, value), time in news.items():
            if row not in self._groups and row not in self._sole and not self._one_is_news:
                self._sole[row], self._seen[row] = value, time
            else:
                yield from self._add(row, value, time, now)

    def _add(self, row: int, value: str, time: float, now: float) -> Iterator[str]:
        distinct = self._groups.get(row)
        if distinct is None:
            distinct = self._groups[row] = Distinct()
            if row in self._sole:
                distinct.add(float(self._seen[row]), self._sole.pop(row), self.window, self.cap)
        self._touched[row] = now
        last = distinct.last.get(value)
        if last is not None and last <= time < last + self.window / SLICES:
            return
        count = distinct.add(time, value, self.window, self.cap)
        for peaks in self.observers:
            peaks.raise_one(row, count, 0.0)
        if self.limits:
            yield from self._crossings(row, count, time, now)

    def _expire(self, row: int) -> None:
        self._groups.pop(row, None)

    def read(self, reference: float) -> Reading:
        """The windows that end at event time `reference`."""
        counted = [(row, group.count(reference, self.window)) for row, group in self._groups.items()]
        rows = np.fromiter(self._sole, np.int64, len(self._sole))
        times = self._seen[rows]
        alone = rows[(times <= reference) & (times > reference - self.window)]
        rows = np.concatenate([alone, np.array([row for row, count in counted if count], np.int64)])
        several = np.array([count for _, count in counted if count], np.float64)
        return Reading(rows, np.concatenate([np.ones(len(alone)), several]))

    def forget(self, row: int) -> None:
        """A group was evicted."""
        super().forget(row)
        for kept in (self._groups, self._touched, self._sole):
            kept.pop(row, None)

    def save(self) -> dict[str, object]:
        """Plain data that `load` takes back."""
        seen = [[row, self._touched[row], *group.save()] for row, group in self._groups.items()]
        sole = [list(self._sole), list(self._sole.values()), self._seen[list(self._sole)].tolist()]
        return {**super().save(), "seen": seen, "sole": sole}

    def load(self, data: Mapping[str, Any]) -> None:
        """Take back a snapshot of the same signal."""
        super().load(data)
        for row, touched, *saved in data["seen"]:
            self._groups[row], self._touched[row] = Distinct.load(saved), touched
        rows, values, times = data["sole"]
        self._sole = dict(zip(rows, values, strict=True))
        self._seen = np.zeros(max(rows, default=-1) + 1)
        self._seen[rows] = times


class SumTracker(Tracker):
    """One measure of a flow that several signals of the same groups and window share."""

    def __init__(
        self,
        name: str,
        signal: Signal,
        limits: Sequence[Limit],
        sums: SlidingSums,
        measure: int,
        *,
        violated: dict[int, float],
        slack: float,
    ) -> None:
        super().__init__(name, signal, limits, violated=violated, slack=slack)
        self._sums = sums
        self._measure = measure
        self._floor = min((limit.value for limit in limits), default=np.inf)

    def touched(self, rows: Ints, ends: Floats, values: Floats, now: float) -> Iterator[str]:
        """Look at windows that have just changed; the alerts whose limit was crossed."""
        value = values[self._measure]
        for peaks in self.observers:
            peaks.raise_many(rows, value)
        for place in np.flatnonzero(value >= self._floor).tolist():
            yield from self._crossings(int(rows[place]), float(value[place]), float(ends[place]), now)

    def read(self, reference: float) -> Reading:
        """The windows that end at event time `reference`."""
        values = self._sums.values(reference)[self._measure]
        rows = (values > 0).nonzero()[0]
        return Reading(rows, values[rows])
