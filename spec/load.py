"""The severity spec from its YAML: this folder's files, the user's overlays over them, checked and typed.

An overlay is a file, or a folder of them, with the same top-level keys and only what differs. Entries merge by name:
known ones are tuned, new ones are added, `enabled: false` switches one off.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any, Final

import msgspec

from spec.checks.references import ReferencesResolve
from spec.duration import Duration
from spec.errors import DanglingReferenceError, Problem, ShapeError, described, nearest
from spec.model import Spec
from spec.validate import MISSING, MOST_PROBLEMS
from spec.yaml_source import Document, Places, merged, placed, read_documents, typed, yaml_files

FOLDER: Final = FilePath(__file__).parent
"""Where the shipped YAML is."""

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_:.-]{0,99}")
_VARIANTS: Final = ("technique",)  # an overlay that names another technique replaces the whole condition
_KEEP_DISABLED: Final = ("alerts",)  # a disabled alert stays in the spec, marked; other disabled entries leave it


@dataclass(frozen=True, slots=True)
class LoadedSpec:
    """A spec and the places its entries were written at."""

    spec: Spec
    places: Places


def load_spec(*overlays: FilePath) -> Spec:
    """The shipped spec with `overlays` over it, later ones last; durations divided by ``settings.time_scale``.

    Raises:
        YamlError: a file cannot be read or is not safe YAML.
        ShapeError: unknown or missing keys, wrong words or types; every one with its place.
        DanglingReferenceError: an entry names another one that does not exist; every one with its place.
    """
    return load_with_places(*overlays).spec


def load_with_places(*overlays: FilePath) -> LoadedSpec:
    """As `load_spec`, with the place of every entry, for messages of checks."""
    files = [(path, f"{FOLDER.name}/{path.relative_to(FOLDER)}") for path in shipped_files()]
    shipped_count = len(files)
    files += [(path, "") for overlay in overlays for path in yaml_files(overlay)]
    documents = read_documents(files)
    shipped = merged(documents[:shipped_count])
    document = _without_disabled(merged([shipped, *documents[shipped_count:]], variants=_VARIANTS), shipped.data)
    try:
        spec = typed(document, Spec)
    except ShapeError as error:
        raise ShapeError([_hinted(problem, shipped.data) for problem in error.problems]) from None
    dangling = [Problem(issue.text, issue.path) for issue in ReferencesResolve().check(spec)]
    if dangling:
        raise DanglingReferenceError(placed(dangling, document.places))
    return LoadedSpec(scaled(spec, spec.settings.time_scale), document.places)


def shipped_files() -> list[FilePath]:
    """The files that make the shipped spec."""
    return [*yaml_files(FOLDER), *yaml_files(FOLDER / "gateways")]


def _without_disabled(document: Document, shipped: dict[str, Any]) -> Document:
    """The document without the entries that say `enabled: false`.

    Raises:
        ShapeError: an entry does not exist, so that there is nothing to disable, or its name is none: names become
            names of files, labels and links.
    """
    if not isinstance(document.data, dict):
        return document
    data: dict[str, Any] = dict(document.data)
    problems: list[Problem] = []
    for table, entries in data.items():
        if not isinstance(entries, dict):
            continue
        known = shipped.get(table, {})
        for name, entry in entries.items():
            if not _NAME.fullmatch(name) and len(problems) < MOST_PROBLEMS:
                text = f"found {described(name)}, expected a name of letters, digits and _ : . - (at most 100)"
                problems.append(Problem(text, (table, name)))
            if entry == {"enabled": False} and name not in known and len(problems) < MOST_PROBLEMS:
                text = f"found nothing to disable, expected the name of an entry{nearest(name, known)}"
                problems.append(Problem(text, (table, name)))
        if table not in _KEEP_DISABLED:
            data[table] = dict(_enabled(entries))
    if problems:
        raise ShapeError(placed(problems, document.places))
    return Document(data, document.places)


def _enabled(entries: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, entry in entries.items():
        if not isinstance(entry, dict) or not isinstance(entry.get("enabled"), bool):
            yield name, entry
        elif entry["enabled"]:
            yield name, {key: value for key, value in entry.items() if key != "enabled"}


def _hinted(problem: Problem, shipped: dict[str, Any]) -> Problem:
    """A new entry that lacks keys is often a misspelt old one."""
    if problem.text.endswith(MISSING) and len(problem.path) == 2:
        table, name = problem.path
        known = shipped.get(str(table), {})
        if name not in known:
            return Problem(problem.text + nearest(str(name), known), problem.path, problem.place)
    return problem


def scaled(spec: Spec, scale: float) -> Spec:
    """The spec with every duration divided by `scale`, except those of the metadata, which count for people."""
    if scale == 1:
        return spec
    out: Spec = _divided(spec, scale)
    return msgspec.structs.replace(out, metadata=spec.metadata)


def _divided(value: Any, scale: float) -> Any:
    match value:
        case Duration():
            return Duration(value / scale)
        case msgspec.Struct():
            fields = {name: _divided(getattr(value, name), scale) for name in value.__struct_fields__}
            return msgspec.structs.replace(value, **fields)
        case dict():
            return {name: _divided(item, scale) for name, item in value.items()}
        case tuple():
            return tuple(_divided(item, scale) for item in value)
        case _:
            return value
