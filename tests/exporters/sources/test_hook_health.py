"""What writers say of themselves is read whatever stands in their files, and never disturbs them."""

from __future__ import annotations

import fcntl
import json
import logging
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.gateways.litellm import HOOK
from events.hook import DROPS, UNREPORTED, HookFormat
from exporters.hooks.litellm import tocsin_litellm
from exporters.hooks.litellm.tocsin_litellm import LineWriter, Settings
from exporters.sources import hook_health
from exporters.sources.hook_health import (
    LARGEST,
    LATELY,
    LOOK_EVERY,
    REFUSALS,
    STALE,
    STATES,
    HookHealth,
    Report,
)
from exporters.sources.walk import Walk

BEGIN = 1_000_000.0
NO_DROPS = dict.fromkeys(DROPS, 0)


class Rig:
    """A folder with health files, a clock, and the reader."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = BEGIN
        self.health = HookHealth("gw", [str(folder / "litellm-*.jsonl*")], HOOK)

    def path(self, writer: str) -> Path:
        return self.folder / f"litellm-{writer}.health.json"

    def content(self, writer: str = "w", **changes: Any) -> bytes:
        said = {
            "v": 1, "writer": writer, "state": "running", "pid": 1, "host": "h", "started": self.now - 60,
            "updated": self.now, "records": 10, "offered": 12, "written": 12,
            "dropped": {"queue_full": 0, "unencodable": 0, "error": 0}, "queue_bytes": 0, "trouble": "",
        }  # fmt: skip
        return json.dumps(said | changes).ljust(1023).encode() + b"\n"

    def say(self, writer: str = "w", **changes: Any) -> None:
        self.path(writer).write_bytes(self.content(writer, **changes))

    def look(self, after: float = LOOK_EVERY) -> tuple[Report, ...]:
        self.now += after
        self.health.look(self.now)
        assert self.health.reports is not None
        return self.health.reports

    def one(self, after: float = LOOK_EVERY) -> Report:
        (report,) = self.look(after)
        return report

    def refused(self) -> dict[str, int]:
        return {reason: count for reason, count in self.health.refused.items() if count}


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


def test_what_a_writer_says_is_told(rig: Rig) -> None:
    assert rig.health.reports is None
    assert rig.look() == ()
    rig.say(records=17, dropped={"queue_full": 3, "odd": 2}, queue_bytes=512)
    told = {**NO_DROPS, "queue_full": 3, "other": 2}
    assert rig.one() == Report("w", "running", 17, told, 512, age=LOOK_EVERY)
    assert rig.refused() == {}


def test_the_words_are_those_of_the_hook() -> None:
    assert HOOK.parts == tocsin_litellm.PARTS
    assert set(tocsin_litellm.unreported_by("1.74.0")) | {"other"} == set(UNREPORTED)
    assert set(STATES) >= {"running", "stopping", "stopped"}


def test_what_a_writer_left_out_and_is_not_told_is_reported(rig: Rig) -> None:
    rig.say(
        shed={"texts": 2, "odd": 3},
        content_lost=4,
        litellm="1.74.3",
        hook="0.2.0",
        unreported=["client_address", "odd"],
    )
    report = rig.one()
    assert report.shed == {"texts": 2, "other": 3}
    assert report.content_lost == 4
    assert report.unreported == {"client_address", "other"}


def test_what_the_gateway_does_not_tell_is_in_the_log_once(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    rig.say(litellm="1.74.3\n", hook="0.2.0", unreported=["client_address"])
    rig.one()
    rig.one()
    (line,) = (entry.message for entry in caplog.records if "LiteLLM" in entry.message)
    assert line == r"source gw: hook 0.2.0 in LiteLLM 1.74.3\n, which does not report: client_address"


def test_another_gateways_hook_has_its_own_names_and_words(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    other = HookHealth("gw", [str(tmp_path / "*.jsonl")], HookFormat("Other+", "o+", ("headers", "other")))
    rig = Rig(tmp_path)
    rig.say("theirs")  # a file of LiteLLM's hook
    said = rig.content("w", shed={"headers": 2, "texts": 3}, gateway_version="9", litellm="1")
    (tmp_path / "o+-w.health.json").write_bytes(said)
    other.look(BEGIN)
    (report,) = other.reports or ()
    assert (report.writer, report.shed) == ("w", {"headers": 2, "other": 3})
    assert [line for line in caplog.messages if "does not report" in line] == [
        "source gw: hook  in Other+ 9, which does not report: nothing that Tocsin needs"
    ]


def test_files_are_looked_at_now_and_then_and_not_at_every_poll(rig: Rig) -> None:
    rig.say(records=1)
    first = rig.look()
    rig.say(records=2)
    assert rig.look(LOOK_EVERY / 2) is first
    assert rig.one(LOOK_EVERY / 2).records == 2
    rig.say(records=3)
    assert rig.one(-500).records == 3, "the clock was set back"


def test_folders_are_those_of_the_logs(tmp_path: Path) -> None:
    for folder in ("a", "b", "c/d"):
        (tmp_path / folder).mkdir(parents=True)
        Rig(tmp_path / folder).say(folder.replace("/", ""))
    patterns = ["?/litellm-*.jsonl*", "?/litellm-*.jsonl", "a/other.log", "c/**/litellm-*.jsonl"]
    found = HookHealth("gw", [str(tmp_path / pattern) for pattern in patterns], HOOK)
    found.look(BEGIN)
    assert sorted(report.writer for report in found.reports or ()) == ["a", "b", "cd"]


# -------------------------------------------------------------------------------------------- what cannot be used
GOOD = Rig(Path()).content()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\0" * 1024, "damaged"),
        (GOOD[:100], "damaged"),
        (GOOD.replace(b'"running"', b'"flying"'), "damaged"),
        (GOOD.replace(b'"v": 1', b'"v": 2'), "damaged"),
        (GOOD.replace(b'"writer": "w"', b'"writer": "x"'), "damaged"),
        (GOOD.replace(b'"records": 10', b'"records": -1'), "damaged"),
        (GOOD.replace(b'"records": 10', b'"records": ' + b"9" * 400), "damaged"),
        (GOOD.replace(b'"records": 10', b'"records": 1e999'), "damaged"),
        (GOOD.replace(b'"queue_bytes": 0', b'"queue_bytes": NaN'), "damaged"),
        (GOOD.replace(b'"queue_full": 0', b'"queue_full": "many"'), "damaged"),
        (GOOD.replace(b'"trouble": ""', b'"trouble": "\xff"'), "damaged"),
        (b"[" * 10_000, "damaged"),
        (b"null", "damaged"),
        (GOOD + b" " * LARGEST, "too_large"),
    ],
)
def test_a_damaged_file_is_counted_and_its_writer_unreadable(rig: Rig, content: bytes, reason: str) -> None:
    rig.path("w").write_bytes(content)
    assert rig.one() == Report("w", "unreadable", None, NO_DROPS)
    assert rig.refused() == {reason: 1}
    rig.say(records=5)
    assert (rig.one().state, rig.one().records) == ("running", 5)


@given(content=st.one_of(st.binary(max_size=2000), st.builds(lambda at, by: GOOD[:at] + by + GOOD[at + len(by) :],
                                                             st.integers(0, 400), st.binary(max_size=9))))  # fmt: skip
def test_no_content_makes_it_fail(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    rig = Rig(tmp_path_factory.mktemp("any"))
    rig.path("w").write_bytes(content)
    for after in (LOOK_EVERY, STALE):
        assert rig.one(after).state in STATES


def test_a_huge_file_is_not_read(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    with rig.path("w").open("wb") as file:
        file.truncate(1 << 40)
    asked, real = [], os.pread

    def read(file: int, size: int, at: int) -> bytes:
        asked.append(size)
        return real(file, size, at)

    monkeypatch.setattr(os, "pread", read)
    assert rig.one().state == "unreadable"
    assert rig.refused() == {"too_large": 1}
    assert sum(asked) <= 4 * (LARGEST + 1)


def _fifo(path: Path) -> None:
    os.mkfifo(path)


def _link(path: Path) -> None:
    (path.parent / "elsewhere").write_bytes(GOOD)
    path.symlink_to("elsewhere")


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


@pytest.mark.timeout(20)
@pytest.mark.parametrize("make", [_fifo, _link, _socket, Path.mkdir])
def test_what_is_no_regular_file_is_not_opened(rig: Rig, make: Any) -> None:
    make(rig.path("w"))
    assert rig.look() == ()
    assert rig.refused() == {"not_a_file": 1}


@pytest.mark.timeout(20)
@pytest.mark.parametrize("make", [_fifo, _link])
def test_nor_is_one_that_takes_the_place_of_a_file_between_look_and_open(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, make: Any
) -> None:
    rig.say()
    regular = rig.path("w").lstat()
    rig.path("w").unlink()
    make(rig.path("w"))
    monkeypatch.setattr(hook_health, "stat_beneath", lambda _path: regular)
    assert rig.look() == ()
    assert rig.refused() == {"not_a_file": 1}


def test_a_name_that_no_writer_gives_is_refused(rig: Rig) -> None:
    for name in ("litellm-.health.json", "litellm-../../etc.health.json", f"litellm-{'a' * 65}.health.json"):
        (rig.folder / name.replace("/", "_")).write_bytes(GOOD)
    (rig.folder / os.fsdecode(b"litellm-\xff.health.json")).write_bytes(GOOD)
    assert rig.look() == ()
    assert rig.refused() == {"not_a_file": 4}


def test_a_file_that_vanishes_in_between_says_nothing(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    path = rig.path("gone")
    path.write_bytes(b"{}")
    go_on = Walk.go_on

    def vanishing(self: Walk, names: int) -> bool:
        over = go_on(self, names)
        path.unlink(missing_ok=True)
        return over

    monkeypatch.setattr(Walk, "go_on", vanishing)
    assert rig.look() == ()
    rig.say("gone")
    regular = rig.path("gone").lstat()
    rig.path("gone").unlink()
    monkeypatch.setattr(hook_health, "stat_beneath", lambda _path: regular)
    assert rig.look() == ()
    assert rig.refused() == {}


def test_one_that_may_not_be_read_is_counted(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.say()

    def refuse(path: str, flags: int) -> int:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(hook_health, "open_beneath", refuse)
    assert rig.one().state == "unreadable"
    assert rig.refused() == {"io": 1}


def test_only_so_many_files_are_looked_at(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hook_health, "MOST_FILES", 3)
    for number in range(5):
        rig.say(str(number))
    assert len(rig.look()) == 3
    assert rig.refused() == {"too_many": 2}


def test_all_reasons_are_there_before_they_happen(rig: Rig) -> None:
    assert rig.health.refused == dict.fromkeys(REFUSALS, 0)


# -------------------------------------------------------------------------------------------- while it is written
def test_half_of_one_and_half_of_another_is_read_again(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Old 1999 and new 2000 in parts are 2999, which is a number like another."""
    old, new = rig.content(records=1999), rig.content(records=2000)
    place = old.index(b"1999") + 1
    seen = iter([new[:place] + old[place:], new, new])
    rig.path("w").write_bytes(new)
    monkeypatch.setattr(os, "pread", lambda _file, _size, _at: next(seen))
    assert rig.one().records == 2000


