from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporters.detect.normalize import joined, normal
from exporters.detect.pattern import PatternError, alternatives, literal, translate

WORDS = {
    "verb": ["ignore", "dis regard"],
    "deep": ["{verb} now"],
    "loop": ["a|{loop}"],
    "gap": ["a.{0,30}b"],
    "cyrillic": ["ж"],
}


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("ignore all", "IGNORE \n\t all", True),
        ("ignore all", "ignoreall", False),
        ("a ?b", "ab", True),
        ("a ?b", "a \n b", True),
        (r"a\x20b", "a  b", True),
        (r"a\x20b", "a \n b", False),
        (r"a\nb", "a \n b", True),
        ("a[ ,]b", "a \n b", True),
        ("a[^ ,]b", "a\nb", False),
        ("a.b", "a\nb", True),
        ("{verb} it", "dis  regard it", True),
        ("{deep}", "ignore now", True),
        ("жук", "ЖУК", True),
        ("рыба", "РЫБА", True),
        ("[oóж]k", "ÓK", True),
        ("[oóж]k", "Жk", True),
        ("[oóж]k", "xk", False),
        ("(?:é|e){2}", "éé", True),
        ("é{2}", "éé", True),
        (r"1\.5", "1.5", True),
        (r"1\.5", "1x5", False),
        ("straße", "STRASSE", True),
        ("don't", "don't", True),
    ],
)
def test_what_a_pattern_means(pattern: str, text: str, matches: bool) -> None:
    expression = translate(pattern, words=WORDS).encode("ascii")
    assert bool(re.search(expression, normal(text), re.IGNORECASE)) == matches


@pytest.mark.parametrize("pattern", ["a.b", "a[^x]b", r"a\Wb", r"a\Sb", r"a\Db", "a b"])
def test_nothing_matches_over_the_end_of_a_text(pattern: str) -> None:
    assert not re.search(translate(pattern).encode("ascii"), joined(["a", "b"]))
    assert not re.search(translate(pattern).encode("ascii"), b"a\0b")


def test_exact_case_is_exact_beyond_ascii_too() -> None:
    assert not re.search(translate("ж", ignore_case=False).encode(), "Ж".encode())


def test_a_pattern_that_is_a_word_list_stands_for_its_patterns() -> None:
    assert alternatives("{verb}", WORDS) == WORDS["verb"]
    assert alternatives("{verb} x", WORDS) == ["{verb} x"]
    assert alternatives("{other}", WORDS) == ["{other}"]


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("{vreb} x", "'vreb' does not exist (did you mean 'verb'?)"),
        ("{loop}", "contains itself"),
        ("a*b", "endless repeat"),
        ("a+b", "endless repeat"),
        (r"a\s+b", "write one space, which matches any run"),
        (r"a\n{0,3}b", "write one space, which matches any run"),
        (r"a\x20{2}b", "write one space, which matches any run"),
        ("a{3,}b", "endless repeat"),
        ("a{0,41}b", "a repeat of 0 to 41"),
        ("a{200}b", "a repeat of 200"),
        ("a{5,2}b", "a repeat of 5 to 2"),
        ("a{2,9}", "at the edge"),
        ("a{2,9}b", "at the edge"),
        ("a??b", "another quantifier"),
        ("a +b", "on white space"),
        ("+a", "on nothing"),
        ("(?:+a)", "on nothing"),
        (r"\b?a", "on nothing"),
        (" a", "white space at the edge"),
        ("a ", "white space at the edge"),
        ("(?=a)b", "look-around"),
        ("(?P<x>a)b", "look-around"),
        ("(?i)a", "look-around"),
        ("^a", "'^'"),
        ("a$", "'$'"),
        ("(a", "unterminated"),
        ("a)", "unbalanced"),
        ("a}", "'}' alone"),
        ("a]", "']' alone"),
        ("{x", "'{' that begins neither"),
        ("a{,3}b", "'{' that begins neither"),
        ("[]", "a class that is empty"),
        ("[a", "a class that is empty"),
        ("[a[]", "a class that is empty"),
        ("[z-a]", "bad character range"),
        (r"[\Sa]", "is not allowed in a class"),
        (r"[\qa]", "escape"),
        ("[а-я]", "ranges"),
        ("[^ж]", "negated"),
        (r"\q", "escape"),
        (r"\1", "escape"),
        (r"\Aa", "escape"),
        (r"\x00", "01 to 7f"),
        (r"\xff", "01 to 7f"),
        ("a\x00", "NUL"),
        ("a|", "the empty text"),
        ("a?", "the empty text"),
        (r"\bж", "letters beyond ASCII"),
        (r"\b{cyrillic}", "letters beyond ASCII"),
        ("ﬁn", "become ASCII"),
        ("don’t", "become ASCII"),
        ("e\u0301", "become ASCII"),
        ("{gap}.{0,20}c.{0,20}d", "3 gaps"),
        ("{gap}{2}c", "a gap in it"),
        ("(?:a.{0,20}b){2}c", "a gap in it"),
        ("ж" * 3_000, "bytes or more when"),
        ("a\\", "'\\\\' alone"),
    ],
)
def test_what_is_refused(pattern: str, why: str) -> None:
    with pytest.raises(PatternError, match=re.escape(why)):
        translate(pattern, words=WORDS)


@given(st.binary(min_size=1, max_size=20).filter(lambda data: b"\0" not in data), st.binary(max_size=20))
def test_a_literal_matches_itself_and_only_itself(data: bytes, other: bytes) -> None:
    expression = literal(data).encode("ascii")
    assert re.fullmatch(expression, data)
    assert bool(re.search(expression, other)) == (data in other)


@given(st.text(alphabet="ab(){}[]|?*+.\\^$ ,0129дé-:<b", max_size=14))
def test_anything_is_translated_or_refused(pattern: str) -> None:
    try:
        expression = translate(pattern, words=WORDS)
    except PatternError:
        return
    assert expression.isascii()
    assert not re.search(expression.encode(), b"\0" * 50)
