"""As much of a plain JSON value as fits a type, in work that is linear in the value.

A client of the gateway writes much of a record and may write values of any type there. A `Fitter` is built once for a
type and then walks a value in one pass: a look-up for each element and each known field, and no exception for any of
them. A flood of mistyped values so costs about what well-typed ones cost.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

MISFITS: Final = 10_000
"""Mistyped values left out of elements of one record's lists. Beyond them, an element with one is left out whole."""

UNFIT: Final = object()
"""A value that does not fit its type, not even in part."""
_UNREAD: Final = object()  # an element that was given up, as the record has too many misfits
_ABSENT: Final = object()
_LARGEST: Final = 1 << 1023

Repairs = Mapping[str, Callable[[object], object]]
"""By dotted path, what may still make something of a misfit; it returns None when it cannot."""
_Fit = Callable[[Any, "Fitting"], Any]
_Handlers = dict[type, Any]  # a _Fit by the type of a value; None: it is taken as it is


@dataclass(slots=True)
class Fitting:
    """What fitting one record left out.

    `dropped` are values that do not fit, by dotted path. `unread` are elements of lists that were left out because the
    record has more than MISFITS of these; well-typed ones are still taken. `left` is how many misfits may follow.
    """

    dropped: Counter[str] = field(default_factory=Counter)
    unread: int = 0
    left: int = MISFITS


class Fitter:
    """Fits plain JSON values into `kind`, a type that msgspec decodes. Dotted paths begin with `path`.

    Raises:
        TypeError: `kind` has a part that this knows nothing of.
    """

    def __init__(self, kind: Any, repairs: Repairs | None = None, path: str = "") -> None:
        self._path = path
        self._repair = (repairs or {}).get(path)
        self._handlers = _handlers(kind, path, repairs or {}, inside=False)

    def fit(self, value: Any, fitting: Fitting) -> Any:
        """`value` as the type, or as much of it as fits, or UNFIT.

        Of an object the fields and of a list the elements that do not fit are left out and counted in `fitting`. The
        newest elements come first, as what is new is more telling than what was sent before.
        """
        found = _fit(value, self._handlers, self._repair, fitting)
        if found is UNFIT:
            fitting.dropped[self._path] += 1
        return found


def _fit(value: Any, handlers: _Handlers, repair: Callable[[object], object] | None, fitting: Fitting) -> Any:
    handler = handlers.get(type(value), _misfit)
    if handler is None:
        return value
    found = handler(value, fitting)
    if found is UNFIT and repair is not None and (repaired := repair(value)) is not None:
        return repaired
    return found


def _misfit(_value: object, _fitting: Fitting) -> Any:
    return UNFIT


def _handlers(kind: Any, path: str, repairs: Repairs, *, inside: bool) -> _Handlers:
    """What is done with a value of each type; `inside` says that it stands within a list."""
    handlers: _Handlers = {}
    for option in get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,):
        handlers |= _handler(option, path, repairs, inside=inside)
    if float in handlers:
        handlers.setdefault(int, _float)
    return handlers


def _float(value: int, _fitting: Fitting) -> float:
    return float(value) if -_LARGEST < value < _LARGEST else math.inf  # an integer from JSON may have any size


def _handler(kind: Any, path: str, repairs: Repairs, *, inside: bool) -> _Handlers:
    origin = get_origin(kind)
    if kind is Any:
        return dict.fromkeys((str, int, float, bool, list, dict, NoneType))
    if kind is None or kind in (str, int, float, bool, NoneType):
        return {NoneType if kind is None else kind: None}
    if origin is Literal:
        choices = get_args(kind)
        return {type(choice): _one_of(frozenset(choices)) for choice in choices}
    if origin is Annotated:
        return _bounded(kind)
    if origin is list:
        return {list: _list_of(_handlers(get_args(kind)[0], path, repairs, inside=True), path)}
    if origin is dict:
        return {dict: _table_of(_handlers(get_args(kind)[1], path, repairs, inside=True), path)}
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return {dict: _struct_of(kind, path, repairs, inside=inside)}
    raise TypeError(f"{path or 'the record'} has the type {kind}, which cannot be fitted in part")


