"""Lines of a terminal: they fit, they say what is known, and nothing in a log can steer the terminal."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts import AlertInstance, compile_alerts
from events.batch import Detection
from replay.tail.columns import COLUMNS, Layout, Lines, kind_of
from replay.tail.watch import Attempt
from runtime.text import cut, width_of
from spec import load_spec

SPEC = load_spec()
START = 1_794_870_000.0
EVIL = "a\x1b[2Jb\r\nc\u202ed\x07\x9b"


def attempt(*rules: str, name: str | None = "a-1", **words: str | None) -> Attempt:
    known: dict[str, str | None] = {
        "outcome": "success",
        "error_class": "none",
        "tenant": "research",
        "actor": "alice",
        "model": "gpt-4o",
        "operation": "chat",
        "verdict": "pass",
    }
    numbers = {"time": START, "duration": 0.5, "input_tokens": 12.0, "output_tokens": 5.0, "cost_usd": 0.0123}
    found = tuple(Detection(0, "jailbreak", rule, "high") for rule in rules)
    return Attempt(numbers, known | words, name, found, dict)


def text(item: Attempt, width: int = 0, *, color: bool = False) -> list[str]:
    return list(Lines(SPEC, color=color).attempt(item, width))


def instance(**labels: str) -> AlertInstance:
    rule = next(rule for rule in compile_alerts(SPEC) if rule.name == "LLMJailbreakRepeated")
    return AlertInstance(rule, labels, START, 5.0, 1.0)


def test_a_line_says_all_that_is_known() -> None:
    day, titles, line = text(attempt("persona", "persona", "translated"))
    assert day == "2026-11-16 UTC"
    assert titles.split() == [*(column.title for column in COLUMNS), "detections"]
    assert line.split() == [
        *("23:00:00", "ok", "research", "a-1", "gpt-4o", "chat", "12", "5", "$0.0123", "0.50s", "pass"),
        *("persona", "translated"),
    ]


@pytest.mark.parametrize(
    ("name", "alias", "shown"),
    [
        ("key:" + "0123456789abcdef" * 4, "batch-job", "batch-job"),
        ("key:" + "0123456789abcdef" * 4, None, "key:0123456789ab…"),
        ("a-1", "batch-job", "a-1"),  # a pseudonym stays one
    ],
)
def test_a_key_is_called_by_its_alias(name: str, alias: str | None, shown: str) -> None:
    item = attempt(name=name, actor="key:" + "0123456789abcdef" * 4)
    item = Attempt(item.numbers, item.words, item.name, (), lambda: {"llm.key.alias": alias})
    _, titles, line = text(item)
    assert line.split()[3] == shown
    assert titles.index("model") == line.index("gpt-4o")


def test_what_is_unknown_is_a_dash_and_never_a_number() -> None:
    item = Attempt({"time": START}, dict.fromkeys(attempt().words, None) | {"outcome": "failure"}, None, (), dict)
    assert text(item)[-1].split() == ["23:00:00", "failed", *"-" * 9]


@pytest.mark.parametrize("width", [20, 40, 60, 80, 100, 120, 160, 300])
def test_lines_fit_the_terminal(width: int) -> None:
    item = attempt("a_rule_with_a_long_name", "another_rule_with_a_long_name", tenant="部門" * 20, model="m" * 90)
    for line in text(item, width):
        assert width_of(line) <= width


def test_a_narrow_terminal_keeps_what_matters_most() -> None:
    titles = [[column.title for column, _ in Layout.of(width).columns] for width in (60, 80, 120, 180)]
    assert titles[0] == ["time", "outcome", "account"]
    assert titles[-1] == [column.title for column in COLUMNS]
    for narrow, wide in itertools.pairwise(titles):
        assert set(narrow) < set(wide)


@pytest.mark.parametrize("width", [80, 160, 200])
def test_the_name_of_a_rule_has_room_before_other_columns_have_more_than_they_need(width: int) -> None:
    assert "override_instructions" in text(attempt("override_instructions"), width)[-1]


@given(st.integers(30, 400))
def test_a_layout_uses_no_more_than_there_is(width: int) -> None:
    layout = Layout.of(width)
    assert sum(size + 2 for _, size in layout.columns) < width
    assert all(column.least <= size <= column.most for column, size in layout.columns)


def test_the_heading_comes_again_with_another_width_or_day() -> None:
    lines = Lines(SPEC, color=False)
    assert [len(list(lines.attempt(attempt(), width))) for width in (100, 100, 120)] == [3, 1, 3]
    tomorrow = attempt()
    tomorrow = Attempt({**tomorrow.numbers, "time": START + 86_400}, tomorrow.words, None, (), dict)
    assert next(iter(lines.attempt(tomorrow, 120))) == "2026-11-17 UTC"


@pytest.mark.parametrize("width", [0, 120])
def test_nothing_in_a_log_steers_the_terminal(width: int) -> None:
    item = attempt(
        EVIL, name=EVIL, tenant=EVIL, model=EVIL, operation=EVIL, verdict=EVIL, outcome=EVIL, error_class=EVIL
    )
    lines = text(item, width) + list(Lines(SPEC, color=False).alert(instance(actor=EVIL, tenant=EVIL), width))
    assert all(line.isprintable() for line in lines), lines


@given(st.text(), st.integers(1, 30))
def test_cut_texts_fit_and_whole_ones_are_left(value: str, width: int) -> None:
    short = cut(value, width)
    assert width_of(short) <= width
    assert len(short) <= 2 * width + 1
    assert short == value or short.endswith("…")


def test_marks_on_a_letter_are_cut_too() -> None:
    assert len(cut("a" + "\u0301" * 500, 10)) <= 21


def test_colours_only_where_they_are_wanted() -> None:
    blocked = attempt("persona", outcome="failure", error_class="guardrail_block", verdict="block")
    assert "\x1b" not in "".join(text(blocked, 120))
    coloured = text(blocked, 120, color=True)[-1]
    assert re.search(r"\x1b\[33mguardrail_block *\x1b\[0m", coloured)
    assert "\x1b[35mpersona\x1b[0m" in coloured
    assert re.sub(r"\x1b\[[\d;]*m", "", coloured) == text(blocked, 120)[-1]


def test_kinds_of_attempts() -> None:
    assert kind_of(attempt()) == set()
    assert kind_of(attempt("persona", outcome="failure", verdict="block")) == {"blocked", "failed", "detected"}


def test_an_alert_says_who_hears_and_where_to_read_on() -> None:
    begun = instance(actor="a-1", tenant="research")
    first, summary, page = Lines(SPEC, color=False).alert(begun, 0)
    assert first.split() == ["23:00:00", "ALERT", "high", "LLMJailbreakRepeated", "actor=a-1", "tenant=research"]
    assert "a-1 (research)" in summary
    assert "to pager-security" in summary
    assert page.strip() == "https://tocsin.example/runbooks/LLMJailbreakRepeated.md"
    begun.resolved_at = START + 61
    (over,) = Lines(SPEC, color=False).alert(begun, 0)
    assert over.split() == ["23:01:01", "OVER", "LLMJailbreakRepeated", "actor=a-1", "tenant=research"]
