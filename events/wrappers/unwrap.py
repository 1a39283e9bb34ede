"""From lines in wrappers to the records in them, one a line, each with the place where it stands.

What a wrapper holds is a record, text, or another wrapper; up to MOST_DEEP are taken off. Text that is no record is
handed on too, so that the next step counts it by its own reason.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final

import msgspec
import numpy as np

from events.batch import Reject
from events.wrappers.encodings import encoding_of
from events.wrappers.framing import BETWEEN, Frame, frames, objects_in
from events.wrappers.journal import begins_at, entries, looks_exported
from events.wrappers.registry import JSON_WRAPPERS, OTHER, PARTED, TEXT_WRAPPERS, JsonWrapper, Parts, Step

MOST_DEEP: Final = 8
"""Wrappers around each other that are taken off."""
MOST_INSIDE: Final = 100_000
"""Records of one line."""
MOST_BEHIND: Final = 256
"""Records that wait for one in parts whose end is missing."""
MOST_COMMAS: Final = 500_000
"""Commas in a list inside a wrapper: its elements take memory beside its bytes."""

_SHAPES: Final = 1_024  # sets of names whose wrapper is remembered
_WORD: Final = 64  # bytes
_BLANK: Final = b" \t\r\n\0\xef\xbb\xbf"
_EMPTY: Final = msgspec.Raw(b"")
_HASH: Final = re.compile(rb'"(?:log|message|msg)"=>"')  # Fluent Bit prints a record as Ruby would
_TEXT_END: Final = re.compile(rb'((?:[^"\\]|\\.)*)"', re.DOTALL)


@dataclass(slots=True)
class Unwrapped:
    """Records one a line, and for each where it stood in the data: first byte, length, and line from 0.

    `names` counts records by each wrapper that was taken off them; `rejects` are lines that nothing could be taken out
    of; `none` are lines that hold no record by their wrapper.
    """

    records: list[bytes] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    names: Counter[str] = field(default_factory=Counter)
    rejects: list[Reject] = field(default_factory=list)
    none: list[int] = field(default_factory=list)

    @property
    def data(self) -> bytes:
        """The records, each with a newline."""
        return b"".join(piece for record in self.records for piece in (record, b"\n"))


@dataclass(slots=True)
class _Piece:
    """Text on its way, the place of the line that it came from, and the wrappers that were taken off so far.

    `direct`: the text is, byte for byte, what stands at that place.
    """

    text: bytes
    start: int
    length: int
    line: int
    names: tuple[str, ...] = ()
    direct: bool = True

    def part(self, start: int, end: int, name: str) -> _Piece:
        """A piece of it, with one more wrapper off."""
        names = (*self.names, name)
        if not self.direct:
            return _Piece(self.text[start:end], self.start, self.length, self.line, names, direct=False)
        return _Piece(self.text[start:end], self.start + start, end - start, self.line, names)

    def inner(self, text: bytes, name: str) -> _Piece:
        """Other text that stood in it."""
        return _Piece(text, self.start, self.length, self.line, (*self.names, name), direct=False)


class _RefusedError(Exception):
    """A wrapper that nothing can be taken out of."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


def unwrap(data: bytes, *, suspects: Collection[int] | None = None, other: bool = True) -> Unwrapped | None:
    """The records in `data`, which is whole lines; None if nothing there is wrapped.

    Only the lines in `suspects` are looked into, None: all of them. `other`: also into wrappers without a name.
    """
    work = _Unwrapping(other=other)
    for piece, frame in _pieces(data):
        if not piece.names and frame.lines == 1 and suspects is not None and frame.line not in suspects:
            work.keep(piece)
        else:
            work.take(piece, frame)
    return work.done()


def unfinished(data: bytes) -> int | None:
    """Where the first record of `data`, which is whole lines, begins that goes on behind them; None: none does.

    One that MOST_BEHIND records wait behind is given up: its writer has ended, and others must not wait for it.
    """
    work = _Unwrapping(other=True)
    frame: Frame | None = None
    piece: _Piece | None = None
    for piece, frame in _pieces(data):
        work.take(piece, frame)
    starts = [begun.start for begun, _ in work.pending.values()]
    if piece is not None and frame is not None and frame.open:
        starts.append(piece.start)
    if not starts:
        return None
    open_at, found = min(starts), work.found
    for start, length in zip(reversed(found.starts), reversed(found.lengths), strict=True):
        if start < open_at < start + length:  # its last part came behind the open one
            open_at = start
    behind = sum(start > open_at for start in found.starts)
    return open_at if behind <= MOST_BEHIND else None


