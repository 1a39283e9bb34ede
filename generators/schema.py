"""JSON Schema of the severity spec and of overlays over it: an editor completes, explains and warns while one types.

What `tocsin check` finds beyond shapes (names that lead nowhere, thresholds that cannot be) it does not find.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec
import msgspec.inspect as types

from generators.files import HEADER
from generators.spec_page import notes_of
from spec import Spec, vocabulary
from spec.schema import DIALECT, Builder, Schema, Words

PATH: Final = "docs/schema/spec.schema.json"

_HINT: Final = {"help", "title", "summary"}
"""Keys that say in a sentence what an entry is, for a person who chooses among names."""


def generate(spec: Spec) -> dict[str, str]:
    """The schema. Names that are offered and known are those of `spec`, overlays included."""
    notes = {"Settings": notes_of("settings"), "Metadata": notes_of("metadata")}
    builder = Builder(note=lambda cls, key: notes.get(cls, {}).get(key, ""), words=_words(spec))
    tables = {}
    for field in types.type_info(Spec).fields:  # type: ignore[attr-defined]
        tables[field.encode_name] = _table(builder, field, getattr(spec, field.name))
    schema: Schema = {
        "$schema": DIALECT,
        "$comment": HEADER,
        "title": "Tocsin severity spec, or an overlay over it",
        "description": (
            "Only what differs from the shipped spec. Entries merge by name: a known one is tuned, a new one is added, "
            "`enabled: false` switches one off. Lists are replaced as a whole."
        ),
        "type": "object",
        "properties": tables,
        "additionalProperties": False,
        "$defs": dict(sorted(builder.definitions.items())),
    }
    return {PATH: json.dumps(schema, indent=1, ensure_ascii=False) + "\n"}


def _table(builder: Builder, field: types.Field, entries: Any) -> Schema:
    """A known entry says what differs, a new one says everything that is required."""
    if not isinstance(field.type, types.DictType):
        return builder.of(field.type, partial=True)
    partial = _disabled(builder, builder.of(field.type.value_type, partial=True))
    whole = _disabled(builder, builder.of(field.type.value_type))
    known = {name: {**partial, **_hint(entry)} for name, entry in entries.items()}
    closed = isinstance(field.type.key_type, types.LiteralType)
    return {"type": "object", "properties": known, "additionalProperties": False if closed else whole}


def _disabled(builder: Builder, reference: Schema) -> Schema:
    """The reference; what it leads to may say `enabled`."""
    definition = builder.definitions[reference["$ref"].rpartition("/")[2]]
    definition["properties"].setdefault(
        "enabled", {"type": "boolean", "description": "false: the entry is switched off.", "default": True}
    )
    return reference


def _hint(entry: msgspec.Struct) -> Schema:
    found = [getattr(entry, name) for name in entry.__struct_fields__ if name in _HINT]
    return {"description": found[0]} if found else {}


def _words(spec: Spec) -> Words:
    """Names of other entries, and closed lists: offered while one types, as an overlay may add to most of them."""
    dimensions = sorted(set().union(*vocabulary.STREAM_DIMENSIONS.values()))
    by_table: dict[tuple[str, str], Iterable[str]] = {
        ("Alert", "incident"): spec.incidents,
        ("ExternalMetric", "exporter"): sorted({metric.exporter for metric in spec.external.values()}),
        ("Family", "labels"): dimensions,
        ("Family", "measure"): (*vocabulary.MEASURES, *vocabulary.SIDE_TABLES),
        ("IncidentType", "entity"): vocabulary.IDENTITIES,
        ("Settings", "offhours_calendar"): spec.calendars,
        ("Severity", "escalation"): spec.escalations,
        ("Severity", "page"): ("always", "never", *spec.calendars),
        ("Signal", "by"): (*vocabulary.IDENTITIES, *dimensions),
        ("Signal", "field"): (*vocabulary.MEASURES, *vocabulary.IDENTITIES),
        ("Tier", "during"): spec.calendars,
        ("Tier", "notify"): spec.channels,
        **dict.fromkeys(_signal_keys(), spec.signals),
    }
    return {key: tuple(words) for key, words in by_table.items()}


def _signal_keys() -> Iterator[tuple[str, str]]:
    """The keys of conditions that name a signal."""
    when = next(field for field in types.type_info(Spec).fields if field.name == "alerts")  # type: ignore[attr-defined]
    condition = next(field for field in when.type.value_type.fields if field.name == "when").type
    for member in condition.types:
        names = {field.encode_name for field in member.fields}
        yield from ((member.cls.__name__, key) for key in ("signal", "numerator", "denominator") if key in names)
