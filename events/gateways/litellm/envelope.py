"""Lines in the envelope of Tocsin's hooks, and lines without it: a log may hold both.

An envelope is ``{"v":1,"writer":...,"seq":...,"kind":...,"record":{...}}``; instead of the record it may have a
``notice`` (see exporters/hooks/). It is told from a plain record by having no ``status``. What the numbers and notices
say about lost records is gathered beside the records.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final, Literal, TypeVar

import msgspec

from events.batch import FeedNotes, Loss, Raw, Reject, Run, line_ends
from events.bounds import Count
from events.gateways.decode import Decoded, LineDecoder
from events.gateways.fitting import UNFIT, Fitter, Fitting, Repairs
from events.hook import DROPS

S = TypeVar("S", bound=msgspec.Struct)

START: Final = b'{"v":'


class Notice(msgspec.Struct, gc=False):
    """What a line without a record says; which fields it has depends on its kind."""

    writer: str | None = None  # lost
    written: Count | None = None
    offered: Count | None = None
    exact: bool | None = None
    reasons: dict[str, Count] | None = None  # dropped


_NAME: Final = Fitter(str)
_NUMBER: Final = Fitter(Count, path="seq")
_NOTICE: Final = Fitter(Notice | None, path="notice")


def envelope_of(record: type[S]) -> type[msgspec.Struct]:
    """The envelope around `record`."""
    return msgspec.defstruct(
        "Envelope",
        [
            ("v", Literal[1]),
            ("writer", str),
            ("seq", Count),
            ("kind", str),
            ("record", record | None, None),
            ("notice", Notice | None, None),
            ("status", None, None),
        ],
        gc=False,
    )


class FeedDecoder(LineDecoder[S]):
    """Decodes lines into `record`, with or without envelope.

    Chunks all of whose lines are of one sort are decoded at once. A line of another kind than ``attempt`` without a
    record is neither a record nor a reject.
    """

    def __init__(self, record: type[S], repairs: Repairs | None = None) -> None:
        super().__init__(record, repairs)
        self._envelopes: msgspec.json.Decoder[Any] = msgspec.json.Decoder(envelope_of(record))

    def decode(self, data: Raw) -> Decoded[S]:
        """Every line of `data` as a record, a reject, or a note; blank lines are none of these."""
        if bytes(data[: len(START)]) != START:
            return super().decode(data)
        ends = line_ends(data)
        envelopes = self._at_once(data, ends, self._envelopes)
        if envelopes is None:
            return self._line_by_line(bytes(data), ends)
        records = [envelope.record for envelope in envelopes]
        notes = FeedNotes(runs=_runs(envelopes))
        if None not in records:
            return Decoded(records, notes=notes, ends=ends)
        kept = [line for line, record in enumerate(records) if record is not None]
        decoded: Decoded[S] = Decoded([records[line] for line in kept], kept, notes=notes, ends=ends)
        for line, envelope in enumerate(envelopes):
            if envelope.record is None:
                self._note(line, envelope.kind, envelope.notice, decoded)
        return decoded

    def _rescue(self, number: int, line: bytes, decoded: Decoded[S]) -> S | None:
        if not line.startswith(START):
            return super()._rescue(number, line, decoded)
        try:
            envelope = self._envelopes.decode(line)
        except (ValueError, RecursionError):
            return super()._rescue(number, line, decoded)
        return self._open(number, envelope, decoded)

    def _fitted(self, number: int, value: dict[str, Any], left_out: Counter[str], decoded: Decoded[S]) -> S | None:
        if value.get("status") is not None or value.get("v") != 1:
            return super()._fitted(number, value, left_out, decoded)
        fitting = Fitting(left_out)
        writer, kind = (_NAME.fit(value.get(name), Fitting()) for name in ("writer", "kind"))
        if UNFIT in (writer, kind):
            return super()._fitted(number, value, left_out, decoded)
        # A line whose number cannot be used still says what its record says.
        seq = _NUMBER.fit(value.get("seq"), fitting)
        if seq is not UNFIT:
            decoded.noted().add(Run(writer, seq, seq))
        inner = value.get("record")
        if isinstance(inner, dict):
            return super()._fitted(number, inner, left_out, decoded)
        notice = _NOTICE.fit(value.get("notice"), fitting)
        decoded.dropped.update(left_out)
        self._note(number, kind, None if notice is UNFIT else notice, decoded)
        return None

    def _open(self, number: int, envelope: Any, decoded: Decoded[S]) -> S | None:
        decoded.noted().add(Run(envelope.writer, envelope.seq, envelope.seq))
        record: S | None = envelope.record
        if record is None:
            self._note(number, envelope.kind, envelope.notice, decoded)
        return record

    @staticmethod
    def _note(number: int, kind: str, notice: Notice | None, decoded: Decoded[S]) -> None:
        notes = decoded.noted()
        if kind == "attempt":
            decoded.rejects.append(Reject(number, "missing_field", "record"))
            return
        notes.lines.append(number)
        if notice is not None and kind == "dropped":
            for reason, count in (notice.reasons or {}).items():
                notes.drops[reason if reason in DROPS else "other"] += count
        if notice is not None and kind == "lost" and notice.writer:
            notes.losses.append(
                Loss(notice.writer, notice.written or 0, notice.offered or 0, exact=notice.exact is not False)
            )


def _runs(envelopes: Sequence[Any]) -> list[Run]:
    """The numbers of lines as runs; a chunk is nearly always one."""
    if not envelopes:
        return []
    writer, first = envelopes[0].writer, envelopes[0].seq
    numbers = [envelope.seq for envelope in envelopes]
    if numbers == list(range(first, first + len(numbers))) and {envelope.writer for envelope in envelopes} == {writer}:
        return [Run(writer, first, numbers[-1])]
    notes = FeedNotes()
    for envelope in envelopes:
        notes.add(Run(envelope.writer, envelope.seq, envelope.seq))
    return notes.runs
