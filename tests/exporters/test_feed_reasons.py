"""The exporter's log says why a source cannot be read."""

from __future__ import annotations

import logging
import time
from pathlib import Path

import pytest

from exporters.exporter import Exporter
from exporters.sources.file import FileTail
from runtime.state_file import StateFolder
from tests.support.engines import make_engine
from tests.support.litellm_lines import line, record
from tests.support.waiting import PAUSE, wait_for


@pytest.fixture(autouse=True)
def at_info(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="tocsin")


def told(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    found = [(record.levelname, record.getMessage()) for record in caplog.records if "source gw" in record.getMessage()]
    caplog.clear()
    return found


def test_why_it_cannot_be_read_is_said_once_and_that_it_can_be_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log = tmp_path / "logs" / "gw.jsonl"
    exporter = Exporter(
        make_engine().memory, {"gw": FileTail("gw", [str(log)])}, StateFolder(tmp_path / "state"), now=time.time()
    )
    try:
        until(exporter, caplog, 1)
        ((level, text),) = told(caplog)
        assert level == "WARNING"
        assert text.startswith(f"source gw cannot be read: no file matches {log}")
        for _ in range(30):
            look(exporter)
            time.sleep(PAUSE)
        assert told(caplog) == []
        log.parent.mkdir()
        log.write_bytes(line(record(time.time(), "call")))
        until(exporter, caplog, 1)
        assert told(caplog) == [("INFO", "source gw is read again")]
    finally:
        exporter.close()


def test_names_of_files_cannot_write_into_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pattern = tmp_path / "\x1b[2J\nINFO all is well"
    exporter = Exporter(
        make_engine().memory, {"gw": FileTail("gw", [str(pattern)])}, StateFolder(tmp_path / "state"), now=time.time()
    )
    try:
        until(exporter, caplog, 1)
        ((_, text),) = told(caplog)
        assert text.isprintable()
    finally:
        exporter.close()


def look(exporter: Exporter) -> None:
    exporter.poll()
    exporter.scrape()


def until(exporter: Exporter, caplog: pytest.LogCaptureFixture, lines: int) -> None:
    """Look at the sources until so much was said."""

    def said() -> bool:
        look(exporter)
        return len([found for found in caplog.records if "source gw" in found.message]) >= lines

    wait_for(said, "it does not say why")
