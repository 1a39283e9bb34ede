"""The wide cell table: one row per combination of bounded labels, one column per thing that adds up.

Every base family is a roll-up of this table, so an event is counted once, in one place, however many families show it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat

import numpy as np
import numpy.typing as npt

from exporters.signals.labels import OTHER, UNKNOWN, LabelSet
from exporters.signals.unique import unique_places

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_RAW_CACHE = 65_536  # entries of the raw-key cache before it is dropped; it holds attacker-chosen strings


@dataclass(frozen=True, slots=True)
class Histogram:
    """A histogram measure: `edges` are the upper bounds, ascending, without +Inf."""

    measure: str
    edges: tuple[float, ...]

    @property
    def width(self) -> int:
        """Columns taken: one per bucket, +Inf and the sum."""
        return len(self.edges) + 2


class CellTable:
    """Cells of `dims` labels with the columns `sums` and `histograms`.

    `labels[i]` are the label values of cell i, in the order of `dims`; `values[:size]` their columns.
    `admit_series` may refuse a new combination (the series budget): it is then counted in the cell whose open labels
    are all ``other``.
    """

    def __init__(
        self,
        dims: Sequence[str],
        sums: Sequence[str],
        histograms: Sequence[Histogram] = (),
        *,
        label_sets: Mapping[str, LabelSet],
        admit_series: Callable[[tuple[str, ...]], bool] = lambda _labels: True,
    ) -> None:
        self.dims = tuple(dims)
        self.sums = tuple(sums)
        self.histograms = tuple(histograms)
        self.column: dict[str, int] = {name: index for index, name in enumerate(self.sums)}
        self.first_bucket: dict[Histogram, int] = {}
        width = len(self.sums)
        for histogram in self.histograms:
            self.first_bucket[histogram] = width
            width += histogram.width
        self.width = width
        self.values: Floats = np.zeros((64, width))
        self.labels: list[tuple[str, ...]] = []
        self._label_sets = [label_sets[dim] for dim in self.dims]
        self._open = [label_set.admitted for label_set in self._label_sets if not label_set.closed]
        self._admit_series = admit_series
        self._ids: dict[tuple[str, ...], int] = {}
        self._raw: dict[tuple[object, ...], int] = {}
        self._others: set[tuple[object, ...]] = set()  # of these, those that may get a place of their own some day
        self._edges = {histogram: np.array(histogram.edges) for histogram in self.histograms}

    @property
    def size(self) -> int:
        """Cells in use."""
        return len(self.labels)

    # ------------------------------------------------------------------------------------------------ rows
    def cell(self, labels: tuple[str, ...]) -> int:
        """The row of these admitted label values, made if it is new."""
        found = self._ids.get(labels)
        if found is not None:
            return found
        if not self._admit_series(labels):
            folded = tuple(
                value if label_set.closed else OTHER for value, label_set in zip(labels, self._label_sets, strict=True)
            )
            if folded != labels:
                return self._ids[folded] if folded in self._ids else self._new(folded)
        return self._new(labels)

    def _new(self, labels: tuple[str, ...]) -> int:
        row = len(self.labels)
        if row == len(self.values):
            self.values = np.concatenate([self.values, np.zeros_like(self.values)])
        self.labels.append(labels)
        self._ids[labels] = row
        return row

    def resolve(self, rows: Sequence[tuple[object, ...]], proven: Sequence[bool]) -> Ints:
        """Cell of each raw label tuple (strings, booleans or None, in the order of `dims`).

        `proven[i]` says whether the attempt succeeded, i.e. may introduce new label values.
        """
        if len(self._raw) > _RAW_CACHE:
            self._raw.clear()
            self._others.clear()
        out = np.fromiter(map(self._raw.get, rows, repeat(-1)), np.int64, len(rows))
        unknown = np.flatnonzero(out < 0).tolist()
        if unknown:
            others = set(self._others)
            for place in sorted(unknown, key=lambda place: not proven[place]):  # proof may come later in the batch
                out[place] = self._resolve_one(rows[place], proven[place])
            if others - self._others:  # what was counted as "other" before has a place of its own now
                for place in [place for place, row in enumerate(rows) if row in others]:
                    out[place] = self._resolve_one(rows[place], proven[place])
        return out

    def _resolve_one(self, row: tuple[object, ...], proven: bool) -> int:
        again = self._raw.get(row)
        if again is not None:  # met a moment ago
            return again
        admitted = sum(map(len, self._open))
        labels = tuple(
            label_set.admit(_text(value), proven=proven) for value, label_set in zip(row, self._label_sets, strict=True)
        )
        if sum(map(len, self._open)) != admitted:
            for other in self._others:  # they are looked at again, as what they wanted may have got its place
                self._raw.pop(other, None)
            self._others.clear()
        cell = self.cell(labels)
        self._raw[row] = cell
        if OTHER in labels:
            self._others.add(row)
        return cell

    # ------------------------------------------------------------------------------------------------ values
    def add(self, cells: Ints, weights: Mapping[str, Floats]) -> None:
        """Add a batch: `cells[i]` is the cell of event i, `weights[measure][i]` what it adds (NaN adds nothing)."""
        if not len(cells):
            return
        unique, inverse = unique_places(cells, self.size)
        width = len(unique)
        block = np.zeros((width, self.width))
        for name, index in self.column.items():
            weight = weights[name]
            block[:, index] = np.bincount(inverse, np.where(np.isnan(weight), 0.0, weight), width)
        for histogram, first in self.first_bucket.items():
            data = weights[histogram.measure]
            present = ~np.isnan(data)
            if not present.any():
                continue
            x, where = data[present], inverse[present]
            buckets = histogram.width - 1
            flat = where * buckets + np.searchsorted(self._edges[histogram], x, side="left")
            block[:, first : first + buckets] = np.bincount(flat, minlength=width * buckets).reshape(width, buckets)
            block[:, first + buckets] = np.bincount(where, x, width)
        self.values[unique] += block

    # ------------------------------------------------------------------------------------------------ snapshot
    def save(self) -> dict[str, object]:
        """Plain data that `load` takes back."""
        return {"labels": list(self.labels), "values": self.values[: self.size].copy()}

    def load(self, labels: Sequence[Sequence[str]], values: Floats) -> None:
        """Take back the cells of a snapshot of the same layout.

        Raises:
            ValueError: the snapshot's layout is another one.
        """
        if values.ndim != 2 or values.shape != (len(labels), self.width):
            raise ValueError(f"the snapshot has cells of {values.shape}, expected {(len(labels), self.width)}")
        for row, saved in zip(labels, values, strict=True):
            if len(row) != len(self.dims):
                raise ValueError(f"the snapshot has {len(row)} labels a cell, expected {len(self.dims)}")
            for value, label_set in zip(row, self._label_sets, strict=True):
                label_set.restore([value] if value not in (OTHER, UNKNOWN) else [])
            cell = self._ids.get(tuple(row))
            if cell is None:
                cell = self._new(tuple(row))
            self.values[cell] = saved


def _text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if value is True:
        return "true"
    return "false" if value is False else str(value)
