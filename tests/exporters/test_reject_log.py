"""What is rejected is in our log: where it stands and what it looks like, not often, and never what it says."""

from __future__ import annotations

import logging
import time
from pathlib import Path

import pytest

from exporters.exporter import Exporter
from exporters.memory import Memory
from exporters.reject_log import SAY_EVERY, RejectLog
from exporters.sources.chunk import Chunk
from exporters.sources.file import FileTail
from runtime.state_file import StateFolder
from tests.support.engines import make_engine
from tests.support.litellm_lines import line, record
from tests.support.wrapped import SAMPLES

SECRET = "correct horse battery staple"


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [message.getMessage() for message in caplog.records if "rejected" in message.getMessage()]


def test_the_exporter_names_file_and_byte(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "tocsin")
    good = line(record(time.time(), "a"))
    wrapped = SAMPLES["several lines"][1](good.decode().strip()).encode()
    path = tmp_path / "gw.log"
    path.write_bytes(good + wrapped + f"INFO: {SECRET}\n".encode() + good + f'{{"status": "{SECRET}"}}\n'.encode())
    folder = StateFolder(tmp_path / "state")
    tail = FileTail("gw", [str(path)], start_at="beginning")
    exporter = Exporter(Memory(make_engine()), {"gw": tail}, folder, now=time.time())
    while exporter.poll():
        pass
    exporter.close()
    (said,) = lines(caplog)
    assert f"not_json at byte {len(good) + len(wrapped)} of {path}: it looks like a line of a program's own log" in said
    assert "2 record(s) rejected" in said and "1 invalid_value" in said
    assert SECRET not in caplog.text


def test_a_flood_is_one_line_a_minute_for_each_source(caplog: pytest.LogCaptureFixture) -> None:
    now = [0.0]
    log, engine = RejectLog(lambda _source, file: f"/var/log/{file}\n\x1b[31m", clock=lambda: now[0]), make_engine()
    chunk = Chunk.of("gw", b"junk\n" * 10, file="x", start=100)
    rejects = engine.decode(chunk).rejects
    for _ in range(7):
        log.take(chunk, rejects)
    log.skipped("other", 3, ("/var/log/y", 17))
    assert len(lines(caplog)) == 2
    assert "10 record(s) rejected (10 not_json). For instance not_json at byte 100 of /var/log/x" in lines(caplog)[0]
    assert "\n" not in lines(caplog)[0] and "\x1b" not in lines(caplog)[0]
    assert lines(caplog)[1] == "source other: 3 line(s) rejected as too_long, the last at byte 17 of /var/log/y"
    now[0] += SAY_EVERY
    log.take(chunk, rejects)
    assert "70 record(s) rejected" in lines(caplog)[2]


def test_a_line_that_is_too_long_is_named(tmp_path: Path) -> None:
    path = tmp_path / "gw.log"
    path.write_bytes(b"junk\n" + b"x" * 5000 + b"\n")
    tail = FileTail("gw", [str(path)], start_at="beginning", max_line=1000, chunk_bytes=1000)
    for _ in range(4):
        for _chunk in tail.read(1 << 20, now=0.0):
            pass
    assert tail.status().too_long_at == (str(path), 5)
