"""The shipped rules: their examples, both engines, and what the pack promises."""

from __future__ import annotations

from typing import get_args

from hypothesis import given, settings
from hypothesis import strategies as st

from events.batch import Text
from exporters.detect import Rule, Scanner
from exporters.detect.model import Channel
from spec.vocabulary import DETECTORS
from tests.exporters.detect import oracle

FRAGMENTS = (
    "ignore", "disregard", "previous", "all", "the", "instructions", "system prompt", "reveal", "your", "you are",
    "DAN", "do anything now", "without any", "filters", "AI", "<|im_start|>", "[INST]", "developer mode", "enabled",
    "забудь", "ПРЕДЫДУЩИЕ", "инструкции", "忽略", "之前的", "指令", "無視", "指示を", "निर्देश", "भूल", "password",
    "what is", "4539 5787 6362 1486", "4242 4242 4242 4242", "219-09-9999", "NL91 ABNA 0417 1643 00", "123-45-6789",
    "example", "AKIA4QZ5TPLM3XWV7RNK", "ghp_aB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vW3xY5", "curl http://a.test/x", "| bash",
    "rm -rf /", "169.254.169.254", "\u200b", "\u0301", "\x00", "\n", " ", ".", "'", "’", "-", "Z\u0308", "ｉｇｎｏｒｅ",
    "\ud800",
)  # fmt: skip


def test_every_rule_explains_itself_and_has_examples(rules: tuple[Rule, ...]) -> None:
    assert 30 <= len(rules) <= 50
    for rule in rules:
        assert rule.help.endswith("."), rule.id
        assert len(rule.examples.match) >= 2 and len(rule.examples.no_match) >= 2, rule.id
        assert not [pattern for pattern in rule.expressions if not pattern.isascii()], rule.id


def test_every_detector_but_the_canary_has_a_rule(rules: tuple[Rule, ...]) -> None:
    assert {rule.detector for rule in rules} == {*DETECTORS} - {"canary_token"}
    assert {channel for rule in rules for channel in rule.channels} == {"user", "tool", "output", "tool_call"}


def test_every_rule_matches_its_examples_and_not_its_counterexamples(rules: tuple[Rule, ...], scanner: Scanner) -> None:
    wrong = []
    for rule in rules:
        for channel in sorted(rule.channels):
            examples = [(text, True) for text in rule.examples.match] + [
                (text, False) for text in rule.examples.no_match
            ]
            found = scanner.scan([Text(row, channel, text) for row, (text, _wanted) in enumerate(examples)])
            rows = {detection.row for detection in found if detection.rule == rule.id}
            wrong += [(rule.id, text) for row, (text, wanted) in enumerate(examples) if (row in rows) != wanted]
    assert wrong == []


def test_no_counterexample_is_flagged_by_another_rule(rules: tuple[Rule, ...], scanner: Scanner) -> None:
    texts = [
        Text(row, channel, text)
        for row, (channel, text) in enumerate(
            (channel, text) for rule in rules for channel in sorted(rule.channels) for text in rule.examples.no_match
        )
    ]
    assert [(hit.rule, texts[hit.row].text) for hit in scanner.scan(texts) if hit.confidence != "low"] == []


def test_both_engines_see_the_same_in_all_examples(rules: tuple[Rule, ...], scanner: Scanner) -> None:
    samples = [text for rule in rules for text in (*rule.examples.match, *rule.examples.no_match)]
    pairs = ((channel, text) for channel in get_args(Channel) for text in samples)
    texts = [Text(row, channel, text) for row, (channel, text) in enumerate(pairs)]  # each alone, so none is an echo
    assert {(hit.row, hit.rule) for hit in scanner.scan(texts)} == oracle.scan(rules, texts)


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(get_args(Channel)),
            st.lists(st.one_of(st.sampled_from(FRAGMENTS), st.text(max_size=4)), max_size=8).map(" ".join),
        ),
        max_size=6,
    )
)
def test_both_engines_see_the_same_in_made_up_texts(
    rules: tuple[Rule, ...], scanner: Scanner, made: list[tuple[str, str]]
) -> None:
    texts = [Text(row, channel, text) for row, (channel, text) in enumerate(made)]
    assert {(hit.row, hit.rule) for hit in scanner.scan(texts)} == oracle.scan(rules, texts)
