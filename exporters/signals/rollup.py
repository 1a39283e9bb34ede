"""Base families as roll-ups of a cell table."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import product

import numpy as np
import numpy.typing as npt

from exporters.signals.cells import CellTable, Floats, Histogram
from spec.model import Family

_FEW = 8  # closed combinations that are worth a series at 0 before they happen


class Rollup:
    """One family over one table. `keys[i]` are the label values of series i; values have shape (series, width)."""

    def __init__(self, name: str, family: Family, table: CellTable, closed: Mapping[str, Sequence[str]]) -> None:
        self.name = name
        self.family = family
        self.table = table
        self.keys: list[tuple[str, ...]] = []
        self.index: dict[tuple[str, ...], int] = {}
        self.histogram = Histogram(family.measure, family.buckets) if family.type == "histogram" else None
        self.width = self.histogram.width if self.histogram else 1
        split = next(iter(family.split.items()), None)
        self._split: list[tuple[str, int]] = (
            [(value, table.column[column]) for value, column in split[1].items()] if split else []
        )
        self._split_place = family.labels.index(split[0]) if split else -1
        self._own = [label for place, label in enumerate(family.labels) if place != self._split_place]
        self._places = [table.dims.index(label) for label in self._own]
        self._where = [(table.dims.index(label), frozenset(words)) for label, words in family.where.items()]
        # Series of each cell, -1: none.
        self._maps: npt.NDArray[np.int32] = np.zeros((max(1, len(self._split)), 0), np.int32)
        self._closed = {label: tuple(words) for label, words in closed.items() if label in self._own}
        for label, words in family.where.items():
            if label in self._closed:
                self._closed[label] = tuple(words)
        # Closed labels that combine in few ways are worth a series at 0 for each way, before it happens.
        self._siblings = math.prod(len(words) for words in self._closed.values()) <= _FEW
        if len(self._closed) == len(self._own):
            for values in product(*(self._closed[label] for label in self._own)):
                for key in self._keys(values):
                    self._series(key)

    def _keys(self, values: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        if not self._split:
            yield values
            return
        for word, _ in self._split:
            yield (*values[: self._split_place], word, *values[self._split_place :])

    def _series(self, key: tuple[str, ...]) -> int:
        place = self.index.get(key)
        if place is None:
            place = self.index[key] = len(self.keys)
            self.keys.append(key)
        return place

    def unknown(self, labels: tuple[str, ...]) -> tuple[str, ...] | None:
        """The own label values of a cell with these labels, if they need series that are not there yet."""
        values = self._project(labels)
        return None if values is None or self._born(values) else values

    def _born(self, values: tuple[str, ...]) -> bool:
        return next(self._keys(values)) in self.index  # the others were born with it

    def _project(self, labels: tuple[str, ...]) -> tuple[str, ...] | None:
        """The own label values of a cell; None when the family is not about it."""
        for place, words in self._where:
            if labels[place] not in words:
                return None
        return tuple([labels[place] for place in self._places])

    def _born_with(self, values: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        """`values` and its siblings in the closed labels, when they are few: they are born at 0 together."""
        if not self._siblings:
            yield from self._keys(values)
            return
        for chosen in product(
            *(self._closed.get(label, (value,)) for label, value in zip(self._own, values, strict=True))
        ):
            yield from self._keys(chosen)

    def new_series(self, values: tuple[str, ...]) -> int:
        """How many series unknown label values would add."""
        return sum(key not in self.index for key in {*self._born_with(values), *self._keys(values)})

    def bear(self, values: tuple[str, ...]) -> None:
        """Make the series of unknown label values, and of their siblings."""
        for key in (*self._born_with(values), *self._keys(values)):
            self._series(key)

    def sync(self) -> None:
        """Take in the cells that are new since the last call."""
        known = self._maps.shape[1]
        if known == self.table.size:
            return
        fresh = np.full((len(self._maps), self.table.size - known), -1, np.int32)
        for place, labels in enumerate(self.table.labels[known:]):
            values = self._project(labels)
            if values is not None:
                if not self._born(values):
                    self.bear(values)
                fresh[:, place] = [self._series(key) for key in self._keys(values)]
        self._maps = np.concatenate([self._maps, fresh], axis=1)

    def values(self) -> Floats:
        """What every series adds up to now, shape (series, width); buckets are not cumulative."""
        self.sync()
        out = np.zeros((len(self.keys), self.width))
        chosen = np.nonzero(self._maps[0] >= 0)[0]
        for number, places in enumerate(self._maps):
            if self.histogram:
                first = self.table.first_bucket[self.histogram]
                columns: Sequence[int] = range(first, first + self.width)
            elif self._split:
                columns = [self._split[number][1]]
            else:
                columns = [self.table.column[self.family.measure]]
            for place, column in enumerate(columns):
                out[:, place] += np.bincount(places[chosen], self.table.values[chosen, column], len(self.keys))
        return out
