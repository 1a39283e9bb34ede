"""State files that version 1 of the format holds go on as if nothing had changed.

Each file in ``tests/data/states`` is named after the commit whose exporter saved it in the middle of its work: with
counters under a hold, windows, one peak that was served and one that was not, a failed request that waits for a
fallback, and a gap. The JSON beside it is what that exporter showed at eight scrapes after a restart of its own, each
metric when it changed. The older one is from before ids were seeded.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from exporters.exporter import restore
from exporters.run import positions_of
from exporters.signals.saved import parts
from runtime.state_file import VERSION, StateFolder, decode, encode
from tests.support.engines import ScrapedEngine, feed, make_engine, shown
from tests.support.litellm_lines import line, record

DATA = Path(__file__).parents[2] / "data" / "states"
OLD, YOUNG = "d9afa9a", "46383e8"
NOW = 1_795_000_000.0
Shown = dict[str, dict[tuple[str, ...], float]]

MOVED = {("LLMPasswordGuessing",)}
"""Alerts whose limit has moved since: the same peak (15 keys) was over it then, and is not now (20)."""
UNSEEDED = {"llm_requests_total", "llm_requests_by_operation_total"}
"""Of a state without a seed, what waits for a fallback is counted at once: nobody will settle it."""


def saved(commit: str) -> dict[str, Any]:
    """What the file of a commit holds, as if the spec had said the same of its signals as it does now."""
    data = decode((DATA / f"{commit}.state").read_bytes())
    signals, present = data["state"]["signals"], make_engine().state.signals
    for name, tracker in signals["trackers"].items():
        tracker["print"] = present.print(name)
    for flow in signals["flows"]:
        flow["members"] = [f"{name} {present.print(name)}" for name in (one.split()[0] for one in flow["members"])]
    return data


def restored(folder: Path, commit: str) -> tuple[ScrapedEngine, dict[str, Any]]:
    """An engine that has taken up the file of a commit, and the positions in it."""
    content = bytearray(encode(saved(commit)))
    content[13:17] = (1).to_bytes(4, "big")
    (folder / "state").write_bytes(content)
    engine, place = make_engine(content=True), StateFolder(folder)
    try:
        positions = restore(engine.memory, place)
    finally:
        place.close()
    assert positions is not None
    return engine, positions


def expected(commit: str) -> list[Shown]:
    """What each scrape showed."""
    scrapes: list[Shown] = []
    seen: Shown = {}
    for changed in json.loads((DATA / f"{commit}.json").read_text())["scrapes"]:
        seen |= {name: {tuple(key): value for key, value in series} for name, series in changed.items()}
        scrapes.append(dict(seen))
    return scrapes


def differences(then: Shown, now: Shown) -> set[str]:
    """Metrics that show another value than then, of any series; series at 0 may be new, and a reset is none of them."""
    return {
        name
        for name, series in then.items()
        if name
        not in ("tocsin_state_resets_total", "tocsin_content_bytes_skipped_total")  # the latter has other labels
        and _nonzero(now.get(name, {}), series) != _nonzero(series, series)
    }


def _nonzero(now: dict[tuple[str, ...], float], then: dict[tuple[str, ...], float]) -> dict[tuple[str, ...], float]:
    """Series that are above 0 or were there then, but for those of alerts with another limit."""
    return {key: value for key, value in now.items() if (value or key in then) and key not in MOVED}


@pytest.mark.parametrize("commit", [OLD, YOUNG])
def test_the_files_are_of_version_1_and_this_is_a_later_one(commit: str) -> None:
    assert int.from_bytes((DATA / f"{commit}.state").read_bytes()[13:17], "big") == 1 < VERSION


@pytest.mark.parametrize("commit", [OLD, YOUNG])
def test_its_positions_are_read(tmp_path: Path, commit: str) -> None:
    _, positions = restored(tmp_path, commit)
    assert positions == json.loads((DATA / f"{commit}.json").read_text())["positions"]
    (position,) = (positions_of(positions, "gw") or {}).values()
    assert (position.path, position.offset) == ("/srv/gateway/gw.jsonl", position.size)


@pytest.mark.parametrize(("commit", "others"), [(OLD, UNSEEDED), (YOUNG, set())])
def test_the_next_scrapes_are_those_of_that_version(tmp_path: Path, commit: str, others: set[str]) -> None:
    """Counters and their holds, windows, and peaks until they were served for long enough."""
    engine, _ = restored(tmp_path, commit)
    for number, then in enumerate(expected(commit)[:3]):
        assert differences(then, shown(engine.scrape(NOW + 45 + 15 * number))) == others, number


def test_what_comes_later_is_counted_as_that_version_would_have_counted_it(tmp_path: Path) -> None:
    """An attempt that settles a request from before, and a new one.

    That version also knew one again; ids of attempts are made of other fields since.
    """
    engine, _ = restored(tmp_path, YOUNG)
    for number, then in enumerate(expected(YOUNG)):
        if number == 3:
            later = line(record(NOW + 80, "waits", user="user-2", key="k-2"))
            later += line(record(NOW + 81, "again", user="user-1", key="k-1"))
            feed(engine, "gw", [later], now=NOW + 85)
        others = {"tocsin_records_duplicate_total"} if number >= 3 else set()
        assert differences(then, shown(engine.scrape(NOW + 45 + 15 * number))) == others, number


@pytest.mark.parametrize("commit", [OLD, YOUNG])
def test_the_files_have_something_of_everything(commit: str) -> None:
    scrapes = expected(commit)
    peak = ("203.0.113.0/24", "false")
    served = [scrape["llm_violating_groups"]["LLMPasswordGuessing",] for scrape in scrapes]
    assert scrapes[0]["llm_refused_keys"] == {peak: 15}
    assert served[0] == 1 and served[-1] == 0
    assert scrapes[0]["llm_actor_ranges"]["user-1", "research"] == 7
    new = ("litellm", "research", "a-new-model", "success")
    assert (scrapes[0]["llm_requests_total"][new], scrapes[2]["llm_requests_total"][new]) == (0, 1)
    duplicates = [scrape["tocsin_records_duplicate_total"]["gw",] for scrape in scrapes]
    assert duplicates[-1] == duplicates[0] + 1


@pytest.mark.parametrize("commit", [OLD, YOUNG])
def test_who_was_over_a_limit_is_protected_from_eviction(tmp_path: Path, commit: str) -> None:
    engine, _ = restored(tmp_path, commit)
    groups = engine.state.signals.entities["actor"].groups
    assert [groups.names[row] for row in groups.violated] == ["user-1"]


@pytest.mark.parametrize("commit", [OLD, YOUNG])
def test_it_is_saved_in_the_present_version(tmp_path: Path, commit: str) -> None:
    engine, _ = restored(tmp_path, commit)
    again = make_engine(content=True)
    assert again.load(engine.save()) == []
    assert shown(again.scrape(NOW + 45)) == shown(engine.scrape(NOW + 45))


@pytest.mark.parametrize("part", ["families", "signals", "health", "scrapes"])
def test_an_old_state_without_one_of_its_parts_is_given_up(part: str) -> None:
    data = saved(OLD)
    del data["state"][part]
    with pytest.raises(ValueError, match="earlier version"):
        parts(data)


def test_counting_that_fails_before_the_first_save_goes_back_to_the_old_file() -> None:
    engine, old = make_engine(content=True), parts(saved(YOUNG))
    engine.memory.load(old)
    before = str(engine.memory.view.save())
    feed(engine, "gw", [line(record(NOW + 50, "more"))], now=NOW + 50)
    engine.scrape(NOW + 50)
    assert str(engine.memory.view.save()) != before
    engine.memory.go_back(old)
    assert str(engine.memory.view.save()) == before
    assert differences(expected(YOUNG)[0], shown(engine.scrape(NOW + 45))) == set()
