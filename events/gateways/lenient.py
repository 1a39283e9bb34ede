"""Reading what a strict parser refuses: JSON with a flaw that a writer may produce.

Much of a record is written by the client of the gateway. If odd content made a record unreadable, odd content would
hide an attack; so only the odd part is left out, and counted. Values of a wrong type are `fitting`'s.
"""

from __future__ import annotations

import codecs
import json
import math
import re
from collections import Counter
from typing import Any

import msgspec

MAX_DEPTH = 64
"""Nesting kept when a line is nested too deeply to be parsed."""

_TOKEN = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)|[\[{]++|[\]}]++', re.DOTALL)
_LONGEST_INT = 18  # digits: what 64 bits surely hold
_LONG_INT = re.compile(rf"[0-9]{{{_LONGEST_INT + 1}}}")
_SURROGATE = "\\ud"
# An escape of a surrogate behind an even number of backslashes: a whole pair (2), or half of one.
_SURROGATES = re.compile(
    r"(?<!\\)((?:\\\\)*+)(?:(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
)
_NO_JSON = frozenset(range(0x21, 0x7F)) - frozenset(b'{["-0123456789tfnNI')  # what no value begins with


class UnreadableError(Exception):
    """A line is no JSON; `reason` is one of spec.vocabulary.REJECTIONS. The text never quotes content."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


def parse(line: bytes, dropped: Counter[str]) -> Any:
    """The plain value of a line of JSON.

    Also accepts what common writers and crashes produce beside the standard: a byte order mark, NUL bytes around the
    line, control characters in strings, NaN and infinite numbers (as infinity), numbers beyond 64 bits, and half of a
    surrogate pair (as U+FFFD). Bytes that are no UTF-8 become U+FFFD, counted in `dropped` as ``encoding``. What is
    nested deeper than a parser can follow becomes null beyond MAX_DEPTH, counted as ``nesting``.

    Raises:
        UnreadableError: ``not_json``, ``invalid_utf8`` or ``too_deep``.
    """
    if line[:1] and line[0] in _NO_JSON and line.isascii():
        raise UnreadableError("not_json", "character 0")
    try:
        return msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    line = line.removeprefix(codecs.BOM_UTF8).strip(b"\0 \t\r\n")
    try:
        text = line.decode()
    except UnicodeDecodeError:
        text = line.decode(errors="replace")
        dropped["encoding"] += 1
    reason = "invalid_utf8" if "encoding" in dropped else "not_json"
    try:
        return _loads(text)
    except RecursionError:
        text, cut = flatten(text)
        dropped["nesting"] += cut
        reason = "too_deep"
    except ValueError as error:
        raise UnreadableError(reason, _place(error)) from None
    try:
        return _loads(text)
    except ValueError as error:
        raise UnreadableError(reason, _place(error)) from None


def flatten(text: str, depth: int = MAX_DEPTH) -> tuple[str, int]:
    """`text` with null in place of every list and object nested deeper than `depth`, and how many those were."""
    kept: list[str] = []
    level = cut = start = 0
    for token in _TOKEN.finditer(text):
        run = token.end() - token.start()
        match text[token.start()]:
            case "[" | "{":
                if level <= depth < level + run:
                    kept += (text[start : token.start() + depth - level], "null")
                    cut += 1
                level += run
            case "]" | "}":
                if level - run <= depth < level:
                    start = token.start() + level - depth
                level -= run
    if not cut:
        return text, 0
    if level <= depth:
        kept.append(text[start:])
    return "".join(kept), cut


def _loads(text: str) -> Any:
    """What json.loads makes of `text`, with nothing in it that later steps cannot print or add up."""
    if _SURROGATE in text.lower():
        text = _SURROGATES.sub(_whole_pair, text)
    parse_int = _integer if _LONG_INT.search(text) else None
    return json.loads(text, parse_int=parse_int, parse_constant=_infinite, strict=False)


def _whole_pair(found: re.Match[str]) -> str:
    """The same escapes, but for half of a pair, which becomes U+FFFD."""
    return found[0] if found[2] else f"{found[1]}\\ufffd"


def _infinite(name: str) -> float:
    """What stands for NaN and the infinities, which is beyond every limit."""
    return -math.inf if name.startswith("-") else math.inf


def _place(error: ValueError) -> str:
    return f"character {getattr(error, 'pos', 0)}"


def _integer(digits: str) -> float:
    return int(digits) if len(digits) <= _LONGEST_INT else float(digits)