def continues(held: bytes, data: bytes) -> bool | None:
    """Whether `data`, which is whole lines, goes on with a record that `held` begins; None: it does not tell yet."""
    for frame in frames(held + data):
        if frame.start < len(held) < frame.end:
            return True
    work = _Unwrapping(other=True)
    for piece, frame in _pieces(held):
        work.take(piece, frame)
    if not work.pending:
        return False
    begun = {key: len(parts) for key, (_, parts) in work.pending.items()}
    for piece, frame in _pieces(data):
        work.take(piece, frame)
        if any(key not in work.pending or len(work.pending[key][1]) != many for key, many in begun.items()):
            return True
    return None


def looks_wrapped(line: bytes) -> bool:
    """Whether a line is a wrapper that is known by its name."""
    if encoding_of(line) is not None or looks_exported(line):
        return True
    work = _Unwrapping(other=False)
    work.open(_Piece(line, 0, len(line), 0), 0)
    return bool(work.found.names or work.pending)


def has_prefix(line: bytes) -> bool:
    """Whether a line begins with text that a wrapper has before a record."""
    return any(line[:1] and line[0] in each.first and each.pattern.match(line) for each in TEXT_WRAPPERS)


def may_come_in_parts(line: bytes) -> bool:
    """Whether a line is one of a wrapper that cuts long lines."""
    found = _names(line) if line[:1] == b"{" else None
    wrapper = found[1] if found is not None else None
    return bool(PARTED.match(line)) or looks_exported(line) or (wrapper is not None and wrapper.parts is not None)


def _pieces(data: bytes) -> Iterator[tuple[_Piece, Frame]]:
    """The logical lines of `data`, in whatever encoding."""
    encoding = encoding_of(data)
    if encoding is None:
        begin = begins_at(data)
        for frame in frames(data if begin < 0 else data[:begin]):
            text = data[frame.start : frame.end]
            yield _Piece(text, frame.start, len(text), frame.line), frame
        for entry in entries(data, begin, data.count(b"\n", 0, begin)) if begin >= 0 else ():
            place = Frame(entry.start, entry.end, entry.line, 1, open_=entry.open)
            names = ("journald_export",)
            yield _Piece(entry.message, entry.start, entry.end - entry.start, entry.line, names, direct=False), place
        return
    lines = encoding.lines(data)
    text = b"".join(encoding.text(data[start:end]) + b"\n" for start, end in lines)
    for frame in frames(text):
        start, end = lines[frame.line][0], lines[frame.line + frame.lines - 1][1]
        inside = text[frame.start : frame.end]
        yield _Piece(inside, start, end - start, frame.line, (encoding.name,), direct=False), frame


