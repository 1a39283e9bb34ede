"""Every reader of bytes from outside, with a fixed number of inputs from a fixed seed."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.fuzz.engine import CRASHES, Broken, Target, run
from tests.fuzz.targets import TARGETS

TIMES = int(os.environ.get("TOCSIN_FUZZ", "1"))


@pytest.mark.slow
@pytest.mark.timeout(3_600 * TIMES)
@pytest.mark.parametrize("name", TARGETS)
def test_no_input_breaks_a_reader(name: str) -> None:
    target = TARGETS[name]
    ran = run(target, target.inputs * TIMES)
    assert ran.inputs >= target.inputs
    assert ran.answers > 2, "the inputs all end in the same place: seeds or changes are of no use"


def test_every_folder_of_crashes_is_of_a_target() -> None:
    assert {path.name for path in CRASHES.glob("*/")} <= TARGETS.keys()


# ------------------------------------------------------------------------------------------- the engine itself
def _fragile(data: bytes) -> object:
    if b"bang" in data:
        raise ValueError("it went off")
    return len(data)


def _greedy(data: bytes) -> object:
    for _ in range(len(data) ** 2):
        len(data)
    return None


def test_a_crash_is_made_small_kept_and_tried_first(tmp_path: Path) -> None:
    target = Target("fragile", _fragile, lambda: [b"a" * 50], inputs=5_000, steps=(1_000, 1), tokens=(b"bang",))
    with pytest.raises(Broken, match=r"ValueError: it went off\n.*_fragile\n.*4 bytes b'bang'\n.*saved:") as caught:
        run(target, target.inputs, crashes=tmp_path)
    (saved,) = (tmp_path / "fragile").iterdir()
    assert str(saved) in str(caught.value)
    assert saved.read_bytes() == b"bang"
    with pytest.raises(Broken, match="it went off"):
        run(target, 0, crashes=tmp_path)


def test_work_that_grows_faster_than_the_input_is_found(tmp_path: Path) -> None:
    target = Target("greedy", _greedy, lambda: [b"a" * 10], inputs=2_000, steps=(1_000, 20))
    profile = sys.getprofile()
    with pytest.raises(Broken, match=r"TooManySteps: \d+ steps for \d+ bytes, where \d+ are allowed"):
        run(target, target.inputs, crashes=tmp_path)
    assert sys.getprofile() is profile


def test_a_run_repeats_itself_and_another_seed_does_not(tmp_path: Path) -> None:
    def tried(seed: int) -> list[bytes]:
        seen: list[bytes] = []

        def one(data: bytes) -> int:
            seen.append(data)
            return len(data) % 9

        target = Target("seen", one, lambda: [b"abc", b"1"], inputs=200, steps=(99, 9))
        run(target, 200, seed=seed, crashes=tmp_path)
        return seen

    assert tried(1) == tried(1)
    assert tried(1) != tried(2)
    assert len(set(tried(1))) > 100
