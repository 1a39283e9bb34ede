"""Gaps in the numbers that the writers of a log give to their lines: records that were lost on the way.

A gap is believed only after a while, as another file may hold the lines that are missing here: with several files, or
a backlog, the order of reading is not that of writing.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from events.batch import FeedNotes, Loss, Run
from events.bounds import MOST_LOST
from exporters.signals.counter_deltas import CounterDeltas

GRACE: Final = 30.0
"""Seconds after which missing lines are lost, if nothing waits to be read."""
PATIENCE: Final = 600.0
"""Seconds after which they are lost even though something waits."""
RECENT: Final = 900.0
"""Seconds for which a gap is recent."""
MOST_WRITERS: Final = 4_096
"""Writers remembered; each worker process is one, until it ends."""
MOST_MISSING: Final = 1_000
"""Ranges of missing lines kept open for one writer."""
MOST_OPEN: Final = 10_000
"""Ranges kept open for all writers together; each turn looks at all of them."""


@dataclass(slots=True)
class _Writer:
    last: int  # the highest number seen
    buried: bool = False  # another one has told its end
    missing: list[tuple[int, int, float]] = field(default_factory=list)  # first, last, when noticed; in order


class SequenceGaps:
    """Who has written which numbers. Time is in Unix seconds.

    `lost` and `gaps` are totals by source, taken over by whoever shows them; `deltas` adds up what writers report
    of themselves.
    """

    def __init__(self, sources: Sequence[str]) -> None:
        self.gaps = dict.fromkeys(sources, 0)
        self.lost = dict.fromkeys(sources, 0)
        self.deltas = CounterDeltas(sources)
        self._recent: dict[str, deque[float]] = {source: deque() for source in sources}
        self._known: dict[tuple[str, str], _Writer] = {}
        self._open: dict[tuple[str, str], _Writer] = {}  # of them, those that miss something
        self._ranges = 0  # that they miss

    def take(self, source: str, notes: FeedNotes, now: float) -> None:
        """Look at the numbers that came from a source, and at what writers said of each other."""
        for run in notes.runs:
            known = self._known.get((source, run.writer))
            if known is None:
                # The first line of a writer that is seen need not be its first: the log may be older than the exporter.
                self._meet(source, run.writer, run.last, now)
            elif run.first == known.last + 1:
                known.last = run.last
            else:
                self._irregular((source, run.writer), known, run, now)
        for loss in notes.losses:
            self._take_loss(source, loss, now)

    def settle(self, source: str, now: float, *, idle: bool) -> None:
        """Count what has been missing for long enough; `idle` says that nothing of the source waits to be read."""
        wait = GRACE if idle else PATIENCE
        for key, known in list(self._open.items()):
            if key[0] == source:
                due = [since + wait <= now for _, _, since in known.missing]
                if any(due):
                    self._count(source, [gap for gap, over in zip(known.missing, due, strict=True) if over], now)
                    left = [gap for gap, over in zip(known.missing, due, strict=True) if not over]
                    self._replace(key, known, 0, len(known.missing), left)

    def recent(self, source: str, now: float) -> int:
        """Gaps that were counted within the last RECENT seconds."""
        recent = self._recent[source]
        while recent and recent[0] <= now - RECENT:
            recent.popleft()
        return len(recent)

    # ------------------------------------------------------------------------------------------------ snapshot
    def save(self) -> dict[str, object]:
        """Plain data that `load` takes back."""
        return {
            "known": [
                [source, writer, known.last, known.buried, [list(gap) for gap in known.missing]]
                for (source, writer), known in self._known.items()
            ],
            "recent": {source: list(times) for source, times in self._recent.items()},
            "told": self.deltas.save(),
        }

    def load(self, data: Mapping[str, Any]) -> None:
        """Take back a snapshot; totals are kept by whoever shows them."""
        for source, writer, last, buried, missing in data["known"]:
            if source in self._recent:
                known = self._known[source, writer] = _Writer(last, buried)
                ranges = sorted((gap[0], gap[1], gap[2]) for gap in missing)
                self._replace((source, writer), known, 0, 0, ranges)
        for source, times in data["recent"].items():
            if source in self._recent:
                self._recent[source] = deque(times, MOST_MISSING)
        if "told" in data:  # states of earlier versions have none
            self.deltas.load(data["told"])

    # ------------------------------------------------------------------------------------------------ inside
    def _meet(self, source: str, writer: str, last: int, now: float) -> _Writer:
        while len(self._known) >= MOST_WRITERS:
            key, oldest = next(iter(self._known.items()))
            self._give_up(key, oldest, now)
            del self._known[key]
        known = self._known[source, writer] = _Writer(last)
        return known

    def _irregular(self, key: tuple[str, str], known: _Writer, run: Run, now: float) -> None:
        if run.first > known.last:
            self._miss(key, known, known.last + 1, run.first - 1, now)
            known.last = run.last
            return
        begin = bisect_left(known.missing, run.first, key=lambda gap: gap[1])
        end = bisect_right(known.missing, run.last, key=lambda gap: gap[0])
        if begin < end:
            left = []
            for first, last, since in known.missing[begin:end]:
                if first < run.first:
                    left.append((first, run.first - 1, since))
                if run.last < last:
                    left.append((run.last + 1, last, since))
            self._replace(key, known, begin, end, left)
        known.last = max(known.last, run.last)

    def _take_loss(self, source: str, loss: Loss, now: float) -> None:
        known = self._known.get((source, loss.writer)) or self._meet(source, loss.writer, loss.written, now)
        if known.buried:
            return
        known.buried = True
        key = (source, loss.writer)
        if loss.offered > known.last:
            self._miss(key, known, known.last + 1, loss.offered, now)
            known.last = loss.offered
        elif not loss.exact:
            self._replace(key, known, 0, 0, [(1, 0, now)])  # a gap of nobody knows how many

    def _miss(self, key: tuple[str, str], known: _Writer, first: int, last: int, now: float) -> None:
        size = len(known.missing)
        self._replace(key, known, size, size, [(first, last, now)])
        if size == MOST_MISSING:
            self._count(key[0], known.missing[:1], now)
            self._replace(key, known, 0, 1, [])
        while self._ranges > MOST_OPEN:
            self._give_up(*next(iter(self._open.items())), now)

    def _give_up(self, key: tuple[str, str], known: _Writer, now: float) -> None:
        """Count all that a writer misses."""
        self._count(key[0], known.missing, now)
        self._replace(key, known, 0, len(known.missing), [])

    def _replace(
        self, key: tuple[str, str], known: _Writer, begin: int, end: int, ranges: list[tuple[int, int, float]]
    ) -> None:
        """Put `ranges` in the place of some that a writer misses."""
        self._ranges += len(ranges) - (end - begin)
        known.missing[begin:end] = ranges
        if known.missing:
            self._open[key] = known
        else:
            self._open.pop(key, None)

    def _count(self, source: str, gaps: Sequence[tuple[int, int, float]], now: float) -> None:
        for first, last, _ in gaps:
            self.gaps[source] += 1
            self.lost[source] += min(last - first + 1, MOST_LOST)
            recent = self._recent[source]
            recent.append(now)
            if len(recent) > MOST_MISSING:
                recent.popleft()
