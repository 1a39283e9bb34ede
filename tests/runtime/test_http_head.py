from __future__ import annotations

import contextlib
import http.client
import io
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.http_head import MOST_HEADERS, HeadTooLargeError, NoRequestError, read_head

TOKEN = st.text(string.ascii_letters + string.digits + "!#$%&'*+-.^_`|~", min_size=1, max_size=12)
TARGET = st.text(string.ascii_letters + string.digits + "/?=&%.:", max_size=30).map(lambda text: "/" + text)
VALUE = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30)
SPACE = st.sampled_from(["", " ", "  ", "\t"])
END = st.sampled_from(["\r\n", "\n"])


@given(TOKEN, TARGET, st.sampled_from("01"), st.lists(st.tuples(TOKEN, SPACE, VALUE, SPACE, END), max_size=10), END)
def test_a_proper_head_means_what_it_means_to_the_standard_library(
    method: str, path: str, minor: str, headers: list[tuple[str, str, str, str, str]], end: str
) -> None:
    rest = "".join(f"{name}:{before}{value}{after}{end}" for name, before, value, after, end in headers) + end
    file = io.BytesIO(f"{method} {path} HTTP/1.{minor}\r\n{rest}body".encode())
    head = read_head(file, 10_000)
    assert head is not None
    assert (head.method, head.path, head.newer) == (method, path, minor == "1")
    theirs = http.client.parse_headers(io.BytesIO(rest.encode()))
    for name, *_ in headers:
        assert head.all(name.upper()) == [value.strip(" \t") for value in theirs.get_all(name, [])]
    assert file.read() == b"body"


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/2.0\r\n\r\n",
        b"GET /\r\n\r\n",
        b"GET  / HTTP/1.1\r\n\r\n",
        b"GET /a b HTTP/1.1\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\n\r\n",
        b"G\x00T / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nTransfer-Encoding : chunked\r\n\r\n",
        b"GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\n: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nA: b\rContent-Length: 5\r\n\r\n",
        b"GET / HTTP/1.1\r\nA: b\0\r\n\r\n",
        b"GET / HTTP/1.1\r\nA: b\r\n",
        b"GET / HTTP/1.1\r\nA: b",
        b"GET / HTT",
    ],
)
def test_what_two_readers_could_understand_differently_is_no_request(head: bytes) -> None:
    with pytest.raises(NoRequestError) as refused:
        read_head(io.BytesIO(head), 10_000)
    assert "GET" not in str(refused.value)


@given(st.binary(max_size=200), st.integers(0, 200))
def test_any_bytes_are_a_head_or_none(data: bytes, most: int) -> None:
    file = io.BytesIO(b"GET / HTTP/1.1\r\n" + data)
    with contextlib.suppress(NoRequestError, HeadTooLargeError):
        assert read_head(file, most) is not None
    assert file.tell() <= most + 1


def test_nothing_is_no_request_and_no_error() -> None:
    assert read_head(io.BytesIO(b""), 100) is None
    assert read_head(io.BytesIO(b"\r\n"), 100) is None


def test_the_limits_are_exact() -> None:
    head = b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * MOST_HEADERS + b"\r\n"
    assert read_head(io.BytesIO(head), len(head)) is not None
    with pytest.raises(HeadTooLargeError):
        read_head(io.BytesIO(head), len(head) - 1)
    with pytest.raises(HeadTooLargeError):
        read_head(io.BytesIO(head.replace(b"A: b", b"A: b\r\nC: d", 1)), 10_000)
