"""The evaluator: each technique by example, and all of them against the words of `alerts.alert_ir` taken literally."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts import AlertInstance, AlertRule, Evaluator, Series, compile_alerts
from alerts.rule import Criterion
from alerts.techniques.ratio.criterion import RatioCriterion
from alerts.techniques.threshold.criterion import ThresholdCriterion
from exporters.metric_table import Table
from spec import load_spec, names

SHIPPED = compile_alerts(load_spec())


def shipped(name: str, family: str = "") -> AlertRule:
    return next(rule for rule in SHIPPED if rule.name == name and rule.family == (family or name))


def gauge(name: str, labels: tuple[str, ...], values: Mapping[Any, float], kind: str = "gauge") -> Table:
    return Table(name, kind, "", labels, list(values), np.array(list(values.values()), np.float64))  # type: ignore[arg-type]


def series(metric: str = "m", labels: tuple[str, ...] = ("who",), aggregate: str = "max", **matchers: str) -> Series:
    return Series(metric, tuple(sorted(matchers.items())), labels, aggregate)


def rule(
    *,
    series: Series = series(),  # noqa: B008 - a value
    denominator: Series | None = None,
    min_denominator: float = 0.0,
    op: str = ">=",
    value: float = 3.0,
    lookback: float = 0.0,
    hold: float = 0.0,
    answered: str = "",
) -> AlertRule:
    """An alert over the gauge m by who: m >= 3, at once, without look-back; a share with a denominator."""
    criterion: Criterion = ThresholdCriterion(series=series, op=op, value=value)
    if denominator is not None:
        criterion = RatioCriterion(
            series=series, op=op, value=value, denominator=denominator, min_denominator=min_denominator
        )
    plain = shipped("LLMSpendBurst")
    return replace(plain, criterion=criterion, lookback=lookback, hold=hold, keep=0.0, answered=answered)


def run(
    rule: AlertRule, *steps: Mapping[str, float], denominators: Sequence[Mapping[str, float]] = ()
) -> list[tuple[str, float, float | None]]:
    """Who fired, from when to when, with a step every 10 seconds from 10 on; each step is a value by `who`."""
    evaluator = Evaluator([rule])
    found: list[AlertInstance] = []
    for place, values in enumerate(steps):
        tables = [gauge("m", ("who",), {(who,): value for who, value in values.items()})]
        if denominators:
            below = denominators[min(place, len(denominators) - 1)]
            tables.append(gauge("all", ("who",), {(who,): value for who, value in below.items()}))
        changed = evaluator.step(10.0 * (place + 1), tables)
        found += [instance for instance in changed if instance.resolved_at is None]
    return [(instance.labels["who"], instance.fired_at, instance.resolved_at) for instance in found]


def test_a_threshold_fires_at_its_value_and_ends_below_it() -> None:
    assert run(rule(), {"a": 2}, {"a": 3}, {"a": 4}, {"a": 2}, {"a": 3}) == [("a", 20, 40), ("a", 50, None)]


@pytest.mark.parametrize(
    ("op", "value", "fires"), [(">=", 3, True), (">", 3, False), ("<=", 3, True), ("<", 3, False), ("<", 2.9, True)]
)
def test_every_comparison(op: str, value: float, fires: bool) -> None:
    assert bool(run(rule(op=op), {"a": value})) == fires


def test_members_of_the_labels_are_alerts_of_their_own() -> None:
    assert run(rule(), {"a": 3, "b": 1}, {"b": 3}) == [("a", 10, 20), ("b", 20, None)]


def test_a_rule_fires_at_the_first_hit() -> None:
    canary = shipped("LLMCanaryLeaked")
    hit = gauge("llm_canary_hits", ("actor", "tenant"), {("alice", "lab"): 1})
    answered = gauge("llm_canary_hits_answered", ("actor", "tenant"), {("alice", "lab"): 1})
    (instance,) = Evaluator([canary]).step(15.0, [hit, answered])
    assert (instance.labels, instance.value, instance.answered) == ({"actor": "alice", "tenant": "lab"}, 1, 1)


def test_a_ratio_needs_enough_below_the_line() -> None:
    ratio = rule(denominator=series("all"), min_denominator=20.0, value=0.5)
    below = [{"a": 19}, {"a": 20}, {"a": 21}, {}]
    assert run(ratio, {"a": 19}, {"a": 10}, {"a": 10}, {"a": 10}, denominators=below) == [("a", 20, 30)]


def test_a_share_of_nothing_is_no_number_and_no_alert() -> None:
    ratio = rule(denominator=series("all"), min_denominator=0.0, value=0.5)
    assert run(ratio, {"a": 0}, denominators=[{"a": 0}]) == []
    assert run(ratio, {"a": 1}, denominators=[{"a": 0}]) == [("a", 10, None)]


def test_a_look_back_keeps_an_alert_up_for_exactly_its_length() -> None:
    assert run(rule(lookback=30.0), {"a": 3}, {}, {}, {}, {}) == [("a", 10, 40)]


def test_a_hit_within_the_look_back_prolongs_the_same_alert() -> None:
    assert run(rule(lookback=30.0), {"a": 3}, {}, {"a": 3}, {}, {}, {}) == [("a", 10, 60)]


def test_a_look_back_below_a_threshold_keeps_the_least() -> None:
    assert run(rule(op="<", value=1.0, lookback=20.0), {"a": 0}, {"a": 5}, {"a": 5}) == [("a", 10, 30)]


def test_a_hold_waits_and_starts_again_after_a_gap() -> None:
    steps = [{"a": 3}, {"a": 3}, {"a": 1}, {"a": 3}, {"a": 3}, {"a": 3}, {"a": 1}]
    assert run(rule(hold=20.0), *steps) == [("a", 60, 70)]


def test_a_hold_over_a_look_back_counts_from_the_first_hit() -> None:
    assert run(rule(hold=20.0, lookback=30.0), {"a": 3}, {}, {}, {}) == [("a", 30, 40)]


def test_scaled_times_are_no_whole_numbers() -> None:
    evaluator, step = Evaluator([rule(lookback=45 / 7)]), 15 / 7
    table = gauge("m", ("who",), {("a",): 3.0})
    (instance,) = evaluator.step(1000 * step, [table])
    assert [bool(evaluator.step((1000 + later) * step, [])) for later in (1, 2, 3)] == [False, False, True]
    assert instance.resolved_at == 1003 * step


def test_a_storm_fires_from_its_number_of_groups_on_and_only_for_its_alert() -> None:
    storm = shipped(names.STORM, "LLMPasswordGuessing")
    groups = {("LLMPasswordGuessing",): storm.value, ("LLMSpendBurst",): 100.0}
    (instance,) = Evaluator([storm]).step(15.0, [gauge("llm_violating_groups", ("alert",), groups)])
    assert instance.labels == {"alert": "LLMPasswordGuessing"}
    assert instance.value == storm.value
    groups[("LLMPasswordGuessing",)] -= 1
    assert not Evaluator([storm]).step(15.0, [gauge("llm_violating_groups", ("alert",), groups)])


@pytest.mark.parametrize(("aggregate", "value"), [("max", 4.0), ("min", 1.0), ("sum", 5.0)])
def test_what_the_alert_does_not_keep_is_merged(aggregate: str, value: float) -> None:
    over = rule(series=series(aggregate=aggregate), value=0.0)
    (instance,) = Evaluator([over]).step(1.0, [gauge("m", ("part", "who"), {("x", "a"): 1, ("y", "a"): 4})])
    assert (instance.labels, instance.value) == ({"who": "a"}, value)


def test_matchers_select_and_a_label_that_is_not_there_is_empty() -> None:
    table = gauge("m", ("job", "who"), {("tocsin", "a"): 3, ("other", "b"): 3})
    (instance,) = Evaluator([rule(series=series(job="tocsin"))]).step(1.0, [table])
    assert instance.labels == {"who": "a"}
    assert not Evaluator([rule(series=series(cluster="x"))]).step(1.0, [table])
    merged = rule(series=series(labels=("who", "zone")))
    assert [found.labels for found in Evaluator([merged]).step(1.0, [table])] == [{"who": "a"}, {"who": "b"}]


def test_an_instance_keeps_its_worst_value_and_the_most_that_was_answered() -> None:
    evaluator = Evaluator([rule(answered="answered", lookback=100.0)])

    def step(t: float, value: float, answered: float) -> list[AlertInstance]:
        rows = [gauge("m", ("who",), {("a",): value}), gauge("answered", ("who",), {("a",): answered})]
        return evaluator.step(t, rows)

    (instance,) = step(10, 3, 0)
    step(20, 9, 2)
    step(30, 4, 1)
    step(40, 2, 8)  # not over the threshold: that part belongs to no alert
    assert (instance.value, instance.answered) == (9, 2)


# ---------------------------------------------------------------------------------------- against the plain words
STEP = 10.0


def naive(rule: AlertRule, history: Sequence[tuple[Mapping[str, float], Mapping[str, float]]]) -> set[tuple[Any, ...]]:
    """Every (who, fired, resolved), computed from the whole history at every step."""

    def compared(place: int, who: str) -> float | None:
        over, under = history[place]
        if who not in over:
            return None
        if not isinstance(rule.criterion, RatioCriterion):
            return over[who]
        if under.get(who, -1.0) < rule.criterion.min_denominator:
            return None
        return over[who] / under[who]

    def true(place: int, who: str) -> bool:
        window = max(rule.lookback, 0.5 * STEP)  # without look-back: the sample at the evaluation
        values = [compared(past, who) for past in range(place + 1) if (place - past) * STEP < window]
        known = [value for value in values if value is not None]
        if not known:
            return False
        worst = min(known) if rule.op in ("<", "<=") else max(known)
        return {">=": worst >= rule.value, ">": worst > rule.value}.get(
            rule.op, worst <= rule.value if rule.op == "<=" else worst < rule.value
        )

    found: set[tuple[Any, ...]] = set()
    for who in "ab":
        fired: float | None = None
        since: float | None = None
        for place in range(len(history)):
            now = (place + 1) * STEP
            if not true(place, who):
                if fired is not None:
                    found.add((who, fired, now))
                fired = since = None
                continue
            since = now if since is None else since
            if fired is None and now - since >= rule.hold:
                fired = now
        if fired is not None:
            found.add((who, fired, None))
    return found


sample = st.dictionaries(st.sampled_from("ab"), st.integers(0, 6).map(float))
histories = st.lists(st.tuples(sample, sample), min_size=1, max_size=30)


@given(
    history=histories,
    op=st.sampled_from([">=", ">", "<=", "<"]),
    lookback=st.sampled_from([0.0, 10.0, 30.0, 35.0, 100.0]),
    hold=st.sampled_from([0.0, 10.0, 25.0, 60.0]),
    ratio=st.booleans(),
)
def test_the_evaluator_is_what_the_words_say(
    history: list[tuple[dict[str, float], dict[str, float]]], op: str, lookback: float, hold: float, ratio: bool
) -> None:
    tried = rule(op=op, lookback=lookback, hold=hold)
    if ratio:
        tried = rule(op=op, lookback=lookback, hold=hold, denominator=series("all"), min_denominator=2.0, value=1.0)
    found = run(tried, *[over for over, _ in history], denominators=[under for _, under in history])
    assert len(found) == len(set(found))
    assert set(found) == naive(tried, history)


@given(
    history=histories,
    op=st.sampled_from([">=", ">", "<=", "<"]),
    ratio=st.booleans(),
    value=st.sampled_from([0.0, 1.0, 3.0]),
    zeros=st.booleans(),
)
def test_what_is_called_steady_does_not_change_while_values_only_fall(
    history: list[tuple[dict[str, float], dict[str, float]]], op: str, ratio: bool, value: float, zeros: bool
) -> None:
    tried = rule(op=op, value=value)
    if ratio:
        tried = rule(op=op, value=value, denominator=series("all"), min_denominator=2.0)
    falling: list[list[Table]] = []
    least: list[dict[str, float]] = [dict.fromkeys("ab", 9.0), dict.fromkeys("ab", 9.0)]
    for step in history:
        # As windows do: values fall, and who has fallen to 0 is not shown any more, or shown as 0 for ever.
        least = [
            {who: min(had, new.get(who, 0.0)) for who, had in old.items() if who in new or zeros}
            for old, new in zip(least, step, strict=True)
        ]
        over, under = ({(who,): number for who, number in side.items() if number or zeros} for side in least)
        falling.append([gauge("m", ("who",), over), gauge("all", ("who",), under)])

    def fires(tables: list[Table]) -> set[str]:
        return {instance.labels["who"] for instance in Evaluator([tried]).step(0.0, tables)}

    evaluator = Evaluator([tried])
    for place, tables in enumerate(falling):
        if evaluator.steady_until(tables, ()) == math.inf:
            assert all(fires(later) == fires(tables) for later in falling[place:])


def test_fixed_metrics_and_counters_are_steady_whatever_their_value() -> None:
    evaluator = Evaluator([rule()])
    high = {("a",): 5.0}
    assert evaluator.steady_until([gauge("m", ("who",), high)], ()) == -math.inf
    assert evaluator.steady_until([gauge("m", ("who",), high)], ("m",)) == math.inf
    assert evaluator.steady_until([gauge("m", ("who",), high, "counter")], ()) == math.inf


def test_due_is_when_what_is_pending_begins_or_what_is_latched_ends() -> None:
    evaluator = Evaluator([rule(hold=10.0, lookback=20.0)])
    high = [gauge("m", ("who",), {("a",): 5.0})]
    due = [evaluator.due]
    for t, tables in ((10.0, high), (20.0, high), (30.0, []), (40.0, [])):  # pending, fires, is latched, is over
        evaluator.step(t, tables)
        due.append(evaluator.due)
    assert due == [math.inf, 20.0, math.inf, 40.0, math.inf]


def test_what_is_pending_on_its_look_back_may_end_before_it_begins() -> None:
    evaluator = Evaluator([rule(hold=50.0, lookback=20.0), rule(hold=12.0, lookback=20.0)])
    evaluator.step(10.0, [gauge("m", ("who",), {("a",): 5.0})])
    assert evaluator.due == 22.0
    evaluator.step(15.0, [])
    assert evaluator.due == 22.0
    evaluator.step(25.0, [])
    assert evaluator.due == 30.0
