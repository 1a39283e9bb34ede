"""Texts from outside on a terminal, in a log and on a page: nothing steers, no word is broken, no line too wide."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.text import one_line, printable, width_of, wrapped

HOSTILE = "\x1b[2J\x07\r\n\x9b1m\u202e\u2066\u200b\ufeff\x00\ud800"


@given(st.text() | st.just(HOSTILE))
def test_nothing_steers_and_nothing_is_lost(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    if "\\" not in text:
        assert shown.encode("ascii", "backslashreplace").decode("unicode_escape") == text


def test_letters_of_every_language_stay() -> None:
    assert printable("Zoë 日本語 \\ 100 €") == "Zoë 日本語 \\ 100 €"


@given(st.text() | st.just(HOSTILE))
def test_one_line_is_plain_and_short(text: str) -> None:
    shown = one_line(text, 20)
    assert shown.isascii()
    assert shown.isprintable()
    assert len(shown) <= 20 + len("...")


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        ("", 10, []),
        ("one two three", 7, ["one two", "three"]),
        ("abcdefghij", 4, ["abcd", "efgh", "ij"]),
        ("see http://a.example/long-one now", 8, ["see", "http://a.example/long-one", "now"]),
        ("reads pagerduty-security, too", 20, ["reads", "pagerduty-security,", "too"]),
        ("日本語日本語", 4, ["日本", "語日", "本語"]),
        ("e\u0301e\u0301e\u0301", 2, ["e\u0301e\u0301", "e\u0301"]),
    ],
)
def test_wrapped(text: str, width: int, lines: list[str]) -> None:
    assert wrapped(text, width) == lines
    assert wrapped(text, width + 2, "# ") == [f"# {line}" for line in lines]


def test_without_a_width_there_is_one_line() -> None:
    assert wrapped("a b c " * 50, 0, "    ") == ["    " + "a b c " * 50]


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"])), st.integers(4, 30))
def test_no_line_is_too_wide_and_every_letter_is_there(text: str, width: int) -> None:
    lines = wrapped(text, width)
    assert "".join("".join(lines).split(" ")) == "".join(text.split(" "))
    assert all(width_of(line) <= width for line in lines if "http" not in line)
