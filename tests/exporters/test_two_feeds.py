"""The same requests by file and by webhook: each attempt counts once, as far as the memory reaches."""

from __future__ import annotations

import http.client
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from exporters.assembly import engine_of
from exporters.config import ExporterConfig, load_config
from exporters.exporter import Exporter, restore
from exporters.memory import Memory
from exporters.run import open_source
from exporters.signals.dedup import Dedup
from exporters.signals.state import HORIZON
from exporters.sources import Source
from exporters.sources.http import HttpSource
from runtime.state_file import StateFolder
from spec.errors import SpecError
from tests.support.engines import SPEC, feed, make_engine, shown
from tests.support.litellm_lines import line, record
from tests.support.waiting import PATIENCE, wait_for

TOKEN = "token-of-the-gateway"
CONFIG = """
state_folder: state
scan_content: false
pseudonyms: false
sources:
  file:
    gateway: litellm
    paths: [gw.jsonl]
    start_at: beginning
  hook:
    gateway: litellm
    type: http
    listen: 127.0.0.1:0
    token_file: token
"""


class Rig:
    """An exporter with both feeds."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "token").write_text(TOKEN)
        (folder / "tocsin.yaml").write_text(CONFIG)
        self.config: ExporterConfig = load_config(folder / "tocsin.yaml")
        self.start()

    def start(self) -> None:
        self.state = StateFolder(self.config.state_folder)
        self.engine = engine_of(self.config, SPEC, cache=self.folder / "rules")
        memory = Memory(self.engine)
        saved = restore(memory, self.state)
        self.sources: dict[str, Source] = {
            name: open_source(name, source, saved, folder=self.config.state_folder)
            for name, source in self.config.sources.items()
        }
        self.exporter = Exporter(memory, self.sources, self.state, now=time.time())

    def kill(self) -> None:
        """End it without a last save."""
        self.state.close()
        for source in self.sources.values():
            source.close()

    def write(self, *records: dict[str, Any]) -> None:
        with (self.folder / "gw.jsonl").open("ab") as file:
            file.writelines(map(line, records))

    def post(self, *records: dict[str, Any]) -> int:
        hook = self.sources["hook"]
        assert isinstance(hook, HttpSource)
        connection = http.client.HTTPConnection(*hook.address, timeout=PATIENCE)
        body = b"[" + b",".join(map(line, records)) + b"]"
        connection.request("POST", "/records", body, {"Authorization": f"Bearer {TOKEN}"})
        return connection.getresponse().status

    def attempts(self) -> float:
        self.exporter.poll()
        table = self.engine.state.families.tables["events"]
        return float(table.values[:, table.column["attempts"]].sum())

    def health(self, name: str, *labels: str) -> float:
        return self.engine.state.health.value(name, labels)


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path)
    yield rig
    rig.kill()


def test_the_same_attempts_by_both_feeds_count_once(rig: Rig) -> None:
    records = [record(time.time(), f"call-{number}") for number in range(20)]
    rig.write(*records[:15])
    assert rig.post(*records[5:]) == 200
    assert rig.attempts() == 20
    assert rig.post(*records) == 200  # a retry, after an answer that got lost
    rig.write(*records[15:])
    assert rig.attempts() == 20
    duplicates = [rig.health("tocsin_records_duplicate_total", name) for name in ("file", "hook")]
    assert sum(duplicates) == 35 and duplicates[0] >= 5


def test_a_source_whose_attempts_come_by_another_way_first_is_not_silent(rig: Rig) -> None:
    now = time.time()
    records = [record(now - 30 + number, f"call-{number}") for number in range(10)]
    ahead = record(now + 3600, "ahead")
    rig.write()  # an empty log
    rig.post(*records, ahead)
    assert rig.attempts() == 11
    rig.write(*records)
    _until_read(rig)
    assert rig.engine.state.newest["file"] == now - 21
    rig.write(ahead)  # what is dated ahead is of now, as everywhere
    _until_read(rig)
    assert now <= rig.engine.state.newest["file"] <= time.time()
    assert rig.attempts() == 11


def _until_read(rig: Rig) -> None:
    """What is written now is noticed within a second or so."""
    before = rig.health("tocsin_bytes_read_total", "file")

    def read() -> bool:
        rig.exporter.poll()
        return rig.health("tocsin_bytes_read_total", "file") != before

    wait_for(read, "what was written is not read")


def test_posts_that_were_answered_are_counted_after_a_kill_and_only_once(rig: Rig) -> None:
    now = time.time()
    rig.post(*[record(now, f"first-{number}") for number in range(10)])
    assert rig.attempts() == 10
    rig.exporter.scrape()
    rig.post(*[record(now, f"second-{number}") for number in range(10)])
    assert rig.attempts() == 20  # and nobody has saved that
    rig.post(*[record(now, f"third-{number}") for number in range(10)])
    rig.kill()
    rig.start()
    assert rig.attempts() == 30
    assert rig.health("tocsin_records_duplicate_total", "hook") == 0
    for _ in range(3):
        rig.exporter.scrape()
    assert list((rig.folder / "state" / "spool" / "hook").iterdir()) == []


def test_a_damaged_state_still_finds_what_was_posted_since_the_one_before(rig: Rig) -> None:
    now = time.time()
    rig.exporter.scrape()
    rig.post(*[record(now, f"first-{number}") for number in range(10)])
    assert rig.attempts() == 10
    rig.exporter.scrape()
    rig.kill()
    path = rig.folder / "state" / "state"
    path.write_bytes(path.read_bytes()[:-5])
    rig.start()
    assert rig.attempts() == 10


def test_what_posts_meet_is_shown(rig: Rig) -> None:
    rig.attempts()
    rig.exporter.scrape()
    rig.post(record(time.time(), "call"))
    rig.post()  # nothing
    assert rig.sources["hook"].status().answers["200"] == 2
    values = shown(rig.exporter.scrape())
    assert values["tocsin_spool_bytes"]["hook",] > 500
    assert ("file",) not in values["tocsin_spool_bytes"]
    assert values["tocsin_unread_bytes"]["hook",] == values["tocsin_spool_bytes"]["hook",]
    assert values["tocsin_http_requests_total"]["hook", "503"] == 0  # there before it happens
    assert rig.health("tocsin_http_requests_total", "hook", "200") == 2


def test_a_source_may_change_its_type(rig: Rig) -> None:
    rig.write(record(time.time(), "call-1"))
    rig.post(record(time.time(), "call-2"))
    assert rig.attempts() == 2
    rig.exporter.scrape()
    rig.kill()
    text = CONFIG.replace("  file:", "  other:").replace("  hook:", "  file:").replace("  other:", "  hook:")
    (rig.folder / "tocsin.yaml").write_text(text)
    rig.config = load_config(rig.folder / "tocsin.yaml")
    rig.start()
    assert rig.attempts() == 2  # the log is met for the first time, and its attempt known


# ---------------------------------------------------------------------------------------------- how far memory reaches
def test_a_duplicate_is_known_for_certain_until_as_many_others_as_the_horizon_came_between() -> None:
    ids = np.random.default_rng(4).integers(1, 1 << 63, 3 * HORIZON, dtype=np.uint64)
    recent = Dedup(HORIZON)
    recent.new(ids[:1])
    recent.new(ids[1:HORIZON])  # with itself as many as the horizon
    assert recent.among(ids[:1])
    recent.new(ids[HORIZON : 2 * HORIZON - 1])
    assert recent.among(ids[:1])  # luck: nobody may rely on it
    recent.new(ids[2 * HORIZON - 1 : 2 * HORIZON + 1])
    assert not recent.among(ids[:1])  # forgotten, and would be counted again


def test_a_late_copy_counts_again_once_it_is_beyond_the_horizon() -> None:
    horizon, now = 50, 1_767_600_000.0
    for between, times in ((horizon - 1, 1), (2 * horizon, 2)):
        engine = make_engine(horizon=horizon)
        lines = [line(record(now, f"call-{number}")) for number in range(between + 1)]
        for text in [*lines, lines[0]]:
            feed(engine, "gw", [text], now=now)
        table = engine.state.families.tables["events"]
        assert table.values[:, table.column["attempts"]].sum() == between + times
        assert engine.state.health.value("tocsin_records_duplicate_total", ("gw",)) == 2 - times


def test_of_copies_in_several_chunks_the_newest_is_heard() -> None:
    now, engine = 1_767_600_000.0, make_engine()
    chunks = [line(record(now - 10, "newer")), line(record(now - 50, "older"))]
    feed(engine, "gw", chunks, now=now)
    engine.state.newest["gw"] = 0.0  # as if another source had told of them
    feed(engine, "gw", chunks, now=now)
    assert engine.state.newest["gw"] == now - 10


# ------------------------------------------------------------------------------------------------------ configuration
@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("    token_file: token\n", "", "found no `token_file`"),
        ("    listen: 127.0.0.1:0\n", "", "an address and a port"),
        ("    type: http\n", "    type: htpp\n", "did you mean 'http'?"),
        ("    type: http\n", "    type: http\n    paths: [x]\n", "found `paths`, expected them only with `type: file`"),
        ("    type: http\n", "    paths: [x]\n", "found `listen`, expected it only with `type: http`"),
        ("  hook:\n", "  ../hook:\n", "a folder gets this name"),
        ("    type: http\n", "    type: http\n    spool_bytes: 5\n", "at least twice `max_body_bytes`"),
        ("    type: http\n", "    type: http\n    max_body_bytes: 0\n", "a number of bytes above 0"),
    ],
)
def test_a_mistake_in_the_configuration_is_named(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in CONFIG
    path = tmp_path / "tocsin.yaml"
    path.write_text(CONFIG.replace(old, new))
    with pytest.raises(SpecError) as raised:
        load_config(path)
    assert said in str(raised.value)
