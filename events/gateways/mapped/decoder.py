"""The decoder that a mapping's paths ask for: only what they name is decoded, and the rest of a line is skipped."""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from events.batch import Raw
from events.gateways.decode import Decoded, LineDecoder
from events.gateways.mapped.model import Paths, each_of
from events.gateways.mapped.nested import NestedText, Opener
from events.gateways.mapped.paths import Path, Step, walk

_Tree = dict[str, Any]
"""Name -> the names below it; an empty one is a leaf, of which the plain value is decoded."""


class Records:
    """Decodes lines, and reads columns out of the records.

    `paths` are all that will be read; `opened` lead to texts that hold JSON, which those paths may go on into.
    """

    def __init__(self, paths: Iterable[Path], opened: Iterable[Path] = ()) -> None:
        paths = tuple(paths)
        self._tree = _tree_of({path.names for path in paths})
        self._places = {path.text: self._place(path) for path in paths}
        wanted = {path.names: path for path in opened if self._leads_to(path)}
        texts = sorted(wanted.values(), key=lambda path: len(path.names))
        inside = frozenset(wanted)
        self._decoder: LineDecoder[Any] = LineDecoder(_struct("Record", self._tree, (), inside))
        self._openers = [Opener(self._nested(path, inside)) for path in texts]

    def decode(self, data: Raw) -> Decoded[Any]:
        """The records of lines, with the texts that hold JSON opened."""
        decoded = self._decoder.decode(data)
        for opener in self._openers:
            opener.open_in(decoded)
        return decoded

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

    def _leads_to(self, path: Path) -> bool:
        """Whether any path leads to it or goes on into it."""
        tree = self._tree
        for name in path.names:
            if name not in tree:
                return False
            tree = tree[name]
        return True

    def _nested(self, path: Path, inside: frozenset[tuple[str, ...]]) -> NestedText:
        attributes, _rest = self._place(path)
        below = self._tree
        for name in path.names:
            below = below[name]
        kind = _struct("Text", below, path.names, inside) | None if below else Any
        return NestedText(path.text, tuple(attributes[:-1]), attributes[-1], kind)

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


def _struct(name: str, tree: _Tree, here: tuple[str, ...], texts: frozenset[tuple[str, ...]]) -> type[msgspec.Struct]:
    """The structure of `tree`, which is at the path `here`; of a text to open, the plain value."""
    fields: list[tuple[str, Any, Any]] = []
    rename: dict[str, str] = {}
    for encoded, below in tree.items():
        attribute, place = _attribute(tree, encoded), (*here, encoded)
        apart = below and place not in texts
        fields.append((attribute, _struct(f"{name}_{attribute}", below, place, texts) | None if apart else Any, None))
        rename[attribute] = encoded
    return msgspec.defstruct(name, fields, rename=rename, gc=False)
