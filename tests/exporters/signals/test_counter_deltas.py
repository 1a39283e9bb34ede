"""What writers tell is added up once, over writers that come and go and over restarts of the exporter."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporters.signals import counter_deltas
from exporters.signals.counter_deltas import CounterDeltas


def test_of_who_was_there_first_only_what_comes_later_counts() -> None:
    totals = CounterDeltas(("gw", "other"))
    assert totals.new("gw", [("old", {"records": 1000})])["records"] == 0
    assert totals.new("gw", [("old", {"records": 1003}), ("new", {"records": 5})])["records"] == 8
    assert totals.new("gw", [("new", {"records": 6})])["records"] == 1
    assert totals.new("other", [("new", {"records": 6})])["records"] == 0


def test_a_source_without_writers_is_met_too() -> None:
    totals = CounterDeltas(("gw", "other"))
    totals.new("gw", [])
    assert totals.new("gw", [("new", {"records": 5, "error": 2})]) == {"records": 5, "error": 2}


def test_a_number_that_falls_is_neither_taken_away_nor_counted_twice() -> None:
    totals = CounterDeltas(("gw", "other"))
    totals.new("gw", [])
    grown = [totals.new("gw", [("w", {"records": number})])["records"] for number in (5, 3, 5, 6)]
    assert grown == [5, 0, 0, 1]


def test_who_is_away_for_a_while_is_known_again() -> None:
    totals = CounterDeltas(("gw", "other"))
    totals.new("gw", [])
    totals.new("gw", [("w", {"records": 5})])
    totals.new("gw", [])
    assert totals.new("gw", [("w", {"records": 7})])["records"] == 2


def test_a_source_that_is_no_longer_configured_is_forgotten() -> None:
    totals = CounterDeltas(("gw", "other"))
    totals.new("gw", [("w", {"records": 5})])
    later = CounterDeltas(("other",))
    later.load(totals.save())
    assert later.save() == {"met": [], "known": []}


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counter_deltas, "MOST_WRITERS", 10)
    totals = CounterDeltas(("gw", "other"))
    totals.new("gw", [])
    for number in range(100):
        assert totals.new("gw", [(f"w{number}", {"records": 1})])["records"] == 1
    assert len(totals._known) == 10


steps = st.lists(st.tuples(st.dictionaries(st.sampled_from("abc"), st.integers(0, 9)), st.booleans()), max_size=30)


@given(steps=steps)
def test_the_total_is_what_every_writer_did_since_the_first_look(steps: list[tuple[dict[str, int], bool]]) -> None:
    """With a restart of the exporter after any look, and writers that are not seen at each."""
    totals, done, total = CounterDeltas(("gw", "other")), dict.fromkeys("abc", 0), 0
    at_first: dict[str, int] = {}
    seen = dict.fromkeys("abc", 0)
    for place, (work, restarts) in enumerate(steps):
        for writer, amount in work.items():
            done[writer] += amount
            seen[writer] = done[writer]
        total += totals.new("gw", [(writer, {"records": done[writer]}) for writer in work])["records"]
        if place == 0:
            at_first = {writer: done[writer] for writer in work}
        if restarts:
            saved, totals = json.loads(json.dumps(totals.save())), CounterDeltas(("gw", "other"))
            totals.load(saved)
    assert total == sum(seen[writer] - at_first.get(writer, 0) for writer in seen)
