"""All rules over all texts of a batch, in one pass for each channel."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

import hyperscan
import numpy as np
import numpy.typing as npt

from exporters.batch import Detection, Text
from exporters.detect.compiled import compiled
from exporters.detect.model import NEAR, Rule
from exporters.detect.normal import joined
from exporters.detect.verify import CHECKS, LONGEST

Places = npt.NDArray[np.int64]

MOST_CHECKS = 1_000
"""Matches of one rule in one text whose check digits are looked at."""


class Scanner:
    """The rules, compiled for a channel when its first text comes.

    That takes some seconds, and next to nothing when the folder `cache` has it from the last time. Canaries are never
    kept there. Not for several threads at a time; `scan` itself lets other threads run.
    """

    def __init__(self, rules: Sequence[Rule], *, cache: Path | None = None) -> None:
        """Raises ValueError when two rules have the same id."""
        self._rules = tuple(rules)
        if len({rule.id for rule in rules}) < len(rules):
            raise ValueError("two rules have the same id")
        channels = {channel for rule in rules for channel in rule.channels}
        self._engines = {
            channel: _Engine(
                {number: rule for number, rule in enumerate(rules) if channel in rule.channels},
                cache=cache / f"rules-{channel}.hsdb" if cache else None,
            )
            for channel in channels
        }

    @property
    def rules(self) -> tuple[Rule, ...]:
        """What this scanner looks for."""
        return self._rules

    def compile(self) -> None:
        """Compile now, so that no text has to wait for it.

        Raises:
            ValueError: the engine refuses an expression of a rule.
        """
        for engine in self._engines.values():
            engine.compile()

    def scan(self, texts: Sequence[Text]) -> list[Detection]:
        """What the rules see in `texts`: each rule once for each row, in order of rows, then of rules.

        Raises:
            ValueError: the engine refuses an expression of a rule.
        """
        by_channel: dict[str, list[Text]] = {}
        for text in texts:
            if text.channel in self._engines:
                by_channel.setdefault(text.channel, []).append(text)
        found = {
            (channel_texts[place].row, number)
            for channel, channel_texts in by_channel.items()
            for number, place in self._engines[channel].found([text.text for text in channel_texts])
        }
        return [
            Detection(row, rule.detector, rule.id, rule.confidence)
            for row, number in sorted(found)
            for rule in [self._rules[number]]
        ]


class _Engine:
    """Rules, by number, that are all looked for in the same texts.

    Exceptions are ordinary words more often than not, so they are only looked for in texts that a rule has matched.
    """

    def __init__(self, rules: dict[int, Rule], *, cache: Path | None) -> None:
        self._rules = rules
        secret = any(rule.detector == "canary_token" for rule in rules.values())
        kept = None if secret else cache
        self._wanted = _Expressions(
            {number: (rule.expressions, rule.ignore_case) for number, rule in rules.items()}, kept
        )
        self._unless = _Expressions(
            {number: (rule.exceptions, rule.ignore_case) for number, rule in rules.items() if rule.exceptions},
            kept and kept.with_stem(f"{kept.stem}-unless"),
        )

    def compile(self) -> None:
        """Compile now."""
        self._wanted.compile()
        self._unless.compile()

    def found(self, texts: list[str]) -> Iterator[tuple[int, int]]:
        """The number of a rule and the place of a text, for each rule that sees something in a text."""
        data = joined(texts)
        ends = np.flatnonzero(np.frombuffer(data, np.uint8) == 0)
        for number, match_ends in self._wanted.matches(data).items():
            rule = self._rules[number]
            at = np.unique(np.array(match_ends, np.int64))
            if rule.exceptions:
                at = _without_exceptions(at, self._exceptions(number, data, at, ends), ends)
            places = np.searchsorted(ends, at)
            seen = _verified(rule.verify, data, at, places, ends) if rule.verify else np.unique(places)
            yield from ((number, int(place)) for place in seen)

    def _exceptions(self, number: int, data: bytes, at: Places, ends: Places) -> Places:
        """Ends of the exceptions of a rule in the texts that have its matches `at`."""
        out: list[int] = []
        for place in np.unique(np.searchsorted(ends, at)).tolist():
            start = int(ends[place - 1]) + 1 if place else 0
            inside = self._unless.matches(data[start : int(ends[place])])
            out += [start + end for end in inside.get(number, ())]
        return np.array(out, np.int64)


class _Expressions:
    """Expressions of rules, compiled together; the owner of a match is the number of a rule."""

    def __init__(self, rules: dict[int, tuple[Sequence[str], bool]], cache: Path | None) -> None:
        owners: dict[tuple[str, bool], list[int]] = {}
        for number, (expressions, ignore_case) in rules.items():
            for expression in expressions:
                owners.setdefault((expression, ignore_case), []).append(number)
        self._expressions = list(owners)
        self._owners = list(owners.values())
        self._cache = cache

    def compile(self) -> None:
        """Compile now, if there is anything."""
        if self._expressions:
            _ = self._database

    @cached_property
    def _database(self) -> hyperscan.Database:
        return compiled(self._expressions, self._cache)

    def matches(self, data: bytes) -> dict[int, list[int]]:
        """Ends of matches, by owner."""
        out: dict[int, list[int]] = {}
        owners = self._owners

        def note(expression: int, _start: int, end: int, _flags: int, _context: object) -> None:
            for owner in owners[expression]:
                out.setdefault(owner, []).append(end)

        if owners:
            self._database.scan(data, match_event_handler=note)
        return out


def _without_exceptions(at: Places, exceptions: Places, ends: Places) -> Places:
    """The ends of matches `at` that have no end of an exception near to them in the same text (texts end at `ends`)."""
    near = np.unique(exceptions)
    places = np.searchsorted(ends, at)
    starts = np.concatenate(([0], ends[:-1] + 1))[places]
    low = np.searchsorted(
        near, np.maximum(at - NEAR, starts + 1)
    )  # no match is empty, so none ends where a text starts
    high = np.searchsorted(near, np.minimum(at + NEAR, ends[places]), side="right")
    kept: Places = at[low >= high]
    return kept


def _verified(word: str, data: bytes, at: Places, places: Places, ends: Places) -> list[int]:
    """The texts in which one of the matches passes the check `word`."""
    check = CHECKS[word]
    out: list[int] = []
    for place in np.unique(places):
        start = int(ends[place - 1]) + 1 if place else 0
        of_text = at[places == place][:MOST_CHECKS]
        if any(check(data[max(start, int(end) - LONGEST) : int(end)]) for end in of_text):
            out.append(int(place))
    return out
