"""Typed decoding of a buffer of JSON lines: the whole of it at once, else line by line.

Only the fields that somebody needs are decoded; the rest of a record is skipped at the speed of the parser.
"""

from __future__ import annotations

import functools
import operator
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, get_args, get_origin

import msgspec
import numpy as np

from events.batch import Column, Ends, EventBatch, FeedNotes, Raw, RawLines, Reject, line_ends
from events.gateways.fitting import UNFIT, Fitter, Fitting, Repairs
from events.gateways.lenient import UnreadableError, parse

S = TypeVar("S", bound=msgspec.Struct)
Fields = dict[str, tuple[Any, ...]]
"""The values of each field, by attribute name, one per record."""


@dataclass(slots=True)
class Decoded(Generic[S]):
    """What a buffer held. Record i stood in line ``lines[i]``, or in line i if `lines` is None.

    `ends` are where the buffer's newlines are, if decoding had to find them.

    `dropped` are values left out of their records, by field, as their type is wrong or, counted in `out_of_range` too,
    as no such number can be. `unread` are parts of records that were left out because there were too many.
    """

    records: list[S]
    lines: list[int] | None = None
    rejects: list[Reject] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)
    out_of_range: Counter[str] = field(default_factory=Counter)
    unread: Counter[str] = field(default_factory=Counter)
    forms: Counter[str] = field(default_factory=Counter)  # records that came in another form than usual
    notes: FeedNotes | None = None  # what the lines say about the feed itself, if anything
    ends: Ends | None = None

    def add(self, line: int, record: S) -> None:
        """Take a record in, if each has its line named."""
        self.records.append(record)
        self.lines.append(line)  # type: ignore[union-attr]

    def batch(
        self,
        source: str,
        gateway: str,
        data: Raw,
        columns: dict[str, Column],
        *,
        trusted: bool,
        describe: Callable[[bytes], dict[str, object]],
    ) -> EventBatch:
        """The records as attempts of a gateway, with their first `columns`; `data` is the buffer."""
        return EventBatch(
            source,
            gateway,
            len(self.records),
            columns=columns,
            rejects=self.rejects,
            dropped_fields=self.dropped,
            out_of_range=self.out_of_range,
            unread=self.unread,
            wrapped=self.forms,
            source_trusted=trusted,
            notes=self.notes,
            raw=RawLines(data, len(self.records), self.lines, self.ends),
            records=self.records,
            describe=describe,
        )

    def noted(self) -> FeedNotes:
        """The notes, to add to."""
        if self.notes is None:
            self.notes = FeedNotes()
        return self.notes


class LineDecoder(Generic[S]):
    """Decodes lines into `record`.

    A field of `record` without a default is required: a line without it is rejected. Any other value that does not fit
    is left out of its record and counted. `repairs` maps dotted paths to functions that may still make something of a
    misfit.
    """

    def __init__(self, record: type[S], repairs: Repairs | None = None) -> None:
        self.record = record
        self._decoder = msgspec.json.Decoder(record)
        self._fitter = Fitter(record, repairs)
        self._required = [
            (known.encode_name, Fitter(known.type), {type(choice) for choice in get_args(known.type)})
            for known in msgspec.structs.fields(record)
            if known.required
        ]

    def decode(self, data: Raw) -> Decoded[S]:
        """Every line of `data` as a record or a reject; blank lines are neither.

        The result for a line does not depend on the lines around it.
        """
        ends = line_ends(data)
        records = self._at_once(data, ends, self._decoder)
        return self._line_by_line(bytes(data), ends) if records is None else Decoded(records, ends=ends)

    @staticmethod
    def _at_once(data: Raw, ends: Ends, decoder: msgspec.json.Decoder[Any]) -> list[Any] | None:
        """What the lines of `data`, which end at `ends`, hold, if each of them is just what `decoder` expects."""
        lines = _separate_objects(data, ends)
        if lines is None:
            return None
        try:
            found = decoder.decode_lines(data)
        except (ValueError, RecursionError):
            return None
        return found if len(found) == lines else None  # else one line holds two

    def _line_by_line(self, data: bytes, ends: Ends) -> Decoded[S]:
        decoded: Decoded[S] = Decoded([], [], ends=ends)
        decode = self._decoder.decode
        for number, line in enumerate(data.split(b"\n")):
            if not line or line.isspace():
                continue
            try:
                record = decode(line)
            except (ValueError, RecursionError):
                rescued = self._rescue(number, line, decoded)
                if rescued is None:
                    continue
                record = rescued
            decoded.add(number, record)
        return decoded

    def _rescue(self, number: int, line: bytes, decoded: Decoded[S]) -> S | None:
        """What can be made of a line; if nothing can, None, and `decoded` has the reason."""
        left_out: Counter[str] = Counter()
        try:
            value = parse(line, left_out)
        except UnreadableError as error:
            decoded.rejects.append(Reject(number, error.reason, str(error)))
            return None
        if not isinstance(value, dict):
            decoded.rejects.append(Reject(number, "not_an_object", type(value).__name__))
            return None
        return self._fitted(number, value, left_out, decoded)

    def _fitted(self, number: int, value: dict[str, Any], left_out: Counter[str], decoded: Decoded[S]) -> S | None:
        fitting = Fitting(left_out)
        record = self._fitter.fit(value, fitting)
        if record is UNFIT:
            decoded.rejects.append(self._misfit(number, value))
            return None
        decoded.dropped.update(left_out)
        if fitting.unread:
            decoded.unread["misfits"] += fitting.unread
        return record  # type: ignore[no-any-return]

    def _misfit(self, number: int, value: dict[str, Any]) -> Reject:
        """Why `value` is no record: the first required field that does not fit."""
        for name, fitter, choices in self._required:
            given = value.get(name)
            if given is None:
                return Reject(number, "missing_field", name)
            if fitter.fit(given, Fitting()) is not UNFIT:
                continue
            return Reject(number, "invalid_value" if type(given) in choices else "wrong_type", name)
        raise AssertionError("every record that does not fit lacks a required field")