def test_a_look_that_gives_nothing_leaves_what_was_said_before(rig: Rig) -> None:
    rig.say(records=10, queue_bytes=7)
    rig.one()
    rig.path("w").write_bytes(GOOD[:100])
    report = rig.one()
    assert (report.state, report.records, report.queue_bytes, report.age) == ("running", 10, 7, 2 * LOOK_EVERY)
    assert rig.refused() == {"damaged": 1}


def test_numbers_do_not_go_back(rig: Rig) -> None:
    rig.say(records=10, dropped={"error": 4})
    rig.one()
    rig.say(records=9, dropped={"error": 3, "queue_full": 1})
    report = rig.one()
    assert (report.records, report.dropped) == (10, {**NO_DROPS, "error": 4, "queue_full": 1})


def test_the_first_hooks_do_not_say_how_many_records(rig: Rig) -> None:
    rig.path("w").write_bytes(rig.content().replace(b'"records": 10, ', b""))
    assert (rig.one().state, rig.one().records) == ("running", None)


# -------------------------------------------------------------------------------------------- who lives
@pytest.fixture
def held(rig: Rig) -> Iterator[int]:
    """The lock of the writer w, as its process holds it."""
    rig.say()
    file = os.open(rig.path("w"), os.O_RDWR)
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    yield file
    os.close(file)