class _Unwrapping:
    def __init__(self, *, other: bool) -> None:
        self.found = Unwrapped()
        self.pending: dict[tuple[object, ...], tuple[_Piece, list[bytes]]] = {}
        self._other = other

    def take(self, piece: _Piece, frame: Frame) -> None:
        """Look into a logical line."""
        if frame.open:
            self.reject(frame.line, "incomplete", "an object that does not end")
        elif frame.lines > 1:
            self.open(replace(piece, text=_on_one_line(piece.text), names=(*piece.names, "multi_line")), 0)
        else:
            self.open(piece, 0)

    def keep(self, piece: _Piece) -> None:
        """Hand text on as it is."""
        found = self.found
        found.records.append(piece.text)
        found.starts.append(piece.start)
        found.lengths.append(piece.length)
        found.lines.append(piece.line)
        found.names.update(piece.names)

    def reject(self, line: int, reason: str, detail: str) -> None:
        """Give a line up."""
        self.found.rejects.append(Reject(line, reason, detail))

    def done(self) -> Unwrapped | None:
        """What was found. What is pending has no end."""
        for piece, _ in self.pending.values():
            self.reject(piece.line, "incomplete", f"{piece.names[-1]}: the last part is missing")
        self.pending.clear()
        found = self.found
        return found if found.names or found.rejects or found.none else None

    def open(self, piece: _Piece, depth: int) -> None:
        """Take the next wrapper off, or hand on what is left."""
        text = piece.text.strip(_BLANK)
        if not text.strip(BETWEEN):
            if piece.names or text:
                self.found.none.append(piece.line)
            return
        try:
            if depth > MOST_DEEP:
                raise _RefusedError("too_deep", "wrappers in wrappers")
            if b"\n" in text:
                self._lines(piece, text, depth)
            elif not self._opened(piece, text, depth):
                self.keep(piece if piece.direct else replace(piece, text=text))
        except _RefusedError as refused:
            self.reject(piece.line, refused.reason, str(refused))

    def _opened(self, piece: _Piece, text: bytes, depth: int) -> bool:
        if text[:1] == b"{" and (found := _names(text)) is not None:
            look, wrapper = found
            wrapper = wrapper or (OTHER if self._other and _other(look) else None)
            if wrapper is not None:
                self._json(piece, text, look, wrapper, depth)
            return wrapper is not None
        return self._prefixed(piece, depth) or self._several(piece, depth)

    def _lines(self, piece: _Piece, text: bytes, depth: int) -> None:
        """Text of several lines that stood in a wrapper."""
        for frame in frames(text):
            inside = replace(piece, text=text[frame.start : frame.end], direct=False)
            if frame.open:
                raise _RefusedError("incomplete", "an object that does not end")
            if frame.lines > 1:
                inside = inside.inner(_on_one_line(inside.text), "multi_line")
            self.open(inside, depth + 1)

    def _several(self, piece: _Piece, depth: int) -> bool:
        """Take an array, or objects one after the other, apart."""
        text = piece.text
        if text.lstrip(BETWEEN)[:1] != b"{":
            return False
        spans = objects_in(text)
        if not spans or spans == [(0, len(text))]:
            return False
        if len(spans) > MOST_INSIDE:
            raise _RefusedError("too_long", "more records in one line than are taken apart")
        name = "array" if text.lstrip(_BLANK)[:1] in b"[" or b"," in text[spans[0][1] :] else "concatenated"
        before, others = 0, 0
        for start, end in spans:
            others += bool(text[before:start].strip(BETWEEN))
            before = end
            self.open(piece.part(start, end, name), depth + 1)
        if others or text[before:].strip(BETWEEN):
            self.reject(piece.line, "not_an_object", "between the objects of an array")
        return True

    # ------------------------------------------------------------------------------------------------ text around it
    def _prefixed(self, piece: _Piece, depth: int) -> bool:
        """Take text off that stands before a record. A part of one may end with spaces."""
        text = piece.text.lstrip(_BLANK)
        for wrapper in TEXT_WRAPPERS:
            if text[0] in wrapper.first and (match := wrapper.pattern.match(text)):
                rest = _around(text, match.end()) if wrapper.around else text[match.end() :]
                if rest is None:
                    continue
                groups = match.groupdict()
                key = (depth, wrapper.name, groups.get("stream"))
                self._part(piece, wrapper.name, rest, key, depth, goes_on=groups.get("part") == b"P")
                return True
        start = text.find(b'{"')
        ends = self._other and start > 0 and text[:1] not in b"[," and text.rstrip(_BLANK).endswith(b"}")
        if ends and objects_in(text[start:]):
            self._part(piece, "prefix", text[start:], (), depth)
            return True
        return False

    def _part(
        self, piece: _Piece, name: str, text: bytes, key: tuple[object, ...], depth: int, *, goes_on: bool = False
    ) -> None:
        """Text that stood in a wrapper: a whole line, or a part of one."""
        if goes_on:
            if key in self.pending:
                self.pending[key][1].append(text)
            else:
                self.pending[key] = piece.inner(text, name), [text]
            return
        begun = self.pending.pop(key, None)
        if begun is None:
            self.open(piece.inner(text, name), depth + 1)
            return
        first, parts = begun
        whole = text.strip(_BLANK)
        if whole[:1] == b"{" and objects_in(whole) == [(0, len(whole))]:  # no last part of an object is one
            self.reject(first.line, "incomplete", f"{name}: the last part is missing")
            self.open(piece.inner(text, name), depth + 1)
            return
        length = piece.start + piece.length - first.start
        self.open(replace(first, text=b"".join((*parts, text)), length=length), depth + 1)

    # ------------------------------------------------------------------------------------------------ JSON around it
    def _json(self, piece: _Piece, text: bytes, look: Any, wrapper: JsonWrapper, depth: int) -> None:
        if wrapper.none is not None and _word(_field(look, wrapper.none[0])) == wrapper.none[1]:
            self.found.none.append(piece.line)
            return
        for path in wrapper.paths:
            name = str(path[0])
            leaves = list(_leaves(_field(look, name), path[1:], None))
            if leaves:
                break
        else:
            self.found.none.append(piece.line)
            return
        lead = len(piece.text) - len(piece.text.lstrip(_BLANK))
        empty = True
        for element, leaf in leaves:
            place = piece
            if element is not None and piece.direct:
                start = lead + _address(element) - _address(text)
                if 0 <= start < len(piece.text):
                    place = replace(piece, start=piece.start + start, length=len(memoryview(element)))
            for inside in _texts(leaf, wrapper):
                empty = False
                if wrapper.parts is None:
                    self.open(place.inner(inside, wrapper.name), depth + 1)
                    continue
                key = (depth, wrapper.name, *(bytes(_field(look, field)) for field in wrapper.parts.stream))
                goes_on = _goes_on(look, wrapper.parts, inside)
                self._part(place, wrapper.name, inside, key, depth, goes_on=goes_on)
        if empty:
            self.found.none.append(piece.line)


