"""A gateway whose records may come in wrappers: what its adapter cannot read is looked into.

Plain records pay nothing: an adapter that takes no wrapper for a record is asked first, and only the lines that it
rejects are looked into. After a wrapped chunk the next one is unwrapped before it is decoded, which gives the same.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from events.batch import EventBatch, FeedNotes, Raw, RawLines, Reject
from events.wrappers import Unwrapped, looks_wrapped, unwrap


class Adapter(Protocol):
    """Reads plain records. `strict`: it never takes a wrapper for a record."""

    name: str
    strict: bool

    def decode(self, data: Raw, *, source: str, seed: int = 0) -> EventBatch:
        """See `events.gateways.Gateway`."""
        ...


class Unwrapping:
    """`adapter`, for plain and wrapped records alike; see `events.gateways.Gateway`."""

    def __init__(self, adapter: Adapter) -> None:
        self.adapter = adapter
        self.name = adapter.name
        self._wrapped = False  # whether the last chunk was

    def decode(self, data: Raw, *, source: str, seed: int = 0) -> EventBatch:
        """The attempts in `data`, which is whole lines, in wrappers or not."""
        if self._wrapped or (not self.adapter.strict and looks_wrapped(_first_line(data))):
            found = unwrap(bytes(data), other=self.adapter.strict)
            if found is not None:
                return self._inside(found, data, source, seed)
        batch = self.adapter.decode(data, source=source, seed=seed)
        self._wrapped = False
        if not batch.rejects:
            return batch
        found = unwrap(bytes(data), suspects={reject.line for reject in batch.rejects})
        return batch if found is None else self._inside(found, data, source, seed)

    def _inside(self, found: Unwrapped, data: Raw, source: str, seed: int) -> EventBatch:
        self._wrapped = found.names.total() > 0
        batch = self.adapter.decode(found.data, source=source, seed=seed)
        batch.rejects = [
            *found.rejects,
            *(_moved(reject, line=found.lines[reject.line]) for reject in batch.rejects),
        ]
        batch.wrapped = batch.wrapped + found.names
        if found.none or batch.notes is not None:
            notes = batch.notes = batch.notes or FeedNotes()
            notes.lines = [*(found.lines[line] for line in notes.lines), *found.none]
        if isinstance(batch.raw, RawLines):
            batch.raw = InnerLines(batch.raw, found, len(data))
        return batch


class InnerLines(RawLines):
    """Records that stood in wrappers: `spans` says where the whole of each is in the chunk, wrapper included."""

    __slots__ = ("_around", "_found")

    def __init__(self, inner: RawLines, found: Unwrapped, size: int) -> None:
        super().__init__(found.data, len(inner), inner.lines)
        self._found = found
        self._around = size

    def spans(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Where what each attempt came in begins in the chunk, and its bytes."""
        places = range(len(self)) if self.lines is None else self.lines
        found = self._found
        starts = np.array([found.starts[place] for place in places], np.int64)
        return starts, np.array([found.lengths[place] for place in places], np.int64)

    @property
    def size_of_data(self) -> int:
        """Bytes of the whole chunk."""
        return self._around

    def on(self, data: Raw) -> RawLines:
        """The same: what was unwrapped is no window into the chunk."""
        return self


def plain_adapter(gateway: object) -> object:
    """The adapter of plain records behind a gateway."""
    return gateway.adapter if isinstance(gateway, Unwrapping) else gateway


def _moved(reject: Reject, line: int) -> Reject:
    return Reject(line, reject.reason, reject.detail)


def _first_line(data: Raw) -> bytes:
    """The first line that is not blank."""
    view = memoryview(data)
    size = 4_096
    while True:
        text = bytes(view[:size]).lstrip()
        end = text.find(b"\n")
        if end >= 0 or size >= len(view):
            return text[:end] if end >= 0 else text
        size *= 8
