"""Reading what a strict decoder refuses: JSON with a flaw that a writer may produce, and values of a wrong type.

Much of a record is written by the client of the gateway. If odd content made a record unreadable, odd content would
hide an attack; so only the odd part is left out, and counted.
"""

from __future__ import annotations

import codecs
import json
import math
import re
from collections import Counter
from collections.abc import Callable, Mapping
from types import UnionType
from typing import Any, Final, Union, get_args, get_origin

import msgspec

MAX_DEPTH = 64
"""Nesting kept when a line is nested too deeply to be parsed."""

_TOKEN = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)|[\[{]++|[\]}]++', re.DOTALL)
_LONGEST_INT = 18  # digits: what 64 bits surely hold

UNFIT: Final = object()
"""A value that does not fit its type, not even in part."""

Repairs = Mapping[str, Callable[[object], object]]


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


def fit(value: Any, kind: Any, dropped: Counter[str], path: str = "", repairs: Repairs | None = None) -> Any:
    """`value` as `kind`, or as much of it as fits, or UNFIT.

    Of an object the fields and of a list the elements that do not fit are left out. Each is counted in `dropped` under
    its dotted path, which is one of the paths of `kind`. `repairs` maps a path to a function that is tried on a
    misfit; it returns None when it cannot help.
    """
    try:
        return msgspec.convert(value, kind)
    except (msgspec.ValidationError, RecursionError):
        pass
    if repairs and path in repairs and (repaired := repairs[path](value)) is not None:
        return repaired
    for option in _options(kind):
        if isinstance(value, dict) and _is_struct(option):
            return _fit_struct(value, option, dropped, path, repairs)
        if isinstance(value, list) and get_origin(option) is list:
            (element,) = get_args(option)
            fitted = [fit(item, element, dropped, path, repairs) for item in value]
            return [item for item in fitted if item is not UNFIT]
    dropped[path] += 1
    return UNFIT


def _fit_struct(value: dict[str, Any], kind: Any, dropped: Counter[str], path: str, repairs: Repairs | None) -> Any:
    found = {}
    for field in msgspec.structs.fields(kind):
        name = field.encode_name
        if name in value:
            part = fit(value[name], field.type, dropped, f"{path}.{name}" if path else name, repairs)
            if part is not UNFIT:
                found[field.name] = part
            elif field.required:
                return UNFIT
        elif field.required:
            return UNFIT
    return kind(**found)


def _options(kind: Any) -> tuple[Any, ...]:
    return get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _loads(text: str) -> Any:
    return _clean(json.loads(text, parse_int=_integer, strict=False))


def _place(error: ValueError) -> str:
    return f"character {getattr(error, 'pos', 0)}"


def _integer(digits: str) -> float:
    return int(digits) if len(digits) <= _LONGEST_INT else float(digits)


def _clean(value: Any) -> Any:
    """`value` without what later steps cannot print or add up; RecursionError if it is nested too deeply."""
    match value:
        case str():
            return value if value.isascii() else value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        case float():
            return math.inf if math.isnan(value) else value
        case list():
            return [_clean(item) for item in value]
        case dict():
            return {_clean(name): _clean(item) for name, item in value.items()}
    return value
