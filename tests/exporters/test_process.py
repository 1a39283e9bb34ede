"""The exporter as a process of its own: what happens to it from outside."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stack.exporter_process import ExporterProcess
from tests.support.litellm_lines import line, record
from tests.support.small_disk import small_disk
from tests.support.waiting import PATIENCE, wait_for

pytestmark = pytest.mark.slow


@pytest.fixture
def exporter(tmp_path: Path) -> Iterator[ExporterProcess]:
    overlay = {"settings": {"scrape_interval": "100ms"}}
    with ExporterProcess(tmp_path, overlay=overlay, scan_content=False) as process:
        yield process


def pid(exporter: ExporterProcess) -> int:
    assert exporter._process is not None
    return exporter._process.pid


def test_a_full_disk_is_survived_said_and_over_once_there_is_room(exporter: ExporterProcess, tmp_path: Path) -> None:
    exporter.start()
    exporter.append(line(record(time.time(), "a")))
    wait_for(lambda: exporter.total("llm_attempts_total") == 1, "nothing is counted")
    limits = resource.prlimit(pid(exporter), resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))
    exporter.append(line(record(time.time(), "b")))
    wait_for(lambda: exporter.total("tocsin_snapshot_failures_total") > 0, "the failure is not counted")
    wait_for(lambda: exporter.total("llm_attempts_total") == 2, "reading has stopped")
    resource.prlimit(pid(exporter), resource.RLIMIT_FSIZE, limits)
    before = exporter.total("tocsin_snapshot_failures_total")
    exporter.total("llm_attempts_total")
    assert exporter.total("tocsin_snapshot_failures_total") == before
    exporter.kill()
    exporter.start()
    wait_for(lambda: exporter.total("llm_attempts_total") == 2, "something was lost")


def test_a_state_on_a_disk_that_is_full_is_saved_once_there_is_room(tmp_path: Path) -> None:
    with small_disk(tmp_path / "state", 4 << 20) as disk:
        overlay = {"settings": {"scrape_interval": "100ms"}}
        with ExporterProcess(tmp_path, overlay=overlay, scan_content=False) as exporter:
            exporter.start()
            exporter.append(line(record(time.time(), "a")))
            wait_for(lambda: exporter.total("llm_attempts_total") == 1, "nothing is counted")
            disk.fill()
            exporter.append(line(record(time.time(), "b")))
            wait_for(lambda: exporter.total("tocsin_snapshot_failures_total") > 0, "the failure is not counted")
            wait_for(lambda: exporter.total("llm_attempts_total") == 2, "reading has stopped")
            assert "No space left on device" in (tmp_path / "exporter.log").read_text()
            disk.make_room()
            failures = exporter.total("tocsin_snapshot_failures_total")
            assert exporter.total("tocsin_snapshot_failures_total") == failures
            exporter.kill()
            exporter.start()
            wait_for(lambda: exporter.total("llm_attempts_total") == 2, "something was lost")


def test_a_second_exporter_says_why_it_does_not_start(exporter: ExporterProcess, tmp_path: Path) -> None:
    exporter.start()
    first = exporter._process
    exporter.start(wait=False)
    second, exporter._process = exporter._process, first
    assert second is not None
    assert second.wait(PATIENCE) == 1
    assert "is used by another exporter" in (tmp_path / "exporter.log").read_text()


def test_a_stop_by_signal_ends_in_order(exporter: ExporterProcess, tmp_path: Path) -> None:
    exporter.start()
    exporter.append(*(line(record(time.time(), f"call-{number}")) for number in range(50)))
    wait_for(lambda: exporter.total("tocsin_records_read_total") == 50, "nothing is read")
    exporter.stop()
    exporter.start()
    wait_for(lambda: exporter.total("tocsin_records_read_total") == 50, "the state was not saved")
    assert "Traceback" not in (tmp_path / "exporter.log").read_text()
