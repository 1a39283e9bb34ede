"""Posts over a real socket: what is answered 2xx is in the spool, and everything else is refused and counted."""

from __future__ import annotations

import gzip
import hmac
import http.client
import json
import logging
import os
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import zstandard

from exporters.sources import http as source_http
from exporters.sources.http import HttpSource, position_of, read_tokens
from exporters.sources.spool import Spool
from runtime.errors import ConfigError
from tests.support.engines import make_engine
from tests.support.litellm_lines import record
from tests.support.waiting import PATIENCE, wait_for
from tests.support.wrapped import SAMPLES

TOKEN = "t0ken-of-the-gateway"
BEARER = f"Bearer {TOKEN}"
LIMIT = 100_000


@pytest.fixture
def source(tmp_path: Path) -> Iterator[HttpSource]:
    spool = Spool(tmp_path / "spool", limit=4 * LIMIT)
    source = HttpSource(
        "gw", ("127.0.0.1", 0), (TOKEN.encode(), b"an-older-token-of-it"), spool, max_body=LIMIT, patience=PATIENCE
    )
    yield source
    source.close()


def hurry(source: HttpSource, patience: float = 1.0) -> None:
    """From the next request on a client has only so many seconds."""
    source._server._handler.patience = patience


def post(
    source: HttpSource, body: bytes = b"[]", path: str = "/records", **headers: str
) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection(*source.address, timeout=PATIENCE)
    given = {"Authorization": BEARER} | {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request("POST", path, body, given)
    answer = connection.getresponse()
    return answer.status, dict(answer.getheaders()), answer.read()


def raw(source: HttpSource, *parts: bytes, half: bool = False) -> bytes:
    with socket.create_connection(source.address, timeout=PATIENCE) as client:
        for part in parts:
            client.sendall(part)
        if half:
            client.shutdown(socket.SHUT_WR)
        answer = b""
        while part := client.recv(65536):
            answer += part
        return answer


def head(*lines: str) -> bytes:
    return "\r\n".join(["POST /records HTTP/1.1", f"Authorization: {BEARER}", *lines, "", ""]).encode()


def taken(source: HttpSource) -> list[Any]:
    return [json.loads(line) for chunk in source.read(1 << 20, now=0.0) for line in bytes(chunk.data).splitlines()]


def counted(source: HttpSource) -> tuple[dict[str, int], dict[str, int]]:
    status = source.status()
    return {code: n for code, n in status.answers.items() if n}, {why: n for why, n in status.refused.items() if n}


# -------------------------------------------------------------------------------------------------------- what is taken
@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'[{"a": 1}, {"a": 2}]', [{"a": 1}, {"a": 2}]),
        (b'{"a": 1}\n{"a": 2}', [{"a": 1}, {"a": 2}]),
        (b'{"a": 1}', [{"a": 1}]),
        (b"[]", []),
    ],
    ids=["json_array", "ndjson", "single", "nothing"],
)
@pytest.mark.parametrize("packed", [False, True])
def test_every_format_of_litellm_is_taken(source: HttpSource, body: bytes, expected: list[Any], packed: bool) -> None:
    if packed:
        assert post(source, gzip.compress(body), Content_Encoding="gzip")[0] == 200
    else:
        assert post(source, body)[0] == 200
    assert taken(source) == expected
    assert counted(source) == ({"200": 1}, {})


def test_an_older_token_is_right_until_it_is_taken_out_of_the_file(source: HttpSource) -> None:
    assert post(source, Authorization="bearer an-older-token-of-it")[0] == 200


@pytest.mark.parametrize(
    ("presented", "right"),
    [
        (BEARER, True),
        ("Bearer an-older-token-of-it", True),
        (BEARER[:-1], False),  # a right beginning
        (f"{BEARER}x", False),
        ("Bearer " + "x" * 5_000, False),
        ("Bearer ", False),
        (f"Basic {TOKEN}", False),
        ("", False),
        (None, False),
    ],
)
def test_a_token_is_compared_with_every_known_one_by_digests_of_one_length(
    source: HttpSource, monkeypatch: pytest.MonkeyPatch, presented: str | None, right: bool
) -> None:
    compared: list[tuple[int, int]] = []
    real = hmac.compare_digest

    def counted_compare(one: bytes, other: bytes) -> bool:
        compared.append((len(one), len(other)))
        return real(one, other)

    monkeypatch.setattr("exporters.sources.http.hmac.compare_digest", counted_compare)
    assert source.knows([] if presented is None else [presented]) is right
    assert compared == [(32, 32)] * 2


