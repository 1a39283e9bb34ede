"""What a hook's writers say of themselves is on /metrics: how they are, what they were given and have dropped."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from events.gateways.litellm import HOOK
from events.hook import DROPS, UNREPORTED
from exporters.config import SourceConfig
from exporters.exporter import Exporter, restore
from exporters.run import hook_health, positions_of
from exporters.signals import sequence_gaps
from exporters.sources.file import FileTail
from exporters.sources.hook_health import LOOK_EVERY, REFUSALS, STATES, HookHealth
from runtime.state_file import StateFolder
from spec.model import Spec
from tests.support.engines import SPEC, make_engine, shown

Shown = dict[str, dict[tuple[str, ...], float]]


class Rig:
    """An exporter whose clock runs ahead of ours, so that each poll looks at the health files."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.now = time.time()
        monkeypatch.setattr(time, "time", lambda: self.now)
        self.start()

    def start(self, spec: Spec = SPEC) -> None:
        engine, folder = make_engine(spec), StateFolder(self.folder / "state")
        self.health = engine.state.health
        saved = restore(engine.memory, folder)
        pattern = str(self.folder / "litellm-*.jsonl*")
        hooks = HookHealth("gw", [pattern], HOOK)
        tail = FileTail("gw", [pattern], positions=positions_of(saved, "gw"), start_at="beginning", hooks=hooks)
        self.exporter = Exporter(engine.memory, {"gw": tail}, folder, now=self.now)

    def say(self, writer: str, *, records: int, dropped: int = 0, **more: Any) -> None:
        said = {
            "v": 1, "writer": writer, "state": "running", "updated": self.now, "records": records,
            "dropped": {"queue_full": dropped}, "queue_bytes": 0, "trouble": "", **more,
        }  # fmt: skip
        (self.folder / f"litellm-{writer}.health.json").write_text(json.dumps(said))

    def remove(self, writer: str) -> None:
        (self.folder / f"litellm-{writer}.health.json").unlink()

    def shown(self) -> Shown:
        self.now += LOOK_EVERY
        self.exporter.poll()
        return shown(self.exporter.scrape())

    def told(self) -> tuple[float, float]:
        """Records given, and dropped for a full queue, so far."""
        self.shown()
        dropped = self.health.value("tocsin_hook_records_dropped_total", ("gw", "queue_full"))
        return self.health.value("tocsin_hook_records_total", ("gw",)), dropped


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    made = Rig(tmp_path, monkeypatch)
    yield made
    made.exporter.close()


def test_series_are_there_before_there_is_a_writer(rig: Rig) -> None:
    values = rig.shown()
    assert values["tocsin_hook_writers"] == {("gw", state): 0 for state in STATES}
    assert values["tocsin_hook_records_total"] == {("gw",): 0}
    assert values["tocsin_hook_records_dropped_total"] == {("gw", reason): 0 for reason in DROPS}
    assert values["tocsin_hook_records_shed_total"] == {("gw", part): 0 for part in HOOK.parts}
    assert values["tocsin_hook_content_lost_total"] == {("gw",): 0}
    assert values["tocsin_hook_unreported_fields"] == {("gw", name): 0 for name in UNREPORTED}
    assert values["tocsin_hook_reports_refused_total"] == {("gw", reason): 0 for reason in REFUSALS}
    for gauge in ("unhealthy_writers", "queue_bytes", "report_age_seconds"):
        assert values[f"tocsin_hook_{gauge}"] == {("gw",): 0}


def test_no_writer_is_ever_a_label(rig: Rig) -> None:
    rig.say("0123456789abcdef", records=1, trouble="No space left on device")
    assert not [key for rows in rig.shown().values() for key in rows if "0123456789abcdef" in str(key)]


