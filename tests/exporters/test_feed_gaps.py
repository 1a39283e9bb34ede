"""Records that were lost before the exporter could read them are on /metrics, also after a restart."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporters.exporter import Exporter, restore
from exporters.run import positions_of
from exporters.signals import sequence_gaps
from exporters.sources.file import FileTail
from runtime.state_file import StateFolder
from tests.support.engines import make_engine, shown
from tests.support.litellm_lines import line, record


class Rig:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "gw.jsonl"
        self.start()

    def start(self) -> None:
        engine, folder = make_engine(), StateFolder(self.folder / "state")
        self.health = engine.state.health
        saved = restore(engine.memory, folder)
        tail = FileTail("gw", [str(self.log)], positions=positions_of(saved, "gw"), start_at="beginning")
        self.exporter = Exporter(engine.memory, {"gw": tail}, folder, now=time.time())

    def write(self, *numbers: int) -> None:
        with self.log.open("ab") as file:
            for number in numbers:
                inner = line(record(time.time(), f"call-{number}")).rstrip(b"\n")
                file.write(b'{"v":1,"writer":"w","seq":%d,"kind":"attempt","record":%s}\n' % (number, inner))

    def told(self) -> tuple[float, float, float]:
        """Gaps, lost records, recent gaps."""
        while self.exporter.poll():
            pass
        recent = shown(self.exporter.scrape())["tocsin_feed_recent_gaps"]["gw",]
        return self.counted("tocsin_feed_gaps_total"), self.counted("tocsin_feed_records_lost_total"), recent

    def counted(self, name: str, *labels: str) -> float:
        """A counter as it is, as a scrape shows a rise a little later."""
        return self.health.value(name, ("gw", *labels))


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    monkeypatch.setattr(sequence_gaps, "GRACE", 0.0)
    made = Rig(tmp_path)
    yield made
    made.exporter.close()


def test_nothing_lost_is_zero_from_the_start(rig: Rig) -> None:
    rig.write(1, 2, 3)
    assert rig.told() == (0, 0, 0)


def test_a_gap_is_shown(rig: Rig) -> None:
    rig.write(1, 2, 6, 9)
    assert rig.told() == (2, 5, 2)


def test_a_gap_over_a_restart_is_seen_and_an_old_one_not_counted_twice(rig: Rig) -> None:
    rig.write(1, 2, 5)
    assert rig.told() == (1, 2, 1)
    rig.exporter.close()
    rig.write(6, 8)
    rig.start()
    assert rig.told() == (2, 3, 2)


def test_drops_are_told_by_reason(rig: Rig) -> None:
    rig.write(1)
    with rig.log.open("ab") as file:
        file.write(b'{"v":1,"writer":"w","seq":5,"kind":"dropped","notice":{"records":3,"reasons":{"queue_full":3}}}\n')
    assert rig.told() == (1, 3, 1)
    assert rig.counted("tocsin_feed_drops_reported_total", "queue_full") == 3
    assert rig.counted("tocsin_records_read_total") == 1
    assert rig.counted("tocsin_records_rejected_total", "missing_field") == 0
