"""What may stand in a label: nothing that steers a terminal, turns a line, hides, or begins another line."""

from __future__ import annotations

import re
import unicodedata

import pytest

from exporters.expose import Exposition
from exporters.signals.labels import label_text
from tests.fuzz.invariants import NOW, page_holds
from tests.support.engines import feed, make_engine
from tests.support.hostile import TEXTS
from tests.support.litellm_lines import line, record

STEERS = (
    *("\n", "\r", "\x0b", "\x1b", "\x85", "\x9b", "\u2028", "\u2029"),  # lines, terminals
    *("\u061c", "\u200e", "\u200f", "\u202a", "\u202e", "\u2066", "\u2069"),  # direction
    *(
        "\u00ad",
        "\u180e",
        "\u200b",
        "\u200d",
        "\u2060",
        "\ufeff",
        "\U000e0041",
        "\ufff9",
        "\ud800",
        "\ufffd",
    ),  # invisible
)


@pytest.mark.parametrize("letter", STEERS, ids=lambda letter: f"U+{ord(letter):04X}")
def test_what_steers_is_replaced(letter: str) -> None:
    assert re.fullmatch(r"a\?b~[0-9a-f]{16}", label_text(f"a{letter}b"))


@pytest.mark.parametrize("name", ["gpt-4o", "Zoë", "研究", "команда", "a b", "a\u00a0b", "🙂", "x" * 128])
def test_names_stay_as_they_are(name: str) -> None:
    assert label_text(name) == name


@pytest.mark.parametrize("name", TEXTS)
def test_a_hostile_name_becomes_one_short_line(name: str) -> None:
    label = label_text(TEXTS[name])
    assert len(label) <= 128 and len(label.splitlines()) <= 1
    assert not {unicodedata.category(letter) for letter in label} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    label.encode()


@pytest.mark.parametrize("name", ["   ", "\t", "\u00a0", "\u3000", "\u2800", "\u3164", "\u200b"])
def test_a_name_of_nothing_is_seen(name: str) -> None:
    assert re.fullmatch(r"\?~[0-9a-f]{16}", label_text(name))


@pytest.mark.parametrize("name", [" alice", "alice ", "alice\u3164", "alice\u00a0"])
def test_a_name_that_looks_like_another_is_told_apart(name: str) -> None:
    assert re.fullmatch(r"alice\??~[0-9a-f]{16}", label_text(name))


def test_no_two_names_share_a_label() -> None:
    labels = {name: label_text(text) for name, text in TEXTS.items()}
    forged = {f"{name} forged": label_text(label) for name, label in labels.items() if label != TEXTS[name]}
    assert len(forged) > 10
    assert len({*labels.values(), *forged.values()}) == len(labels) + len(forged)


def test_names_that_look_alike_are_series_of_their_own() -> None:
    engine = make_engine()
    twins = [text for text in TEXTS.values() if text]
    twins += [label_text(text) for text in twins]  # what another one is called on the page
    made = [
        record(NOW, f"{place}", user=name, team=name, model=name) for place, name in enumerate(dict.fromkeys(twins))
    ]
    feed(engine, "gw", [b"".join(map(line, made))], now=NOW)
    engine.scrape(NOW)
    page_holds(Exposition().render(engine.scrape(NOW + 60)))
