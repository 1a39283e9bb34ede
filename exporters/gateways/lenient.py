"""Reading what a strict decoder refuses: JSON with a flaw that a writer may produce, and values of a wrong type.

Much of a record is written by the client of the gateway. If odd content made a record unreadable, odd content would
hide an attack; so only the odd part is left out, and counted.
"""

from __future__ import annotations

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

_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)|[\[\]{}]', re.DOTALL)
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

    Also accepts what common writers produce beside the standard: NaN and infinite numbers (as infinity), numbers
    beyond 64 bits, and half of a surrogate pair (as U+FFFD). What is nested deeper than a parser can follow becomes
    null beyond MAX_DEPTH, counted in `dropped` as ``nesting``.

    Raises:
        UnreadableError: ``not_json``, ``invalid_utf8`` or ``too_deep``.
    """
    deep = False
    try:
        return msgspec.json.decode(line)
    except RecursionError:
        deep = True
    except UnicodeDecodeError:
        raise UnreadableError("invalid_utf8", "not UTF-8") from None
    except msgspec.DecodeError:
        pass
    shallow, cut = flatten(line)
    try:
        value = json.loads(shallow.decode(), parse_int=_integer)
    except UnicodeDecodeError:
        raise UnreadableError("invalid_utf8", "not UTF-8") from None
    except ValueError as error:
        reason = "too_deep" if deep else "not_json"
        raise UnreadableError(reason, f"byte {getattr(error, 'pos', 0)}") from None
    if cut:
        dropped["nesting"] += cut
    return _clean(value)


def flatten(line: bytes, depth: int = MAX_DEPTH) -> tuple[bytes, int]:
    """`line` with null in place of every list and object nested deeper than `depth`, and how many those were."""
    kept: list[bytes] = []
    level = cut = start = 0
    for token in _TOKEN.finditer(line):
        match line[token.start()]:
            case 0x5B | 0x7B:  # [ {
                level += 1
                if level == depth + 1:
                    kept += (line[start : token.start()], b"null")
                    cut += 1
            case 0x5D | 0x7D:  # ] }
                if level == depth + 1:
                    start = token.end()
                level -= 1
    if not cut:
        return line, 0
    if level <= depth:
        kept.append(line[start:])
    return b"".join(kept), cut


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


def _integer(digits: str) -> float:
    return int(digits) if len(digits) <= _LONGEST_INT else float(digits)


def _clean(value: Any) -> Any:
    """`value` without what later steps cannot print or add up; its nesting is bounded by MAX_DEPTH."""
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
