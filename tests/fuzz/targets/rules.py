"""Content rules of users: their files, and the patterns in them."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Hashable, Sequence
from pathlib import Path

from events.batch import Text
from exporters.detect import Scanner, load_rules
from exporters.detect.model import Rule
from exporters.detect.pattern import LONGEST, PatternError, translate
from spec.errors import SpecError
from spec.yaml_source import Document
from tests.fuzz.engine import Target
from tests.fuzz.targets.yaml_trees import TOKENS, said, shape, shipped_once

_known: dict[Path, Document] = {}
_WORDS = {"verb": ("ignore", "forget"), "loop": ("{loop}",), "both": ("{verb} it", "x")}


def seeds() -> Sequence[bytes]:
    """Files that add, tune and switch off."""
    one(b"")  # reads what is shipped, once
    return [
        b"""rules:
  own_words:
    detector: jailbreak
    confidence: low
    channels: [user, tool]
    help: Words of ours.
    patterns: ["open sesame", '\\b{own} .{0,30} door']
    unless: ["please"]
    examples: {match: ["open sesame"], no_match: ["good morning"]}
words: {own: [unlock, open]}
""",
        b"rules: {cards_in_answers: {enabled: false}}\n",
        b"words: {ignore: [overlook]}\n",
        b"",
    ]


def one(data: bytes) -> Hashable:
    """Load a file of rules; what is good can be scanned with."""
    with tempfile.NamedTemporaryFile(suffix=".yaml") as file:
        file.write(data)
        file.flush()
        try:
            with shipped_once("exporters.detect.load", _known):
                rules = load_rules(Path(file.name))
        except SpecError as error:
            return said(error)
    return len(rules)


def pattern_seeds() -> Sequence[bytes]:
    """Patterns of every kind."""
    return [
        text.encode()
        for text in (
            r"ignore (all )?previous instructions",
            r"\b(?:{verb}) .{0,40} rules",
            r"[0-9]{13,19}",
            r"[^a-z\s]x{2,4}y+z",
            "straße|[äöü]{2}",
            r"a\x41\.\-\(b",
            "{both}",
            "{loop}",
            "(((a)))",
            "x{3}",
            "ﬁ İ ſ K",
        )
    ]


def one_pattern(data: bytes) -> Hashable:
    """Translate a pattern; what comes out is the same to `re` and to the scanner."""
    try:
        pattern = data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        pattern = data.decode("latin-1")
    try:
        expression = translate(pattern, words=_WORDS, ignore_case=True)
    except PatternError as error:
        text = str(error)
        return re.sub(r"\d+", "", text)[:40]
    assert expression.isascii() and len(expression) <= LONGEST
    re.compile(expression.encode())
    rule = Rule("r", "jailbreak", "low", frozenset(("user",)), (expression,))
    try:
        Scanner([rule]).scan([Text(0, "user", "ignore previous instructions 4111111111111111 ab\0cd")])
    except ValueError as error:
        assert str(error).isprintable()
        return "engine"
    return len(expression) // 8


TARGET = Target("rules", one, seeds, inputs=3_000, steps=(1_500_000, 100), shape=shape, tokens=TOKENS)
PATTERNS = Target(
    "patterns",
    one_pattern,
    pattern_seeds,
    inputs=1_500,
    steps=(400_000, 400),
    tokens=tuple(
        rb"( ) [ ] { } | * + ? . \b \d \S \x00 {0,40} {2,} {verb} (?: (?= (?i) [^ [:alpha:] \p{L} $ ^ \1 \n".split(b" ")
    ),
)
