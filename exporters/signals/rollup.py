"""Base families as roll-ups of a cell table."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from exporters.signals.cells import CellTable, Floats, Histogram
from exporters.signals.series_keys import SeriesKeys
from spec.model import Family


class Rollup:
    """One family over one table. `keys[i]` are the label values of series i; values have shape (series, width)."""

    def __init__(self, name: str, family: Family, series: SeriesKeys, table: CellTable) -> None:
        self.name = name
        self.family = family
        self.table = table
        self.histogram = Histogram(family.measure, family.buckets) if family.type == "histogram" else None
        self.width = series.width
        self._series = series
        split = [table.column[column] for columns in family.split.values() for column in columns.values()]
        if self.histogram:
            first = table.first_bucket[self.histogram]
            self._columns: list[Sequence[int]] = [range(first, first + self.width)]
        else:
            self._columns = [[column] for column in split or [table.column[family.measure]]]
        # Series of each cell, -1: none.
        self._maps: npt.NDArray[np.int32] = np.zeros((len(self._columns), 0), np.int32)

    @property
    def keys(self) -> list[tuple[str, ...]]:
        """The label values of each series."""
        return self._series.keys

    def sync(self) -> None:
        """Take in the cells that are new since the last call."""
        known = self._maps.shape[1]
        if known == self.table.size:
            return
        new = np.full((len(self._maps), self.table.size - known), -1, np.int32)
        for place, labels in enumerate(self.table.labels[known:]):
            if (places := self._series.places(labels)) is not None:
                new[:, place] = places
        self._maps = np.concatenate([self._maps, new], axis=1)

    def values(self) -> Floats:
        """What every series adds up to now, shape (series, width); buckets are not cumulative."""
        self.sync()
        out = np.zeros((len(self.keys), self.width))
        chosen = np.nonzero(self._maps[0] >= 0)[0]
        for places, columns in zip(self._maps, self._columns, strict=True):
            for place, column in enumerate(columns):
                out[:, place] += np.bincount(places[chosen], self.table.values[chosen, column], len(self.keys))
        return out