def test_a_silent_writer_whose_lock_is_held_is_stuck(rig: Rig, held: int) -> None:
    assert rig.one().state == "running"
    report = rig.one(STALE)
    assert (report.state, report.troubled, report.age) == ("stuck", True, STALE + LOOK_EVERY)
    rig.say()
    report = rig.one()
    assert (report.state, report.troubled) == ("running", False)


def test_a_silent_writer_whose_lock_is_free_is_dead_which_is_no_trouble_that_goes_on(rig: Rig, held: int) -> None:
    rig.one()
    fcntl.flock(held, fcntl.LOCK_UN)
    assert rig.one(STALE - LOOK_EVERY - 1).state == "running", "that it has not spoken for a moment says nothing"
    report = rig.one()
    assert (report.state, report.troubled, report.lives) == ("dead", False, False)


def test_a_writer_that_could_not_even_begin_is_stuck_once_that_is_certain(rig: Rig, held: int) -> None:
    """A disk that was full before it came: the file is there, but empty."""
    os.ftruncate(held, 0)
    assert rig.one().state == "running", "it may have just begun"
    assert (rig.one(STALE).state, rig.one().troubled) == ("stuck", True)
    fcntl.flock(held, fcntl.LOCK_UN)
    assert rig.one().state == "unreadable"
    assert rig.refused() == {}


