"""What of a log was not read: by reason, with the first line of each."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path

import pytest

from events.batch import EventBatch
from events.coverage import Coverage
from events.wrappers.looks import looks_like
from exporters.sources.chunk import Chunk
from replay.log_reader import Feed, Log
from tests.support.engines import make_engine
from tests.support.litellm_lines import line, record
from tests.support.wrapped import SAMPLES

NOW = 1_795_000_000.0


ENGINE = make_engine()


def decode(chunk: Chunk) -> EventBatch:
    return ENGINE.decode(replace(chunk, source="gw"))


def test_reasons_have_the_line_of_the_first(tmp_path: Path) -> None:
    good = [line(record(NOW + number, f"call-{number}")) for number in range(40)]
    wrapped = SAMPLES["docker json-file"][1](good[0].decode().strip()).encode()
    path = tmp_path / "log"
    path.write_bytes(
        b"".join([*good[:20], b"INFO: started\n", *good[20:], b"\n", wrapped, b"INFO: ended\n", b'{"a": 1}\n', b'{"b'])
    )
    feed = Feed(Log(path), decode)
    assert sum(batch.size for batch in feed.until(NOW + 100)) == 41
    found = feed.coverage
    assert {reason: (each.count, each.line) for reason, each in found.rejected.items()} == {
        "not_json": (3, 21),
        "missing_field": (1, 45),
    }
    assert found.wrapped == {"docker": 1}
    assert found.lines == 46
    looks = found.rejected["not_json"].looks
    assert looks is not None and looks.what == "a line of a program's own log"


def test_lines_that_are_too_long_have_a_number_too(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(line(record(NOW, "a")) + b"x" * (9 << 20) + b"\n" + b"junk\n")
    feed = Feed(Log(path), decode)
    assert sum(batch.size for batch in feed.until(NOW + 100)) == 1
    assert {reason: each.line for reason, each in feed.coverage.rejected.items()} == {"too_long": 2, "not_json": 3}


@pytest.mark.parametrize(
    ("seconds", "late"),
    [([0, 5, 10, 700], 0), ([700, 10, 5, 650], 2), ([0, 599, 0], 0), ([0, 601, 0], 1), ([*range(2_000, 0, -100)], 13)],
)
def test_attempts_far_behind_newer_ones_are_counted(tmp_path: Path, seconds: list[int], late: int) -> None:
    """As a table that is dumped with the newest first."""
    path = tmp_path / "log"
    path.write_bytes(b"".join(line(record(NOW + after, f"call-{place}")) for place, after in enumerate(seconds)))
    feed = Feed(Log(path), decode)
    assert sum(batch.size for batch in feed.until(NOW + 10_000)) == len(seconds)
    assert feed.coverage.late == late
    coverage = Coverage()
    feed.coverage.add_to(coverage)
    assert coverage.late == late


LOOKS = {
    "gzip data": gzip.compress(b"x"),
    "zstd data": b"\x28\xb5\x2f\xfd\x04",
    "a Parquet file": b"PAR1\x15",
    "a line of LiteLLM's own log (json_logs)": json.dumps(
        {"message": "127.0.0.1 - POST /chat 401", "level": "INFO", "timestamp": "2026-11-23T08:27:06"}
    ).encode(),
    "a line of a program's own log": b"INFO:     Started server process [1]",
    "an object that was cut off": b'{"id": "x", "status": "succ',
    "damaged JSON": b'{"id": "x" "y"}',
    "an object of another kind": b'{"id": "x"}',
    "JSON, but no object": b"[1, 2]",
    "CSV": b"request_id,call_type,api_key,spend\r",
    "XML or HTML": b"<!DOCTYPE html>",
    "zero bytes": b"\0\0\0",
    "binary data": bytes(range(1, 9)) * 9,
    "text": b"hello world",
}


@pytest.mark.parametrize("what", LOOKS)
def test_what_a_line_looks_like(what: str) -> None:
    assert looks_like(LOOKS[what]).what == what
    assert looks_like(LOOKS[what]).hint.endswith(".")
