"""All rules over all texts of a batch, in one pass for each channel."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, partial
from pathlib import Path

import hyperscan
import numpy as np
import numpy.typing as npt

from events.batch import Detection, EventBatch, Text
from exporters.detect.checksums import CHECKS, LONGEST
from exporters.detect.echo import LEAKS, Echoes
from exporters.detect.hyperscan_cache import Expression, compiled
from exporters.detect.model import NEAR, Rule
from exporters.detect.normalize import joined
from runtime.private_cache import PrivateCache

Places = npt.NDArray[np.int64]

MOST_CHECKS = 1_000
"""Matches of one expression in one text whose check digits are looked at."""
MOST_EXCEPTED = 10_000
"""Matches of one expression in one text, of a rule or of its exceptions, that are held against each other."""


class Scanner:
    """The rules, compiled for a channel when its first text comes.

    That takes some seconds, and next to nothing when the folder `cache` has it from the last time. Canaries are never
    kept there. Not for several threads at a time; `scan` itself lets other threads run.
    """

    def __init__(
        self,
        rules: Sequence[Rule],
        *,
        cache: Path | None = None,
        compiling: Callable[[int], None] = lambda _rules: None,
    ) -> None:
        """`compiling` is told once of how many rules there are, before the first of them is compiled.

        Raises ValueError when two rules have the same id.
        """
        self._rules = tuple(rules)
        self._echoes = Echoes()
        self._compiling: Callable[[int], None] | None = compiling
        kept = PrivateCache(cache, what="compiled content rules") if cache else None
        if len({rule.id for rule in rules}) < len(rules):
            raise ValueError("two rules have the same id")
        channels = {channel for rule in rules for channel in rule.channels}
        self._engines = {
            channel: _Engine(
                {number: rule for number, rule in enumerate(rules) if channel in rule.channels},
                f"rules-{channel}",
                kept,
                self._begin,
            )
            for channel in channels
        }

    def _begin(self) -> None:
        """Something has to be compiled."""
        if self._compiling is not None:
            self._compiling(len(self._rules))
        self._compiling = None

    def take_skipped(self) -> Counter[str]:
        """Matches that were too many to look at since the last call, by reason (see `spec.vocabulary.MATCHES_SKIPPED`).

        What the others of the same text were found to be stays.
        """
        skipped: Counter[str] = Counter()
        for engine in self._engines.values():
            skipped += engine.take_skipped()
        return skipped

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

    def detect(self, batch: EventBatch) -> list[Detection]:
        """What the rules see in the texts of a batch; see `exporters.detect.Detector`."""
        return self.scan(batch.texts) if batch.texts else []

    def scan(self, texts: Sequence[Text]) -> list[Detection]:
        """What the rules see in `texts`: each rule once for each row, in order of rows, then of rules.

        Raises:
            ValueError: the engine refuses an expression of a rule.
        """
        by_channel: dict[str, list[Text]] = {}
        for text in texts:
            if text.channel in self._engines:
                by_channel.setdefault(text.channel, []).append(text)
        found: dict[tuple[int, int], list[Text]] = {}
        for channel, channel_texts in by_channel.items():
            for number, place in self._engines[channel].found([text.text for text in channel_texts]):
                text = channel_texts[place]
                found.setdefault((text.row, number), []).append(text)
        self._leave_out_echoes(found, texts)
        return [
            Detection(row, rule.detector, rule.id, rule.confidence, tuple(found[row, number]))
            for row, number in sorted(found)
            for rule in [self._rules[number]]
        ]

    def _leave_out_echoes(self, found: dict[tuple[int, int], list[Text]], texts: Sequence[Text]) -> None:
        """Take leaks out of what was `found` that only repeat what the user said in the same attempt."""
        leaks = [key for key in found if self._rules[key[1]].detector in LEAKS]
        rows = {row for row, _number in leaks}
        words: dict[int, list[str]] = {}
        for text in texts if rows else ():
            if text.channel == "user" and text.row in rows:
                words.setdefault(text.row, []).append(text.text)
        for row, number in leaks:
            answers = [text.text for text in found[row, number]]
            if row in words and self._echoes.is_echo(self._rules[number], answers, words[row]):
                del found[row, number]


class _Engine:
    """Rules, by number, that are all looked for in the same texts.

    Exceptions are ordinary words more often than not, so they are only looked for in texts that a rule has matched.
    """

    def __init__(
        self, rules: dict[int, Rule], name: str, cache: PrivateCache | None, begins: Callable[[], None]
    ) -> None:
        self._rules = rules
        secret = any(rule.detector == "canary_token" for rule in rules.values())
        kept = None if secret else cache
        self._wanted = _Expressions(
            {number: (rule.expressions, rule.ignore_case) for number, rule in rules.items()},
            {number: _limit(rule) for number, rule in rules.items()},
            partial(compiled, cache=kept, name=name, begins=begins),
        )
        excepted = {number: rule for number, rule in rules.items() if rule.exceptions}
        self._unless = _Expressions(
            {number: (rule.exceptions, rule.ignore_case) for number, rule in excepted.items()},
            dict.fromkeys(excepted, (MOST_EXCEPTED, "exceptions")),
            partial(compiled, cache=kept, name=f"{name}-unless", begins=begins),
        )

    def compile(self) -> None:
        """Compile now."""
        self._wanted.compile()
        self._unless.compile()

    def take_skipped(self) -> Counter[str]:
        """As of `Scanner`."""
        skipped = self._wanted.skipped + self._unless.skipped
        self._wanted.skipped.clear()
        self._unless.skipped.clear()
        return skipped

    def found(self, texts: list[str]) -> Iterator[tuple[int, int]]:
        """The number of a rule and the place of a text, for each rule that sees something in a text."""
        data = joined(texts)
        ends = np.flatnonzero(np.frombuffer(data, np.uint8) == 0)
        matched = {
            number: np.unique(np.array(match_ends, np.int64))
            for number, match_ends in self._wanted.matches(data, ends).items()
        }
        excepted = self._exceptions(
            [number for number in matched if self._rules[number].exceptions], matched, data, ends
        )
        for number, at in matched.items():
            rule = self._rules[number]
            if number in excepted:
                at = _without_exceptions(at, excepted[number], ends)
            places = np.searchsorted(ends, at)
            seen = _verified(rule.verify, data, at, places, ends) if rule.verify else np.unique(places).tolist()
            yield from ((number, place) for place in seen)

    def _exceptions(
        self, numbers: list[int], matched: dict[int, Places], data: bytes, ends: Places
    ) -> dict[int, Places]:
        """Ends of the exceptions of rules in the texts that one of them has matched: these are scanned together."""
        if not numbers:
            return {}
        places = np.unique(np.searchsorted(ends, np.concatenate([matched[number] for number in numbers])))
        starts = np.concatenate(([0], ends[:-1] + 1))[places]
        suspects = b"".join(
            [data[start:end] for start, end in zip(starts.tolist(), (ends[places] + 1).tolist(), strict=True)]
        )
        own_ends = np.cumsum(ends[places] + 1 - starts) - 1
        found = self._unless.matches(suspects, own_ends)
        out: dict[int, Places] = {}
        for number in numbers:
            at = np.array(found.get(number, ()), np.int64)
            place = np.searchsorted(own_ends, at)
            out[number] = at - own_ends[place] + ends[places[place]]
        return out


def _limit(rule: Rule) -> tuple[int, str]:
    """How many matches in one text a rule needs at most, and the reason for which others are skipped."""
    if rule.verify:
        return MOST_CHECKS, "check_digits"
    return (MOST_EXCEPTED, "exceptions") if rule.exceptions else (1, "")


class _Expressions:
    """Expressions of rules, compiled together; the owner of a match is the number of a rule.

    `limits` say of an owner how many matches in one text count, and why more are skipped; ``""``: they say no more.
    """

    def __init__(
        self,
        rules: dict[int, tuple[Sequence[str], bool]],
        limits: dict[int, tuple[int, str]],
        compiler: Callable[[Sequence[Expression]], hyperscan.Database],
    ) -> None:
        owners: dict[tuple[str, bool], list[int]] = {}
        for number, (expressions, ignore_case) in rules.items():
            for expression in expressions:
                owners.setdefault((expression, ignore_case), []).append(number)
        self._expressions = list(owners)
        self._owners = list(owners.values())
        self._limits = [max(limits[number] for number in numbers) for numbers in self._owners]
        self._compiler = compiler
        self.skipped: Counter[str] = Counter()

    def compile(self) -> None:
        """Compile now, if there is anything."""
        if self._expressions:
            _ = self._database

    @cached_property
    def _database(self) -> hyperscan.Database:
        return self._compiler(self._expressions)

    def matches(self, data: bytes, ends: Places) -> dict[int, list[int]]:
        """Ends of matches, by owner. `ends` are those of the texts in `data`: in each only so many count."""
        out: dict[int, list[int]] = {}
        owners, text_ends = self._owners, ends.tolist()
        limits = [most for most, _reason in self._limits]
        first, last = [0] * len(owners), [-1] * len(owners)  # of each expression, the text it has matched last
        left = [0] * len(owners)

        skipped = [0] * len(owners)

        def note(expression: int, _start: int, end: int, _flags: int, _context: object) -> None:
            if not first[expression] < end <= last[expression]:
                place = bisect_left(text_ends, end)
                first[expression], last[expression] = text_ends[place - 1] if place else -1, text_ends[place]
                left[expression] = limits[expression]
            if left[expression]:
                left[expression] -= 1
                for owner in owners[expression]:
                    out.setdefault(owner, []).append(end)
            else:
                skipped[expression] += 1

        if owners:
            self._database.scan(data, match_event_handler=note)
            for (_most, reason), count in zip(self._limits, skipped, strict=True):
                if reason:
                    self.skipped[reason] += count
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
    """The texts in which one of the matches, which are in order, passes the check `word`."""
    check = CHECKS[word]
    out: list[int] = []
    found, begins = np.unique(places, return_index=True)
    stops = np.append(begins[1:], len(at))
    match_ends = at.tolist()
    for place, begin, stop in zip(found.tolist(), begins.tolist(), stops.tolist(), strict=False):
        start = int(ends[place - 1]) + 1 if place else 0
        if any(check(data[max(start, end - LONGEST) : end]) for end in match_ends[begin:stop]):
            out.append(place)
    return out