def test_it_says_how_it_is_doing(source: HttpSource) -> None:
    post(source, b'{"a": 1}')
    status = source.status()
    assert (status.up, status.unread_bytes, status.spool_bytes) == (True, 9, 9)
    taken(source)
    assert (source.status().unread_bytes, source.status().spool_bytes) == (0, 9)
    for _ in range(3):
        source.saved(source.positions())
    assert source.status().spool_bytes == 0


def test_many_at_once_are_all_taken_once(source: HttpSource) -> None:
    def send(client: int) -> None:
        for number in range(20):
            assert post(source, json.dumps([{"n": client * 20 + number}]).encode())[0] == 200

    threads = [threading.Thread(target=send, args=(client,)) for client in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(record["n"] for record in taken(source)) == list(range(160))


def test_it_goes_on_where_its_position_says(source: HttpSource, tmp_path: Path) -> None:
    post(source, b'{"a": 1}')
    taken(source)
    saved: Any = source.positions()
    post(source, b'{"a": 2}')
    source.close()
    plain = {"spool": {"segment": saved["spool"].segment, "offset": saved["spool"].offset}}
    spool = Spool(tmp_path / "spool", limit=LIMIT, position=position_of(plain))
    again = HttpSource("gw", ("127.0.0.1", 0), (TOKEN.encode(),), spool)
    assert taken(again) == [{"a": 2}]
    again.close()


def test_a_record_that_is_too_long_is_counted_and_the_others_taken(source: HttpSource) -> None:
    source.max_line = 1000
    assert post(source, json.dumps([{"a": 1}, {"a": "x" * 2000}]).encode())[0] == 200
    assert taken(source) == [{"a": 1}]
    assert source.status().lines_too_long == 1


# ------------------------------------------------------------------------------------------------------- who may post
@pytest.mark.parametrize(
    "header", ["Bearer wrong", f"Basic {TOKEN}", TOKEN, "", "Bearer ", "Bearer \xff", f"Bearer {TOKEN}x"]
)
def test_a_wrong_token_is_refused_and_counted(source: HttpSource, header: str) -> None:
    status, headers, body = post(source, b'{"a": 1}', Authorization=header)
    assert (status, headers["WWW-Authenticate"], body) == (401, "Bearer", b"Unauthorized\n")
    assert taken(source) == []
    assert counted(source) == ({"401": 1}, {"token": 1})


def test_none_and_two_tokens_are_refused(source: HttpSource) -> None:
    assert raw(source, b"POST /records HTTP/1.1\r\nContent-Length: 0\r\n\r\n").startswith(b"HTTP/1.1 401 ")
    twice = head(f"Authorization: {BEARER}", "Content-Length: 0")
    assert raw(source, twice).startswith(b"HTTP/1.1 401 ")


def test_a_wrong_token_is_answered_before_its_body_is_read(source: HttpSource) -> None:
    answer = raw(source, b"POST /records HTTP/1.1\r\nAuthorization: Bearer no\r\nContent-Length: 90000\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 401 ")


def test_a_flood_of_wrong_tokens_is_turned_away_while_right_ones_pass(source: HttpSource) -> None:
    codes = [post(source, Authorization="Bearer wrong")[0] for _ in range(40)]
    assert set(codes) == {401, 429} and codes[:10] == [401] * 10
    assert post(source, b'{"a": 1}')[0] == 200
    refused = counted(source)[1]
    assert refused["token"] + refused["token_rate"] == 40


def test_nothing_that_was_presented_or_is_right_is_logged(source: HttpSource, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    post(source, Authorization="Bearer presented")
    post(source, b"secret", path="/secret")
    assert "presented" not in caplog.text and "secret" not in caplog.text and TOKEN not in caplog.text


@pytest.mark.parametrize(
    "path",
    ["/", "/records/", "/records?x=1", "/../records", "/records/../../etc/passwd", "/%2e%2e/records"],
)
def test_there_is_one_path_and_nothing_below_or_above_it(source: HttpSource, tmp_path: Path, path: str) -> None:
    assert post(source, b'{"a": 1}', path=path)[0] == 404
    assert counted(source)[1] == {"path": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["spool"]


def test_only_posts_are_served(source: HttpSource) -> None:
    assert b" 405 " in raw(source, b"GET /records HTTP/1.1\r\n\r\n")
    assert counted(source)[1] == {"method": 1}


# ------------------------------------------------------------------------------------------------------ hostile bodies
@pytest.mark.parametrize(
    ("body", "why"), [(b"nope", "not_json"), (b"[1]", "not_records"), (b"", "not_json"), (b"\x1f\x8b", "not_json")]
)
def test_what_is_no_record_is_refused(source: HttpSource, body: bytes, why: str) -> None:
    assert post(source, body)[0] == 400
    assert counted(source) == ({"400": 1}, {why: 1})
    assert taken(source) == []


def test_a_huge_array_is_refused(source: HttpSource, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exporters.sources.body_parser.RECORDS", 100)
    assert post(source, b"[" + b"{}," * 100 + b"{}]")[0] == 413
    assert counted(source)[1] == {"too_many": 1}


def test_a_gzip_bomb_and_a_broken_gzip_are_refused(source: HttpSource) -> None:
    assert post(source, gzip.compress(b"[" + b" " * 50_000_000 + b"]"), Content_Encoding="gzip")[0] == 413
    assert post(source, gzip.compress(b"[{}]")[:-4], Content_Encoding="gzip")[0] == 400
    assert post(source, b"[{}]", Content_Encoding="br")[0] == 415
    assert counted(source)[1] == {"too_large": 1, "gzip": 1, "encoding": 1}


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        ([], 411),
        (["Content-Length: -1"], 411),
        (["Content-Length: +5"], 411),
        (["Content-Length: 0x10"], 411),
        (["Content-Length: 1_0"], 411),
        (["Content-Length: 5", "Content-Length: 6"], 411),
        (["Content-Length: 5", "Transfer-Encoding: chunked"], 411),
        (["Transfer-Encoding: gzip, chunked"], 411),
        (["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"], 411),
        (["Transfer-Encoding: identity"], 411),
        ([f"Content-Length: {LIMIT + 1}"], 413),
        (["Content-Length: " + "9" * 5000], 413),
    ],
)
def test_a_wrong_length_is_refused(source: HttpSource, lines: list[str], code: int) -> None:
    assert raw(source, head(*lines)).startswith(f"HTTP/1.1 {code} ".encode())
    assert counted(source)[1] == {"length" if code == 411 else "too_large": 1}


CHUNKED = head("Transfer-Encoding: chunked")


def chunked(body: bytes, size: int) -> bytes:
    parts = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%X;x=y\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\nTrailer: 1\r\n\r\n"


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_body_in_chunks_is_taken(source: HttpSource, size: int) -> None:
    assert raw(source, CHUNKED, chunked(b'[{"a": 1}, {"a": 2}]', size)).startswith(b"HTTP/1.1 200 ")
    packed = head("Transfer-Encoding: chunked", "Content-Encoding: gzip")
    assert raw(source, packed, chunked(gzip.compress(b'{"a": 3}'), size)).startswith(b"HTTP/1.1 200 ")
    assert taken(source) == [{"a": 1}, {"a": 2}, {"a": 3}]


def test_a_long_body_in_chunks_takes_more_room(source: HttpSource, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_http, "SMALL", 1_000)
    body = json.dumps([{"a": "x" * 1000}] * 60).encode()
    assert raw(source, CHUNKED, chunked(body, 20_000)).startswith(b"HTTP/1.1 200 ")
    assert len(taken(source)) == 60
    assert source.room._free == source.room._size


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"x\r\n", "chunks"),
        (b"\r\n", "chunks"),
        (b"-1\r\n", "chunks"),
        (b"0x1\r\n", "chunks"),
        (b"1" * 17 + b"\r\n", "chunks"),
        (b"2\r\n{}\n", "chunks"),
        (b"2\n{}\r\n", "chunks"),
        (b"1\r\n{}\r\n", "chunks"),
        (b"1" + b";" * 5000, "chunks"),
        (b"0\r\n" + b"a: b\r\n" * 100, "chunks"),
        (b"FFFFFFF\r\n", "too_large"),
        (b"5\r\n{}", "incomplete"),
        (b"2\r\n{}\r\n", "incomplete"),
        (b"2\r\n{}\r\n0\r\n", "incomplete"),
    ],
)
def test_wrong_chunks_are_refused(source: HttpSource, body: bytes, why: str) -> None:
    answer = raw(source, CHUNKED, body, half=True)
    assert answer.startswith(b"HTTP/1.1 413 " if why == "too_large" else b"HTTP/1.1 400 ")
    assert counted(source)[1] == {why: 1}
    assert taken(source) == []


