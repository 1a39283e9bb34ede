"""What a chart is made of."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from exporters.metric_table import Table
from replay.html.chart import HEIGHT, WIDTH, area, bar
from replay.html.history import MOST, History
from spec import load_spec

SPEC = load_spec()
STEP = float(SPEC.settings.scrape_interval)


def scrape(value: float) -> list[Table]:
    return [
        Table("llm_spend_by_actor", "gauge", "", ("actor", "tenant"), [("a", "t"), ("b", "t")], np.array([value, 0.0]))
    ]


@given(st.lists(st.tuples(st.integers(1, 5000), st.integers(0, 9)), min_size=1, max_size=60))
def test_memory_is_bounded_and_each_stretch_has_its_greatest_value(steps: list[tuple[int, int]]) -> None:
    history, now = History(SPEC), 1_795_000_005.0
    shown: list[tuple[float, float]] = []
    for wait, number in steps:
        now += wait * STEP
        history(now, scrape(float(number)))
        shown.append((now, float(number)))
    course = history.course("spend_by_actor")
    assert len(course) <= MOST
    wanted: dict[float, float] = {}
    for at, value in shown:
        if value:
            begin = at // history.width * history.width
            wanted[begin] = max(value, wanted.get(begin, 0.0))
    assert course == wanted
    assert (now - shown[0][0]) / history.width <= MOST + 1


@given(st.lists(st.tuples(st.integers(1, 5000), st.integers(0, 9)), min_size=1, max_size=60))
def test_of_values_that_only_fall_the_scrapes_that_are_due_are_enough(steps: list[tuple[int, int]]) -> None:
    every, few = History(SPEC), History(SPEC)
    now = 1_795_000_005.0
    for wait, number in steps:
        now += STEP
        for history in (every, few):
            history(now, scrape(float(number)))
        for place in range(wait):
            now, value = now + STEP, max(0.0, number - place / 400)
            every(now, scrape(value))
            if now > few.due - STEP:
                few(now, scrape(value))
    few(now, scrape(0.0))  # the last one is always shown
    assert every.course("spend_by_actor") == few.course("spend_by_actor")


def test_what_is_not_a_signal_is_left_out() -> None:
    history = History(SPEC)
    history(0.0, [Table("up", "gauge", "", ("job",), [("tocsin",)], np.ones(1))])
    assert history.course("spend_by_actor") == {}


def test_an_area_has_gaps_where_nothing_was_and_shows_a_threshold_that_is_near() -> None:
    drawn = area({0.0: 10.0, 10.0: 5.0, 60.0: 10.0}, 10.0, (0.0, 100.0), 20.0)
    assert drawn.path == "M0.0 100V53.7H60.0V76.9H120.0V100ZM360.0 100V53.7H420.0V100Z"
    assert drawn.threshold == 7.4
    assert area({0.0: 1.0}, 10.0, (0.0, 100.0), 20.0).threshold is None
    assert area({}, 10.0, (0.0, 100.0), None).path == ""


@given(st.floats(-50, 150), st.floats(0, 200), st.floats(1, 100))
def test_a_bar_is_seen_and_stays_inside(begin: float, length: float, span: float) -> None:
    left, width = bar(begin, begin + length, (0.0, span))
    assert width >= 2
    assert left >= 0 and left + width <= WIDTH + 0.11
    assert HEIGHT > 0
