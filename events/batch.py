"""The event batch: many attempts as typed columns, with the raw bytes they came from.

One entry per attempt, in order of arrival. Unknown is absent: ``None`` in an object column, NaN in a number column,
never 0 or "". Nothing on the hot path builds a record per line; a gateway's adapter makes the flat record of one
attempt (OpenTelemetry GenAI and ECS names) where a sink or a person needs it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any, NamedTuple, overload

import msgspec
import numpy as np
import numpy.typing as npt

from spec.vocabulary import IDENTITIES

Floats = npt.NDArray[np.float64]
Ids = npt.NDArray[np.uint64]
Ends = npt.NDArray[np.intp]
Column = Sequence[Any] | Floats | Ids
Raw = bytes | bytearray | memoryview

NUMBER_COLUMNS = (
    "time",  # end of the attempt, Unix seconds: when it became known; windows run on it
    "duration",  # seconds
    "time_to_first_chunk",  # seconds, streams only
    "input_tokens",
    "output_tokens",
    "cached_tokens",
    "reasoning_tokens",
    "cost_usd",
)
"""Columns of float64, NaN where unknown."""

ID_COLUMNS = (
    "event_id",  # the attempt's identity: the de-duplication key
    "call_id",  # the request's identity; the attempts of one request share it
)
"""Columns of uint64."""

OBJECT_COLUMNS = (
    "tenant",  # str | None: team, else organisation
    "model",  # str | None: the model asked for
    "provider",  # str | None
    "operation",  # str: spec.vocabulary.OPERATIONS
    "stream",  # bool | None
    "outcome",  # str: spec.vocabulary.OUTCOMES
    "error_class",  # str: spec.vocabulary.ERROR_CLASSES
    "verdict",  # str: spec.vocabulary.VERDICTS
    "settled",  # bool: no other attempt of the same request can follow (success, or refused before a provider)
    *IDENTITIES,  # str | None; what each is, the spec's field of that name says
)
"""Columns of Python objects, one per attempt."""

SIDE_TABLES = ("tool_calls", "guardrails")
"""Lists of a batch that have several entries, or none, per attempt; asked for by name like a column."""

OTHER_RECORDS = "other_records"
"""The name in `EventBatch.unread` of lines of a mapped gateway that are no attempts."""

_PIECE = 1 << 16  # bytes looked through at once

ALL_COLUMNS = frozenset(NUMBER_COLUMNS + ID_COLUMNS + OBJECT_COLUMNS + SIDE_TABLES)
"""Everything that an adapter can be asked for, content aside."""


class Reject(msgspec.Struct, frozen=True, gc=False):
    """A record that could not be read.

    `reason` is one of spec.vocabulary.REJECTIONS; `line` counts from 0 in the batch's raw bytes; `detail` never quotes
    content.
    """

    line: int
    reason: str
    detail: str


class Fault(NamedTuple):
    """Reading a record raised what it should not. It was stepped over, or, if only its content failed, counted without.

    `step` is one of spec.vocabulary.READING_STEPS. `line` counts from 0 in the batch's raw bytes, `start` and `length`
    are bytes there, -1 where unknown. `error` is the kind of exception, `place` where in our code it was raised.
    """

    step: str
    line: int
    start: int
    length: int
    error: str
    place: str


class Run(NamedTuple):
    """Numbered lines of one writer that follow each other without a gap, `first` to `last`."""

    writer: str
    first: int
    last: int


class Loss(NamedTuple):
    """A writer was killed: it had written up to number `written`, and been given up to `offered`, at least.

    `exact` says that it was given no more.
    """

    writer: str
    written: int
    offered: int
    exact: bool


@dataclass(slots=True)
class FeedNotes:
    """What numbered lines say about the feed itself: which numbers came, and what writers say that they have lost.

    `drops` are records that a writer dropped, by reason; their numbers are missing in `runs` too. `lines` are those
    that hold no attempt, counted from 0 in the batch's raw bytes.
    """

    runs: list[Run] = field(default_factory=list)
    losses: list[Loss] = field(default_factory=list)
    drops: Counter[str] = field(default_factory=Counter)
    lines: list[int] = field(default_factory=list)

    def add(self, run: Run) -> None:
        """Take a run in; one that goes on where the last ended makes it longer."""
        if self.runs and self.runs[-1].writer == run.writer and self.runs[-1].last + 1 == run.first:
            self.runs[-1] = self.runs[-1]._replace(last=run.last)
        else:
            self.runs.append(run)

    @staticmethod
    def joined(parts: Sequence[FeedNotes | None]) -> FeedNotes | None:
        """Notes of several batches as one, without lines; None if there are none."""
        found = [part for part in parts if part is not None]
        if not found:
            return None
        notes = FeedNotes()
        for part in found:
            notes.losses += part.losses
            notes.drops.update(part.drops)
            for run in part.runs:
                notes.add(run)
        return notes


class Text(msgspec.Struct, frozen=True, gc=False):
    """One piece of an attempt's content, for the detectors.

    `row` is the attempt's place in the batch; `channel` is ``user``, ``system``, ``assistant`` (earlier turns in the
    request), ``tool`` (tool results and documents in the request), ``output`` (the model's answer) or ``tool_call`` (a
    tool call that the model made: the tool's name, a space and the arguments as text). `part` is 0, or for a text that
    is too long to keep: 1 its beginning, 2 its end, cut where it had to be this time.
    """

    row: int
    channel: str
    text: str
    part: int = 0


@dataclass(frozen=True, slots=True)
class Detection:
    """A rule saw something in attempt `row` of the batch; once for each rule, however often it matched.

    `detector` and `confidence` are words of spec.vocabulary, `rule` is the id of the rule. `texts` are those of the
    attempt in which the rule saw it, as long as the batch has texts; none if it is about something else.
    """

    row: int
    detector: str
    rule: str
    confidence: str
    texts: tuple[Text, ...] = field(default=(), compare=False, repr=False)


def line_ends(data: Raw) -> Ends:
    """Where the newlines of `data` are.

    Searched for piece by piece: what is as large as a chunk is mapped anew each time, and the faults of its pages cost
    as much as decoding the chunk.
    """
    ends: list[int] = []
    for start in range(0, len(data), _PIECE):
        piece = bytes(data[start : start + _PIECE])
        end = piece.find(b"\n")
        while end >= 0:
            ends.append(start + end)
            end = piece.find(b"\n", end + 1)
    return np.array(ends, np.intp)


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where the attempts of a batch are in the logs, as columns.

    Attempt i is the `length[i]` bytes from byte `offset[i]` of ``files[file[i]]``, without the newline; it came in
    chunk number `sequence[i]` of its source's reader. Source, file and offset name a record for ever.
    """

    files: tuple[str, ...]
    file: npt.NDArray[np.int32]
    offset: npt.NDArray[np.int64]
    length: npt.NDArray[np.int64]
    sequence: npt.NDArray[np.int64]

    def rows(self, places: Sequence[int]) -> Provenance:
        """Only the attempts at `places`, in that order."""
        at = list(places)
        return Provenance(self.files, self.file[at], self.offset[at], self.length[at], self.sequence[at])

    def place(self, row: int) -> tuple[str, int, int]:
        """File, offset and length of one attempt."""
        return self.files[self.file[row]], int(self.offset[row]), int(self.length[row])

    @staticmethod
    def joined(parts: Sequence[Provenance | None]) -> Provenance | None:
        """That of several batches as one; None if one of them has none."""
        known = [part for part in parts if part is not None]
        if not known or len(known) < len(parts):
            return None
        numbers: dict[str, int] = {}
        codes = [
            np.array([numbers.setdefault(name, len(numbers)) for name in part.files], np.int32)[part.file]
            for part in known
        ]
        return Provenance(
            tuple(numbers),
            np.concatenate(codes),
            np.concatenate([part.offset for part in known]),
            np.concatenate([part.length for part in known]),
            np.concatenate([part.sequence for part in known]),
        )


class RawLines(Sequence[bytes]):
    """The raw bytes of each attempt, without the newline, cut out of the chunk when they are asked for.

    Valid as long as the chunk is. `lines` are the line numbers of the attempts; None when attempt i is line i. `ends`
    are where the newlines are, if somebody has looked for them already.
    """

    __slots__ = ("_data", "_ends", "_lines", "_size")

    def __init__(self, data: Raw, size: int, lines: Sequence[int] | None = None, ends: Ends | None = None) -> None:
        self._data = memoryview(data)
        self._size = size
        self._lines = lines
        self._ends = ends

    def __len__(self) -> int:
        return self._size

    @overload
    def __getitem__(self, index: int) -> bytes: ...
    @overload
    def __getitem__(self, index: slice) -> list[bytes]: ...
    def __getitem__(self, index: int | slice) -> bytes | list[bytes]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(self._size))]
        row = range(self._size)[index]
        if self._ends is None:
            self._ends = line_ends(self._data)
        line = row if self._lines is None else self._lines[row]
        start = int(self._ends[line - 1]) + 1 if line else 0
        end = int(self._ends[line]) if line < len(self._ends) else len(self._data)
        return bytes(self._data[start:end])

    def spans(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Where each attempt begins in the chunk, and how many bytes it has, without the newline."""
        if self._ends is None:
            self._ends = line_ends(self._data)
        bounds = np.concatenate([[-1], self._ends, [len(self._data)]])
        lines = np.arange(self._size) if self._lines is None else np.array(self._lines, np.int64)
        starts = bounds[lines] + 1
        return starts, bounds[lines + 1] - starts

    @property
    def lines(self) -> Sequence[int] | None:
        """The line of each attempt in what was decoded; None: attempt i is line i."""
        return self._lines

    @property
    def size_of_data(self) -> int:
        """Bytes of the whole chunk."""
        return len(self._data)

    def on(self, data: Raw) -> RawLines:
        """The same lines, of a copy of the chunk."""
        return RawLines(data, self._size, self._lines, self._ends)


@dataclass(slots=True)
class EventBatch:
    """Attempts of one source as columns.

    `columns` has only those that were asked for; `raw[i]` are the bytes of attempt i. `input_chars` and
    `output_chars` count the characters before long texts were cut, and are NaN for attempts without such content.
    `source_trusted` says whether the client addresses may be believed. `describe` makes the flat record of raw bytes.
    `provenance` says where each attempt is in the logs; None: nobody said where the bytes came from.
    """

    source: str
    gateway: str
    size: int
    columns: dict[str, Column] = field(default_factory=dict)
    texts: list[Text] = field(default_factory=list)
    input_chars: Floats | None = None
    output_chars: Floats | None = None
    has_content: npt.NDArray[np.bool_] | None = None
    unread_content: list[tuple[int, str, str]] = field(default_factory=list)
    """Row, call type and side (``prompt``, ``answer``) of content that stands in no known place."""
    skipped: list[tuple[int, str, int]] = field(default_factory=list)  # (row, channel, characters too many to look at)
    tool_calls: list[tuple[int, str]] = field(default_factory=list)  # (row, tool name): made by the model
    guardrails: list[tuple[int, str, str]] = field(default_factory=list)  # (row, guardrail name, verdict)
    rejects: list[Reject] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    dropped_fields: dict[str, int] = field(default_factory=dict)  # field -> values left out: wrong type or impossible
    out_of_range: dict[str, int] = field(default_factory=dict)  # field -> those of them that are impossible numbers
    unread: Counter[str] = field(default_factory=Counter)  # what -> parts left out because a record has too many
    wrapped: Counter[str] = field(default_factory=Counter)  # wrapper -> records that it was taken off
    source_trusted: bool = False
    notes: FeedNotes | None = None
    provenance: Provenance | None = None
    raw: Sequence[bytes] = ()
    records: Sequence[Any] = ()
    describe: Callable[[bytes], dict[str, object]] | None = None

    def numbers(self, name: str) -> Floats:
        """A number column."""
        return self.columns[name]  # type: ignore[return-value]

    def ids(self, name: str) -> Ids:
        """A column of identities."""
        return self.columns[name]  # type: ignore[return-value]

    def objects(self, name: str) -> Sequence[Any]:
        """An object column."""
        return self.columns[name]  # type: ignore[return-value]

    def rows(self, places: Sequence[int]) -> EventBatch:
        """Only the attempts at `places`, in that order; rejects and what was left out stay as they are."""
        new = {row: place for place, row in enumerate(places)}
        columns: dict[str, Column] = {
            name: column[list(places)] if isinstance(column, np.ndarray) else [column[row] for row in places]
            for name, column in self.columns.items()
        }

        def picked(column: npt.NDArray[Any] | None) -> Any:
            return None if column is None else column[list(places)]

        return replace(
            self,
            size=len(places),
            columns=columns,
            texts=[Text(new[text.row], text.channel, text.text, text.part) for text in self.texts if text.row in new],
            input_chars=picked(self.input_chars),
            output_chars=picked(self.output_chars),
            has_content=picked(self.has_content),
            unread_content=[(new[row], kind, side) for row, kind, side in self.unread_content if row in new],
            tool_calls=[(new[row], name) for row, name in self.tool_calls if row in new],
            guardrails=[(new[row], name, verdict) for row, name, verdict in self.guardrails if row in new],
            skipped=[(new[row], channel, count) for row, channel, count in self.skipped if row in new],
            provenance=self.provenance and self.provenance.rows(places),
            raw=[self.raw[row] for row in places] if self.raw else (),
            records=[self.records[row] for row in places] if self.records else (),
        )

    def detach(self) -> None:
        """Let go of raw bytes and decoded records, which live no longer than the chunk, and of texts."""
        self.raw, self.records, self.describe, self.texts = (), (), None, []

    @staticmethod
    def joined(batches: Sequence[EventBatch]) -> EventBatch:
        """Detached batches of one source as one."""
        if len(batches) == 1:
            return batches[0]
        first = batches[0]
        starts = np.cumsum([0, *(batch.size for batch in batches)]).tolist()
        placed = list(zip(starts, batches, strict=False))

        def column(parts: Sequence[Any]) -> Any:
            if parts[0] is None or isinstance(parts[0], np.ndarray):
                return None if parts[0] is None else np.concatenate(parts)
            return list(chain.from_iterable(parts))

        dropped, impossible, unread, wrapped = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
        for batch in batches:
            dropped.update(batch.dropped_fields)
            impossible.update(batch.out_of_range)
            unread.update(batch.unread)
            wrapped.update(batch.wrapped)
        return EventBatch(
            first.source,
            first.gateway,
            starts[-1],
            columns={name: column([batch.columns[name] for batch in batches]) for name in first.columns},
            texts=[
                Text(start + text.row, text.channel, text.text, text.part)
                for start, batch in placed
                for text in batch.texts
            ],
            input_chars=column([batch.input_chars for batch in batches]),
            output_chars=column([batch.output_chars for batch in batches]),
            has_content=column([batch.has_content for batch in batches]),
            unread_content=[
                (start + row, kind, side) for start, batch in placed for row, kind, side in batch.unread_content
            ],
            skipped=[(start + row, channel, count) for start, batch in placed for row, channel, count in batch.skipped],
            tool_calls=[(start + row, name) for start, batch in placed for row, name in batch.tool_calls],
            guardrails=[
                (start + row, name, verdict) for start, batch in placed for row, name, verdict in batch.guardrails
            ],
            rejects=[reject for batch in batches for reject in batch.rejects],
            faults=[fault for batch in batches for fault in batch.faults],
            dropped_fields=dropped,
            out_of_range=impossible,
            unread=unread,
            wrapped=wrapped,
            source_trusted=first.source_trusted,
            notes=FeedNotes.joined([batch.notes for batch in batches]),
            provenance=Provenance.joined([batch.provenance for batch in batches]),
        )

    def record(self, row: int) -> dict[str, object]:
        """Attempt `row` as one flat record with OpenTelemetry and ECS names; whatever columns the batch has.

        Raises:
            LookupError: the batch was made without raw bytes, or has no such row.
        """
        if self.describe is None:
            raise LookupError("this batch was made without raw bytes")
        return self.describe(self.raw[row])
