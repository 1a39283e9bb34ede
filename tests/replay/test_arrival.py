"""When records became known, told from their times alone."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from exporters.signals.state import SKEW
from replay.arrival import AHEAD, LONGEST_PAUSE, known

YEAR = 366 * 86_400.0
NEVER = -np.inf


def clock(*times: float, following: tuple[float, ...] = (), before: float = NEVER) -> list[float]:
    return list(known(np.array(times), np.array(following), before).tolist())


def test_times_in_order_are_when_records_became_known() -> None:
    assert clock(1, 2, 2, 5) == [1, 2, 2, 5]


def test_what_is_written_later_is_known_later_although_it_is_dated_earlier() -> None:
    assert clock(10, 7, 8, 12) == [10, 10, 10, 12]
    assert clock(10, 12, before=11) == [11, 12]


def test_one_record_from_the_far_future_stops_no_clock() -> None:
    for place in range(12):
        times = [1000.0 + 5 * number for number in range(12)]
        usual = list(times)
        times[place] = 1000.0 + YEAR
        found = clock(*times)
        assert max(found) <= 1055, place
        assert all(abs(one - other) <= 5 for one, other in zip(found, usual, strict=True)), place


def test_three_of_eight_may_be_from_the_future() -> None:
    times = [1000.0 + number for number in range(40)]
    for place in (10, 11, 13, 25, 27, 28):
        times[place] += YEAR
    assert max(clock(*times)) < 1040


def test_the_first_record_after_a_pause_is_not_from_the_future() -> None:
    night = 10 * 3600.0
    assert clock(0, 1, night, night + 1, night + 2) == [0, 1, night, night + 1, night + 2]


def test_the_last_record_of_a_file_may_come_after_a_pause_of_a_day() -> None:
    assert clock(0, 1, 1 + LONGEST_PAUSE)[-1] == 1 + LONGEST_PAUSE
    assert clock(0, 1, 2 + LONGEST_PAUSE)[-1] == 1
    assert clock(2 + LONGEST_PAUSE, before=1) == [1]


def test_a_single_record_is_believed() -> None:
    assert clock(YEAR) == [YEAR]


def test_a_record_from_the_past_does_not_move_the_clock_back() -> None:
    assert clock(1000, 0, 1001) == [1000, 1000, 1001]


def test_what_follows_is_asked_beyond_the_end_of_a_batch() -> None:
    assert clock(1000, 1000 + YEAR, following=(1001, 1002, 1003)) == [1000, 1001]
    assert clock(1000, 1000 + YEAR, following=(1001 + YEAR, 1002 + YEAR)) == [1000, 1000 + YEAR]


@given(st.lists(st.floats(0, 50), max_size=60), st.integers(0, 60), st.sampled_from([NEVER, 30.0]))
def test_it_is_the_running_maximum_when_nobody_is_far_ahead_and_the_same_in_pieces(
    times: list[float], cut: int, before: float
) -> None:
    assert max(times, default=0) < SKEW
    whole = known(np.array(times), np.zeros(0), before)
    assert whole.tolist() == np.maximum.accumulate([before, *times])[1:].tolist()
    first = known(np.array(times[:cut]), np.array(times[cut:]), before)
    second = known(np.array(times[cut:]), np.zeros(0), float(first[-1]) if len(first) else before)
    assert [*first, *second] == whole.tolist()


@given(st.lists(st.sampled_from([0.0, 10.0, 500.0, YEAR]), min_size=1, max_size=60), st.integers(1, 59))
def test_batches_make_no_difference(times: list[float], cut: int) -> None:
    whole = known(np.array(times), np.zeros(0), NEVER)
    first = known(np.array(times[:cut]), np.array(times[cut:])[:AHEAD], NEVER)
    second = known(np.array(times[cut:]), np.zeros(0), float(first[-1]))
    assert [*first, *second] == whole.tolist()
    assert sorted(whole) == whole.tolist()
