"""From the body of a post to lines: one object a line, byte for byte what was sent."""

from __future__ import annotations

import re
import threading
from codecs import BOM_UTF8
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Final

import msgspec

from events.wrappers import has_prefix
from events.wrappers.encodings import encoding_of
from events.wrappers.framing import BETWEEN, frames
from events.wrappers.journal import FIRST, entries
from exporters.sources.packed import DamagedError, Decoder, GzipDecoder, ZstdDecoder

ENCODINGS: Final[dict[str, Callable[[], Decoder]]] = {"gzip": GzipDecoder, "zstd": ZstdDecoder}
"""What a body may be compressed with, by its name in the header."""
RECORDS: Final = 50_000
"""Records in one post, at most; each takes memory beside its bytes."""
MEMBERS: Final = 16
"""Members of a compressed stream at most: each copies what follows it."""
TOKENS: Final = 2_000_000
"""Strings and brackets that are looked at in an array that is no good JSON, at most: some seconds of work."""
_BETWEEN: Final = b" \t\r\n,"
_LINE: Final = re.compile(rb"[^\r\n]+")
_TOKEN: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[\[\]{}]', re.DOTALL)


class BodyError(Exception):
    """The body is refused.

    `reason` is ``too_large``, ``gzip``, ``zstd``, ``not_json``, ``not_records`` or ``too_many``.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class _Item(msgspec.Struct):
    """An object, of which nothing is looked at; counted while a list of them is parsed, so that no list grows long."""

    def __post_init__(self) -> None:
        _count.left -= 1
        if _count.left < 0:
            raise ValueError("too many")


class _Count(threading.local):
    left = 0


_count = _Count()
_items = msgspec.json.Decoder(list[_Item])
_array = msgspec.json.Decoder(list[msgspec.Raw])
_object = msgspec.json.Decoder(_Item)


def unpack(body: bytes, limit: int, encoding: str = "gzip") -> bytes:
    """What a stream of one or more members holds, of at most `limit` bytes; `encoding` is one of `ENCODINGS`.

    Raises:
        BodyError: it is larger, damaged, cut off, has too many members, or is followed by something else.
    """
    parts: list[bytes] = []
    size = members = 0
    while body:
        decoder = ENCODINGS[encoding]()
        members += 1
        if members > MEMBERS:
            raise BodyError(encoding)
        while not decoder.eof:
            try:
                part, body = decoder.decode(body, limit + 1 - size)
            except DamagedError:
                raise BodyError(encoding) from None
            size += len(part)
            parts.append(part)
            if size > limit:
                raise BodyError("too_large")
            if not body and not decoder.eof:
                raise BodyError(encoding)
    return b"".join(parts)


def lines_of(body: bytes | bytearray, *, max_line: int) -> tuple[bytes, int]:
    r"""The records in `body` (an array of objects, one object, or one object a line) as lines, each with its newline.

    Objects on several lines, lines of log shippers that begin with text, UTF-16 and UTF-32 are taken too.

    An object that is no good JSON inside is handed on too, as the next step counts it alone; otherwise a client of the
    gateway could hide all that is sent together with its record, for instance by a NaN, which gateways accept and log.
    Lines longer than `max_line` bytes are left out; the second value is their number.

    Raises:
        BodyError: it is none of these, or holds more than `RECORDS`.
    """
    if (encoding := encoding_of(body)) is not None:
        body = encoding.text(bytes(body))
    if body.startswith(BOM_UTF8):
        body = body[len(BOM_UTF8) :]
    parts = list(_parts_of(body))
    if b"\n" in body or b"\r" in body:  # between the tokens of an object; in strings JSON allows none
        parts = [bytes(part).replace(b"\n", b" ").replace(b"\r", b" ") for part in parts]
    kept = [part for part in parts if memoryview(part).nbytes < max_line]
    return b"".join(piece for part in kept for piece in (part, b"\n")), len(parts) - len(kept)


def _parts_of(body: bytes | bytearray) -> Iterator[bytes | msgspec.Raw]:
    start = body.lstrip()
    if start.startswith(FIRST):
        return _bounded(_messages(bytes(start)))
    if has_prefix(bytes(start.partition(b"\n")[0])):
        return _bounded(_framed(bytes(body)))
    return _array_of(body) if start[:1] == b"[" else _objects_of(body)


def _array_of(body: bytes | bytearray) -> Iterator[bytes | msgspec.Raw]:
    _count.left = RECORDS
    try:
        _items.decode(body)
        yield from _array.decode(body)
    except msgspec.ValidationError as error:  # a kind of DecodeError
        raise BodyError("too_many" if _count.left < 0 else "not_records") from error
    except (msgspec.DecodeError, RecursionError):
        yield from _elements(body)


def _objects_of(body: bytes | bytearray) -> Iterator[bytes | msgspec.Raw]:
    try:
        _count.left = 1
        _object.decode(body)
    except msgspec.ValidationError as error:
        raise BodyError("not_records") from error
    except (msgspec.DecodeError, RecursionError):
        yield from _lines(body)
    else:
        yield bytes(body).strip()


def _lines(body: bytes | bytearray) -> Iterator[bytes]:
    lines = [line for found in islice(_LINE.finditer(body), 2 * RECORDS) if (line := found[0].strip())]
    if not lines:
        raise BodyError("not_json")
    if not all(line.startswith(b"{") and line.endswith(b"}") for line in lines):
        yield from _bounded(_framed(bytes(body)))
        return
    yield from _bounded(iter(lines))


def _bounded(lines: Iterator[bytes]) -> Iterator[bytes]:
    for number, line in enumerate(lines):
        if number == RECORDS:
            raise BodyError("too_many")
        yield line


def _messages(body: bytes) -> Iterator[bytes]:
    """The messages of entries of a journal."""
    for entry in entries(body + b"\n\n", 0, 0):
        if entry.open:
            raise BodyError("not_json")
        if message := entry.message.strip():
            yield message


def _framed(body: bytes) -> Iterator[bytes]:
    """Objects on several lines, and lines of wrappers."""
    for frame in frames(body):
        text = body[frame.start : frame.end].strip()
        whole = text.startswith(b"{") and text.endswith(b"}")
        if frame.open or not (whole or not text.strip(BETWEEN) or has_prefix(text)):
            raise BodyError("not_json")
        if text.strip(BETWEEN):
            yield text


def _elements(body: bytes | bytearray) -> Iterator[bytes]:
    """The objects in an array that is no good JSON, by their brackets and strings alone."""
    left, depth, start, end = RECORDS, 0, 0, body.index(b"[") + 1
    for token in islice(_TOKEN.finditer(body), TOKENS):
        kind = token[0][:1]
        if kind in b"[{":
            depth += 1
            if depth == 2:
                start = token.start()
                if kind != b"{" or body[end:start].strip(_BETWEEN):
                    raise BodyError("not_records")
        elif kind in b"]}":
            depth -= 1
            if depth == 1:
                left, end = left - 1, token.end()
                if left < 0:
                    raise BodyError("too_many")
                yield bytes(body[start:end])
            elif depth == 0:
                if body[end : token.start()].strip(_BETWEEN) or body[token.end() :].strip():
                    raise BodyError("not_json")
                return
    raise BodyError("not_json")
