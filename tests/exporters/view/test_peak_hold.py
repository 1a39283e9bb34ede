"""Peaks are shown once they were reached, for as long as Prometheus needs to see them, and no longer."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporters.signals.trackers import Reading
from exporters.view.peak_hold import PeakHold
from runtime.state_file import decode, encode

KEEP = 45.0


def reading(**values: float) -> Reading:
    rows = np.array([int(name[1:]) for name in values], np.int64)
    return Reading(rows, np.array(list(values.values()), float))


def held(peaks: PeakHold, now: float, **values: float) -> dict[int, float]:
    found = peaks.held(reading(**values), now)
    return dict(zip(found.rows.tolist(), found.values.tolist(), strict=True))


def test_the_greater_one_of_window_and_peak_is_shown() -> None:
    peaks = PeakHold(KEEP)
    peaks.raise_one(3, 7.0, 0.0)
    peaks.raise_one(5, 2.0, 0.0)
    assert held(peaks, 100.0, r3=1.0, r5=4.0, r9=1.0) == {3: 7, 5: 4, 9: 1}


def test_a_peak_ends_when_it_was_served_for_long_enough() -> None:
    peaks = PeakHold(KEEP)
    peaks.raise_one(3, 7.0, 0.0)
    assert [held(peaks, now) for now in (100.0, 144.0, 145.0)] == [{3: 7}, {3: 7}, {}]


def test_a_peak_that_nobody_has_seen_waits() -> None:
    peaks = PeakHold(KEEP)
    peaks.raise_one(3, 7.0, 0.0)
    assert held(peaks, 1e6) == {3: 7}


def test_a_higher_peak_begins_anew_and_a_lower_one_does_not() -> None:
    peaks = PeakHold(KEEP)
    peaks.raise_one(3, 7.0, 0.0)
    held(peaks, 100.0)
    peaks.raise_many(np.array([3, 4, 4]), np.array([6.0, 2.0, 9.0]))
    held(peaks, 130.0)
    assert held(peaks, 150.0) == {4: 9}
    peaks.raise_one(4, 10.0, 0.0)
    assert held(peaks, 180.0) == {4: 10}


def test_the_answered_part_is_that_of_the_peak() -> None:
    peaks = PeakHold(KEEP)
    peaks.raise_one(1, 5.0, 2.0)
    peaks.raise_one(1, 4.0, 4.0)
    peaks.raise_one(2, 5.0, 0.0)
    peaks.raise_one(2, 5.0, 1.0)
    window = Reading(np.array([3]), np.array([1.0]), np.array([1.0]))
    found = peaks.held(window, 100.0)
    assert found.parts is not None
    assert (found.rows.tolist(), found.values.tolist(), found.parts.tolist()) == ([1, 2, 3], [5, 5, 1], [2, 1, 1])


def test_a_clock_that_is_set_back_keeps_no_peak_longer() -> None:
    peaks = PeakHold(KEEP)
    peaks.raise_one(3, 7.0, 0.0)
    held(peaks, 1e9)
    assert [held(peaks, now) for now in (100.0, 144.0, 145.0)] == [{3: 7}, {3: 7}, {}]


def test_an_evicted_group_leaves_no_peak() -> None:
    peaks = PeakHold(KEEP)
    peaks.raise_one(3, 7.0, 1.0)
    peaks.clear(3)
    peaks.clear(1_000)
    assert held(peaks, 100.0) == {}


def test_peaks_survive_a_restart_with_the_times_since_when_they_are_served() -> None:
    peaks, again = PeakHold(KEEP), PeakHold(KEEP)
    peaks.raise_one(3, 7.0, 1.0)
    held(peaks, 100.0)
    peaks.raise_one(40, 2.0, 0.0)
    again.load(decode(encode(peaks.save())))
    assert held(again, 144.0) == {3: 7, 40: 2}
    assert held(again, 145.0) == {40: 2}


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(1, 9)), max_size=60))
def test_many_at_once_are_as_one_after_the_other(raised: list[tuple[int, int]]) -> None:
    single, many = PeakHold(KEEP), PeakHold(KEEP)
    for row, value in raised:
        single.raise_one(row, float(value), 0.0)
    many.raise_many(np.array([row for row, _ in raised], np.int64), np.array([value for _, value in raised], float))
    assert held(single, 100.0) == held(many, 100.0)


@pytest.mark.parametrize("size", [0, 1])
def test_what_is_saved_is_plain_data(size: int) -> None:
    peaks = PeakHold(KEEP)
    peaks.raise_many(np.arange(size), np.ones(size))
    assert msgspec.msgpack.encode({name: part.tolist() for name, part in peaks.save().items()})  # type: ignore[attr-defined]
