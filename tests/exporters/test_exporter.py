from __future__ import annotations

import gzip
import http.client
import logging
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from exporters.exporter import Exporter, restore
from exporters.metric_table import Table
from exporters.run import positions_of
from exporters.server import MetricsServer
from exporters.sources.file import FileTail
from runtime.state_file import StateError, StateFolder
from spec.catalogue import catalogue
from tests.support.engines import SPEC, make_engine, shown
from tests.support.litellm_lines import line, record
from tests.support.waiting import PATIENCE


class Rig:
    """An exporter in a folder that can be stopped, killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "gw.jsonl"
        self.written = 0
        self.exporter: Exporter

    def write(self, count: int = 1) -> None:
        with self.log.open("ab") as file:
            for _ in range(count):
                self.written += 1
                file.write(line(record(time.time(), f"call-{self.written}")))

    def start(self) -> Exporter:
        engine, folder = make_engine(), StateFolder(self.folder / "state")
        saved = restore(engine.memory, folder)
        tail = FileTail("gw", [str(self.log)], positions=positions_of(saved, "gw"), start_at="beginning")
        self.exporter = Exporter(engine.memory, {"gw": tail}, folder, now=time.time())
        return self.exporter

    def kill(self) -> None:
        """End it without a last save: only what a process would lose anyway is given back."""
        self.exporter._folder.close()
        for source in self.exporter._sources.values():
            source.close()

    def attempts(self) -> float:
        self.exporter.poll()
        return self.counted()

    def counted(self) -> float:
        table = self.exporter._state.families.tables["events"]
        return float(table.values[:, table.column["attempts"]].sum())


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


def test_a_kill_after_a_scrape_repeats_and_loses_nothing(rig: Rig) -> None:
    rig.start()
    rig.write(5)
    rig.exporter.poll()
    rig.exporter.scrape()
    rig.write(3)
    rig.exporter.poll()  # counted, but shown to nobody
    rig.kill()
    rig.start()
    assert rig.attempts() == 8


def test_what_a_scrape_has_shown_is_not_shown_lower_before_the_log_is_read_again(rig: Rig) -> None:
    rig.start()
    rig.write(5)
    rig.exporter.poll()
    before = shown(rig.exporter.scrape())
    rig.kill()
    rig.start()
    assert rig.counted() == 5
    assert shown(rig.exporter.scrape())["llm_requests_by_actor"] == before["llm_requests_by_actor"]


def test_a_stop_saves(rig: Rig) -> None:
    rig.start()
    rig.write(5)
    rig.exporter.poll()
    rig.exporter.close()
    rig.start()
    rig.exporter.poll()
    assert shown(rig.exporter.scrape())["tocsin_records_duplicate_total"]["gw",] == 0
    assert rig.attempts() == 5


def test_a_second_exporter_on_the_same_folder_refuses(rig: Rig) -> None:
    rig.start()
    with pytest.raises(StateError, match="is used by another exporter"):
        rig.start()


def test_a_damaged_state_goes_on_from_the_one_before_with_counters_at_zero(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    rig.start()
    rig.write(5)
    rig.exporter.poll()
    rig.exporter.scrape()
    rig.exporter.scrape()
    rig.kill()
    state = rig.folder / "state" / "state"
    data = bytearray(state.read_bytes())
    data[len(data) // 2] ^= 0xFF
    state.write_bytes(data)
    rig.write(2)
    rig.start()
    assert "damaged" in caplog.text
    assert rig.attempts() == 2
    assert rig.exporter._state.health.value("tocsin_state_resets_total", ("damaged",)) == 1


def test_a_state_of_a_newer_version_is_refused_and_kept(rig: Rig) -> None:
    rig.start()
    rig.exporter.close()
    state = rig.folder / "state" / "state"
    data = bytearray(state.read_bytes())
    data[16] = 99
    state.write_bytes(data)
    with pytest.raises(StateError, match="newer version"):
        rig.start()
    assert state.read_bytes() == bytes(data)


def test_a_folder_that_cannot_be_written_is_counted_and_told_once(
    rig: Rig, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.start()
    rig.write(1)
    rig.exporter.poll()

    def full(_data: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(rig.exporter._folder, "save", full)
    for _ in range(3):
        rig.exporter.scrape()
    assert rig.exporter._state.health.value("tocsin_snapshot_failures_total") == 3
    assert caplog.text.count("No space left on device") == 1
    monkeypatch.undo()
    caplog.set_level(logging.INFO)
    rig.exporter.scrape()
    assert "saved again" in caplog.text


def test_an_unreadable_and_a_vanished_log_take_the_source_down(rig: Rig) -> None:
    rig.start()
    rig.exporter.poll()
    assert shown(rig.exporter.scrape())["tocsin_source_up"]["gw",] == 0
    rig.write(2)
    time.sleep(1.1)
    rig.exporter.poll()
    values = shown(rig.exporter.scrape())
    assert values["tocsin_source_up"]["gw",] == 1
    assert values["tocsin_newest_event_timestamp_seconds"]["gw",] == pytest.approx(time.time(), abs=30)


def test_everything_that_is_shown_is_in_the_catalogue(rig: Rig) -> None:
    rig.start()
    rig.write(2)
    rig.exporter.poll()
    known = {metric.name: metric for metric in catalogue(SPEC) if metric.source != "external"}
    tables = {table.name: table for table in rig.exporter.scrape()}
    assert tables.keys() == known.keys()
    for name, table in tables.items():
        assert (table.type, table.labels, table.help) == (known[name].type, known[name].labels, known[name].help), name


# ------------------------------------------------------------------------------------------------------------- HTTP
@pytest.fixture
def server(rig: Rig) -> Iterator[MetricsServer]:
    exporter = rig.start()
    server = MetricsServer(("127.0.0.1", 0), exporter)
    yield server
    server.stop()
    exporter.close()


def get(server: MetricsServer, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection(*server.address, timeout=PATIENCE)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    return answer.status, dict(answer.getheaders()), answer.read()


def test_metrics_are_served_as_text_openmetrics_and_compressed(server: MetricsServer, rig: Rig) -> None:
    rig.write(2)
    rig.exporter.poll()
    status, headers, body = get(server, "/metrics")
    assert (status, headers["Content-Type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    names = {family.name for family in parse_text(body.decode())}
    assert {"llm_attempts", "tocsin_series", "process_resident_memory_bytes"} <= names
    parse: Any = parse_openmetrics
    _, headers, body = get(server, "/metrics", Accept="application/openmetrics-text;version=1.0.0,text/plain;q=0.5")
    assert headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    assert "llm_attempts" in {family.name for family in parse(body.decode())}
    _, headers, body = get(server, "/metrics", **{"Accept-Encoding": "gzip"})
    assert headers["Content-Encoding"] == "gzip"
    assert b"llm_attempts_total" in gzip.decompress(body)


def test_scrapes_that_wait_at_the_same_time_share_one_answer(
    server: MetricsServer, rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A flood of scrapes costs one after the one that runs, not one each."""
    waiting, scrapes = 8, 0
    scrape = rig.exporter.scrape

    def counting() -> list[Table]:
        nonlocal scrapes
        scrapes += 1
        end = time.monotonic() + 60
        while scrapes == 1 and server._server._active < 1 + waiting and time.monotonic() < end:
            time.sleep(0.005)
        time.sleep(0.1 if scrapes == 1 else 0)  # until all of them wait
        return scrape()

    monkeypatch.setattr(rig.exporter, "scrape", counting)
    answers: list[int] = []
    threads = [threading.Thread(target=lambda: answers.append(get(server, "/metrics")[0])) for _ in range(1 + waiting)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * (1 + waiting)
    assert scrapes == 2


def test_it_is_ready_once_it_has_looked_at_its_sources(server: MetricsServer, rig: Rig) -> None:
    assert get(server, "/-/ready")[0] == 503
    rig.exporter.poll()
    assert get(server, "/-/ready")[0] == 200
    assert get(server, "/-/healthy")[0] == 200


def test_what_a_client_asks_for_is_not_echoed(server: MetricsServer) -> None:
    status, _, body = get(server, "/sk-secret")
    assert status == 404
    assert b"sk-secret" not in body


def test_a_client_that_says_nothing_does_not_keep_others_waiting(server: MetricsServer) -> None:
    silent = [socket.create_connection(server.address) for _ in range(4)]
    try:
        assert get(server, "/-/healthy")[0] == 200
    finally:
        for connection in silent:
            connection.close()


def test_a_port_in_use_is_said(server: MetricsServer, rig: Rig) -> None:
    with pytest.raises(OSError, match=r"cannot listen on 127\.0\.0\.1:\d+: Address already in use"):
        MetricsServer(server.address, rig.exporter)


def test_scrapes_at_the_same_time_never_go_back(server: MetricsServer, rig: Rig) -> None:
    seen: list[float] = []

    def scrape() -> None:
        for _ in range(10):
            body = get(server, "/metrics")[2].decode()
            seen.append(
                sum(float(text.split()[-1]) for text in body.splitlines() if text.startswith("llm_attempts_total{"))
            )

    threads = [threading.Thread(target=scrape) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(20):
        rig.write(3)
        rig.exporter.poll()
    for thread in threads:
        thread.join()
    assert len(seen) == 30
