"""What other tests lean on: waits that fail for no clock, and calendars that lie where they have to."""

from __future__ import annotations

import itertools
import time
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import yaml

from alerts.calendar import OffHours
from exercises import patience
from spec import load_spec
from spec.model import Calendar
from tests.support.calendars import closed_now, last_whole_day, open_by_day
from tests.support.waiting import wait_for

HOURS = [1_796_000_400.0 + 3600 * hour for hour in range(8 * 24)]
"""A week and a day, from a whole hour on."""


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses between looks, which take no time here; meanwhile every clock jumps about."""
    made: list[float] = []
    monkeypatch.setattr("tests.support.waiting.time.sleep", made.append)
    for clock in ("time", "monotonic"):
        monkeypatch.setattr(time, clock, lambda: 1e9 * (-1) ** len(made))
    return made


def test_a_wait_ends_when_it_happens_and_gives_what_was_found(looks: list[float]) -> None:
    answers = iter(["", "", "found"])
    assert wait_for(lambda: next(answers), "never", looks=3) == "found"
    assert len(looks) == 2


def test_a_wait_is_given_up_after_so_many_looks_whatever_the_clock_says(looks: list[float]) -> None:
    with pytest.raises(AssertionError, match=r"^it never comes; nothing moved in 7 looks$"):
        wait_for(lambda: False, "it never comes", looks=7)
    assert len(looks) == 6


def test_as_long_as_something_moves_a_wait_goes_on(looks: list[float]) -> None:
    steps = itertools.chain(range(50), itertools.repeat(50))
    with pytest.raises(AssertionError, match="nothing moved in 7 looks since 50"):
        wait_for(lambda: False, "it never comes", progress=lambda: next(steps), looks=7)
    assert len(looks) == 50 + 7


# ---------------------------------------------------------------------------------------------------- processes
class Process:
    """What can be seen of a process, with a clock that a test sets."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = self.worked = 0.0
        self.log = folder / "log"
        self.lines: list[str] = []
        monkeypatch.setattr("exercises.patience.time.monotonic", lambda: self.now)
        monkeypatch.setattr(patience, "cpu_seconds", lambda pid: self.worked)
        self.patience = patience.Patience(1, "the exporter", self.log, self.lines.append)

    def lost_after(self, seconds: int, *, share: float) -> str:
        for _ in range(seconds):
            self.now += 1.0
            self.worked += share
            if lost := self.patience.lost():
                return lost
        return ""


@pytest.fixture
def process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Process:
    return Process(tmp_path, monkeypatch)


def test_a_process_that_gets_a_fiftieth_of_a_core_is_waited_for(process: Process) -> None:
    assert process.lost_after(1000, share=0.02) == ""
    assert process.lines[2] == ("Still waiting for the exporter: 30 s, 0.6 s of them at work. The machine may be busy.")


def test_a_process_that_stands_still_is_lost(process: Process) -> None:
    """An idle runtime of Go takes a little time now and then."""
    assert process.lost_after(1000, share=0.0005) == f"it has done nothing for {patience.STILL:g} s"


def test_what_a_process_says_is_a_sign_of_life(process: Process) -> None:
    for line in range(10):
        assert process.lost_after(100, share=0.0) == ""
        process.log.write_text("x" * (line + 1))
    assert process.lost_after(300, share=0.0)


def test_a_process_that_runs_in_circles_is_lost_in_the_end(process: Process) -> None:
    assert process.lost_after(10_000, share=1.0) == f"it was not ready after {patience.LONGEST:g} s"


# ---------------------------------------------------------------------------------------------------- calendars
def _words(overlay: dict[str, Any], times: list[float]) -> list[str]:
    (name,) = overlay["calendars"]
    assert overlay["settings"] == {"offhours_calendar": name}
    return OffHours(msgspec.convert(overlay["calendars"][name], Calendar)).words(np.array(times))


def test_an_overlay_of_hours_is_sound(tmp_path: Path) -> None:
    for overlay in (closed_now(), open_by_day(last_whole_day())):
        (tmp_path / "overlay.yaml").write_text(yaml.safe_dump(overlay))
        assert load_spec(tmp_path / "overlay.yaml").settings.offhours_calendar in overlay["calendars"]


@pytest.mark.parametrize("now", HOURS[::7])
def test_it_is_off_hours_now_whatever_the_hour_and_day(now: float) -> None:
    assert set(_words(closed_now(now), [now + 1800 * half for half in range(96)])) == {"true"}


@pytest.mark.parametrize("now", HOURS[:25])
def test_a_day_is_open_from_8_to_20_wherever_it_begins(now: float) -> None:
    midnight = last_whole_day(now + 1234)
    assert midnight + 86_400 == now
    words = _words(open_by_day(midnight), [midnight + 3600 * hour + 60 for hour in range(24)])
    assert words == ["true"] * 8 + ["false"] * 12 + ["true"] * 4
