"""YAML files as plain data that remembers where each value was written.

Only plain data comes out: maps, lists, text, numbers, true, false and nothing (the YAML 1.2 core schema, so ``no`` and
``08:00`` are text). The same key twice, a key that is not text and any other tag are refused. So is what is too large
or too deep, before anything is built of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any, TypeVar

import yaml

from spec.errors import Path, Place, Problem, ShapeError, YamlError, described, place_of
from spec.validate import MOST_PROBLEMS, conform

T = TypeVar("T")

Places = dict[Path, Place]

MOST_BYTES = 4_000_000
"""Bytes of a file; what is shipped has a hundredth of that in its largest one."""
DEEPEST = 32
"""Maps and lists inside each other; what is shipped has 6."""
MOST_ALIASES = 1_000
"""Aliases in a file."""
_MOST_VALUES = 100_000  # written in a file, or made of its aliases
_LONGEST_NUMBER = 100  # characters
_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Base):  # type: ignore[misc]
    """Composes nodes whose plain scalars follow the YAML 1.2 core schema."""

    yaml_implicit_resolvers: Mapping[str, object] = {}


_TAG = "tag:yaml.org,2002:"
for _name, _shape, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)", list("-+.0123456789")),
):
    _Loader.add_implicit_resolver(_TAG + _name, re.compile(rf"^(?:{_shape})$"), _first)

_SCALARS: Mapping[str, Callable[[str], object]] = {
    _TAG + "str": str,
    _TAG + "null": lambda _text: None,
    _TAG + "bool": lambda text: text.lower() == "true",
    _TAG + "int": lambda text: int(text, 16 if text.startswith("0x") else 10),
    _TAG + "float": lambda text: float(text.replace(".inf", "inf").replace(".Inf", "inf").replace(".INF", "inf")),
}


@dataclass(frozen=True, slots=True)
class Document:
    """Plain `data` and, for each path in it, the place of its key (of the item itself in a list)."""

    data: Any
    places: Places = field(default_factory=dict)


def read_typed(paths: FilePath | Iterable[FilePath], type_: type[T]) -> T:
    """The YAML files, later ones merged over earlier ones, as a value of `type_` (a `msgspec.Struct`).

    Raises:
        YamlError: a file cannot be read or is not safe YAML.
        ShapeError: something is unknown, missing or of the wrong type; every such problem with its place.
    """
    files = [paths] if isinstance(paths, FilePath) else list(paths)
    return typed(merged(read_documents([(path, "") for path in files])), type_)


def typed(document: Document, type_: type[T]) -> T:
    """A document as a value of `type_`.

    Raises:
        ShapeError: every problem with its place.
    """
    try:
        return conform(document.data, type_)
    except ShapeError as error:
        raise ShapeError(placed(error.problems, document.places)) from None


def yaml_files(path: FilePath) -> list[FilePath]:
    """A file, or the YAML files of a folder by name.

    Raises:
        YamlError: the folder has none.
    """
    if not path.is_dir():
        return [path]
    if files := sorted(path.glob("*.yaml")):
        return files
    raise YamlError([Problem(f"{path}: no *.yaml file in this folder")])


def read_documents(files: Iterable[tuple[FilePath, str]]) -> list[Document]:
    """Each file as by `read_document`, given with its name in messages.

    Raises:
        YamlError: with the problems of all the files.
    """
    documents: list[Document] = []
    problems: list[Problem] = []
    for path, name in files:
        try:
            documents.append(read_document(path, name=name))
        except YamlError as error:
            problems += error.problems
    if problems:
        raise YamlError(problems)
    return documents


def read_document(path: FilePath, *, name: str = "") -> Document:
    """One YAML file; `name` is what messages call it (the path as given otherwise). An empty file is an empty map.

    Raises:
        YamlError: it cannot be read or is not safe YAML.
    """
    name = name or str(path)
    return parse_document(read_text(path, name=name), name)


def read_text(path: FilePath, *, name: str = "", most: int = MOST_BYTES) -> str:
    """The text of a file of at most `most` bytes; `name` is what messages call it (the path as given otherwise).

    Raises:
        YamlError: it cannot be read, is larger, or not UTF-8.
    """
    name = name or str(path)
    try:
        with path.open("rb") as file:
            data = file.read(most + 1)
    except OSError as error:
        raise YamlError([Problem(f"{name}: cannot be read: {error.strerror}")]) from error
    if len(data) > most:
        raise YamlError([Problem(f"{name}: found more than {most} bytes, expected at most that many")])
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise YamlError([Problem(f"{name}: not UTF-8 text (byte {error.start})")]) from error


def parse_document(text: str, name: str) -> Document:
    """YAML text that messages call `name`.

    Raises:
        YamlError: it is not safe YAML.
    """
    try:
        _weigh(text, name)
        root = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(name, mark.line + 1, mark.column + 1) if mark else None
        what = " ".join(part for part in (error.context, error.problem) if part)
        raise YamlError([Problem(f"not YAML: {what}", place=place)]) from error
    except yaml.YAMLError as error:
        raise YamlError([Problem(f"{name}: not YAML: {' '.join(str(error).split())}")]) from error
    if root is None:
        return Document({})
    builder = _Builder(name)
    data = builder.build(root, ())
    if builder.problems:
        raise YamlError(builder.problems)
    return Document({} if data is None else data, builder.places)


def _weigh(text: str, name: str) -> None:
    """Refuse YAML that is too large or too deep, looking at one event of the parser after the other.

    Raises:
        YamlError: it is.
        yaml.YAMLError: it is not YAML.
    """
    depth = values = aliases = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.AliasEvent):
            aliases += 1
        elif isinstance(event, yaml.NodeEvent):
            values += 1
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        for found, most, what in (
            (depth, DEEPEST, "maps and lists inside each other"),
            (values, _MOST_VALUES, "values"),
            (aliases, MOST_ALIASES, "aliases"),
        ):
            if found > most:
                mark = event.start_mark
                place = Place(name, mark.line + 1, mark.column + 1) if mark else None
                raise YamlError([Problem(f"found more than {most} {what}, expected at most that many", place=place)])


class _Builder:
    """Turns composed nodes into plain data."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.places: Places = {}
        self.problems: list[Problem] = []
        self._open: list[yaml.Node] = []
        self._values = 0

    def build(self, node: yaml.Node, path: Path) -> Any:
        if len(self.problems) >= MOST_PROBLEMS:
            return None
        self._values += 1
        self.places.setdefault(path, self._place(node))
        if any(node is outer for outer in self._open) or self._values > _MOST_VALUES or len(path) > DEEPEST:
            self._refuse("an alias that repeats itself, or too many values", node, path)
            return None
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        self._open.append(node)
        try:
            if isinstance(node, yaml.SequenceNode) and node.tag == _TAG + "seq":
                return [self.build(item, (*path, index)) for index, item in enumerate(node.value)]
            if isinstance(node, yaml.MappingNode) and node.tag == _TAG + "map":
                return self._map(node, path)
        finally:
            self._open.pop()
        self._refuse(f"the tag {node.tag} is not allowed, only plain data", node, path)
        return None

    def _scalar(self, node: yaml.ScalarNode, path: Path) -> object:
        read = _SCALARS.get(node.tag)
        number = node.tag in (_TAG + "int", _TAG + "float")
        try:
            if number and len(node.value) > _LONGEST_NUMBER:
                self._refuse(
                    f"a number of {len(node.value)} characters, expected at most {_LONGEST_NUMBER}", node, path
                )
                return None
            if read is not None:
                return read(node.value)
        except ValueError:
            self._refuse(f"{described(node.value)} is not a {node.tag.removeprefix(_TAG)}", node, path)
            return None
        self._refuse(f"the tag {node.tag} is not allowed, only plain data", node, path)
        return None

    def _map(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self._refuse("a key has to be text", key, path)
                continue
            inner = (*path, key.value)
            if key.value in out:
                self._refuse(f"the key is here twice, first in line {self.places[inner].line}", key, inner)
                continue
            self.places[inner] = self._place(key)
            out[key.value] = self.build(value, inner)
        return out

    def _place(self, node: yaml.Node) -> Place:
        return Place(self.name, node.start_mark.line + 1, node.start_mark.column + 1)

    def _refuse(self, text: str, node: yaml.Node, path: Path) -> None:
        self.problems.append(Problem(text, path, self._place(node)))


def merged(documents: Iterable[Document], *, variants: Collection[str] = ()) -> Document:
    """Later documents over earlier ones: maps merge by key at any depth, everything else replaces.

    A map in which one of the keys `variants` changes its value is replaced as a whole, because the rest of it belongs
    to the old variant.
    """
    data: Any = {}
    places: Places = {}
    for document in documents:
        gone: list[Path] = []
        data = _merge(data, document.data, (), frozenset(variants), gone)
        if gone:
            lost = frozenset(gone)
            places = {
                path: place
                for path, place in places.items()
                if not any(path[:size] in lost for size in range(len(path) + 1))
            }
        places.update(document.places)
    return Document(data, places)


def _merge(base: Any, over: Any, path: Path, variants: frozenset[str], gone: list[Path]) -> Any:
    if not isinstance(base, dict) or not isinstance(over, dict):
        gone.append(path)
        return over
    if any(key in base and key in over and base[key] != over[key] for key in variants):
        gone.append(path)
        return over
    out = dict(base)
    for key, value in over.items():
        out[key] = _merge(base[key], value, (*path, key), variants, gone) if key in base else value
    return out


def placed(problems: Iterable[Problem], places: Mapping[Path, Place]) -> list[Problem]:
    """The problems, in the order of their places: that of their path, or of the nearest thing around it with one."""
    found = [Problem(problem.text, problem.path, place_of(problem.path, places)) for problem in problems]
    return sorted(found, key=lambda problem: (problem.place is None, problem.place or Place("", 0, 0)))
