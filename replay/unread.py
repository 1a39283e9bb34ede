"""What of a log was not read, and why: by reason, with the first line of each. And which wrappers were taken off."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from events.batch import EventBatch
from events.coverage import Coverage
from events.wrappers.looks import Looks, looks_like
from exporters.sources.chunk import Chunk


@dataclass(slots=True)
class Rejected:
    """Lines that could not be read for one reason.

    `line` is the number of the first of them in its file, from 1; `detail` says what is wrong there, `looks` what it
    looks like and what to do. None quotes the line.
    """

    count: int
    line: int
    detail: str
    looks: Looks | None = None


LATE: Final = 600.0
"""Seconds, the shortest time that alerts look at: what comes so late finds its windows closed."""


@dataclass(slots=True)
class FileCoverage:
    """What was read of one file so far.

    `lines` counts those that are not too long, blank ones included; `wrapped` counts records by wrapper, `rejected`
    are by reason (`spec.vocabulary.REJECTIONS`). `late` are attempts that stand behind one that ended more than LATE
    seconds after them; `newest` is the newest end so far, Unix seconds.
    """

    path: str
    lines: int = 0
    wrapped: Counter[str] = field(default_factory=Counter)
    rejected: dict[str, Rejected] = field(default_factory=dict)
    late: int = 0
    newest: float = -np.inf

    def take(self, chunk: Chunk, batch: EventBatch, too_long: int) -> None:
        """Take in what was decoded from a chunk, before which `too_long` lines were too long."""
        self.lines += too_long
        if too_long:
            self._reject("too_long", too_long, self.lines - too_long + 1, "", None)
        lines: list[bytes] = []
        for reject in sorted(batch.rejects, key=lambda reject: reject.line):
            looks = None
            if reject.reason not in self.rejected:
                lines = lines or bytes(chunk.data).split(b"\n")
                looks = looks_like(lines[reject.line]) if reject.line < len(lines) else None
            self._reject(reject.reason, 1, self.lines + reject.line + 1, reject.detail, looks)
        self.wrapped.update(batch.wrapped)
        times = batch.numbers("time")
        newest = np.maximum.accumulate(np.concatenate([[self.newest], times]))
        self.late += int((times < newest[:-1] - LATE).sum())
        self.newest = float(newest[-1])
        self.lines += bytes(chunk.data).count(b"\n")

    def _reject(self, reason: str, count: int, line: int, detail: str, looks: Looks | None) -> None:
        known = self.rejected.setdefault(reason, Rejected(0, line, detail, looks))
        known.count += count

    def add_to(self, coverage: Coverage) -> None:
        """Count what is known of this file."""
        coverage.unwrapped.update(self.wrapped)
        coverage.late += self.late
        for reason, entry in self.rejected.items():
            looks = entry.looks.what if entry.looks is not None else ""
            hint = entry.looks.hint if entry.looks is not None else ""
            coverage.reject(
                reason, entry.count, file=self.path, line=entry.line, detail=entry.detail, looks=looks, hint=hint
            )
