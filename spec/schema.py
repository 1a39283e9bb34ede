"""JSON Schema of typed YAML, for editors: the same types that `spec.validate` checks, as JSON Schema 2020-12.

`msgspec.json.schema` cannot be used as it stands: it knows no durations, and nothing of overlays, in which an entry
that exists already says only what differs.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Mapping
from functools import cache
from itertools import pairwise
from pathlib import Path
from textwrap import dedent
from typing import Any, Final

import msgspec
import msgspec.inspect as types

from spec.conditions import any_condition
from spec.duration import Duration
from spec.model import Condition

Schema = dict[str, Any]
Note = Callable[[str, str], str]
"""What a key of an entry type means; both by name. "" when nobody said."""
Meanings = Mapping[str, str]
"""Words, each with what it means in a sentence, or ""."""
Words = Mapping[tuple[str, str], Meanings]
"""Words that are offered for a key of an entry type (or for the items and values in it); others are allowed too."""

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_DURATION_TEXT: Final[Schema] = {
    "type": "string",
    "pattern": r"^(0|([0-9]+(\.[0-9]+)?(ms|[smhdw]))+)$",
    "patternErrorMessage": "Not a duration. Write 30s, 5m, 1h30m or 4d.",  # which editors say instead of the pattern
}
DURATION: Final[Schema] = {
    "anyOf": [_DURATION_TEXT, {"const": 0}],
    "description": "A duration, such as 30s, 5m, 1h30m or 4d.",
}
_NO_WORDS: Final[Meanings] = {}
_SCALARS: Final[Mapping[type, Schema]] = {Duration: DURATION, Path: {"type": "string"}}
_LIMITS: Final = (("ge", "minimum"), ("gt", "exclusiveMinimum"), ("le", "maximum"), ("lt", "exclusiveMaximum"))


def described(doc: str, key: str) -> str:
    """The part of a type's docstring that is about a key: the first clause that names it in backticks; else ""."""
    clauses = re.split(r"(?<=[.;])\s+", " ".join(doc.split()))
    found = next((clause for clause in clauses if f"`{key}`" in clause), "")
    return plain_text(found[0].upper() + found[1:]).rstrip(";.") + "." if found else ""


@cache
def remarks(cls: type) -> Mapping[str, str]:
    """What stands below each attribute of a class in its source, by the attribute's name."""
    (body,) = (node.body for node in ast.parse(dedent(inspect.getsource(cls))).body if isinstance(node, ast.ClassDef))
    return {
        key.target.id: plain_text(remark.value.value)
        for key, remark in pairwise(body)
        if isinstance(key, ast.AnnAssign) and isinstance(key.target, ast.Name)
        if isinstance(remark, ast.Expr)
        and isinstance(remark.value, ast.Constant)
        and isinstance(remark.value.value, str)
    }


def plain_text(doc: str) -> str:
    """A docstring as an editor shows it: code in single backticks."""
    return inspect.cleandoc(doc).replace("``", "`")


class Builder:
    """Makes schemas that share their definitions."""

    def __init__(self, *, note: Note = lambda _type, _key: "", words: Words | None = None) -> None:
        self.definitions: dict[str, Schema] = {}
        self._note = note
        self._words = words or {}

    def of(self, expected: types.Type, *, partial: bool = False, words: Meanings = _NO_WORDS) -> Schema:
        """The schema of a type; `partial`: only what differs, as in an overlay over a value that exists."""
        match expected:
            case types.Metadata():
                return self.of(expected.type, partial=partial, words=words)
            case types.UnionType():
                return {"anyOf": [self.of(member, partial=partial, words=words) for member in expected.types]}
            case types.StructType():
                return {"$ref": f"#/$defs/{self._struct(expected, partial=partial)}"}
            case types.DictType():
                return self._map(expected, partial=partial, words=words)
            case types.ListType() | types.VarTupleType():  # replaced as a whole, so its items are never partial
                return {"type": "array", "items": self.of(expected.item_type, words=words)}
            case types.LiteralType():
                return {"enum": list(expected.values)}
            case types.CustomType(cls=cls) if cls is Condition:
                return self.of(types.type_info(any_condition()), partial=partial, words=words)
            case types.CustomType():
                return _SCALARS[expected.cls]
            case _:
                return _scalar(expected, words)

    def _map(self, expected: types.DictType, *, partial: bool, words: Meanings) -> Schema:
        value = self.of(expected.value_type, partial=partial, words=words)
        if isinstance(expected.key_type, types.LiteralType):
            keys = dict.fromkeys(map(str, expected.key_type.values), value)
            return {"type": "object", "properties": keys, "additionalProperties": False}
        return {"type": "object", "additionalProperties": value}

    def _struct(self, expected: types.StructType, *, partial: bool) -> str:
        """The name of the definition, which is made when it is first needed."""
        cls = expected.cls.__name__
        name = f"Partial{cls}" if partial else cls
        if name in self.definitions:
            return name
        made: Schema = {"type": "object"}
        self.definitions[name] = made
        doc = plain_text(expected.cls.__doc__ or "")
        if doc:
            made["description"] = doc
        made["properties"] = {}
        if expected.tag_field:
            made["properties"][expected.tag_field] = {"const": expected.tag, "description": doc.partition("\n\n")[0]}
        for field in expected.fields:
            made["properties"][field.encode_name] = self._key(expected, field, partial=partial)
        made["additionalProperties"] = not expected.forbid_unknown_fields
        required = [field.encode_name for field in expected.fields if field.required]
        required = [expected.tag_field, *required] if expected.tag_field else required
        if required and not partial:
            made["required"] = required
        return name

    def _key(self, struct: types.StructType, field: types.Field, *, partial: bool) -> Schema:
        cls = struct.cls.__name__
        schema = dict(self.of(field.type, partial=partial, words=self._words.get((cls, field.encode_name), {})))
        told = described(struct.cls.__doc__ or "", field.name)
        note = self._note(cls, field.encode_name) or remarks(struct.cls).get(field.name) or told
        if note:
            schema["description"] = note
        default = plain(field.default) if field.default is not msgspec.NODEFAULT else None
        if default not in (None, "") and not partial:  # what holds where nothing is said is the entry's own value
            schema["default"] = default
        return schema


def plain(value: Any) -> Any:
    """A default as plain data."""
    match value:
        case Duration() | Path():
            return str(value)
        case tuple():
            return [plain(item) for item in value]
        case _:
            return value


def _scalar(expected: types.Type, words: Meanings) -> Schema:
    match expected:
        case types.StrType():
            schema: Schema = {"type": "string"}
            if expected.pattern is not None:
                schema["pattern"] = expected.pattern
            if expected.min_length is not None:
                schema["minLength"] = expected.min_length
            return {"anyOf": [_offered(words), schema]} if words else schema
        case types.BoolType():
            return {"type": "boolean"}
        case types.IntType():
            return {"type": "integer", **_limits(expected)}
        case types.FloatType():
            return {"type": "number", **_limits(expected)}
        case types.NoneType():
            return {"type": "null"}
    raise TypeError(f"no JSON Schema for {expected}")


def _offered(words: Meanings) -> Schema:
    """Words to choose from; editors show what is said of each beside it."""
    said = {"enumDescriptions": list(words.values())} if any(words.values()) else {}
    return {"enum": list(words), **said}


def _limits(expected: types.IntType | types.FloatType) -> Schema:
    given = ((word, getattr(expected, name)) for name, word in _LIMITS)
    return {word: limit for word, limit in given if limit is not None}
