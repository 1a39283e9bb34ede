"""JSON Schema of the severity spec and of overlays over it: an editor completes, explains and warns while one types.

What `tocsin check` finds beyond shapes (names that lead nowhere, thresholds that cannot be) it does not find.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec
import msgspec.inspect as types

from generators.docs.spec_page import notes_of
from generators.files import HEADER
from spec import Spec, vocabulary
from spec.conditions import conditions
from spec.duration import Duration
from spec.model import Alert
from spec.schema import DIALECT, Builder, Meanings, Schema, Words, plain_text

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
    about = plain_text(field.type.value_type.cls.__doc__ or "").partition("\n\n")[0]  # type: ignore[attr-defined]
    partial = _disabled(builder, builder.of(field.type.value_type, partial=True))
    whole = _disabled(builder, builder.of(field.type.value_type))
    known = {name: _known(partial, entry) for name, entry in entries.items()}
    if all("description" in entry for entry in known.values()):  # or editors would show the type's instead of theirs
        _definition(builder, partial).pop("description", None)
    closed = isinstance(field.type.key_type, types.LiteralType)
    return {
        "description": about,
        "type": "object",
        "properties": known,
        "additionalProperties": False if closed else whole,
    }


def _disabled(builder: Builder, reference: Schema) -> Schema:
    """The reference; what it leads to may say `enabled`."""
    _definition(builder, reference)["properties"].setdefault(
        "enabled", {"type": "boolean", "description": "`false` switches the entry off."}
    )
    return reference


def _definition(builder: Builder, reference: Schema) -> Schema:
    return builder.definitions[reference["$ref"].rpartition("/")[2]]


def _known(partial: Schema, entry: msgspec.Struct) -> Schema:
    """A known entry: what it is, and for an alert with a limit the text that tunes it, with the limit as it is."""
    said = _meaning(entry)
    if not isinstance(entry, Alert):
        return {**partial, "description": said} if said else partial
    about = {"description": f"{said}. Shipped: {entry.severity}, {entry.owner}, {entry.maturity}."}
    tuned = {key: getattr(entry.when, key) for key in entry.when.TUNABLE}
    limits = {key: str(value) if isinstance(value, Duration) else value for key, value in tuned.items() if value}
    if not limits:
        return {**partial, **about}
    tune = {"label": "tune", "description": "The limit as it is, to be changed.", "body": {"when": limits}}
    # Editors take a snippet only from a schema that has a type of its own and no reference beside it.
    return {**about, "type": "object", "defaultSnippets": [tune], "allOf": [partial]}


def _meaning(entry: msgspec.Struct) -> str:
    return next((str(getattr(entry, name)) for name in entry.__struct_fields__ if name in _HINT), "")


def _words(spec: Spec) -> Words:
    """Names of other entries, and closed lists: offered while one types, as an overlay may add to most of them."""
    dimensions = sorted(set().union(*vocabulary.STREAM_DIMENSIONS.values()))
    signals = {name: _meaning(signal) for name, signal in spec.signals.items()}
    fields = {name: _meaning(field) for name, field in spec.fields.items()}
    calendars = dict.fromkeys(spec.calendars, "")
    return {
        ("Alert", "incident"): {name: _meaning(incident) for name, incident in spec.incidents.items()},
        ("ExternalMetric", "exporter"): dict.fromkeys(
            sorted({metric.exporter for metric in spec.external.values()}), ""
        ),
        ("Family", "labels"): _of(fields, dimensions),
        ("Family", "measure"): _of(fields, [*vocabulary.MEASURES, *vocabulary.SIDE_TABLES]),
        ("IncidentType", "entity"): _of(fields, vocabulary.IDENTITIES),
        ("Settings", "offhours_calendar"): calendars,
        ("Severity", "escalation"): dict.fromkeys(spec.escalations, ""),
        ("Severity", "page"): {"always": "At any hour.", "never": "It only goes to chat and tickets.", **calendars},
        ("Signal", "by"): _of(fields, [*vocabulary.IDENTITIES, *dimensions]),
        ("Signal", "field"): _of(fields, [*vocabulary.MEASURES, *vocabulary.IDENTITIES]),
        ("Tier", "during"): calendars,
        ("Tier", "notify"): {name: channel.type for name, channel in spec.channels.items()},
        **dict.fromkeys(_signal_keys(), signals),
    }


def _of(fields: Meanings, words: Iterable[str]) -> Meanings:
    """Words with what the spec's fields say of them."""
    return {word: fields.get(word, "") for word in words}


def _signal_keys() -> Iterator[tuple[str, str]]:
    """The keys of conditions that name a signal."""
    return ((condition.__name__, key) for condition in conditions() for key in condition.SIGNALS)