def test_zstd_is_taken_and_its_bombs_are_refused(source: HttpSource) -> None:
    body = b'[{"a": 1}]'
    assert post(source, zstd(body[:4]) + zstd(body[4:]), Content_Encoding="zstd")[0] == 200
    assert post(source, zstd(b"[" + b" " * 50_000_000 + b"]"), Content_Encoding="zstd")[0] == 413
    assert post(source, zstd(body)[:-1], Content_Encoding="zstd")[0] == 400
    assert post(source, body, Content_Encoding="zstd")[0] == 400
    assert post(source, zstd(b"x" * (64 << 20), window=26), Content_Encoding="zstd")[0] == 400
    assert counted(source)[1] == {"too_large": 1, "zstd": 3}
    assert taken(source) == [{"a": 1}]


def zstd(data: bytes, window: int = 20) -> bytes:
    parameters = zstandard.ZstdCompressionParameters(window_log=window)
    packed: bytes = zstandard.ZstdCompressor(compression_params=parameters).compress(data)
    return packed


@pytest.mark.parametrize(
    "body",
    [
        b'\xef\xbb\xbf{"a": 1}',
        '{"a": 1}'.encode("utf-16"),
        b'{\n "a": 1\n}\n',
        b'[\n {"a": 1}\n]',
    ],
)
def test_a_body_in_another_shape_is_the_same(source: HttpSource, body: bytes) -> None:
    assert post(source, body)[0] == 200
    assert taken(source) == [{"a": 1}]


