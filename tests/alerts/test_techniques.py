"""Baselines and heartbeats in the evaluator: by example, and against the words of their criterion."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import fmean, pstdev
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts import AlertInstance, AlertRule, Evaluator, Series, compile_alerts
from alerts.techniques.absence.criterion import AbsenceCriterion
from alerts.techniques.absence.evaluation import Activity
from alerts.techniques.absence.increase import increase
from alerts.techniques.baseline.baseline_history import DEVIATION_OF_FLOOR, DEVIATION_OF_MEAN, HistoryRange
from alerts.techniques.baseline.criterion import BaselineCriterion
from exporters.metric_table import Table
from spec import load_spec

STEP = 30.0  # of the history; evaluations are each 10 seconds
TICK = 10.0
SOME = next(rule for rule in compile_alerts(load_spec()) if rule.name == "LLMSpendBurst")
SERIES = Series("m", (), ("who",), "max")


def history(**changes: Any) -> HistoryRange:
    """Four minutes of samples that end a minute ago, two of which are enough."""
    plain: dict[str, Any] = {
        "step": STEP,
        "length": 240.0,
        "exclude": 60.0,
        "enough": 4,
        "deviations": 2.0,
        "floor_only": False,
    }
    return HistoryRange(**{**plain, **changes})


def baseline(floor: float = 10.0, lookback: float = 0.0, hold: float = 0.0, **changes: Any) -> AlertRule:
    criterion = BaselineCriterion(series=SERIES, op=">=", value=floor, history=history(**changes))
    return replace(SOME, criterion=criterion, lookback=lookback, hold=hold, keep=0.0, answered="")


def gauge(values: Mapping[str, float], name: str = "m", label: str = "who") -> Table:
    return Table(name, "gauge", "", (label,), [(who,) for who in values], np.array(list(values.values()), np.float64))


def fired(rule: AlertRule, steps: Sequence[Mapping[str, float]], begin: float = TICK) -> list[tuple[Any, ...]]:
    """Who fired, from when to when; a step each `TICK` from `begin` on."""
    evaluator, found = Evaluator([rule]), list[AlertInstance]()
    for place, values in enumerate(steps):
        changed = evaluator.step(begin + TICK * place, [gauge(values)])
        found += [instance for instance in changed if instance.resolved_at is None]
    return [(instance.labels["who"], instance.fired_at, instance.resolved_at) for instance in found]


def steps(*stretches: tuple[int, float | None]) -> list[dict[str, float]]:
    """Values of `a`, each for so many ticks; None: it is not there."""
    return [{} if value is None else {"a": value} for ticks, value in stretches for _ in range(ticks)]


# ------------------------------------------------------------------------------------------------------- baselines
def test_a_flat_history_neither_silences_nor_fires_at_everything() -> None:
    """Its deviation is 0; it counts as a fifth of the floor, so the limit is 2 + 2 * 2, but never below the floor."""
    assert fired(baseline(), steps((60, 2.0), (3, 9.9), (3, 10.0))) == [("a", 640.0, None)]
    wide = baseline(deviations=5.0)  # 2 + 5 * 2
    assert fired(wide, steps((60, 2.0), (3, 11.9), (3, 12.0))) == [("a", 640.0, None)]


def test_a_tenth_of_the_mean_is_the_least_deviation_of_a_great_one() -> None:
    assert fired(baseline(), steps((60, 100.0), (3, 119.9), (3, 120.0))) == [("a", 640.0, None)]


def test_a_varied_history_has_a_higher_limit() -> None:
    varied = steps(*[(3, 0.0), (3, 40.0)] * 12)  # mean 20, deviation 20
    assert fired(baseline(), [*varied, *steps((2, 59.0))]) == []
    assert [who for who, *_ in fired(baseline(), [*varied, *steps((2, 61.0))])] == ["a"]


def test_who_has_no_history_is_silent_or_compared_with_the_floor() -> None:
    new = steps((5, None), (1, 9.9), (4, 1000.0))
    assert fired(baseline(), new) == []
    assert fired(baseline(floor_only=True), new) == [("a", 70.0, None)]


def test_who_is_new_is_silent_until_there_is_enough() -> None:
    """Samples at 30, 60, 90 and 120 are enough at 180, a minute after the fourth."""
    young = steps((17, 1.0), (2, 50.0))
    assert fired(baseline(), young) == [("a", 180.0, None)]
    assert fired(baseline(enough=5), young) == []


def test_the_present_is_no_part_of_the_history() -> None:
    """What is judged becomes usual only when it is older than what is left out."""
    jump = steps((60, 2.0), (30, 50.0))
    assert fired(baseline(), jump) == [("a", 610.0, 720.0)]  # two samples of 50 among six of 2: limit 14 + 2 * 20.8
    assert fired(baseline(exclude=0.0), jump)[0][2] == 660.0


def test_quiet_counts_as_zero_as_long_as_one_is_known() -> None:
    busy = [*steps((12, 40.0)), *steps((12, None))]
    assert fired(baseline(), [*busy, *steps((1, 39.0))]) == []  # samples 40 and 0: mean 20 and more
    forgotten = [*steps((12, 40.0)), *steps((60, None)), *steps((2, 1000.0))]
    assert fired(baseline(), forgotten) == []  # its limit would be 10
    assert fired(baseline(floor_only=True), forgotten)[-1][1] == 730.0


def test_a_missed_scrape_is_bridged_by_the_look_back() -> None:
    missed = steps((60, 2.0), (2, 50.0), (1, None), (2, 50.0))
    assert fired(baseline(hold=30.0), missed) == []
    assert fired(baseline(hold=30.0, lookback=30.0), missed) == [("a", 640.0, None)]


sample = st.dictionaries(st.sampled_from("ab"), st.sampled_from([0.0, 1.0, 5.0, 9.0, 12.0, 40.0]))
runs = st.lists(st.tuples(st.integers(1, 8), sample), min_size=1, max_size=25)


def naive(rule: AlertRule, steps: Sequence[Mapping[str, float]], begin: float) -> list[tuple[Any, ...]]:
    """Every alert instance from the words of the criterion, with the whole past looked at again at every step."""
    assert isinstance(rule.criterion, BaselineCriterion)
    past, found = rule.criterion.history, list[tuple[Any, ...]]()
    times = [begin + TICK * place for place in range(len(steps))]

    def sampled(who: str) -> dict[int, float]:
        """Samples by their multiple of the step."""
        out: dict[int, float] = {}
        for multiple in range(int(times[-1] / STEP) + 1):
            known = [place for place, time in enumerate(times) if time <= multiple * STEP]
            value = steps[known[-1]].get(who) if known else None
            before = [out[old] for old in out if (multiple - old) * STEP < past.length]
            if value is not None:
                out[multiple] = value
            elif any(old > 0 for old in before):
                out[multiple] = 0.0
        return out

    def limit(samples: Mapping[int, float], multiple: int) -> float | None:
        ages = {old: (multiple - old) * STEP - past.exclude for old in samples}
        values = [samples[old] for old, age in ages.items() if 0 <= age < past.length]
        if len(values) < past.enough:
            return None
        mean = fmean(values)
        deviation = max(pstdev(values), DEVIATION_OF_FLOOR * rule.value, DEVIATION_OF_MEAN * mean)
        return max(mean + past.deviations * deviation, rule.value)

    for who in "ab":
        samples, since, start = sampled(who), None, None
        for place, time in enumerate(times):
            reach = [place - back for back in range(place + 1) if back == 0 or back * TICK < rule.lookback]
            values = [steps[near][who] for near in reach if who in steps[near]]
            now = int(time // STEP)
            least = limit(samples, now)
            least = limit(samples, now - 1) if least is None else least
            if least is None:
                least = rule.value if past.floor_only else float("inf")
            if not values or max(values) < least:
                if start is not None:
                    found.append((who, start, time))
                since = start = None
                continue
            since = time if since is None else since
            if start is None and time - since >= rule.hold:
                start = time
        if start is not None:
            found.append((who, start, None))
    return found


@given(
    stretches=runs,
    begin=st.sampled_from([0.0, 10.0, 25.0, 30.0]),
    lookback=st.sampled_from([0.0, 20.0, 30.0]),
    hold=st.sampled_from([0.0, 20.0]),
    enough=st.integers(1, 5),
    exclude=st.sampled_from([0.0, 30.0, 90.0]),
    length=st.sampled_from([90.0, 100.0, 240.0]),
    floor_only=st.booleans(),
)
def test_baselines_are_what_the_words_say(
    stretches: list[tuple[int, dict[str, float]]],
    begin: float,
    lookback: float,
    hold: float,
    enough: int,
    exclude: float,
    length: float,
    floor_only: bool,
) -> None:
    tried = baseline(
        5.0, lookback, hold, enough=enough, exclude=exclude, length=length, floor_only=floor_only, deviations=1.3
    )
    every = [values for ticks, values in stretches for _ in range(ticks)]
    assert sorted(fired(tried, every, begin), key=str) == sorted(naive(tried, every, begin), key=str)


fine = st.dictionaries(st.sampled_from("ab"), st.integers(0, 16).map(float))


@given(
    stretches=st.lists(st.tuples(st.integers(1, 8), fine), min_size=1, max_size=12),
    falling=st.lists(st.tuples(st.integers(1, 20), fine), min_size=1, max_size=8),
    begin=st.sampled_from([0.0, 10.0, 25.0]),
    hold=st.sampled_from([0.0, 20.0]),
    zeros=st.booleans(),
)
def test_what_is_called_steady_can_be_stepped_over(
    stretches: list[tuple[int, dict[str, float]]],
    falling: list[tuple[int, dict[str, float]]],
    begin: float,
    hold: float,
    zeros: bool,
) -> None:
    """Nothing that fires then or later depends on whether steps were taken at which values only fell."""
    tried = baseline(10.0, 20.0, hold, deviations=1.0, floor_only=True)
    # As windows do: who is at 0 is never shown, or always.
    shown = [(ticks, {who: value for who, value in values.items() if value or zeros}) for ticks, values in stretches]
    before = [values for ticks, values in shown for _ in range(ticks)]
    quiet, least = list[dict[str, float]](), before[-1]
    for ticks, lower in falling:
        least = {who: min(had, lower.get(who, 0.0)) for who, had in least.items() if zeros or lower.get(who)}
        quiet += [least] * ticks
    outcomes = []
    for leap in (False, True):
        evaluator, found = Evaluator([tried]), list[AlertInstance]()
        until = -math.inf
        for place, values in enumerate([*before, *quiet, *before]):
            now = begin + TICK * place
            fell = len(before) <= place < len(before) + len(quiet)
            if leap and fell and now + TICK <= min(until, evaluator.due):
                continue
            found += evaluator.step(now, [gauge(values)])
            until = evaluator.steady_until([gauge(values)], ())
        outcomes.append([(e.labels["who"], e.fired_at, e.resolved_at) for e in found])
    assert outcomes[0] == outcomes[1]


def test_below_every_limit_is_steady_until_the_next_sample_and_zero_for_ever() -> None:
    evaluator, untils = Evaluator([baseline(10.0, 20.0)]), list[float]()
    for place, value in enumerate((10.0, 9.0, 9.0, 0.0, 0.0, 0.0)):
        evaluator.step(100.0 + TICK * place, [gauge({"a": value})])
        untils.append(evaluator.steady_until([gauge({"a": value})], ()))
    assert untils == [-math.inf, -math.inf, 150.0, 150.0, math.inf, math.inf]


# ------------------------------------------------------------------------------------------------------ heartbeats
def heartbeat(**changes: Any) -> AlertRule:
    """An alert on the gauge beat, at once."""
    plain: dict[str, Any] = {
        "series": Series("beat", (("job", "tocsin"),), (), "min"),
        "op": "<",
        "value": 1.0,
        "age": False,
    }
    return replace(
        SOME, criterion=AbsenceCriterion(**{**plain, **changes}), lookback=0.0, hold=0.0, keep=0.0, answered=""
    )


AGE = {
    "series": Series("beat", (), (), "max"),
    "op": ">",
    "value": 100.0,
    "age": True,
    "activity": Activity(Series("served", (), (), "sum"), 20.0, 100.0),
}


def beats(rule: AlertRule, *steps: Sequence[Table]) -> list[tuple[float, float | None, float]]:
    evaluator, found = Evaluator([rule]), list[AlertInstance]()
    for place, tables in enumerate(steps):
        changed = evaluator.step(TICK * (place + 1), tables)
        found += [instance for instance in changed if instance.resolved_at is None]
    return [(instance.fired_at, instance.resolved_at, instance.value) for instance in found]


def test_a_heartbeat_that_is_bad_or_gone_fires() -> None:
    up, down, other = (gauge({"tocsin": 1.0}, "beat", "job"), gauge({"tocsin": 0.0}, "beat", "job"),
                       gauge({"other": 1.0}, "beat", "job"))  # fmt: skip
    assert beats(heartbeat(), [up], [down], [up], [other], [], [up]) == [(20.0, 30.0, 0.0), (40.0, 60.0, 0.0)]


def served(count: float) -> Table:
    return gauge({"/chat": count, "/embed": 7.0}, "served", "route")


def test_an_old_heartbeat_fires_only_while_there_is_something_to_tell() -> None:
    old = gauge({"log": 0.0}, "beat", "source")
    rule = heartbeat(**AGE)
    # The counter grows by 3 each 10 seconds, 30 in the window; the heartbeat is older than its limit from 110 on.
    assert [when for when, *_ in beats(rule, *[[old, served(3.0 * place)] for place in range(14)])] == [110.0]
    assert beats(rule, *[[old, served(5.0)] for _ in range(14)]) == []
    assert beats(rule, *[[old] for _ in range(14)]) == []


def test_a_fresh_one_does_not_and_a_missing_one_does() -> None:
    rule = heartbeat(**AGE)
    fresh = [[gauge({"log": 10.0 * place, "old": 0.0}, "beat", "source"), served(3.0 * place)] for place in range(20)]
    assert beats(rule, *fresh) == []
    (instance,) = beats(rule, *[[served(3.0 * place)] for place in range(20)])
    assert instance[2] == float("inf")


def test_it_ends_when_the_gateway_has_nothing_more_to_tell() -> None:
    old = gauge({"log": 0.0}, "beat", "source")
    counts = [3.0 * min(place, 14) for place in range(30)]
    (instance,) = beats(heartbeat(**AGE), *[[old, served(count)] for count in counts])
    assert instance[0] == 110.0
    assert instance[1] is not None
    assert 180.0 <= instance[1] <= 200.0


BY_SOURCE = {
    "series": Series("beat", (), ("source",), "max"),
    "op": ">",
    "value": 100.0,
    "age": True,
    "activity": Activity(Series("given", (), ("source",), "sum"), 20.0, 100.0),
}


def test_each_heartbeat_with_labels_is_judged_by_its_own_counter() -> None:
    """One is old and has much to tell, one is fresh, one is old and has little to tell, one is missing."""

    def at(place: int) -> list[Table]:
        given = {"deaf": 3.0 * place, "lively": 3.0 * place, "idle": 0.1 * place, "gone": 3.0 * place}
        beat = {"deaf": 0.0, "lively": TICK * place, "idle": 0.0}
        return [gauge(beat, "beat", "source"), gauge(given, "given", "source")]

    evaluator, found = Evaluator([heartbeat(**BY_SOURCE)]), list[AlertInstance]()
    for place in range(20):
        found += evaluator.step(TICK * (place + 1), at(place))
    assert [(instance.labels, instance.fired_at) for instance in found] == [({"source": "deaf"}, 110.0)]


def test_the_series_of_a_counter_are_added_up_for_each_member() -> None:
    """A quarter of enough by each of five workers, and by each of three."""
    beat = gauge({"five": 0.0, "three": 0.0}, "beat", "source")
    keys = [(name, f"{number}") for name, count in (("five", 5), ("three", 3)) for number in range(count)]
    found = list[AlertInstance]()
    evaluator = Evaluator([heartbeat(**BY_SOURCE)])
    for place in range(20):
        given = Table("given", "counter", "", ("source", "worker"), keys, np.full(len(keys), 0.5 * place))
        found += evaluator.step(TICK * (place + 1), [beat, given])
    assert [instance.labels for instance in found] == [{"source": "five"}]


def test_steady_is_a_heartbeat_that_nothing_can_change() -> None:
    up = [gauge({"tocsin": 1.0}, "beat", "job")]
    assert Evaluator([heartbeat()]).steady_until(up, ("beat",)) == math.inf
    assert Evaluator([heartbeat()]).steady_until(up, ()) == -math.inf
    assert Evaluator([heartbeat()]).steady_until([], ()) == math.inf
    waiting = Evaluator([heartbeat(**AGE)])
    assert waiting.steady_until([], ()) == math.inf
    assert waiting.steady_until([served(1.0)], ()) == -math.inf
    waiting.step(10.0, [served(1.0)])
    assert waiting.steady_until([], ()) == -math.inf  # what it grew by is still within the window


@pytest.mark.parametrize(
    ("samples", "start", "end", "grown"),
    [
        ([(15.0 * place, 5.0 + place) for place in range(5)], 0.0, 60.0, 4.0),
        ([(15.0 * place, 5.0 + place) for place in range(1, 5)], 0.0, 60.0, 4.0),  # 3 between the samples, and one
        ([(30.0, 10.0), (45.0, 11.0)], 0.0, 60.0, 2.5),  # half a step before, a whole one after
        ([(30.0, 0.0), (45.0, 1.0)], 0.0, 60.0, 2.0),  # it was never below 0
        ([(0.0, 50.0), (15.0, 52.0), (30.0, 3.0), (45.0, 4.0)], 0.0, 45.0, 6.0),  # reset
    ],
)
def test_growth_as_prometheus_estimates_it(
    samples: list[tuple[float, float]], start: float, end: float, grown: float
) -> None:
    assert increase(samples, start, end) == pytest.approx(grown)
