"""Readers of one state do not disturb each other, and none of them changes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from alerts import Evaluator, compile_alerts
from exporters.metric_table import Table
from exporters.view import PrometheusView
from replay.run import read_by
from runtime.state_file import encode
from tests.support.engines import SPEC, ScrapedEngine, feed, make_engine, shown
from tests.support.litellm_lines import blocked, line, record, refused

NOW = 1_795_000_000.0
STEP = 5.0
STEPS = 45
RULES = compile_alerts(SPEC)
COUNTERS = read_by(RULES)


def lines_of(step: int) -> bytes:
    """What is logged in a step: everyday work, bursts dated back, guesses, requests that fail, new names, junk."""
    now = NOW + step * STEP
    made = [record(now, f"call-{step}-{n}", user=f"user-{n}", address=f"10.{step % 7}.{n}.1") for n in range(3)]
    if step % 9 == 0:
        made += [
            refused(now - 2000 + n, f"guess-{step}-{n}", key=f"key-{n}", address=f"203.0.{step}.1") for n in range(12)
        ]
    if step % 7 == 0:
        made.append(record(now, f"failed-{step}", failed=("Timeout", "408_TIMEOUT"), model=f"model-{step}"))
        made.append(blocked(now, f"blocked-{step}", user="user-1"))
    return b"".join(map(line, made)) + (b"junk\n" if step % 5 == 0 else b"")


def alerts_of(view: PrometheusView, evaluator: Evaluator, now: float) -> list[str]:
    """What a replay's evaluator makes of the state at `now`."""
    return [f"{found.rule.name} {found.labels}" for found in evaluator.step(now, view.scrape_alerts(now, COUNTERS))]


def course(*rhythms: int, evaluated: bool = False, accounts: int = 100_000) -> tuple[list[list[Any]], list[list[str]]]:
    """One state under readers that scrape every so many steps; what each of them saw, and what alerts there were."""
    engine = make_engine(accounts=accounts)
    views = [PrometheusView(engine.state) for _ in rhythms]
    extra, evaluator = (PrometheusView(engine.state), Evaluator(RULES)) if evaluated else (None, None)
    seen: list[list[Any]] = [[] for _ in rhythms]
    alerts: list[list[str]] = []
    for step in range(STEPS):
        now = NOW + step * STEP
        feed(engine, "gw", [lines_of(step)], now=now)
        engine.state.advance(now)
        for place, rhythm in enumerate(rhythms):
            if step % rhythm == 0:
                seen[place].append(shown(views[place].scrape(now)))
        if extra is not None and evaluator is not None and step % 3 == 0:
            alerts.append(alerts_of(extra, evaluator, now))
    return seen, alerts


@pytest.mark.parametrize("accounts", [100_000, 4])
def test_each_reader_sees_what_it_sees_alone(accounts: int) -> None:
    rhythms = (1, 3, 20)  # the last one is away for so long each time that old values are shown to it first
    together, alerts = course(*rhythms, evaluated=True, accounts=accounts)
    for rhythm, seen in zip(rhythms, together, strict=True):
        assert seen == course(rhythm, accounts=accounts)[0][0], rhythm
    assert alerts == course(evaluated=True, accounts=accounts)[1]
    assert any(alerts), "or the evaluator would have nothing to be disturbed in"


def test_the_readers_do_see_different_things() -> None:
    (often, seldom), _ = course(1, 20)
    assert len(seldom) > 2
    assert any(one != often[20 * place] for place, one in enumerate(seldom))


def test_a_peak_waits_for_each_reader() -> None:
    engine = make_engine()
    first, second = PrometheusView(engine.state), PrometheusView(engine.state)
    feed(engine, "gw", [b"".join(line(refused(NOW - 3000 + n, f"{n}", key=f"key-{n}")) for n in range(12))], now=NOW)
    feed(engine, "gw", [line(record(NOW - 10, "later"))], now=NOW)
    key = ("198.51.100.0/24", "false")
    assert [shown(first.scrape(NOW + 15 * n))["llm_refused_keys"] for n in range(4)] == [{key: 12}] * 3 + [{}]
    assert shown(second.scrape(NOW + 60))["llm_refused_keys"] == {key: 12}


READS: dict[str, Callable[[ScrapedEngine], list[Table] | object]] = {
    "a snapshot": lambda engine: engine.state.snapshot(NOW + 500),
    "a snapshot of the past": lambda engine: engine.state.snapshot(NOW - 500),
    "own counters": lambda engine: engine.state.snapshot(NOW, families=False, counters=["tocsin_records_read_total"]),
    "all counters": lambda engine: list(engine.state.counters()),
    "a scrape": lambda engine: engine.memory.view.scrape(NOW + 86_400),
    "a scrape for alerts": lambda engine: engine.memory.view.scrape_alerts(NOW + 86_400, COUNTERS),
}


@pytest.mark.parametrize("read", READS)
def test_reading_changes_nothing_of_the_state(read: str) -> None:
    engine = make_engine()
    for step in range(10):
        feed(engine, "gw", [lines_of(step)], now=NOW + step * STEP)
    before = saved(engine)
    for _ in range(3):
        READS[read](engine)
    assert saved(engine) == before


def test_time_that_passes_does_change_it() -> None:
    """Or the test above could not fail."""
    engine = make_engine()
    for step in range(10):
        feed(engine, "gw", [lines_of(step)], now=NOW + step * STEP)
    before = saved(engine)
    engine.state.advance(NOW + 86_400)
    assert saved(engine) != before


def saved(engine: ScrapedEngine) -> bytes:
    """The whole state."""
    return encode(engine.state.save())


def test_snapshots_at_one_moment_are_the_same() -> None:
    engine = make_engine()
    feed(engine, "gw", [lines_of(0)], now=NOW)
    first, second = engine.state.snapshot(NOW), engine.state.snapshot(NOW)
    assert shown(first.counters) == shown(second.counters)
    assert {name: found.values.tolist() for name, found in first.readings.items()} == {
        name: found.values.tolist() for name, found in second.readings.items()
    }


def test_a_view_goes_on_after_a_restart_as_one_that_was_not_restarted() -> None:
    whole, before = make_engine(), make_engine()
    for engine in (whole, before):
        for step in range(20):
            feed(engine, "gw", [lines_of(step)], now=NOW + step * STEP)
            if step % 3 == 0:
                engine.scrape(NOW + step * STEP)
    after = make_engine()
    assert after.load(before.save()) == []
    for step in range(20, 40):
        now = NOW + step * STEP
        for engine in (whole, after):
            feed(engine, "gw", [lines_of(step)], now=now)
        assert shown(after.scrape(now)) == shown(whole.scrape(now)), step
