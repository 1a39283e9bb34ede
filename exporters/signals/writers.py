"""Gaps in the numbers that the writers of a log give to their lines: records that were lost on the way.

A gap is believed only after a while, as another file may hold the lines that are missing here: with several files, or
a backlog, the order of reading is not that of writing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from exporters.batch import FeedNotes, Loss, Run
from exporters.signals.told import Told

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


@dataclass(slots=True)
class _Writer:
    last: int  # the highest number seen
    buried: bool = False  # another one has told its end
    missing: list[tuple[int, int, float]] = field(default_factory=list)  # first, last, when it was noticed


class Writers:
    """Who has written which numbers. Time is in Unix seconds.

    `lost` and `gaps` are totals by source, taken over by whoever shows them; `told` adds up what writers say of
    themselves.
    """

    def __init__(self, sources: Sequence[str]) -> None:
        self.gaps = dict.fromkeys(sources, 0)
        self.lost = dict.fromkeys(sources, 0)
        self.told = Told(sources)
        self._recent: dict[str, deque[float]] = {source: deque() for source in sources}
        self._known: dict[tuple[str, str], _Writer] = {}

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
                self._irregular(source, known, run, now)
        for loss in notes.losses:
            self._take_loss(source, loss, now)

    def settle(self, source: str, now: float, *, idle: bool) -> None:
        """Count what has been missing for long enough; `idle` says that nothing of the source waits to be read."""
        wait = GRACE if idle else PATIENCE
        for (owner, _), known in self._known.items():
            if owner == source and known.missing:
                due = [since + wait <= now for _, _, since in known.missing]
                self._count(source, [gap for gap, over in zip(known.missing, due, strict=True) if over], now)
                known.missing = [gap for gap, over in zip(known.missing, due, strict=True) if not over]

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
            "told": self.told.save(),
        }

    def load(self, data: Mapping[str, Any]) -> None:
        """Take back a snapshot; totals are kept by whoever shows them."""
        for source, writer, last, buried, missing in data["known"]:
            if source in self._recent:
                self._known[source, writer] = _Writer(last, buried, [(gap[0], gap[1], gap[2]) for gap in missing])
        for source, times in data["recent"].items():
            if source in self._recent:
                self._recent[source] = deque(times, MOST_MISSING)
        if "told" in data:  # states of earlier versions have none
            self.told.load(data["told"])

    # ------------------------------------------------------------------------------------------------ inside
    def _meet(self, source: str, writer: str, last: int, now: float) -> _Writer:
        while len(self._known) >= MOST_WRITERS:
            key, oldest = next(iter(self._known.items()))
            self._count(key[0], oldest.missing, now)
            del self._known[key]
        known = self._known[source, writer] = _Writer(last)
        return known

    def _irregular(self, source: str, known: _Writer, run: Run, now: float) -> None:
        if run.first > known.last:
            self._miss(source, known, known.last + 1, run.first - 1, now)
            known.last = run.last
            return
        left: list[tuple[int, int, float]] = []
        for first, last, since in known.missing:
            if run.last < first or last < run.first:
                left.append((first, last, since))
                continue
            if first < run.first:
                left.append((first, run.first - 1, since))
            if run.last < last:
                left.append((run.last + 1, last, since))
        known.missing = left
        known.last = max(known.last, run.last)

    def _take_loss(self, source: str, loss: Loss, now: float) -> None:
        known = self._known.get((source, loss.writer)) or self._meet(source, loss.writer, loss.written, now)
        if known.buried:
            return
        known.buried = True
        if loss.offered > known.last:
            self._miss(source, known, known.last + 1, loss.offered, now)
            known.last = loss.offered
        elif not loss.exact:
            self._miss(source, known, 1, 0, now)  # a gap of nobody knows how many

    def _miss(self, source: str, known: _Writer, first: int, last: int, now: float) -> None:
        known.missing.append((first, last, now))
        if len(known.missing) > MOST_MISSING:
            self._count(source, [known.missing.pop(0)], now)

    def _count(self, source: str, gaps: Sequence[tuple[int, int, float]], now: float) -> None:
        for first, last, _ in gaps:
            self.gaps[source] += 1
            self.lost[source] += last - first + 1
            recent = self._recent[source]
            recent.append(now)
            if len(recent) > MOST_MISSING:
                recent.popleft()
