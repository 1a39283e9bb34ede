"""Heads of HTTP requests: what is taken for one is one, and says the same to any reader."""

from __future__ import annotations

import io
from collections.abc import Hashable, Sequence

from runtime.http_head import MOST_HEADERS, HeadTooLargeError, NoRequestError, read_head
from tests.fuzz.engine import Target

_MOST = 8_192
_TOKEN = frozenset(b"!#$%&'*+.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-")


def seeds() -> Sequence[bytes]:
    """Requests, and the beginnings of smuggled ones."""
    return [
        b"GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: text/plain\r\n\r\n",
        b"GET /-/healthy HTTP/1.0\n\n",
        b"POST /v1/records HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer abc\r\nContent-Length: 2\r\n\r\n{}",
        b"POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nA: b\r\n folded\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * MOST_HEADERS + b"\r\n",
        b"GET / HTTP/1.1\r\nContent-Length : 5\r\n\r\n",
        b"",
    ]


def one(data: bytes) -> Hashable:
    """Read a head, write it again as it was understood, and read that."""
    file = io.BytesIO(data)
    try:
        head = read_head(file, _MOST)
    except (NoRequestError, HeadTooLargeError) as error:
        assert str(error).isprintable() and len(str(error)) < 100
        return str(error)
    if head is None:
        return None
    assert file.tell() <= _MOST
    assert len(head.headers) <= MOST_HEADERS
    assert head.path.isascii() and head.path.isprintable() and " " not in head.path
    for name, value in head.headers:
        assert name and set(name.encode("ascii")) <= _TOKEN and name == name.lower()
        assert not set(value) & set("\0\r\n")
    lines = [
        f"{head.method} {head.path} HTTP/1.{int(head.newer)}",
        *(f"{name}: {value}" for name, value in head.headers),
    ]
    assert read_head(io.BytesIO("\r\n".join([*lines, "", ""]).encode("latin-1")), 1 << 20) == head
    return head.method[:8], head.newer, min(len(head.headers), 9)


TARGET = Target(
    "heads",
    one,
    seeds,
    inputs=1_000_000,
    steps=(3_000, 4),
    tokens=(
        b"\r\n",
        b"\n",
        b"\r",
        b"\r\n\r\n",
        b": ",
        b" :",
        b"HTTP/1.1",
        b"HTTP/2",
        b"Content-Length: ",
        b"\t",
        b"\x85",
        b"\0",
    ),
)