@pytest.mark.parametrize(
    ("queue_bytes", "state"), [pytest.param(0, "stopped", id="in order"), pytest.param(100, "dead", id="too early")]
)
def test_one_that_was_told_to_end_and_is_gone(rig: Rig, queue_bytes: int, state: str) -> None:
    rig.say(state="stopping", queue_bytes=queue_bytes)
    assert rig.one().state == "stopping"
    assert rig.one(STALE).state == state


def test_one_that_has_stopped_is_not_waited_for(rig: Rig) -> None:
    rig.say(state="stopped", trouble="No space left on device")
    rig.one()
    report = rig.one(10 * STALE)
    assert (report.state, report.troubled, report.lives) == ("stopped", False, False)


def test_the_lock_of_a_writer_that_speaks_is_never_touched_and_a_free_one_once(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or the writer that begins, and the one that buries it, would find it taken."""
    asked = []
    monkeypatch.setattr(fcntl, "flock", lambda _file, operation: asked.append(operation))
    for _ in range(20):
        rig.say()
        rig.one()
    assert asked == []
    for _ in range(20):
        rig.one()
    assert asked == [fcntl.LOCK_SH | fcntl.LOCK_NB, fcntl.LOCK_UN]
    assert rig.one().state == "dead"


def test_a_real_writer_is_read_and_outlives_being_looked_at(tmp_path: Path) -> None:
    (tmp_path / "memory").mkdir()
    folder = tmp_path / "records"
    writer = LineWriter(Settings(folder=folder, memory=tmp_path / "memory"))
    writer.put(b"{}")
    writer.drop("error")
    assert writer.flush(10)
    reader = HookHealth("gw", [str(folder / "litellm-*.jsonl*")], HOOK)
    writer.close()
    reader.look(time.time())
    (report,) = reader.reports or ()
    assert report == Report(writer.writer, "stopped", 2, {**NO_DROPS, "error": 1}, age=report.age)


# -------------------------------------------------------------------------------------------- trouble
def test_what_troubles_a_writer_is_logged_once_and_in_plain_characters(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "tocsin")
    for trouble in ("", "full\n\x1b[2J" + "x" * 5000, "full\n\x1b[2J" + "x" * 5000, "", ""):
        rig.say(trouble=trouble)
        assert rig.one().troubled == bool(trouble)
    first, second = caplog.messages
    assert first.startswith(r"source gw: the hook's writer w cannot write: full\n\x1b[2Jxxx")
    assert len(first) < 300
    assert second == "source gw: the hook's writer w writes again"


def test_a_writer_that_has_just_begun_is_nobodys_business(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    """Its file is there, and still empty."""
    rig.path("w").touch()
    report = rig.one()
    assert (report.state, report.records, report.troubled) == ("running", None, False)
    rig.say(records=1)
    assert rig.one().records == 1
    assert (rig.refused(), caplog.messages) == ({}, [])


def test_who_dies_is_logged_once(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    rig.say()
    for _ in range(30):
        rig.one()
    assert [message.partition(";")[0] for message in caplog.messages] == [
        "source gw: the hook's writer w is dead: its process exited without a shutdown record"
    ]


def test_a_writer_that_has_dropped_a_record_is_in_trouble_for_a_while(rig: Rig) -> None:
    rig.say(dropped={"queue_full": 3})
    assert not rig.one().troubled, "nobody knows when that was"
    rig.say(dropped={"queue_full": 4})
    assert rig.one().troubled
    rig.say(dropped={"queue_full": 4})
    assert rig.one(LATELY - 5).troubled
    rig.say(dropped={"queue_full": 4})
    assert not rig.one(5).troubled


def test_a_folder_whose_files_are_removed_has_no_writers(rig: Rig) -> None:
    rig.say()
    rig.one()
    rig.path("w").unlink()
    assert rig.look() == ()
