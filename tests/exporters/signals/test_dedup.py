"""Nobody can choose ids that make the memories slow, or that are taken for somebody else's."""

from __future__ import annotations

import numpy as np
import pytest

from exporters.signals import dedup as module
from exporters.signals.dedup import FARTHEST, Dedup
from tests.support.engines import decoded, feed, make_engine, settled, shown
from tests.support.litellm_lines import line, record, refused

NOW = 1_795_000_000.0
FACTOR = 0x9E3779B97F4A7C15


def crowd(size: int) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    """Ids that all begin in the first slots of a table whose secret is known."""
    inverse = pow(FACTOR, -1, 1 << 64)
    return np.array([(place << 20) * inverse % (1 << 64) for place in range(1, size + 1)], np.uint64)


@pytest.fixture
def known_secret(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The first table has a secret that everybody knows; later layouts have real ones. Counts them."""
    real, asked = module._fresh_secret, [0]

    def secret() -> tuple[np.uint64, np.uint64, np.uint64]:
        asked[0] += 1
        return (np.uint64(0), np.uint64(FACTOR), np.uint64(1)) if asked[0] == 1 else real()

    monkeypatch.setattr(module, "_fresh_secret", secret)
    monkeypatch.setattr(module, "_HALF", np.uint64(63))
    return asked


def test_ids_chosen_for_one_slot_take_no_more_rounds_than_others(known_secret: list[int]) -> None:
    recent, ids = Dedup(20_000), crowd(8_000)
    for start in range(0, len(ids), 500):
        assert recent.new(ids[start : start + 500]) is None
    assert known_secret[0] > 2  # the two first tables have one each: it was laid out anew
    assert recent.rounds < 16 * 3 * FARTHEST
    assert recent.among(ids).all()
    assert not recent.among(crowd(9_000)[8_000:]).any()


def test_a_table_that_nobody_can_crowd_is_as_quick(known_secret: list[int]) -> None:
    known_secret[0] = 1
    recent, ids = Dedup(20_000), crowd(8_000)
    for start in range(0, len(ids), 500):
        recent.new(ids[start : start + 500])
    assert recent.rounds < 16 * 3 * FARTHEST / 4


def test_what_a_chosen_id_hashes_to_is_another_thing_in_every_state() -> None:
    engines = [make_engine() for _ in range(8)]
    batches = [decoded(engine, line(record(NOW, "chosen"))) for engine in engines]
    assert len({int(batch.ids(name)[0]) for batch in batches for name in ("event_id", "call_id")}) == 16


def test_a_restored_state_knows_attempts_and_requests_again() -> None:
    before, after = make_engine(), make_engine()
    lines = line(record(NOW, "a")) + line(refused(NOW, "b", key="none"))
    feed(before, "gw", [lines], now=NOW)
    after.load(before.save())
    feed(after, "gw", [lines], now=NOW)
    values = settled(after, NOW)
    assert values["tocsin_records_duplicate_total"]["gw",] == 2
    assert sum(values["llm_requests_total"].values()) == 2


def test_a_state_without_a_seed_gets_one_and_forgets_its_ids_aloud() -> None:
    engine = make_engine()
    feed(engine, "gw", [line(record(NOW, "a")) + line(record(NOW, "b", failed=("Timeout", "408_TIMEOUT")))], now=NOW)
    old = engine.save()
    del old["state"]["seed"]
    fresh = make_engine()
    seed = fresh.state.seed
    assert fresh.load(old) == ["duplicates"]
    assert fresh.state.seed == seed != 0
    assert len(fresh.state.seen) == 0
    assert not fresh.state.requests.pending
    assert sum(settled(fresh, NOW)["llm_requests_total"].values()) == 2  # the failed one, too, that nobody settles now


def test_a_call_id_of_somebody_elses_hides_nobodys_request() -> None:
    engine = make_engine()
    mine, theirs = (record(NOW, "chosen", user=user, key=key) for user, key in (("eve", "e"), ("alice", "a")))
    theirs["id"] = mine["id"]
    feed(engine, "gw", [line(mine)], now=NOW)
    feed(engine, "gw", [line(theirs)], now=NOW)
    values = shown(engine.scrape(NOW))
    assert {actor for actor, _ in values["llm_requests_by_actor"]} == {"eve", "alice"}
    assert sum(settled(engine, NOW)["llm_requests_total"].values()) == 2
