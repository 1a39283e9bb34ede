"""Plain data against a type: every place where the two differ, not only the first.

`msgspec.convert` stops at the first difference and cannot say in which entry of a map it lies, so the same types are
walked here first.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from itertools import islice
from pathlib import Path as FilePath
from typing import Any, TypeVar

import msgspec
import msgspec.inspect as types

from spec.conditions import any_condition
from spec.duration import Duration
from spec.errors import Path, Problem, ShapeError, described, nearest, one_of
from spec.model import Condition

T = TypeVar("T")

MOST_PROBLEMS = 100
"""Problems that are told of at once; then the walk stops."""

MISSING = "is missing"
"""How the text of a problem about a required key ends."""


def _path(value: object) -> FilePath:
    if not isinstance(value, str):
        raise ValueError(f"expected a file path, found {described(value)}")
    return FilePath(value)


_info = cache(types.type_info)
"""Every alert has a condition, and to look into a type takes longer than to walk along it."""

_READERS: Mapping[type, Callable[[object], object]] = {Duration: Duration.parse, FilePath: _path}
"""How types that YAML does not know are read from a scalar; each raises ValueError."""


def conform(data: object, type_: type[T]) -> T:
    """`data` as a value of `type_`.

    Raises:
        ShapeError: with every problem; places are not known here.
    """
    found = list(islice(problems(data, _info(type_)), MOST_PROBLEMS))  # type: ignore[arg-type]
    if found:
        raise ShapeError(found)
    try:
        return msgspec.convert(data, type_, dec_hook=_read)
    except msgspec.ValidationError as error:  # a constraint that the walk does not know
        raise ShapeError([Problem(str(error))]) from error


def _read(type_: type, value: object) -> Any:
    if type_ is Condition:
        return msgspec.convert(value, any_condition(), dec_hook=_read)
    return _READERS[type_](value)


def problems(data: object, expected: types.Type, path: Path = ()) -> Iterator[Problem]:
    """Each difference between plain `data` and the `expected` type."""
    match expected:
        case types.Metadata():
            yield from problems(data, expected.type, path)
        case types.UnionType():
            yield from _union(data, expected, path)
        case types.StructType():
            yield from _struct(data, expected, path)
        case types.DictType():
            yield from _map(data, expected, path)
        case types.ListType() | types.VarTupleType() | types.SetType() | types.FrozenSetType():
            if not isinstance(data, list):
                yield Problem(f"found {described(data)}, expected a list", path)
                return
            for index, item in enumerate(data):
                yield from problems(item, expected.item_type, (*path, index))
        case types.LiteralType():
            yield from _word(data, [str(value) for value in expected.values], path)
        case types.CustomType(cls=cls) if cls is Condition:
            yield from problems(data, _info(any_condition()), path)
        case _:
            yield from _scalar(data, expected, path)


def _union(data: object, expected: types.UnionType, path: Path) -> Iterator[Problem]:
    structs = {str(member.tag): member for member in expected.types if isinstance(member, types.StructType)}
    others = [member for member in expected.types if not isinstance(member, types.StructType)]
    if data is None and any(isinstance(member, types.NoneType) for member in others):
        return
    if isinstance(data, dict) and len(structs) > 1:
        field = next(iter(structs.values())).tag_field or ""
        tag = data.get(field)
        if field not in data:
            yield Problem(f"key {field!r} ({one_of(sorted(structs))}) {MISSING}", path)
        elif not isinstance(tag, str) or tag not in structs:
            yield from _word(tag, sorted(structs), (*path, field))
        else:
            yield from _struct(data, structs[tag], path)
        return
    # The member that comes nearest is the one that was meant.
    members = [member for member in expected.types if not isinstance(member, types.NoneType)]
    yield from min((list(islice(problems(data, member, path), MOST_PROBLEMS)) for member in members), key=len)


def _struct(data: object, expected: types.StructType, path: Path) -> Iterator[Problem]:
    if not isinstance(data, dict):
        yield Problem(f"found {described(data)}, expected a map", path)
        return
    fields = {field.encode_name: field for field in expected.fields}
    words = [expected.tag_field, *fields] if expected.tag_field else list(fields)
    renamed: Mapping[object, str] = getattr(expected.cls, "RENAMED", {})
    for name, value in data.items():
        if name in fields:
            yield from problems(value, fields[name].type, (*path, name))
        elif name in renamed:
            yield Problem(f"key {name!r} is now called {renamed[name]!r}", (*path, name))
        elif name not in words and expected.forbid_unknown_fields:
            yield Problem(
                f"unknown key {described(name)}, expected {one_of(words)}{nearest(name, words)}", (*path, name)
            )
    for name, field in fields.items():
        if field.required and name not in data and not any(renamed.get(old) == name for old in data):
            yield Problem(f"key {name!r} {MISSING}", path)


def _map(data: object, expected: types.DictType, path: Path) -> Iterator[Problem]:
    if not isinstance(data, dict):
        yield Problem(f"found {described(data)}, expected a map", path)
        return
    for name, value in data.items():
        yield from problems(name, expected.key_type, (*path, name))
        yield from problems(value, expected.value_type, (*path, name))


def _word(data: object, words: list[str], path: Path) -> Iterator[Problem]:
    if not isinstance(data, str) or data not in words:
        hint = nearest(data, words) if isinstance(data, str) else ""
        yield Problem(f"found {described(data)}, expected {one_of(words)}{hint}", path)


def _scalar(data: object, expected: types.Type, path: Path) -> Iterator[Problem]:
    wrong = f"found {described(data)}, expected "
    match expected:
        case types.StrType():
            if not isinstance(data, str):
                quotes = "; put it in quotes" if isinstance(data, (bool, int, float)) else ""
                yield Problem(f"{wrong}text{quotes}", path)
            elif expected.pattern is not None and not re.search(expected.pattern, data):
                yield Problem(f"{wrong}text like {expected.pattern}", path)
            elif expected.min_length is not None and len(data) < expected.min_length:
                yield Problem(f"{wrong}at least {expected.min_length} characters", path)
        case types.BoolType():
            if not isinstance(data, bool):
                yield Problem(f"{wrong}true or false", path)
        case types.IntType():
            if not isinstance(data, int) or isinstance(data, bool):
                yield Problem(f"{wrong}a whole number", path)
            else:
                yield from _bounds(data, expected, path)
        case types.FloatType():
            if not isinstance(data, (int, float)) or isinstance(data, bool):
                yield Problem(f"{wrong}a number", path)
            else:
                yield from _bounds(data, expected, path)
        case types.NoneType():
            if data is not None:
                yield Problem(f"{wrong}nothing", path)
        case types.CustomType():
            try:
                _READERS[expected.cls](data)
            except ValueError as error:
                yield Problem(str(error), path)


def _bounds(data: float, expected: types.IntType | types.FloatType, path: Path) -> Iterator[Problem]:
    for limit, wrong, words in (
        (expected.ge, operator.lt, "at least"),
        (expected.gt, operator.le, "more than"),
        (expected.le, operator.gt, "at most"),
        (expected.lt, operator.ge, "less than"),
    ):
        if limit is not None and wrong(data, limit):
            yield Problem(f"found {described(data)}, expected {words} {limit}", path)
