"""The meaning of content rules, written a second time with `re` and one text after the other."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache

from events.batch import Text
from exporters.detect.checksums import CHECKS, LONGEST
from exporters.detect.model import NEAR, Rule
from exporters.detect.normalize import normal


def scan(rules: Sequence[Rule], texts: Sequence[Text]) -> set[tuple[int, str]]:
    """(row, rule) for everything that `rules` see in `texts`."""
    return {
        (text.row, rule.id)
        for text in texts
        for rule in rules
        if text.channel in rule.channels and _sees(rule, normal(text.text))
    }


def _sees(rule: Rule, data: bytes) -> bool:
    flags = re.IGNORECASE if rule.ignore_case else 0
    found = [expression for expression in rule.expressions if _compiled(expression, flags).search(data)]
    if not found or not (rule.exceptions or rule.verify):
        return bool(found)
    exceptions = [end for expression in rule.exceptions for end in _ends(expression, flags, data)]
    return any(
        not any(abs(end - exception) <= NEAR for exception in exceptions)
        and (rule.verify is None or CHECKS[rule.verify](data[max(0, end - LONGEST) : end]))
        for expression in found
        for end in _ends(expression, flags, data)
    )


def _ends(expression: str, flags: int, data: bytes) -> Iterator[int]:
    """Every place where some match ends: `re` itself tells only one for each beginning."""
    if not _compiled(expression, flags).search(data):
        return
    for end in range(1, len(data) + 1):
        rest = len(data) - end
        if re.search(b"(?:%b)(?=[\\x00-\\xff]{%d}\\Z)" % (expression.encode(), rest), data, flags):
            yield end


@cache
def _compiled(expression: str, flags: int) -> re.Pattern[bytes]:
    return re.compile(expression.encode(), flags)
