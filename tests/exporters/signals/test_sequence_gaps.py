"""Gaps in the numbers of lines are counted once, and only when they are gaps."""

from __future__ import annotations

import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.batch import FeedNotes, Loss, Run
from exporters.signals import sequence_gaps as module
from exporters.signals.sequence_gaps import GRACE, PATIENCE, RECENT, SequenceGaps


def take(
    writers: SequenceGaps, *runs: tuple[int, int], now: float = 0.0, writer: str = "w", loss: Loss | None = None
) -> None:
    notes = FeedNotes([Run(writer, first, last) for first, last in runs], [loss] if loss else [])
    writers.take("log", notes, now)


def settled(writers: SequenceGaps, now: float = GRACE, *, idle: bool = True) -> tuple[int, int]:
    """Gaps and lost records."""
    writers.settle("log", now, idle=idle)
    return writers.gaps["log"], writers.lost["log"]


@pytest.fixture
def writers() -> SequenceGaps:
    return SequenceGaps(["log"])


def test_lines_that_follow_each_other_have_no_gap(writers: SequenceGaps) -> None:
    take(writers, (1, 5), (6, 9))
    take(writers, (10, 10))
    assert settled(writers) == (0, 0)


def test_missing_numbers_are_one_gap_after_a_while(writers: SequenceGaps) -> None:
    take(writers, (1, 5))
    take(writers, (9, 9))
    assert settled(writers, GRACE - 1) == (0, 0)
    assert settled(writers) == (1, 3)
    assert settled(writers, 10 * GRACE) == (1, 3)


def test_while_something_waits_to_be_read_a_gap_may_still_close(writers: SequenceGaps) -> None:
    take(writers, (1, 5), (9, 9))
    assert settled(writers, PATIENCE - 1, idle=False) == (0, 0)
    assert settled(writers, PATIENCE, idle=False) == (1, 3)


def test_lines_that_come_late_close_the_gap_or_part_of_it(writers: SequenceGaps) -> None:
    take(writers, (1, 2), (10, 12))
    take(writers, (5, 6))
    assert settled(writers) == (2, 5)


def test_a_log_that_is_older_than_the_exporter_has_no_gap_at_its_beginning(writers: SequenceGaps) -> None:
    take(writers, (500, 501))
    assert settled(writers) == (0, 0)


def test_lines_read_again_are_no_gap(writers: SequenceGaps) -> None:
    take(writers, (1, 9), (4, 9), (10, 10))
    assert settled(writers) == (0, 0)


def test_writers_have_numbers_of_their_own(writers: SequenceGaps) -> None:
    take(writers, (1, 1), writer="a")
    take(writers, (1, 1), writer="b")
    take(writers, (2, 2), writer="a")
    take(writers, (3, 3), writer="b")
    assert settled(writers) == (1, 1)


def test_what_a_killed_writer_had_in_memory_is_one_gap_and_told_only_once(writers: SequenceGaps) -> None:
    take(writers, (1, 7))
    for _ in range(2):
        take(writers, (1, 2), writer="next", loss=Loss("w", 7, 10, exact=True))
    assert settled(writers) == (1, 3)


def test_lines_of_a_killed_writer_that_are_read_later_are_not_lost(writers: SequenceGaps) -> None:
    take(writers, (1, 2), writer="next", loss=Loss("w", 7, 10, exact=True))
    take(writers, (1, 7))
    assert settled(writers) == (1, 3)
    take(writers, (8, 9))
    assert settled(writers) == (1, 3)


def test_a_killed_writer_that_had_nothing_in_memory_is_no_gap(writers: SequenceGaps) -> None:
    take(writers, (1, 7), loss=Loss("w", 7, 7, exact=True))
    assert settled(writers) == (0, 0)


def test_an_end_of_which_nobody_knows_what_it_cost_is_a_gap(writers: SequenceGaps) -> None:
    take(writers, (1, 7), loss=Loss("w", 7, 7, exact=False))
    assert settled(writers) == (1, 0)


def test_gaps_are_recent_for_a_quarter_of_an_hour(writers: SequenceGaps) -> None:
    take(writers, (1, 1), (3, 3))
    settled(writers)
    assert writers.recent("log", GRACE + RECENT - 1) == 1
    assert writers.recent("log", GRACE + RECENT) == 0


def test_what_is_known_survives_a_restart(writers: SequenceGaps) -> None:
    take(writers, (1, 2), (4, 4))
    take(writers, (1, 7), writer="dead", loss=Loss("dead", 7, 9, exact=True))
    again = SequenceGaps(["log"])
    again.load(msgspec.json.decode(msgspec.json.encode(writers.save())))
    take(again, (6, 6))
    take(again, (1, 1), writer="next", loss=Loss("dead", 7, 9, exact=True))
    assert settled(again) == (3, 4)
    last = SequenceGaps(["log"])
    last.load(again.save())
    assert last.recent("log", GRACE) == 3


def test_a_source_that_is_no_longer_configured_is_forgotten(writers: SequenceGaps) -> None:
    take(writers, (1, 1))
    other = SequenceGaps(["other"])
    other.load(writers.save())
    assert other.save() == SequenceGaps(["other"]).save()


def test_memory_is_bounded(writers: SequenceGaps, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_WRITERS", 10)
    monkeypatch.setattr(module, "MOST_MISSING", 10)
    for number in range(100):
        take(writers, (1, 1), (3, 3), writer=f"w{number}")
    take(writers, *((number, number) for number in range(4, 200, 2)), writer="w99")
    assert len(writers._known) == 10
    assert max(len(known.missing) for known in writers._known.values()) <= 10
    assert settled(writers) == (100 + 97, 100 + 97)  # what was pushed out is counted, not forgotten


@given(st.integers(0, 2**32), st.integers(1, 60))
def test_whatever_the_order_the_numbers_that_never_came_are_lost(seed: int, size: int) -> None:
    rng = random.Random(seed)
    came = sorted(rng.sample(range(2, size + 2), rng.randint(0, size)))
    writers = SequenceGaps(["log"])
    take(writers, (1, 1))
    order = [*came, size + 2]
    rng.shuffle(order)
    for number in order:
        take(writers, (number, number))
    assert settled(writers)[1] == size - len(came)
