"""Detections, and the content rules that make them, as their YAML files say them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Final, Literal

import msgspec

from spec.vocabulary import Confidence, DetectorName

Channel = Literal["user", "system", "assistant", "tool", "output", "tool_call"]
"""Whose words a text has, see `events.batch.Text`."""
Verify = Literal["card", "iban"]
Patterns = Annotated[tuple[Annotated[str, msgspec.Meta(min_length=1)], ...], msgspec.Meta(min_length=1)]

NEAR: Final = 80
"""Bytes between the ends of a match and of an exception to it."""


class Examples(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Texts that show what a rule is for; each of them is a test."""

    match: tuple[str, ...] = ()
    no_match: tuple[str, ...] = ()


NO_EXAMPLES: Final = Examples()


class Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A rule as its file says it.

    It detects when one of `patterns` (see `exporters.detect.pattern`) matches in a text of one of `channels`. A match
    does not count when one of `unless` matches in the same text and ends at most `NEAR` bytes before or after its end,
    or when `verify` says that the number is not what it looks like. A rule that `announces` matches words before a
    leak: an answer that repeats these is no echo of the user's (see `exporters.detect.echo`). `languages` are BCP 47
    tags of the wordings it knows; none when it has no words.
    """

    detector: DetectorName
    confidence: Confidence
    channels: Annotated[tuple[Channel, ...], msgspec.Meta(min_length=1)]
    help: str
    patterns: Patterns
    unless: tuple[str, ...] = ()
    verify: Verify | None = None
    announces: bool = False
    case: Literal["ignore", "exact"] = "ignore"
    languages: tuple[str, ...] = ()
    examples: Examples = NO_EXAMPLES
    enabled: bool = True


class RuleFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A rule file. `words` are lists of patterns; ``{name}`` in a pattern stands for any one of the list."""

    rules: dict[Annotated[str, msgspec.Meta(pattern="^[a-z][a-z0-9_]{0,63}$")], Entry] = {}
    words: dict[str, Patterns] = {}


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule ready to scan with: `expressions` and `exceptions` are pure ASCII, over bytes.

    They are left out of the text of a rule, because a canary's expression is the secret itself.
    """

    id: str
    detector: str
    confidence: str
    channels: frozenset[str]
    expressions: tuple[str, ...] = field(repr=False)
    exceptions: tuple[str, ...] = field(default=(), repr=False)
    verify: Verify | None = None
    announces: bool = False
    ignore_case: bool = True
    help: str = ""
    languages: tuple[str, ...] = ()
    examples: Examples = NO_EXAMPLES