def test_writers_are_counted_by_state_and_their_queues_added_up(rig: Rig) -> None:
    rig.say("a", records=1, queue_bytes=100)
    rig.say("b", records=1, queue_bytes=11, trouble="No space left on device")
    rig.say("c", records=1, state="stopped", queue_bytes=5)
    values = rig.shown()
    assert values["tocsin_hook_writers"]["gw", "running"] == 2
    assert values["tocsin_hook_writers"]["gw", "stopped"] == 1
    assert values["tocsin_hook_queue_bytes"]["gw",] == 111
    assert values["tocsin_hook_unhealthy_writers"]["gw",] == 1
    assert values["tocsin_hook_report_age_seconds"]["gw",] == pytest.approx(LOOK_EVERY)
    rig.remove("b")
    assert rig.shown()["tocsin_hook_unhealthy_writers"]["gw",] == 0


def test_what_was_left_out_is_counted_and_what_is_not_told_is_shown_while_the_writer_lives(rig: Rig) -> None:
    rig.shown()
    rig.say("a", records=9, shed={"texts": 2, "odd": 1}, content_lost=3, unreported=["client_address"])
    rig.say("b", records=9, shed={"texts": 1}, unreported=["client_address", "address_of_refused_credentials"])
    values = rig.shown()
    assert values["tocsin_hook_unreported_fields"]["gw", "client_address"] == 2
    assert values["tocsin_hook_unreported_fields"]["gw", "address_of_refused_credentials"] == 1
    assert rig.health.value("tocsin_hook_records_shed_total", ("gw", "texts")) == 3
    assert rig.health.value("tocsin_hook_records_shed_total", ("gw", "other")) == 1
    assert rig.health.value("tocsin_hook_content_lost_total", ("gw",)) == 3
    rig.say("b", records=9, state="stopped", unreported=["client_address"])
    assert rig.shown()["tocsin_hook_unreported_fields"]["gw", "client_address"] == 1


def test_what_was_given_is_added_up_over_writers_that_come_and_go(rig: Rig) -> None:
    assert rig.told() == (0, 0)
    rig.say("a", records=10)
    assert rig.told() == (10, 0)
    rig.say("a", records=15, dropped=2)
    rig.say("b", records=1)
    assert rig.told() == (16, 2)
    rig.remove("a")
    rig.say("c", records=4, dropped=3)
    assert rig.told() == (20, 5)


def test_what_was_done_before_the_first_start_is_not_counted(rig: Rig) -> None:
    rig.say("a", records=1_000_000, dropped=9)
    assert rig.told() == (0, 0)


@pytest.mark.parametrize("in_order", [True, False])
def test_a_restart_of_the_exporter_counts_nothing_twice(rig: Rig, in_order: bool) -> None:
    assert rig.told() == (0, 0)
    rig.say("a", records=10, dropped=1)
    assert rig.told() == (10, 1)  # and that scrape has saved it
    if in_order:
        rig.exporter.close()
    else:
        rig.exporter._folder.close()
    rig.say("a", records=12, dropped=1)
    rig.say("b", records=3)
    rig.start()
    assert rig.told() == (15, 1)


def test_a_file_that_cannot_be_used_is_counted_and_nothing_else_suffers(rig: Rig) -> None:
    rig.say("a", records=1)
    (rig.folder / "litellm-b.health.json").write_bytes(b'{"v":1,"wri')
    values = rig.shown()
    assert values["tocsin_hook_writers"]["gw", "unreadable"] == values["tocsin_hook_writers"]["gw", "running"] == 1
    assert rig.health.value("tocsin_hook_reports_refused_total", ("gw", "damaged")) == 1
    assert rig.health.value("tocsin_hook_reports_refused_total", ("gw", "io")) == 0


def test_a_state_of_an_earlier_version_has_no_told_numbers() -> None:
    known = sequence_gaps.SequenceGaps(["gw"])
    data = known.save()
    del data["told"]
    known.load(data)
    assert known.deltas.new("gw", [("a", {"records": 5})])["records"] == 0


@pytest.mark.parametrize(
    ("gateway", "mapping", "looks"),
    [("litellm", None, True), ("envoy", None, False), ("litellm", Path("mine.yaml"), False)],
)
def test_health_files_are_looked_for_only_beside_logs_of_a_gateway_with_a_hook(
    gateway: str, mapping: Path | None, looks: bool
) -> None:
    made = hook_health("gw", SourceConfig(gateway=gateway, mapping=mapping, paths=("logs/*.jsonl",)))
    assert (made is not None) is looks
