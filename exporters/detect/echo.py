"""Whether what looks like a leak only repeats what the user wrote in the same attempt.

Who sends an invoice to have it read gets its account numbers back; that is no leak. Only words of the user count: what
an answer takes from a system prompt, a document or the result of a tool may be just what must not leave.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import hyperscan

from exporters.detect.checksums import CHECKS, LONGEST
from exporters.detect.model import Rule
from exporters.detect.normalize import joined

LEAKS: Final = frozenset(("sensitive_output",))
"""Detectors whose hits may be echoes. A canary stands nowhere honest, so nobody can have sent it."""
MOST: Final = 1_000
"""Matches on each side that are compared. An answer with more of them is a leak, whatever the prompt has."""
_REST: Final = re.compile(rb"[^\s\0\"'`<>]{0,4096}")
"""What belongs to a value behind the end of a match: a rule needs only the beginning of a long key."""
_PUNCTUATION: Final = b".,;:!?)]}*"
"""What may stand behind a value without being a part of it."""
_SEPARATORS: Final = b" -\n\t"


class Echoes:
    """Compares values. What is needed of a rule is compiled when its first suspect comes."""

    def __init__(self) -> None:
        self._databases: dict[str, hyperscan.Database | None] = {}

    def is_echo(self, rule: Rule, answers: Sequence[str], words: Sequence[str]) -> bool:
        """Whether each value that `rule` sees in `answers` stands in the `words` of the user, once both are normal."""
        if rule.announces or not words:
            return False
        said = self._values(rule, answers)
        if not said:
            return False
        known = self._values(rule, words)
        return known is not None and said <= known

    def _values(self, rule: Rule, texts: Sequence[str]) -> set[bytes] | None:
        """The values that a rule sees in texts; None if they are too many, or cannot be told."""
        database = self._database(rule)
        if database is None:
            return None
        data = joined(texts)
        spans: set[tuple[int, int]] = set()
        count = 0

        def note(_expression: int, start: int, end: int, _flags: int, _context: object) -> bool | None:
            nonlocal count
            count += 1
            spans.add((start, end))
            return True if count > MOST else None

        try:
            database.scan(data, match_event_handler=note)
        except hyperscan.error:  # a handler that has seen enough ends the scan so
            return None
        if count > MOST:
            return None
        if rule.verify is not None:
            check = CHECKS[rule.verify]
            return {
                data[start:end].translate(None, _SEPARATORS)
                for start, end in spans
                if check(data[max(data.rfind(b"\0", 0, end) + 1, end - LONGEST) : end])
            }
        rests = ((start, rest) for start, end in spans if (rest := _REST.match(data, end)) is not None)
        return {data[start : rest.end()].rstrip(_PUNCTUATION) for start, rest in rests}

    def _database(self, rule: Rule) -> hyperscan.Database | None:
        """The rule's expressions, compiled so that matches have a beginning; None if the engine cannot do that."""
        if rule.id not in self._databases:
            self._databases[rule.id] = _compiled(rule)
        return self._databases[rule.id]


def _compiled(rule: Rule) -> hyperscan.Database | None:
    flags = hyperscan.HS_FLAG_SOM_LEFTMOST | (hyperscan.HS_FLAG_CASELESS if rule.ignore_case else 0)
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    try:
        database.compile(
            expressions=[expression.encode("ascii") for expression in rule.expressions],
            ids=list(range(len(rule.expressions))),
            flags=[flags] * len(rule.expressions),
        )
    except hyperscan.error:
        return None
    return database