def test_wrapped_bodies_reach_the_engine(source: HttpSource) -> None:
    engine, text = make_engine(), json.dumps(record(1_795_000_000.0, "a"))
    for name, (_, wrap) in SAMPLES.items():
        if "in parts" in name or "long lines" in name or name.startswith("no name, text"):
            continue
        status = post(source, wrap(text).encode())[0]
        assert status == 200, name
        batches = [engine.decode(chunk) for chunk in source.read(1 << 20, now=0.0)]
        assert sum(batch.size for batch in batches) == 1, name


def test_a_body_longer_than_stated_is_cut_and_refused(source: HttpSource) -> None:
    assert raw(source, head("Content-Length: 5"), b'[{"a": 1}]').startswith(b"HTTP/1.1 400 ")
    assert taken(source) == []


def test_half_a_body_is_refused(source: HttpSource) -> None:
    assert raw(source, head("Content-Length: 100"), b'[{"a": 1}]', half=True).startswith(b"HTTP/1.1 400 ")
    assert counted(source)[1] == {"incomplete": 1}
    assert taken(source) == []


def test_a_body_that_drips_in_is_cut_off_at_the_deadline_of_the_whole(source: HttpSource) -> None:
    hurry(source)
    with socket.create_connection(source.address, timeout=PATIENCE) as client:
        client.sendall(head("Content-Length: 1000"))
        for _ in range(999):
            try:
                client.send(b" ")
            except OSError:
                break
            time.sleep(0.05)
    wait_for(lambda: counted(source)[0], "no answer is counted")
    assert counted(source) == ({"408": 1}, {"slow": 1})


