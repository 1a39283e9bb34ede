"""Sinks never hold up the metrics, and get every line once, whatever happens to them."""

from __future__ import annotations

import errno
import os
import random
import time
from pathlib import Path
from typing import Any

import pytest

from exporters.exporter import Exporter, restore_all
from exporters.sinks import Acknowledged, Lane
from exporters.sinks import lanes as module
from exporters.sinks.lanes import Lanes, from_plain
from exporters.sources import Chunk
from exporters.sources.http import HttpSource, SpoolReader, position_of
from exporters.sources.spool import Spool, SpoolPosition
from runtime.state_file import StateFolder
from tests.exporters.sinks.rig import Memory, Rig, jsonl, nameless, slices_in, twice
from tests.support.engines import make_engine
from tests.support.litellm_lines import line, record
from tests.support.waiting import wait_for


def test_a_sink_gets_every_line_once_raw_and_as_events(tmp_path: Path) -> None:
    sink = Memory()
    rig = Rig(tmp_path, lambda: {"memory": sink})
    rig.start()
    rig.write(300)
    rig.catch_up()
    assert rig.counted() == 300
    assert nameless(sink.kept) == rig.expected()
    assert b"".join(sink.raw_kept) == rig.log.read_bytes()
    assert rig.value("tocsin_sink_written_total", "memory") == 300
    rig.exporter.close()


def test_a_duplicate_line_is_written_and_counted_as_one(tmp_path: Path) -> None:
    sink = Memory()
    rig = Rig(tmp_path, lambda: {"memory": sink})
    rig.start()
    same = line(record(time.time(), "same", prompt="Ignore all previous instructions"))
    with rig.log.open("ab") as file:
        file.write(same + same + line(record(time.time(), "other")))
    rig.catch_up()
    assert rig.counted() == 2
    assert nameless(sink.kept) == rig.expected()
    rig.exporter.close()


def test_a_slow_sink_never_stops_metrics_and_catches_up(tmp_path: Path) -> None:
    sink = Memory()
    rig = Rig(tmp_path, lambda: {"slow": sink}, queue_bytes=20_000)
    rig.start()
    sink.free.clear()
    for number in range(1, 11):
        rig.write(100)
        rig.exporter.poll()
        assert rig.counted() == 100 * number
    assert rig.lanes.missing() == [("slow", "gw")]
    gauges = rig.lanes.gauges()
    assert gauges["tocsin_sink_waiting_bytes"] == [rig.log.stat().st_size - sum(map(len, sink.raw_kept))]
    rig.exporter.scrape()
    sink.free.set()
    rig.catch_up()
    assert nameless(sink.kept) == rig.expected()
    rig.write(50)
    rig.catch_up()
    assert nameless(sink.kept) == rig.expected()
    assert rig.counted() == 1050
    assert rig.lanes.gauges()["tocsin_sink_waiting_bytes"] == [0]
    rig.exporter.close()


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "disk_full"),
        (OSError(errno.EIO, "Input/output error"), "write"),
        (RuntimeError("a bug"), "error"),
    ],
)
def test_a_sink_that_raises_is_counted_and_tried_again(tmp_path: Path, error: Exception, reason: str) -> None:
    sink = Memory()
    rig = Rig(tmp_path, lambda: {"broken": sink}, queue_bytes=20_000)
    rig.start()
    sink.fails = error
    rig.write(200)
    rig.exporter.poll()
    wait_for(lambda: rig.value("tocsin_sink_failures_total", "broken", reason), "no failure was counted")
    rig.write(200)
    rig.exporter.poll()
    assert rig.counted() == 400
    assert rig.lanes.gauges()["tocsin_sink_up"] == [0]
    sink.fails = None
    rig.catch_up()
    assert nameless(sink.kept) == rig.expected()
    assert b"".join(sink.raw_kept) == rig.log.read_bytes()
    assert rig.lanes.gauges()["tocsin_sink_up"] == [1]
    rig.exporter.close()


