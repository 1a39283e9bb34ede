"""What of a log was not read, and why: by reason, with the first line of each."""

from __future__ import annotations

from dataclasses import dataclass, field

from events.batch import EventBatch
from events.coverage import Coverage
from exporters.sources.chunk import Chunk


@dataclass(slots=True)
class Rejected:
    """Lines that could not be read for one reason.

    `line` is the number of the first of them in its file, from 1; `detail` says what is wrong, and quotes nothing.
    """

    count: int
    line: int
    detail: str


@dataclass(slots=True)
class FileCoverage:
    """What was read of one file so far.

    `lines` counts those that are not too long, blank ones included; `rejected` are by reason
    (`spec.vocabulary.REJECTIONS`).
    """

    path: str
    lines: int = 0
    rejected: dict[str, Rejected] = field(default_factory=dict)

    def take(self, chunk: Chunk, batch: EventBatch, too_long: int) -> None:
        """Take in what was decoded from a chunk, before which `too_long` lines were too long."""
        self.lines += too_long
        if too_long:
            self._reject("too_long", too_long, self.lines - too_long + 1, "")
        for reject in sorted(batch.rejects, key=lambda reject: reject.line):
            self._reject(reject.reason, 1, self.lines + reject.line + 1, reject.detail)
        self.lines += bytes(chunk.data).count(b"\n")

    def _reject(self, reason: str, count: int, line: int, detail: str) -> None:
        known = self.rejected.setdefault(reason, Rejected(0, line, detail))
        known.count += count

    def add_to(self, coverage: Coverage) -> None:
        """Count what is known of this file."""
        for reason, entry in self.rejected.items():
            coverage.reject(reason, entry.count, file=self.path, line=entry.line, detail=entry.detail)
