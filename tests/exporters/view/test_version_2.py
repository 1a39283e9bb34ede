"""A state file of version 2 of the format goes on as if nothing had changed; it remembers no texts yet.

The file was saved by the exporter of the commit that it is named after, and the JSON beside it is what that exporter
showed at the next scrapes, each metric when it changed.
"""

from __future__ import annotations

import json
from pathlib import Path

from exporters.exporter import restore
from runtime.state_file import VERSION, StateFolder, encode
from tests.exporters.view.test_version_1 import differences, expected, saved
from tests.support.engines import ScrapedEngine, make_engine, shown

DATA = Path(__file__).parents[2] / "data" / "states"
COMMIT = "52048d0"
NOW = 1_795_000_000.0


def restored(folder: Path) -> ScrapedEngine:
    content = bytearray(encode(saved(COMMIT)))
    content[13:17] = (2).to_bytes(4, "big")
    (folder / "state").write_bytes(content)
    engine, place = make_engine(content=True), StateFolder(folder)
    try:
        restore(engine.memory, place)
    finally:
        place.close()
    return engine


def test_the_file_is_of_version_2_and_this_is_a_later_one() -> None:
    assert int.from_bytes((DATA / f"{COMMIT}.state").read_bytes()[13:17], "big") == 2 < VERSION


def test_the_next_scrapes_are_those_of_that_version(tmp_path: Path) -> None:
    engine = restored(tmp_path)
    for number, then in enumerate(expected(COMMIT)):
        assert differences(then, shown(engine.scrape(NOW + 45 + 15 * number))) == set(), number


def test_it_holds_an_attack_that_was_answered_in_part() -> None:
    first = json.loads((DATA / f"{COMMIT}.json").read_text())["scrapes"][0]
    assert first["llm_jailbreak_hits"] == [[["mallory", "research"], 3.0]]
    assert first["llm_jailbreak_hits_answered"] == [[["mallory", "research"], 2.0]]


def test_it_is_saved_in_the_present_version(tmp_path: Path) -> None:
    engine = restored(tmp_path)
    assert len(engine.state.conversations) == 0
    again = make_engine(content=True)
    assert again.load(engine.save()) == []
    assert shown(again.scrape(NOW + 45)) == shown(engine.scrape(NOW + 45))
