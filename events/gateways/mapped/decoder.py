"""The decoder that a mapping's paths ask for: only what they name is decoded, and the rest of a line is skipped."""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from events.gateways.decode import LineDecoder
from events.gateways.mapped.model import Paths, each_of
from events.gateways.mapped.paths import Path, Step, walk

_Tree = dict[str, Any]
"""Name -> the names below it; an empty one is a leaf, of which the plain value is decoded."""


class Records:
    """Decodes lines, and reads columns out of the records.

    `paths` are all that will be read.
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        paths = tuple(paths)
        self._tree = _tree_of({path.names for path in paths})
        self._places = {path.text: self._place(path) for path in paths}
        self.decoder: LineDecoder[Any] = LineDecoder(_struct("Record", self._tree))

    def column(self, paths: Paths, records: Sequence[Any], unread: Counter[str]) -> list[Any]:
        """The value of each record at the first path that leads to something; None where none does."""
        first, *others = each_of(paths) or ("",)
        if not first:
            return [None] * len(records)
        found = self._values(first, records, unread)
        for text in others:
            if all(found):
                break
            values = self._values(text, records, unread)
            found = [
                value if before is None or before == "" or before == [] else before
                for before, value in zip(found, values, strict=True)
            ]
        return found

    def _values(self, text: str, records: Sequence[Any], unread: Counter[str]) -> list[Any]:
        attributes, rest = self._places[text]
        try:
            values = [*map(operator.attrgetter(".".join(attributes)), records)]
        except AttributeError:  # an object on the way is None
            values = list(records)
            for attribute in attributes:
                get: Callable[[Any], Any] = operator.attrgetter(attribute)
                values = [None if value is None else get(value) for value in values]
        return [walk(value, rest, unread) for value in values] if rest else values

    def _place(self, path: Path) -> tuple[list[str], tuple[Step, ...]]:
        """The attributes that lead to what a decoder was told of, and the steps that go on from there."""
        tree, attributes = self._tree, []
        for name in path.names:
            attributes.append(_attribute(tree, name))
            tree = tree[name]
            if not tree:
                break
        return attributes, path.steps[len(attributes) :]


def _tree_of(wanted: set[tuple[str, ...]]) -> _Tree:
    """The names as a tree. What one path wants whole is not taken apart for another."""
    tree: _Tree = {}
    for names in sorted(wanted):
        if any(names[:size] in wanted for size in range(1, len(names))):
            continue
        below = tree
        for name in names:
            below = below.setdefault(name, {})
    return tree


def _attribute(tree: _Tree, name: str) -> str:
    return f"f{list(tree).index(name)}"


def _struct(name: str, tree: _Tree) -> type[msgspec.Struct]:
    fields: list[tuple[str, Any, Any]] = []
    rename: dict[str, str] = {}
    for encoded, below in tree.items():
        attribute = _attribute(tree, encoded)
        fields.append((attribute, _struct(f"{name}_{attribute}", below) | None if below else Any, None))
        rename[attribute] = encoded
    return msgspec.defstruct(name, fields, rename=rename, gc=False)
