"""Bodies of posts: what LiteLLM sends, and what somebody sends who wants to hide records or to fill the memory."""

from __future__ import annotations

import gzip
import json
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporters.sources import body_parser
from exporters.sources.body_parser import BodyError, lines_of, unpack

MB = 1024 * 1024


def lines(body: bytes) -> list[bytes]:
    data, too_long = lines_of(body, max_line=MB)
    assert too_long == 0 and (not data or data.endswith(b"\n"))
    return data.splitlines()


def reason(body: bytes) -> str:
    with pytest.raises(BodyError) as refused:
        lines_of(body, max_line=MB)
    return refused.value.reason


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'[{"a": 1},\n {"b":\r\n 2}]', [b'{"a": 1}', b'{"b":   2}']),
        (b"[]", []),
        (b'\xef\xbb\xbf[{"a": NaN}]', [b'{"a": NaN}']),
        (b'{"a": 1}', [b'{"a": 1}']),
        (b'{\n"a": 1\n}\n', [b'{ "a": 1 }']),
        (b'{"a": 1}\n{"b": 2}', [b'{"a": 1}', b'{"b": 2}']),
        (b'{"a": 1}\r\n\r\n{"b": 2}\r\n', [b'{"a": 1}', b'{"b": 2}']),
    ],
)
def test_an_array_an_object_and_objects_in_lines_become_lines(body: bytes, expected: list[bytes]) -> None:
    assert lines(body) == expected


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "not_json"),
        (b" \n ", "not_json"),
        (b"a=1&b=2", "not_json"),
        (b'{"a": 1', "not_json"),
        (b'[{"a": 1}', "not_json"),
        (b'[{"a": 1}] x', "not_json"),
        (b'{"a": 1}\nnope', "not_json"),
        (b"\xff\xfe", "not_json"),
        (b'{"a":' * 100_000, "not_json"),
        (b"5", "not_records"),
        (b'"text"', "not_records"),
        (b"[1, 2]", "not_records"),
        (b"[[{}]]", "not_records"),
        (b'[{"a": NaN}, 5, {}]', "not_records"),
        (b"[" * 100_000, "not_records"),
    ],
)
def test_what_is_no_record_is_refused(body: bytes, why: str) -> None:
    assert reason(body) == why


@pytest.mark.parametrize("bad", [b'{"a": NaN, "b": "]}\\"["}', b'{"a":' * 3000 + b"1" + b"}" * 3000])
def test_a_bad_record_does_not_take_the_others_with_it(bad: bytes) -> None:
    good = b'{"a": 1}'
    assert lines(b"[" + good + b", " + bad + b",\n" + good + b"]") == [good, bad, good]
    assert lines(good + b"\n" + bad + b"\n" + good) == [good, bad, good]
    assert lines(bad) == [bad]


@pytest.mark.parametrize("bomb", [b"[" + b"{}," * 1_000_000 + b"{}]", b"{}\n" * 1_000_000, b"[NaN" + b",{}" * 999_999])
def test_so_many_records_that_they_would_fill_the_memory_are_refused(bomb: bytes) -> None:
    tracemalloc.start()
    try:
        assert reason(bomb) in ("too_many", "not_records")
        assert tracemalloc.get_traced_memory()[1] < 12 * MB
    finally:
        tracemalloc.stop()


def test_the_work_on_brackets_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body_parser, "TOKENS", 1000)
    assert reason(b'[{"a": NaN, "b": [' + b"[]," * 1000 + b"0]}]") == "not_json"


def test_a_record_that_is_too_long_is_left_out_and_counted() -> None:
    body = b'[{"a": 1}, {"b": "' + b"x" * 100 + b'"}]'
    assert lines_of(body, max_line=50) == (b'{"a": 1}\n', 1)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
RECORDS = st.lists(st.dictionaries(st.text(), VALUES, max_size=3), min_size=1, max_size=5)


@given(RECORDS, st.booleans())
def test_every_way_of_sending_gives_the_same_records(sent: list[dict[str, object]], ascii_only: bool) -> None:
    texts = [json.dumps(record, ensure_ascii=ascii_only) for record in sent]
    expected = [text.encode() for text in texts]
    assert [line + b"" for line in lines_of(b"\n".join(expected), max_line=MB)[0].split(b"\n")][:-1] == expected
    array = json.dumps(sent, ensure_ascii=ascii_only).encode()
    assert lines_of(array, max_line=MB)[0].split(b"\n")[:-1] == expected


@given(st.binary(max_size=60) | st.text(alphabet='[]{}", \\:1aN\n', max_size=40).map(str.encode))
def test_any_bytes_give_whole_lines_or_a_reason(body: bytes) -> None:
    try:
        data, _ = lines_of(body, max_line=MB)
    except BodyError:
        return
    assert not data or data.endswith(b"\n")
    assert all(line.startswith(b"{") and line.endswith(b"}") for line in data.split(b"\n")[:-1])


# ------------------------------------------------------------------------------------------------------------- gzip
def test_gzip_of_several_members_is_unpacked() -> None:
    assert unpack(gzip.compress(b"[{}", mtime=0) + gzip.compress(b",{}]"), 100) == b"[{},{}]"
    assert unpack(gzip.compress(b"x" * 100, mtime=0), 100) == b"x" * 100


def test_a_gzip_bomb_is_cut_off_before_it_is_unpacked() -> None:
    bomb = gzip.compress(gzip.compress(bytes(50 * MB)) * 20 + bytes(50 * MB))
    tracemalloc.start()
    try:
        with pytest.raises(BodyError, match="too_large"):
            unpack(bomb, MB)
        assert tracemalloc.get_traced_memory()[1] < 4 * MB
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "body",
    [
        b"[{}]",
        gzip.compress(b"[{}]", mtime=0)[:-9],
        gzip.compress(b"[{}]", mtime=0)[:-1],
        gzip.compress(b"[{}]", mtime=0) + b"x",
    ],
)
def test_what_is_no_whole_gzip_is_refused(body: bytes) -> None:
    with pytest.raises(BodyError, match="gzip"):
        unpack(body, MB)


def test_a_flood_of_empty_members_is_refused() -> None:
    with pytest.raises(BodyError, match="gzip"):
        unpack(gzip.compress(b"", mtime=0) * (body_parser.MEMBERS + 2), MB)
