"""A pattern is measured before any engine sees it, so none can crash or hang them."""

from __future__ import annotations

import pytest

import exporters.detect
from exporters.detect.pattern import DEEPEST, LONGEST, LONGEST_PATTERN, PatternError, translate
from tests.support.steps import steps_of

HOSTILE = {
    "parentheses": "(" * 2_000 + "a" + ")" * 2_000,
    "parentheses that stay open": "(?:" * 1_300,
    "closed ones first": ")" * 3_000,
    "long": "a" * (LONGEST_PATTERN + 1),
    "choices": "|".join("a" * 3_000),
    "classes": "[ab]" * 3_000,
    "long letters": "\ufdfa" * 3_000,
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_pattern_is_refused_or_translated_in_bounded_steps(kind: str) -> None:
    def tried() -> None:
        try:
            translate(HOSTILE[kind])
        except PatternError:
            return

    assert steps_of(tried, exporters.detect) < 60 * LONGEST


@pytest.mark.parametrize("depth", [DEEPEST + 1, 2_000 // 5])
def test_groups_inside_each_other_are_bounded(depth: int) -> None:
    with pytest.raises(PatternError, match=f"groups nested too deeply, expected at most {DEEPEST} levels"):
        translate("(?:" * depth + "abc" + ")" * depth)


def test_groups_as_deep_as_may_be_are_translated() -> None:
    assert translate("(?:" * DEEPEST + "abc" + ")" * DEEPEST)


def test_a_pattern_is_measured_before_it_is_read() -> None:
    with pytest.raises(PatternError, match=f"expected at most {LONGEST_PATTERN}"):
        translate("a" * 1_000_000)


def test_word_lists_inside_each_other_are_bounded() -> None:
    words = {f"w{place}": [f"a{{w{place + 1}}}"] for place in range(5_000)} | {"w5000": ["x"]}
    with pytest.raises(PatternError, match=f"word lists nested too deeply, expected at most {DEEPEST} levels"):
        translate("b{w0}", words=words)


@pytest.mark.parametrize("times", [2, 30])
def test_word_lists_that_double_each_other_stop_at_the_limit(times: int) -> None:
    words = {f"w{place}": [f"{{w{place + 1}}}" * times] for place in range(9)} | {"w9": ["abc"] * 9}
    words = {name.replace("0", "a").replace("9", "z"): items for name, items in words.items()}
    words = {name: [item.replace("{w9}", "{wz}") for item in items] for name, items in words.items()}

    def tried() -> None:
        with pytest.raises(PatternError, match=f"{LONGEST} may be"):
            translate("b{wa}", words=words)

    assert steps_of(tried, exporters.detect) < 100 * LONGEST