def test_the_slowest_of_two_sinks_says_what_is_committed(tmp_path: Path) -> None:
    fast, slow = Memory(), Memory()
    rig = Rig(tmp_path, lambda: {"fast": fast, "slow": slow})
    rig.start()
    rig.write(20)
    rig.catch_up()
    before = rig.log.stat().st_size
    slow.free.clear()
    rig.write(20)
    rig.exporter.poll()
    wait_for(lambda: rig.lanes.lanes["fast"].settle(0.05), "the fast sink never came to its end")
    rig.exporter.scrape()
    kept, positions = rig.lanes.acknowledged(), rig.exporter._positions["gw"]
    offsets = {name: [at.offset for at in one.positions["gw"].values()] for name, one in kept.items()}  # type: ignore[attr-defined]
    assert offsets == {"fast": [rig.log.stat().st_size], "slow": [before]}
    committed: Any = rig.lanes.committed("gw", positions, kept)
    assert [at.offset for at in committed.values()] == [before]
    saved = from_plain(rig.exporter._folder.load().data["sinks"])  # type: ignore[index]
    assert saved == kept
    slow.free.set()
    rig.kill()
    rig.start()
    rig.catch_up()
    assert nameless(fast.kept) == nameless(slow.kept) == rig.expected()
    assert rig.counted() == 40
    rig.exporter.close()


def test_counting_that_fails_gives_no_line_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sink = Memory()
    rig = Rig(tmp_path, lambda: {"memory": sink})
    rig.start()
    rig.write(10)
    rig.exporter.poll()
    state = type(rig.exporter._state)
    take = state.take

    def broken(self: Any, batch: Any, *found: Any, **at: Any) -> None:
        if "poison" in list(batch.objects("model")):
            raise ZeroDivisionError
        take(self, batch, *found, **at)

    monkeypatch.setattr(state, "take", broken)
    rig.write(5)
    with rig.log.open("ab") as file:
        file.write(line(record(time.time(), "bad", model="poison")))
    rig.write(5)
    wait_for(lambda: (rig.exporter.poll(), rig.counted())[1] == 20, "the lines were never counted again")
    rig.catch_up()
    assert rig.value("tocsin_records_quarantined_total", "gw", "count") == 1
    assert rig.counted() == 20
    assert nameless(sink.kept) == rig.expected()
    rig.exporter.close()


def test_a_new_sink_begins_where_reading_is(tmp_path: Path) -> None:
    first, second = Memory(), Memory()
    sinks = {"first": first}
    rig = Rig(tmp_path, lambda: dict(sinks))
    rig.start()
    rig.write(10)
    rig.catch_up()
    rig.exporter.close()
    sinks["second"] = second
    rig.start()
    rig.write(5)
    rig.catch_up()
    assert nameless(first.kept) == rig.expected()
    assert nameless(second.kept) == rig.expected()[10:]
    rig.exporter.close()


def test_what_is_gone_before_a_sink_reads_it_is_counted_as_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE", -1.0)
    sink = Memory()
    rig = Rig(tmp_path, lambda: {"slow": sink}, queue_bytes=1)
    rig.start()
    sink.free.clear()
    rig.write(5)
    rig.exporter.poll()
    rig.write(5)
    rig.exporter.poll()
    assert rig.lanes.missing() == [("slow", "gw")]
    gap = rig.log.stat().st_size - sum(len(entry) + 1 for entry in rig.log.read_bytes().splitlines()[:5])
    rig.log.unlink()
    sink.free.set()
    rig.catch_up()
    assert rig.value("tocsin_sink_lost_bytes_total", "slow") == gap
    assert len(sink.kept) == 5
    rig.exporter.close()