def test_slow_clients_do_not_keep_others_out(source: HttpSource) -> None:
    hurry(source)
    silent = [socket.create_connection(source.address) for _ in range(source_http.AT_ONCE + 10)]
    try:
        assert post(source, b'{"a": 1}')[0] == 200  # once their time is over
    finally:
        for client in silent:
            client.close()


def test_bodies_share_a_bounded_memory(source: HttpSource) -> None:
    source.room = source_http._Room(2 * LIMIT)
    with socket.create_connection(source.address) as slow:
        slow.sendall(head(f"Content-Length: {LIMIT}"))  # takes all the room there is
        wait_for(lambda: source.room._free == 0, "the room is not taken")
        hurry(source, 0.2)
        assert post(source, b'{"a": 1}')[0] == 503
        assert counted(source)[1] == {"busy": 1}
        hurry(source, PATIENCE)
        with ThreadPoolExecutor() as others:
            waiting = others.submit(post, source, b'{"a": 1}')
            wait_for(lambda: source.room._changed._waiters, "nobody waits for the room")  # type: ignore[attr-defined]
            slow.close()
            assert waiting.result(PATIENCE)[0] == 200


# ------------------------------------------------------------------------------------------------------------ the disk
def test_a_full_spool_says_when_to_come_again(source: HttpSource, caplog: pytest.LogCaptureFixture) -> None:
    body = json.dumps([{"a": "x" * (LIMIT - 100)}]).encode()
    codes = [post(source, body)[0] for _ in range(6)]
    assert codes == [200, 200, 200, 200, 503, 503]
    assert post(source, body)[1]["Retry-After"] == "5"
    assert counted(source)[1] == {"full": 3}
    assert not source.status().up and "spool is full" in source.status().reason
    assert caplog.text.count("the spool is full") == 1
    assert len(taken(source)) == 4
    for _ in range(3):
        source.saved(source.positions())
    assert post(source, body)[0] == 200
    assert source.status().up


def test_a_full_disk_is_a_503_and_not_a_lost_record(
    source: HttpSource, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(_file: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fdatasync", full)
    assert post(source, b'{"a": 1}')[0] == 503
    assert counted(source)[1] == {"disk": 1}
    assert "No space left on device" in caplog.text
    monkeypatch.undo()
    assert post(source, b'{"a": 1}')[0] == 200
    assert taken(source) == [{"a": 1}]


# ----------------------------------------------------------------------------------------------------------- the token
def test_tokens_are_the_lines_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_bytes(b"0123456789abcdef\n\n  fedcba9876543210 \n")
    assert read_tokens(path) == (b"0123456789abcdef", b"fedcba9876543210")


@pytest.mark.parametrize(
    ("content", "said"), [(b"", "is empty"), (b"gh0st\n", "too short"), (b"0123456789 abcdef\n", "cannot carry")]
)
def test_a_token_that_cannot_be_used_is_said_and_not_shown(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "token"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=said) as error:
        read_tokens(path)
    assert not content.strip() or content.strip().decode() not in str(error.value)


def test_a_post_that_names_nothing_is_no_trouble_for_the_position() -> None:
    assert position_of(None) is None
    assert position_of({"11-22-0": {"offset": 4}}) is None  # it was a source of files until now


def test_a_wrong_token_is_never_asked_for_its_body(source: HttpSource) -> None:
    lines = ("Content-Length: 2", "Expect: 100-continue")
    wrong = head(*lines).replace(TOKEN.encode(), b"x" * 20)
    assert raw(source, wrong).startswith(b"HTTP/1.1 401 ")
    assert raw(source, head(*lines).replace(b"/records", b"/other")).startswith(b"HTTP/1.1 404 ")
    assert raw(source, head("Content-Length: 9999999", lines[1])).startswith(b"HTTP/1.1 413 ")
    assert raw(source, head(*lines), b"[]").startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 ")


def test_a_head_that_never_ends_is_counted(source: HttpSource) -> None:
    assert raw(source, b"POST /records HT").startswith(b"HTTP/1.1 408 ")
    assert counted(source) == ({"408": 1}, {"slow": 1})
