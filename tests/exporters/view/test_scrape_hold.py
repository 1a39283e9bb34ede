"""What Prometheus may see of a counter, and when."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporters.view.scrape_hold import ScrapeClock, ScrapeHold

HOLD = 30.0


def values(*numbers: float) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    return np.array(numbers, float).reshape(-1, 1)


def show(hold: ScrapeHold, now: float, *numbers: float, again: bool = False) -> list[float]:
    shown: list[float] = hold.show(values(*numbers), now, HOLD, again=again)[:, 0].tolist()
    return shown


def test_a_new_series_is_shown_at_zero_for_the_whole_hold() -> None:
    hold = ScrapeHold()
    assert [show(hold, now, 5.0) for now in (100.0, 115.0, 130.0)] == [[0], [0], [5]]


def test_a_series_that_comes_later_has_a_hold_of_its_own() -> None:
    hold = ScrapeHold()
    for now in (100.0, 115.0):
        show(hold, now, 5.0)
    assert [show(hold, now, 5.0, 2.0) for now in (130.0, 145.0, 160.0)] == [[5, 0], [5, 0], [5, 2]]


def test_one_scrape_is_not_enough_however_late_the_next_one_comes() -> None:
    hold = ScrapeHold()
    show(hold, 100.0, 1.0)
    assert show(hold, 500.0, 1.0) == [0]
    assert show(hold, 515.0, 1.0) == [1]


def test_a_hold_that_begins_ahead_of_the_clock_ends_all_the_same() -> None:
    hold = ScrapeHold()
    show(hold, 1e9, 1.0)  # then the clock is set back
    assert [show(hold, now, 1.0) for now in (100.0, 115.0, 130.0)] == [[0], [0], [1]]


def test_a_value_that_falls_is_shown_as_it_was() -> None:
    hold = ScrapeHold()
    for now in (100.0, 115.0, 130.0):
        show(hold, now, 5.0)
    assert show(hold, 145.0, 3.0) == [5]
    assert show(hold, 160.0, 6.0) == [6]


def test_what_was_shown_last_can_be_shown_once_more() -> None:
    hold = ScrapeHold()
    for now in (0.0, 15.0, 30.0):
        show(hold, now, 1.0)
    assert show(hold, 9000.0, 3.0, 7.0, again=True) == [1, 0]
    assert [show(hold, now, 3.0, 7.0) for now in (9030.0, 9045.0)] == [[3, 0], [3, 7]]  # what is new has its own hold


@given(st.lists(st.tuples(st.integers(0, 3), st.floats(0, 100)), max_size=30))
def test_what_is_shown_never_goes_back_and_is_never_more_than_was_counted(steps: list[tuple[int, float]]) -> None:
    hold, counted, before, now = ScrapeHold(), [0.0], [0.0], 0.0
    for more, amount in steps:
        now += 15.0
        counted = [value + amount for value in counted] + [amount] * more
        shown = show(hold, now, *counted)
        before += [0.0] * (len(shown) - len(before))
        assert all(old <= new <= total for old, new, total in zip(before, shown, counted, strict=True))
        before = shown


def test_it_goes_on_after_a_restart_although_the_series_are_in_another_order() -> None:
    hold = ScrapeHold()
    for now in (100.0, 115.0, 130.0):
        show(hold, now, 5.0, 7.0, 9.0)
    show(hold, 145.0, 5.0, 7.0, 9.0, 1.0)
    again = ScrapeHold()
    again.load(hold.save(), [2, None, 0, 1], 4)  # the second one is no more, and one is new
    assert show(again, 160.0, 9.0, 1.0, 5.0, 4.0) == [9, 0, 5, 0]
    assert show(again, 175.0, 9.0, 1.0, 5.0, 4.0) == [9, 1, 5, 0]


def test_what_was_shown_in_another_shape_is_left_alone() -> None:
    hold = ScrapeHold(3)
    hold.show(np.ones((1, 3)), 100.0, HOLD, again=False)
    again = ScrapeHold(2)
    again.load(hold.save(), [0], 1)
    assert again.show(np.ones((1, 2)), 200.0, HOLD, again=False).tolist() == [[0, 0]]


@pytest.mark.parametrize(
    ("gap", "again"),
    [(75.0, [False, False, False]), (76.0, [True, True, False])],
)
def test_after_five_intervals_without_a_scrape_old_values_come_first_for_two(gap: float, again: list[bool]) -> None:
    clock = ScrapeClock(15.0)
    assert not clock.begin(1000.0)
    assert [clock.begin(1000.0 + gap + later) for later in (0.0, 15.0, 30.0)] == again


def test_the_clock_of_scrapes_goes_on_after_a_restart() -> None:
    clock, later = ScrapeClock(15.0), ScrapeClock(15.0)
    clock.begin(1000.0)
    clock.begin(2000.0)
    later.load(clock.save())
    assert later.begin(2015.0)
    assert not later.begin(2030.0)