def _one_of(choices: frozenset[object]) -> _Fit:
    return lambda value, _fitting: value if value in choices else UNFIT


def _bounded(kind: Any) -> _Handlers:
    """A number with limits."""
    inner, *notes = get_args(kind)
    meta = next(note for note in notes if isinstance(note, msgspec.Meta))
    least, most = meta.ge, meta.le
    if inner not in (int, float) or least is None or most is None:
        raise TypeError(f"{kind} is no number between two limits")

    def bounded(value: Any, _fitting: Fitting) -> Any:
        return inner(value) if least <= value <= most else UNFIT

    return {int: bounded} | ({float: bounded} if inner is float else {})


def _list_of(handlers: _Handlers, path: str) -> _Fit:
    find = handlers.get

    def elements(value: list[Any], fitting: Fitting) -> list[Any]:
        fitted: list[Any] = []
        misfits = unread = 0
        for item in reversed(value):
            handler = find(type(item), _misfit)
            found = item if handler is None else handler(item, fitting)
            if found is UNFIT:
                misfits += 1
            elif found is _UNREAD:
                unread += 1
            else:
                fitted.append(found)
        if misfits:
            fitting.dropped[path] += misfits
        fitting.unread += unread
        fitted.reverse()
        return fitted

    return elements


def _table_of(handlers: _Handlers, path: str) -> _Fit:
    find = handlers.get

    def entries(value: dict[str, Any], fitting: Fitting) -> dict[str, Any]:
        fitted: dict[str, Any] = {}
        misfits = 0
        for name, item in value.items():
            handler = find(type(item), _misfit)
            found = item if handler is None else handler(item, fitting)
            if found is UNFIT or found is _UNREAD:
                misfits += 1
            else:
                fitted[name] = found
        if misfits:
            fitting.dropped[path] += misfits
        return fitted

    return entries


@dataclass(frozen=True, slots=True)
class _Field:
    name: str  # of the attribute
    path: str
    find: Callable[..., Any]  # the handler of a type
    repair: Callable[[object], object] | None


def _struct_of(kind: type[msgspec.Struct], path: str, repairs: Repairs, *, inside: bool) -> _Fit:
    hints = get_type_hints(kind, include_extras=True)
    fields: dict[str, _Field] = {}
    for name, encoded in zip(kind.__struct_fields__, kind.__struct_encode_fields__, strict=True):
        place = f"{path}.{encoded}" if path else encoded
        handlers = _handlers(hints[name], place, repairs, inside=inside)
        fields[encoded] = _Field(name, place, handlers.get, repairs.get(place))
    required = frozenset(known.name for known in msgspec.structs.fields(kind) if known.required)
    empty = UNFIT if required else kind()
    known_field, names, size = fields.get, tuple(fields), len(fields)

    def parts(value: dict[str, Any], fitting: Fitting) -> Any:
        found: dict[str, Any] = {}
        # Of a huge object the known fields are looked for; of a small one each name is looked up. Of a record too they
        # are looked for, in the order of the type: what a client writes comes last, and cannot use up the misfits.
        for name in filter(value.__contains__, names) if required or len(value) > size else value:
            item = value.get(name, _ABSENT)
            known = known_field(name)
            if known is None or item is _ABSENT:
                continue
            handler = known.find(type(item), _misfit)
            part = item if handler is None else handler(item, fitting)
            if part is UNFIT and known.repair is not None and (repaired := known.repair(item)) is not None:
                part = repaired
            if part is not UNFIT:
                found[known.name] = part
            elif not inside:
                fitting.dropped[known.path] += 1
            elif fitting.left:
                fitting.left -= 1
                fitting.dropped[known.path] += 1
            else:
                return _UNREAD
        if not found:
            return empty
        return kind(**found) if required <= found.keys() else UNFIT

    return parts