@pytest.mark.parametrize("seed", range(8))
def test_kills_at_random_moments_lose_nothing_and_repeat_nothing(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    out, held = tmp_path / "out", Memory()
    rig = Rig(
        tmp_path,
        lambda: {"events": jsonl(out, rotate_bytes=chance.choice([4_096, 20_000])), "held": held},
        queue_bytes=chance.choice([1, 5_000, 1 << 20]),
    )
    rig.start()
    for _ in range(40):
        step = chance.choice(["write", "write", "poll", "poll", "scrape", "settle", "kill", "rotate", "hold"])
        if step == "write":
            rig.write(chance.randrange(1, 40))
        elif step == "poll":
            rig.exporter.poll()
        elif step == "scrape":
            rig.exporter.scrape()
        elif step == "settle":
            rig.lanes.lanes["events"].settle(0.02)
        elif step == "hold":
            held.fails = None if held.fails else OSError(errno.ENOSPC, "full")
        elif step == "kill":
            rig.kill()
            rig.start()
    held.fails = None
    rig.catch_up()
    assert nameless(slices_in(out)) == rig.expected()
    assert nameless(held.kept) == rig.expected()
    assert rig.counted() == rig.written
    assert not twice(slices_in(out))
    rig.exporter.close()


def test_a_clean_stop_leaves_nothing_to_catch_up(tmp_path: Path) -> None:
    sink = Memory()
    rig = Rig(tmp_path, lambda: {"memory": sink})
    rig.start()
    rig.write(10)
    rig.exporter.poll()
    rig.exporter.close()
    assert nameless(sink.kept) == rig.expected()
    rig.start()
    rig.exporter.poll()
    rig.exporter.poll()
    assert not rig.lanes.missing()
    assert sink.calls == 2
    rig.exporter.close()


def test_two_readers_of_a_spool_do_not_disturb_each_other(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", limit=1 << 20)
    for number in range(5):
        spool.append(b"%d\n" % number)
    other = SpoolReader("gw", spool, SpoolPosition(), 1000)
    buffer = bytearray(1000)
    assert b"".join(bytes(data) for _, _, data in spool.read(1000, buffer, 100)) == b"0\n1\n2\n3\n4\n"
    assert spool.unread == 0 and other.status().unread_bytes == 10
    assert b"".join(bytes(chunk.data) for chunk in other.read(1000, now=0.0)) == b"0\n1\n2\n3\n4\n"
    assert other.positions()["spool"] == spool.position
    spool.saved(spool.position)
    spool.saved(spool.position)
    assert not list((tmp_path / "spool").iterdir())
    late = SpoolReader("gw", spool, SpoolPosition(1, 4), 1000)
    spool.append(b"5\n")
    assert [bytes(chunk.data) for chunk in late.read(1000, now=0.0)] == [b"5\n"]
    assert late.status().bytes_lost == 6
    spool.close()


def test_a_disk_that_fills_in_the_middle_of_a_write_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig(tmp_path, lambda: {"events": jsonl(tmp_path / "out", rotate_bytes=8_192)}, queue_bytes=20_000)
    rig.start()
    rig.write(20)
    rig.catch_up()
    pwrite, room = os.pwrite, [3_000]

    def filling(file: int, data: Any, offset: int) -> int:
        done = pwrite(file, bytes(data)[: room[0]], offset) if room[0] else 0
        room[0] -= done
        if not done:
            raise OSError(errno.ENOSPC, "No space left on device")
        return done

    monkeypatch.setattr(os, "pwrite", filling)
    for number in range(1, 6):
        rig.write(100)
        rig.exporter.poll()
        assert rig.counted() == 20 + 100 * number
    wait_for(lambda: rig.value("tocsin_sink_failures_total", "events", "disk_full"), "the disk never filled")
    assert rig.lanes.gauges()["tocsin_sink_up"] == [0]
    assert rig.lanes.gauges()["tocsin_sink_waiting_bytes"][0] > 0
    monkeypatch.undo()
    rig.catch_up()
    assert nameless(slices_in(tmp_path / "out")) == rig.expected()
    rig.exporter.close()


def test_nothing_is_written_before_a_saved_state_knows_of_the_sink() -> None:
    sink, engine = Memory(), make_engine()
    lane = Lane("new", sink, Acknowledged({"gw": {}}))
    lane.start()
    place = wait_for(lambda: lane.acknowledged.place, "the sink never opened")
    lane.begin("gw")
    chunk = Chunk.of("gw", line(record(time.time(), "a")), file="f")
    engine.observe(chunk, lane)
    lane.end({})
    assert not lane.settle(0.2) and sink.calls == 0
    lane.saved(Acknowledged(place=place))
    wait_for(lambda: lane.settle(0.05), "the sink never wrote")
    assert sink.kept == [("f", 0, len(chunk.data) - 1)]
    lane.close()


def posted(folder: Path, sinks: dict[str, Memory]) -> tuple[Exporter, HttpSource]:
    """An exporter over a source that is posted to, with sinks, as it goes on in `folder`."""
    engine, state = make_engine(), StateFolder(folder / "state")
    kept = restore_all(engine.memory, state)
    position = position_of((kept.positions or {}).get("gw"))
    spool = Spool(folder / "spool", limit=200_000, position=position, segment_bytes=5_000)
    source = HttpSource("gw", ("127.0.0.1", 0), (b"token",), spool)
    lanes = Lanes(
        sinks, {"gw": source}, kept.sinks, now=time.time(), make=lambda *given: Lane(*given, queue_bytes=10_000)
    )
    exporter = Exporter(engine.memory, {"gw": source}, state, now=time.time(), lanes=lanes)
    wait_for(lambda: all(lane.acknowledged.place for lane in lanes.lanes.values()), "a sink never opened")
    exporter.scrape()
    return exporter, source


def test_posts_stay_on_disk_until_the_slowest_sink_has_them(tmp_path: Path) -> None:
    fast, slow = Memory(), Memory()
    exporter, source = posted(tmp_path, {"fast": fast, "slow": slow})
    slow.fails = OSError(errno.EIO, "Input/output error")
    lines = [line(record(time.time(), f"call-{number}")) for number in range(60)]
    for text in lines:
        source.spool.append(text)
        exporter.poll()
        exporter.scrape()
    assert source.spool.unread == 0
    assert source.spool.size == sum(map(len, lines))
    exporter._lanes.close()  # type: ignore[union-attr]
    exporter._folder.close()
    source.close()

    slow.fails = None
    exporter, source = posted(tmp_path, {"fast": fast, "slow": slow})
    lanes = exporter._lanes
    assert lanes is not None
    wait_for(lambda: (exporter.poll(), not lanes.missing() and lanes.settle(0.05))[1], "the sinks never caught up")
    assert b"".join(slow.raw_kept) == b"".join(fast.raw_kept) == b"".join(lines)
    assert len(slow.kept) == len(fast.kept) == 60
    exporter.scrape()
    exporter.scrape()
    assert source.spool.size < sum(map(len, lines)) / 2
    exporter.close()


def test_new_posts_come_before_a_sink_that_is_down(tmp_path: Path) -> None:
    down = Memory()
    exporter, source = posted(tmp_path, {"down": down})
    down.fails = OSError(errno.EIO, "Input/output error")
    lines = [line(record(time.time(), f"call-{number}")) for number in range(400)]
    assert sum(map(len, lines)) > 1.5 * source.spool.limit
    for text in lines:
        source.spool.append(text)  # raises when it is full
        exporter.poll()
        exporter.scrape()
    assert exporter._state.health.value("tocsin_records_read_total", ("gw",)) == 400
    down.fails = None
    lanes = exporter._lanes
    assert lanes is not None
    wait_for(lambda: (exporter.poll(), not lanes.missing() and lanes.settle(0.05))[1], "the sink never caught up")
    lanes.count(exporter._state)
    lost = exporter._state.health.value("tocsin_sink_lost_bytes_total", ("down",))
    assert lost > 0
    assert sum(map(len, down.raw_kept)) + lost == sum(map(len, lines))
    exporter.close()
