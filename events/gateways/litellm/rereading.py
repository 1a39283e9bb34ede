"""Prompts and answers of single records, once more and whole: for those that the typed structures say nothing of."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from events.gateways.envelopes import Reading, read_answer, read_prompt
from events.gateways.lenient import UnreadableError, parse
from events.gateways.litellm.call_types import expects

_NOTHING: Final = msgspec.Raw(b"null")
_EMPTY: Final = frozenset((b"", b"null", b"{}", b"[]", b'""'))
_ANSWER: Final = b'"response":'
_NO_ANSWER: Final = re.compile(rb'"response":\s*(?:\{\}|\[\]|null|"")')


class _Sides(msgspec.Struct, gc=False):
    """The two sides of a record, undecoded."""

    messages: msgspec.Raw = _NOTHING
    response: msgspec.Raw = _NOTHING


class _Line(msgspec.Struct, gc=False):
    """A line, with or without the envelope of a hook."""

    messages: msgspec.Raw = _NOTHING
    response: msgspec.Raw = _NOTHING
    status: Any = None
    record: _Sides | None = None


_DECODER: Final = msgspec.json.Decoder(_Line)


class Rereading:
    """The attempts of a batch, by `raw` lines and `call_types`; `results` are those whose answer is a tool's."""

    def __init__(self, raw: Sequence[bytes], call_types: Sequence[str | None], results: frozenset[int]) -> None:
        self._raw = raw
        self._call_types = call_types
        self.results = results
        self._answers: dict[int, Reading] = {}

    def prompt(self, row: int) -> Reading:
        """What the messages of an attempt say."""
        return read_prompt(_side(self._raw[row], "messages"))

    def answer(self, row: int) -> Reading:
        """What the answer of an attempt says."""
        found = self._answers.get(row)
        if found is None:
            line = self._raw[row]
            # The answer of most failures is empty: that is told without decoding it. Within a text, quotes are escaped.
            empty = _NO_ANSWER.search(line) is not None and line.count(_ANSWER) == 1
            value = None if empty else _side(line, "response")
            found = self._answers[row] = read_answer(value, "tool" if row in self.results else "output")
        return found

    def expects(self, row: int, side: str) -> bool:
        """Whether LiteLLM's calls of this sort have content on a side; those of an unknown sort have."""
        return expects(self._call_types[row], side)


def _side(line: bytes, name: str) -> Any:
    """``messages`` or ``response`` of a line as plain JSON values."""
    try:
        sides: Any = _DECODER.decode(line)
        if sides.status is None and sides.record is not None:
            sides = sides.record
        raw = bytes(getattr(sides, name))
        return None if raw in _EMPTY else msgspec.json.decode(raw)
    except (ValueError, RecursionError):
        return _parsed(line, name)


def _parsed(line: bytes, name: str) -> Any:
    """The same of a line that is no plain JSON."""
    try:
        value = parse(line, Counter())
    except UnreadableError:
        return None
    if isinstance(value, dict) and value.get("status") is None and isinstance(value.get("record"), dict):
        value = value["record"]
    return value.get(name) if isinstance(value, dict) else None
