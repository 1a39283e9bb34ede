"""However hostile a log is, each attempt makes about as much work as any other: counted in steps, never in seconds."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import exporters.signals
from events.batch import FeedNotes, Run
from exporters.signals.groups import Groups
from exporters.signals.sequence_gaps import MOST_MISSING, SequenceGaps
from exporters.signals.trackers import HitTracker, Limit
from exporters.signals.windows import Hits
from tests.support.engines import SPEC, decoded, feed, make_engine, shown
from tests.support.litellm_lines import blocked, line, record, refused
from tests.support.steps import steps_of

NOW = 1_795_000_000.0
SIZE = 500

STEPS_EACH = 1_000
"""Steps that an attempt may make: the costliest, a new account that another one makes room for, makes 700."""
STEPS_ONCE = 40_000
"""Steps of a batch of any size."""

TIMES: dict[str, Callable[[int], float]] = {
    "one moment": lambda _place: NOW,
    "in order": lambda place: NOW - 900 + place,
    "backwards": lambda place: NOW - place,
    "backwards within a moment": lambda place: NOW - place / 1e4,
    "far apart": lambda place: NOW - place * 50_000.0,
    "old and new in turn": lambda place: NOW - (place % 2) * 1e8,
    "future and past in turn": lambda place: NOW + (place % 2 * 2 - 1) * 1e8,
    "from everywhere": lambda place: NOW - random.Random(place).random() * 1e9,
}
NAMES: dict[str, Callable[[int], str]] = {
    "one": lambda _place: "one",
    "few": lambda place: f"u{place % 5}",
    "all different": lambda place: f"u{place}",
    "long": lambda place: "x" * 5_000 + str(place),
    "empty in turn": lambda place: "" if place % 2 else f"u{place}",
}
KINDS = ("answered", "refused", "blocked", "failed")
QUICK = (Phase.explicit, Phase.reuse, Phase.generate)  # a smaller example would not say more


@dataclass(frozen=True)
class Shape:
    """How the attempts of a hostile log differ: each field is a key of the tables above."""

    times: str
    users: str
    keys: str
    calls: str
    models: str
    addresses: str
    kind: str

    def lines(self, size: int, salt: str = "") -> bytes:
        """`size` attempts as lines."""
        made = []
        for place in range(size):
            time, call = TIMES[self.times](place), NAMES[self.calls](place) + salt
            key, user = NAMES[self.keys](place), NAMES[self.users](place)
            address = f"10.{place >> 8 & 255}.{place & 255}.1" if self.addresses == "all different" else "192.0.2.1"
            match self.kind:
                case "refused":
                    made.append(refused(time, call, key=key, address=address))
                case "blocked":
                    made.append(blocked(time, call, user=user, key=key, address=address))
                case "failed":
                    failed = ("Timeout", "408_TIMEOUT")
                    made.append(record(time, call, user=user, key=key, address=address, failed=failed))
                case _:
                    model = NAMES[self.models](place)
                    made.append(record(time, call, user=user, key=key, address=address, model=model))
        return b"".join(map(line, made))


shapes = st.builds(
    Shape,
    *(st.sampled_from(list(table)) for table in (TIMES, NAMES, NAMES, NAMES, NAMES, ("one", "all different"), KINDS)),
)


@settings(max_examples=15, deadline=None, phases=QUICK)
@given(shapes, shapes, st.sampled_from((100, 100_000)))
def test_every_attempt_of_a_hostile_log_takes_bounded_steps(first: Shape, second: Shape, accounts: int) -> None:
    engine = make_engine(accounts=accounts)
    feed(engine, "gw", [first.lines(SIZE)], now=NOW)
    batch = engine.state.new_events(decoded(engine, second.lines(SIZE, "again")))
    taken = steps_of(lambda: engine.state.take(batch, (), now=NOW + 1), exporters.signals)
    assert taken <= STEPS_ONCE + STEPS_EACH * SIZE


@settings(max_examples=10, deadline=None, phases=QUICK)
@given(shapes, st.integers(1, 3))
def test_a_scrape_takes_steps_by_accounts_and_not_by_what_they_did(shape: Shape, batches: int) -> None:
    engine = make_engine()
    for number in range(batches):
        feed(engine, "gw", [shape.lines(SIZE, str(number))], now=NOW)
    assert steps_of(lambda: engine.scrape(NOW), exporters.signals) <= STEPS_ONCE + STEPS_EACH * SIZE


@pytest.mark.parametrize("cap", [256, 4_000])
def test_hits_that_come_late_take_no_more_steps_the_more_there_are(cap: int) -> None:
    hits = Hits()
    for place in range(cap):
        hits.add(NOW + place / cap, True, 60.0, cap)
    assert steps_of(lambda: hits.add(NOW, True, 60.0, cap), exporters.signals) < 40


def test_hits_of_a_batch_are_taken_in_order_of_time(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[float] = []
    add = Hits.add

    def noted(hits: Hits, time: float, *rest: Any) -> tuple[int, float]:
        taken.append(time)
        return add(hits, time, *rest)

    monkeypatch.setattr(Hits, "add", noted)
    name, signal = next((name, signal) for name, signal in SPEC.signals.items() if signal.stream == "detections")
    tracker = HitTracker(name, signal, [Limit("a", ">=", 3.0)], violated={}, slack=45.0)
    assert list(tracker.take([0] * 5, [NOW - place for place in range(5)], [True] * 5, NOW)) == ["a"]
    assert taken == sorted(taken)


@pytest.mark.parametrize("free", [0, 1, 50, 999])
def test_newcomers_find_room_in_few_steps_whoever_is_protected(free: int) -> None:
    groups = Groups(1_000, protect=60.0)
    groups.resolve([f"old{place}" for place in range(1_000)], lambda _place: "", NOW)
    groups.violated.update(dict.fromkeys(range(free, 1_000), NOW))
    names = [f"new{place}" for place in range(500)]
    steps = steps_of(lambda: groups.resolve(names, lambda _place: "", NOW + 1), exporters.signals)
    assert steps < 500 * 200
    assert len(groups) <= 1_000


def test_those_in_violation_stay_while_others_can_go() -> None:
    groups = Groups(100, protect=60.0)
    groups.resolve([f"old{place}" for place in range(100)], lambda _place: "", NOW)
    groups.violated.update(dict.fromkeys(range(98), NOW))
    groups.resolve(["new"], lambda _place: "", NOW + 1)
    assert "old98" not in groups.rows
    assert all(f"old{place}" in groups.rows for place in range(98))


@given(st.integers(0, 2**32), st.sampled_from(("odd ones first", "downwards", "any order")))
@settings(max_examples=20, deadline=None, phases=QUICK)
def test_numbers_of_lines_in_any_order_take_bounded_steps(seed: int, order: str) -> None:
    writers, size = SequenceGaps(["log"]), 2 * MOST_MISSING
    numbers = list(range(1, size, 2)) + (list(range(2, size, 2)))
    if order == "downwards":
        numbers.sort(reverse=True)
    elif order == "any order":
        random.Random(seed).shuffle(numbers)
    notes = FeedNotes([Run("w", number, number) for number in numbers])
    assert steps_of(lambda: writers.take("log", notes, NOW), exporters.signals) < 60 * size


def test_gaps_of_many_writers_together_are_bounded() -> None:
    writers = SequenceGaps(["log"])
    for writer in range(40):
        runs = [Run(f"w{writer}", number, number) for number in range(1, 2 * MOST_MISSING, 2)]
        writers.take("log", FeedNotes(runs), NOW)
    assert sum(len(known.missing) for known in writers._known.values()) <= 10_000
    writers.settle("log", NOW + 1e6, idle=True)
    assert writers.lost["log"] == 40 * (MOST_MISSING - 1)
    assert steps_of(lambda: writers.settle("log", NOW + 1e6, idle=True), exporters.signals) < 20


@pytest.mark.parametrize("count", [1, 255, 256, 257, 5_000])
def test_rejects_that_are_counted_together_are_as_many_as_one_by_one(count: int) -> None:
    together, single = make_engine(), make_engine()
    together.state.reject("gw", "not_json", count, now=NOW)
    for _ in range(count):
        single.state.reject("gw", "not_json", now=NOW)
    for engine in (together, single):
        engine.state.reject("gw", "not_an_object", 3, now=NOW + 1)
    assert together.state.signals.save()["trackers"] == single.state.signals.save()["trackers"]
    assert shown(together.scrape(NOW + 1)) == shown(single.scrape(NOW + 1))
    rejected = together.state.health.value("tocsin_records_rejected_total", ("gw", "not_json"))
    assert rejected == single.state.health.value("tocsin_records_rejected_total", ("gw", "not_json")) == count


def test_a_flood_of_rejects_takes_no_more_steps_the_more_there_are() -> None:
    engine = make_engine()
    engine.state.reject("gw", "not_json", 10_000, now=NOW)
    few = steps_of(lambda: engine.state.reject("gw", "not_json", 10_000, now=NOW + 1), exporters.signals)
    many = steps_of(lambda: engine.state.reject("gw", "not_json", 1_000_000, now=NOW + 2), exporters.signals)
    assert many < 2 * few < 40_000