def _on_one_line(text: bytes) -> bytes:
    """Between the tokens of an object a newline is a space; in its strings JSON allows none."""
    return text.replace(b"\n", b" ").replace(b"\r", b" ")


def _around(text: bytes, start: int) -> bytes | None:
    """The record behind text of Fluent Bit."""
    if found := _HASH.search(text, start):
        if text[found.end() :].startswith(b'{\\"') and (whole := _TEXT_END.match(text, found.end())):
            return _unquoted(b'"' + whole[1] + b'"')
        start = found.end()
    spans = objects_in(text[start:])
    spans = [span for span in spans if span[1] - span[0] > 2]
    return text[start + spans[0][0] : start + spans[0][1]] if spans else None


# -------------------------------------------------------------------------------------------------------- JSON
_ALL: Final = tuple(
    dict.fromkeys(
        name
        for wrapper in (*JSON_WRAPPERS, OTHER)
        for name in (
            *wrapper.marks,
            *(str(path[0]) for path in wrapper.paths),
            *((wrapper.parts.field, *wrapper.parts.stream) if wrapper.parts is not None else ()),
            *((wrapper.none[0],) if wrapper.none is not None else ()),
        )
        if name
    )
)
_PLACES: Final = {name: place for place, name in enumerate(_ALL)}
_LOOK: Final = msgspec.json.Decoder(
    msgspec.defstruct(
        "Look",
        [(f"f{place}", msgspec.Raw, _EMPTY) for place in range(len(_ALL))],
        rename={f"f{place}": name for name, place in _PLACES.items()},
        gc=False,
    )
)
_shapes: dict[tuple[int, ...], JsonWrapper | None] = {}


def _names(text: bytes) -> tuple[tuple[msgspec.Raw, ...], JsonWrapper | None] | None:
    """The values of the names that a wrapper may have, and the wrapper that they make; None if it is no object."""
    try:
        look = msgspec.structs.astuple(_LOOK.decode(text))
    except (ValueError, RecursionError):
        tidy = _tidied(text)
        if tidy is None:
            return None
        look = msgspec.structs.astuple(_LOOK.decode(tidy))
    shape = tuple([place for place, value in enumerate(look) if value is not _EMPTY])
    if shape not in _shapes:
        if len(_shapes) >= _SHAPES:
            _shapes.clear()
        present = {_ALL[place] for place in shape}
        _shapes[shape] = next((each for each in JSON_WRAPPERS if present.issuperset(each.marks)), None)
    return look, _shapes[shape]


def _tidied(text: bytes) -> bytes | None:
    """An object that strict parsers refuse, such as one with half a surrogate pair, as good JSON."""
    try:
        value = json.loads(text.decode(errors="replace"), strict=False)
        if not isinstance(value, dict):
            return None
        plain = json.dumps(value, ensure_ascii=False).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        msgspec.json.decode(tidy := plain.encode())
    except (ValueError, RecursionError):
        return None
    return tidy


def _field(look: tuple[msgspec.Raw, ...], name: str) -> msgspec.Raw:
    return look[_PLACES[name]]


