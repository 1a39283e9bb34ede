"""The reference of the severity spec for people who write overlays: `docs/spec.md`.

Taken from the types and docstrings of ``spec/model.py``, from the comments at the head of the shipped YAML (the only
thing beside the spec that is read, and the same wherever this runs) and from the list of checks.
"""

from __future__ import annotations

import datetime
import inspect
import re
import types
import typing
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from alerts.checks import checks
from generators.backends import BACKENDS
from generators.docs.markdown import page
from spec import Spec, vocabulary
from spec.conditions import conditions
from spec.duration import Duration
from spec.load import FOLDER
from spec.model import Condition

PATH: Final = "docs/spec.md"

_FILES: Final = {
    "settings": "defaults",
    "families": "metrics",
    "health": "metrics",
    "external": "metrics",
}
"""Files whose name is not that of their table."""
_KEY: Final = re.compile(r"^  ([a-z_]+):")


@dataclass(frozen=True, slots=True)
class Key:
    """A key of an entry. `default` is what holds when it is left out; in a table of one entry, what is shipped."""

    name: str
    type: str
    default: str
    note: str


@dataclass(frozen=True, slots=True)
class Part:
    """An entry type: of a table, or of what stands inside one."""

    title: str
    text: str
    keys: tuple[Key, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A top-level key of the spec."""

    name: str
    file: str
    head: str
    entry: Part
    inner: tuple[Part, ...]
    shipped: tuple[str, ...]


def generate(spec: Spec) -> dict[str, str]:
    """The page. Names listed as shipped are those of `spec`, overlays included."""
    hints = typing.get_type_hints(Spec)
    tables = [_table(spec, field.name, hints[field.name]) for field in msgspec.structs.fields(Spec)]
    first = {table.file: table.name for table in reversed(tables)}
    text = page(
        "spec.md.j2",
        escape=False,
        tables=tables,
        first=first,
        measures=vocabulary.MEASURES,
        dimensions=vocabulary.STREAM_DIMENSIONS,
        words={name: field.values for name, field in spec.fields.items() if field.values},
        checks=[
            (check.id, check.severity, (inspect.getdoc(check) or "").partition("\n\n")[0])
            for check in checks(datetime.date.min, BACKENDS)
        ],
    )
    return {PATH: text}


# ----------------------------------------------------------------------------------------------------------- tables
def _table(spec: Spec, name: str, hint: Any) -> Table:
    struct = typing.get_args(hint)[1] if typing.get_origin(hint) is dict else hint
    path = _file_of(name)
    source = path.read_text(encoding="utf-8")
    entry = _part(struct) if struct is not hint else _single(struct, _notes(source), getattr(spec, name))
    inner = tuple(_part(other) for other in _structs_in(struct))
    shipped = tuple(getattr(spec, name)) if struct is not hint else ()
    return Table(name, f"{FOLDER.name}/{path.relative_to(FOLDER)}", _head(source), entry, inner, shipped)


def _file_of(table: str) -> Path:
    """The file of a table; of one that has a folder of files, the first."""
    folder = FOLDER / table
    return min(folder.glob("*.yaml")) if folder.is_dir() else FOLDER / f"{_FILES.get(table, table)}.yaml"


def _single(struct: type[msgspec.Struct], notes: dict[str, str], value: msgspec.Struct) -> Part:
    """A table that has one entry: there is a value for everything, and a remark on most."""
    part = _part(struct)
    attributes = {field.encode_name: field.name for field in msgspec.structs.fields(struct)}
    keys = tuple(
        replace(key, default=_value(getattr(value, attributes[key.name])), note=notes.get(key.name, ""))
        for key in part.keys
    )
    return replace(part, keys=keys)


def _part(struct: type[msgspec.Struct]) -> Part:
    hints = typing.get_type_hints(struct, include_extras=True)
    keys = [
        Key(field.encode_name, _words(hints[field.name]), _default(field), "")
        for field in msgspec.structs.fields(struct)
    ]
    config = struct.__struct_config__
    if config.tag:
        keys.insert(0, Key(str(config.tag_field), f"`{config.tag}`", "", ""))
    return Part(struct.__name__, inspect.cleandoc(struct.__doc__ or ""), tuple(keys))


def _structs_in(struct: type[msgspec.Struct]) -> Iterator[type[msgspec.Struct]]:
    """Entry types inside another one, in the order of its keys, each once."""
    for hint in typing.get_type_hints(struct).values():
        for found in _flat(hint):
            if isinstance(found, type) and issubclass(found, msgspec.Struct):
                yield found
                yield from _structs_in(found)


def _flat(hint: Any) -> Iterator[Any]:
    if hint is Condition:
        yield from conditions()
        return
    yield hint
    for argument in typing.get_args(hint):
        yield from _flat(argument)


# ------------------------------------------------------------------------------------------------------------ types
_PLAIN: Final[dict[Any, str]] = {
    str: "text",
    int: "whole number",
    float: "number",
    bool: "`true` or `false`",
    Duration: "duration",
    type(None): "nothing",
}


def _words(hint: Any) -> str:
    """A type as people say it."""
    if hint in _PLAIN:
        return _PLAIN[hint]
    if hint is Condition:
        return " or ".join(map(_words, conditions()))
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        return " or ".join(f"`{word}`" if word else "nothing" for word in arguments)
    if origin is tuple:
        return f"list of: {_words(arguments[0])}"
    if origin is dict:
        return f"map from {_words(arguments[0])} to {_words(arguments[1])}"
    if origin is typing.Annotated:
        limits = [
            f" above {meta.gt:g}" for meta in arguments[1:] if isinstance(meta, msgspec.Meta) and meta.gt is not None
        ]
        return _words(arguments[0]) + "".join(limits)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(map(_words, arguments))
    return f"[{hint.__name__}](#{hint.__name__.lower()})"


def _default(field: msgspec.structs.FieldInfo) -> str:
    """What a key is when it is left out, in YAML."""
    if field.required:
        return "**required**"
    default = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
    return _value(default)


def _value(value: Any) -> str:
    """A value in YAML."""
    match value:
        case None | "":
            return "nothing"
        case bool():
            return f"`{str(value).lower()}`"
        case dict() if value:
            return "`{" + ", ".join(f"{key}: {item}" for key, item in value.items()) + "}`"
        case tuple() | dict():
            return "empty"
        case float() if not isinstance(value, Duration):
            return f"`{value:g}`"
        case _:
            return f"`{value}`"


# --------------------------------------------------------------------------------------------------------- comments
def notes_of(table: str) -> dict[str, str]:
    """What the shipped YAML remarks on the keys of a table that has one entry."""
    return _notes((FOLDER / f"{_FILES.get(table, table)}.yaml").read_text(encoding="utf-8"))


def _head(source: str) -> str:
    """The comment that a file begins with."""
    lines = []
    for line in source.splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.removeprefix("#").removeprefix(" "))
    return "\n".join(lines)


def _notes(source: str) -> dict[str, str]:
    """The comments above the keys of a table that has one entry; a blank line ends what a comment is about."""
    notes: dict[str, str] = {}
    above: list[str] = []
    for line in source.splitlines():
        if line.startswith("  #"):
            above.append(line.strip().removeprefix("#").strip())
        elif found := _KEY.match(line):
            remark = line.partition(" # ")[2]
            notes[found[1]] = " ".join([*above, *([remark] if remark else [])])
            above = []
        elif not line.strip():
            above = []
    return notes
