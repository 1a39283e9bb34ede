"""From the body of a post to lines: one object a line, byte for byte what was sent."""

from __future__ import annotations

import re
import threading
import zlib
from codecs import BOM_UTF8
from collections.abc import Iterator
from itertools import islice
from typing import Final

import msgspec

RECORDS: Final = 50_000
"""Records in one post, at most; each takes memory beside its bytes."""
MEMBERS: Final = 16
"""Members of a gzip stream at most: each copies what follows it."""
TOKENS: Final = 2_000_000
"""Strings and brackets that are looked at in an array that is no good JSON, at most: some seconds of work."""
_GZIP: Final = 31  # zlib's window bits for "gzip header expected"
_BETWEEN: Final = b" \t\r\n,"
_LINE: Final = re.compile(rb"[^\r\n]+")
_TOKEN: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[\[\]{}]', re.DOTALL)


class BodyError(Exception):
    """The body is refused; `reason` is ``too_large``, ``gzip``, ``not_json``, ``not_records`` or ``too_many``."""

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


def unpack(body: bytes, limit: int) -> bytes:
    """What a gzip stream of one or more members holds, of at most `limit` bytes.

    Raises:
        BodyError: it is larger, damaged, cut off, has too many members, or is followed by something else.
    """
    parts: list[bytes] = []
    size = 0
    while body:
        stream = zlib.decompressobj(_GZIP)
        try:
            part = stream.decompress(body, limit + 1 - size)
        except zlib.error:
            raise BodyError("gzip") from None
        size += len(part)
        if size > limit:
            raise BodyError("too_large")
        if not stream.eof:
            raise BodyError("gzip")
        parts.append(part)
        if len(parts) > MEMBERS:
            raise BodyError("gzip")
        body = stream.unused_data
    return b"".join(parts)


def lines_of(body: bytes | bytearray, *, max_line: int) -> tuple[bytes, int]:
    r"""The records in `body` (an array of objects, one object, or one object a line) as lines, each with its newline.

    An object that is no good JSON inside is handed on too, as the next step counts it alone; otherwise a client of the
    gateway could hide all that is sent together with its record, for instance by a NaN, which gateways accept and log.
    Lines longer than `max_line` bytes are left out; the second value is their number.

    Raises:
        BodyError: it is none of these, or holds more than `RECORDS`.
    """
    if body.startswith(BOM_UTF8):
        body = body[len(BOM_UTF8) :]
    parts = list(_array_of(body) if body.lstrip()[:1] == b"[" else _objects_of(body))
    if b"\n" in body or b"\r" in body:  # between the tokens of an object; in strings JSON allows none
        parts = [bytes(part).replace(b"\n", b" ").replace(b"\r", b" ") for part in parts]
    kept = [part for part in parts if memoryview(part).nbytes < max_line]
    return b"".join(piece for part in kept for piece in (part, b"\n")), len(parts) - len(kept)


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
    left = RECORDS
    for found in _LINE.finditer(body):
        line = found[0].strip()
        if not line:
            continue
        left -= 1
        if left < 0:
            raise BodyError("too_many")
        if not (line.startswith(b"{") and line.endswith(b"}")):
            raise BodyError("not_json")
        yield line
    if left == RECORDS:
        raise BodyError("not_json")


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