def _other(look: tuple[msgspec.Raw, ...]) -> bool:
    """Whether the first of the usual names that is there leads to an object, or to the text of one."""
    for path in OTHER.paths:
        if value := bytes(_field(look, str(path[0]))):
            return value[:1] == b"{" or bool(re.match(rb'"\s*(?:\\[nrt])*\{', value))
    return False


def _leaves(
    value: msgspec.Raw, steps: tuple[Step, ...], element: msgspec.Raw | None
) -> Iterator[tuple[msgspec.Raw | None, msgspec.Raw]]:
    """What `steps` lead to, and the element of a list that it stands in."""
    if value is _EMPTY:
        return
    if not steps:
        yield element, value
        return
    step, rest = steps[0], steps[1:]
    if isinstance(step, str):
        yield from _leaves(_named(value, step), rest, element)
        return
    elements = _elements(value)
    if step is None:
        for each in elements:
            yield from _leaves(each, rest, each)
    elif step < len(elements):
        yield from _leaves(elements[step], rest, element)


_named_decoders: dict[str, msgspec.json.Decoder[Any]] = {
    step: msgspec.json.Decoder(
        msgspec.defstruct("Named", [("value", msgspec.Raw, _EMPTY)], rename={"value": step}, gc=False)
    )
    for wrapper in (*JSON_WRAPPERS, OTHER)
    for path in wrapper.paths
    for step in path[1:]
    if isinstance(step, str)
}


def _named(value: msgspec.Raw, name: str) -> msgspec.Raw:
    try:
        found: msgspec.Raw = _named_decoders[name].decode(value).value
    except (ValueError, RecursionError):
        return _EMPTY
    return found


_list: Final = msgspec.json.Decoder(list[msgspec.Raw])


def _elements(value: msgspec.Raw) -> list[msgspec.Raw]:
    text = bytes(value)
    if text[:1] != b"[":
        return []
    if text.count(b",") > MOST_COMMAS:
        raise _RefusedError("too_long", "a list in a wrapper that is too long to take apart")
    return _list.decode(value)


def _address(value: bytes | msgspec.Raw) -> int:
    """Where in memory it is: parts that were not decoded are windows into the text that they came from."""
    place: int = np.frombuffer(value, np.uint8).__array_interface__["data"][0]
    return place


def _texts(leaf: msgspec.Raw, wrapper: JsonWrapper) -> Iterator[bytes]:
    """What stands at the end of a path, as text."""
    value = bytes(leaf)
    kind = value[:1]
    if kind == b'"':
        text = _unquoted(value)
        if not wrapper.objects or text.lstrip()[:1] == b"{":
            yield text
    elif kind == b"{":
        yield value
    elif kind == b"[":
        yield from _listed(value, wrapper)
    elif value == b"null" and wrapper.name == "journald":
        raise _RefusedError("missing_field", "journald: MESSAGE is null, as journalctl ran without --all")
    elif not wrapper.objects:
        raise _RefusedError("wrong_type", f"{wrapper.name}: no text")


def _listed(value: bytes, wrapper: JsonWrapper) -> Iterator[bytes]:
    """Bytes as numbers, as journalctl writes what is no text; or several texts."""
    if value.count(b",") > 16 * MOST_COMMAS:
        raise _RefusedError("too_long", f"{wrapper.name}: a list that is too long to take apart")
    try:
        yield bytes(msgspec.json.decode(value, type=list[int]))
    except ValueError:
        try:
            texts = msgspec.json.decode(value, type=list[str])
        except ValueError:
            raise _RefusedError("wrong_type", f"{wrapper.name}: no text") from None
        yield from (text.encode() for text in texts)


def _unquoted(value: bytes) -> bytes:
    try:
        return msgspec.json.decode(value, type=str).encode()
    except (ValueError, RecursionError):
        raise _RefusedError("not_json", "text in a wrapper") from None


def _word(value: msgspec.Raw) -> str:
    """A short value as text."""
    return bytes(memoryview(value)[:_WORD]).strip(b'"').decode(errors="replace")


def _goes_on(look: tuple[msgspec.Raw, ...], parts: Parts, text: bytes) -> bool:
    """Whether the line goes on in the next one of its stream."""
    if parts.field:
        return _word(_field(look, parts.field)) in parts.open
    return bool(text) and not text.endswith(b"\n") and objects_in(text) != [(0, len(text))]
