"""The head of an HTTP request: its line and its headers, read strictly (RFC 9112).

The standard library reads headers as those of a mail, and passes over what is no header, or ends at it; so it and a
proxy in front may see two different requests. Here such a head is refused. It also brings mail, TLS and HTML with it,
3 MB that an exporter has no use for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

MOST_HEADERS: Final = 100

_LINE: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}) ([!-~]+) HTTP/1\.([01])")
_HEADER: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):([^\0\r\n]*)")


class NoRequestError(ValueError):
    """What came is not the head of a request. The text does not quote it."""


class HeadTooLargeError(Exception):
    """The head has more bytes or headers than anybody sends in earnest."""


@dataclass(frozen=True, slots=True)
class Head:
    """A request's method and target, whether its sender speaks HTTP/1.1, and its headers by lower-case name."""

    method: str
    path: str
    newer: bool
    headers: tuple[tuple[str, str], ...]

    def all(self, name: str) -> list[str]:
        """The values of every header of that name, in order."""
        wanted = name.lower()
        return [value for known, value in self.headers if known == wanted]

    def get(self, name: str, default: str = "") -> str:
        """The value of the first header of that name."""
        return next(iter(self.all(name)), default)


def read_head(file: BinaryIO, most: int) -> Head | None:
    """The head that `file` begins with, the empty line included; None when nothing comes.

    Raises:
        NoRequestError: it is none, or ends in the middle.
        HeadTooLargeError: it has more than `most` bytes or MOST_HEADERS headers.
    """
    lines = _lines(file, most)
    first = next(lines, b"")
    if not first:
        return None
    line = _LINE.fullmatch(first)
    if line is None:
        raise NoRequestError("the first line is not that of HTTP/1.0 or 1.1")
    headers: list[tuple[str, str]] = []
    for text in lines:
        if len(headers) == MOST_HEADERS:
            raise HeadTooLargeError("too many headers")
        header = _HEADER.fullmatch(text)
        if header is None:
            raise NoRequestError("a line is not a header")
        headers.append((header[1].decode("ascii").lower(), header[2].strip(b" \t").decode("latin-1")))
    return Head(line[1].decode("ascii"), line[2].decode("ascii"), line[3] == b"1", tuple(headers))


def _lines(file: BinaryIO, most: int) -> Iterator[bytes]:
    """The lines before the empty one, without their ends."""
    left = most
    while True:
        line = file.readline(left + 1)
        left -= len(line)
        if left < 0:
            raise HeadTooLargeError("too many bytes")
        if not line.endswith(b"\n"):
            if line or left < most:
                raise NoRequestError("it ends in the middle")
            return
        line = line[:-1].removesuffix(b"\r")
        if not line:
            return
        yield line