def _separate_objects(data: Raw, ends: Ends) -> int | None:
    """How many lines `data`, with newlines at `ends`, has, if no record can span two of them; else None.

    To the decoder a newline is a space, so half a line may swallow the next. But nothing that is still open goes on
    with an object after one has ended: that every line ends with ``}`` and the next starts with ``{`` rules it out.
    """
    octets = np.frombuffer(data, np.uint8)
    starts = ends[:-1] + 1 if len(ends) and ends[-1] == len(octets) - 1 else ends + 1
    if (octets[ends - 1] == ord("}")).all() and (octets[starts] == ord("{")).all():
        return len(starts) + 1
    return None


def transposed(records: Sequence[S], kind: type[S]) -> Fields:
    """`records`, which are of `kind`, by field instead of by record."""
    names = kind.__struct_fields__
    if not records:
        return dict.fromkeys(names, ())
    return dict(zip(names, zip(*map(msgspec.structs.astuple, records), strict=True), strict=True))


def prune(record: type[S], paths: frozenset[str]) -> type[S]:
    """`record` with only the fields that `paths` name, and within them only the parts that are named.

    A path is dotted JSON names, through lists and unions as if they were not there: ``response.choices.finish_reason``.
    A path that ends at a structure means all of it. Required fields stay. Unknown fields of a line are skipped without
    being decoded, so a smaller structure is a faster one.

    The result has fewer attributes than its static type says: ask only for what the paths name.

    Raises:
        ValueError: a path names no field.
    """
    below: dict[str, set[str]] = {}
    for path in paths:
        name, _, rest = path.partition(".")
        below.setdefault(name, set()).add(rest)
    fields: list[tuple[str, Any, Any]] = []
    rename: dict[str, str] = {}
    for known in msgspec.structs.fields(record):
        rests = below.pop(known.encode_name, None)
        if rests is None and not known.required:
            continue
        whole = not rests or "" in rests
        kind = known.type if whole else _prune_type(known.type, frozenset(rests or ()))
        default = msgspec.field() if known.required else known.default
        fields.append((known.name, kind, default))
        rename[known.name] = known.encode_name
    if below:
        raise ValueError(f"{record.__name__} has no field {sorted(below)[0]!r}")
    return msgspec.defstruct(  # type: ignore[return-value]
        record.__name__, fields, rename=rename, gc=False, module=record.__module__
    )


def _prune_type(kind: Any, paths: frozenset[str]) -> Any:
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return prune(kind, paths)
    arguments = get_args(kind)
    if not arguments:
        return kind
    pruned = [_prune_type(argument, paths) for argument in arguments]
    origin = get_origin(kind)
    return list[pruned[0]] if origin is list else functools.reduce(operator.or_, pruned)  # type: ignore[valid-type]
