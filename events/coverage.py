"""What was looked at of a log, and what was not: one count for replay, tail, the report and the check of a source."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from events.batch import OTHER_RECORDS, EventBatch
from events.fields import FIELDS, Counts, counts_of

CONTENT: Final = ("prompt", "answer")
"""The two sides of content."""
LITTLE: Final = 0.5
"""The part of records that has to be read before silence means anything."""


@dataclass(slots=True)
class Rejected:
    """Records of one file that could not be read for one reason.

    `line` is that of the first, counted from 1; 0: unknown. `detail` says what was wrong with it, `looks` what it looks
    like, `hint` what to do. They quote nothing.
    """

    file: str
    reason: str
    count: int = 0
    line: int = 0
    detail: str = ""
    looks: str = ""
    hint: str = ""


@dataclass(slots=True)
class Coverage:
    """What one gateway's adapter made of logs. It adds up.

    `mapped` are the fields that the gateway can tell at all, `words` those that a column can have (a column that is not
    there can have any). `scanned`: content was asked for. `fields` counts attempts by field, `skipped` characters
    by channel that were too many to look at. `unread` counts attempts whose prompt or answer stands in no known place,
    by side and call type. `late` are attempts that stand far behind newer ones in their file. Times are Unix seconds,
    infinite before the first attempt.
    """

    gateway: str = ""
    mapped: frozenset[str] = frozenset()
    words: Mapping[str, frozenset[str]] = field(default_factory=dict)
    scanned: bool = True
    records: int = 0
    duplicates: int = 0
    others: int = 0
    late: int = 0
    rejected: dict[tuple[str, str], Rejected] = field(default_factory=dict)
    fields: Counts = field(default_factory=Counts)
    unwrapped: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    unread: Counter[tuple[str, str]] = field(default_factory=Counter)
    first: float = np.inf
    last: float = -np.inf

    def take(self, batch: EventBatch, *, duplicates: int = 0) -> None:
        """Count the attempts of a batch. `duplicates` are those that were left out of it, as they were seen before."""
        self.records += batch.size
        self.duplicates += duplicates
        self.others += batch.unread.get(OTHER_RECORDS, 0)
        self.fields.add(counts_of(batch))
        self.unread.update((side, call_type) for _row, call_type, side in batch.unread_content)
        for _row, channel, count in batch.skipped:
            self.skipped[channel] += count
        if batch.size:
            times = batch.numbers("time")
            self.first = min(self.first, float(times.min()))
            self.last = max(self.last, float(times.max()))

    def reject(
        self,
        reason: str,
        count: int = 1,
        *,
        file: str = "",
        line: int = 0,
        detail: str = "",
        looks: str = "",
        hint: str = "",
    ) -> None:
        """Count records that could not be read; the first of a file and reason is remembered."""
        if count > 0:
            entry = self.rejected.setdefault((file, reason), Rejected(file, reason, 0, line, detail, looks, hint))
            entry.count += count

    @property
    def rejects(self) -> Counter[str]:
        """Records that could not be read, by reason."""
        found: Counter[str] = Counter()
        for entry in self.rejected.values():
            found[entry.reason] += entry.count
        return found

    @property
    def lines(self) -> int:
        """Records that were met, without those that are no attempts."""
        return self.records + self.duplicates + sum(entry.count for entry in self.rejected.values())

    @property
    def read(self) -> float:
        """The part of them that was read, from 0 to 1."""
        return (self.records + self.duplicates) / self.lines if self.lines else 0.0

    def share(self, column: str) -> float:
        """The part of attempts that have a field; 0 if the gateway cannot tell it."""
        return self.fields.known[column] / self.records if self.records and column in self.mapped else 0.0

    def lacking(self, column: str) -> float:
        """The part of the attempts that should have a field and lack it; 0 when none should."""
        due = self.due(column)
        return self.without(column) / due if due else 0.0

    def due(self, column: str) -> int:
        """How many attempts should have a field."""
        return self.fields.due[column] if column in self.mapped else self.records

    def without(self, column: str) -> int:
        """How many of these lack it."""
        return self.fields.lacking[column] if column in self.mapped else self.records

    def missing(self) -> dict[str, float]:
        """Fields that attempts should have and lack, content aside, and how large a part of them does.

        A field that nobody asked for is not missing.
        """
        found = {
            each.column: self.lacking(each.column)
            for each in FIELDS
            if each.column not in CONTENT and each.of != "some"
        }
        return {column: part for column, part in found.items() if part}
