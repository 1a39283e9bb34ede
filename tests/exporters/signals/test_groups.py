"""Who is remembered, who makes room, and who is published."""

from __future__ import annotations

import numpy as np

from exporters.signals.entities import Entity
from exporters.signals.groups import Groups
from tests.support.engines import SPEC, feed, make_engine
from tests.support.litellm_lines import line, record

NOW = 1_795_000_000.0


def meet(groups: Groups, name: str, now: float) -> None:
    groups.resolve([name], lambda _place: "", now)


def test_who_was_over_a_limit_is_protected_for_a_while_and_no_longer() -> None:
    groups = Groups(2, protect=60.0)
    meet(groups, "attacker", 0.0)
    groups.violated[groups.rows["attacker"]] = 0.0
    for second in range(1, 61):
        meet(groups, f"actor-{second}", float(second))
    assert "attacker" in groups.rows
    meet(groups, "later", 61.0)
    assert "attacker" not in groups.rows
    assert not groups.violated


def test_when_all_are_protected_the_oldest_makes_room() -> None:
    groups = Groups(3, protect=60.0)
    for second, name in enumerate("abc"):
        meet(groups, name, float(second))
        groups.violated[groups.rows[name]] = float(second)
    meet(groups, "d", 5.0)
    assert set(groups.rows) == {"b", "c", "d"}


def test_a_row_that_is_somebody_elses_now_is_not_protected_for_the_one_before() -> None:
    groups = Groups(1, protect=60.0)
    meet(groups, "a", 0.0)
    groups.violated[0] = 0.0
    meet(groups, "b", 1.0)
    assert (groups.names, groups.violated, groups.take_evicted()) == (["b"], {}, [0])
    assert groups.take_evicted() == []


def test_protection_survives_a_restart_in_the_same_mapping() -> None:
    groups, again = Groups(3, protect=60.0), Groups(3, protect=60.0)
    meet(groups, "a", 0.0)
    groups.violated[0] = 7.0
    shared = again.violated  # trackers hold on to it
    again.load(**groups.save())  # type: ignore[arg-type]
    assert shared is again.violated
    assert shared == {0: 7.0}


def test_evicted_accounts_are_counted_as_it_happens_and_after_a_restart() -> None:
    first = make_engine(accounts=1)
    for number in range(3):
        feed(first, "gw", [line(record(NOW + number, f"a-{number}", user=f"user-{number}"))], now=NOW + number)
    before = first.state.health.value("tocsin_accounts_evicted_total")
    second = make_engine(accounts=1)
    second.load(first.save())
    feed(second, "gw", [line(record(NOW + 9, "b", user="somebody"))], now=NOW + 9)
    assert before >= 2
    assert second.state.health.value("tocsin_accounts_evicted_total") > before


def entity(top: int) -> Entity:
    made = Entity("actor", SPEC.fields["actor"], ("actor", "tenant"), capacity=100, protect=60.0)
    made.top = top
    made.groups.resolve([f"actor-{row}" for row in range(10)], lambda _place: "team", 0.0)
    return made


def chosen(top: int, values: list[float], violating: set[int], published: set[int]) -> tuple[list[int], set[int]]:
    rows = np.arange(len(values))
    places, beyond = entity(top).choose(rows, np.array(values), violating, published)
    return rows[places].tolist(), beyond


def test_the_greatest_are_published() -> None:
    assert chosen(2, [1, 5, 3, 4], set(), set()) == ([1, 3], set())
    assert chosen(9, [1, 5, 3, 4], set(), set()) == ([0, 1, 2, 3], set())


def test_violators_come_first_and_those_that_have_a_place_keep_it() -> None:
    assert chosen(2, [1, 9, 3, 8], {0, 2}, set()) == ([2, 0], set())
    assert chosen(2, [1, 9, 3, 8], {0, 1, 2}, {0}) == ([0, 1], {2})


def test_a_place_is_kept_by_violators_only() -> None:
    assert chosen(1, [1, 9], set(), {0}) == ([1], set())
