"""The tables of one scrape as the series that alerts read, each read once."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from alerts.expression import Series
from alerts.tables import Floats, Key, Table

Values = tuple[Sequence[Key], Floats]
"""Label values of each series, and its value."""

_MERGE: Final[Mapping[str, Callable[[float, float], float]]] = {"max": max, "min": min, "sum": operator.add}
_NOTHING: Final[Values] = ((), np.zeros(0))


class View:
    """The tables of one scrape as the series that rules read."""

    def __init__(self, tables: Iterable[Table]) -> None:
        self._tables = {table.name: table for table in tables}
        self._read: dict[Series, Values] = {}
        self._rows: dict[tuple[str, str], dict[str, list[int]]] = {}

    def vector(self, series: Series) -> Values:
        """A series, merged."""
        found = self._read.get(series)
        if found is None:
            table = self._tables.get(series.metric)
            if table is None:
                found = _NOTHING
            elif len(series.matchers) == 1 and series.matchers[0][0] in table.labels:
                found = merged(table, series, self._selected(table, *series.matchers[0]))
            else:
                found = merged(table, series)
            self._read[series] = found
        return found

    def _selected(self, table: Table, label: str, wanted: str) -> list[int]:
        """The rows with that word; many rules read one table, each for a word of its own."""
        rows = self._rows.get((table.name, label))
        if rows is None:
            rows = self._rows[table.name, label] = {}
            place = table.labels.index(label)
            for row, key in enumerate(table.keys):
                rows.setdefault(key[place], []).append(row)
        return rows.get(wanted, [])

    def fixed(self, metric: str) -> bool:
        """Whether a metric stands still by itself: it is not there, or a counter."""
        table = self._tables.get(metric)
        return table is None or table.type == "counter"

    def has(self, metric: str) -> bool:
        """Whether a metric is there."""
        return metric in self._tables

    def selected(self, series: Series) -> dict[Key, float]:
        """The series before they are merged, by the labels that are kept and then by all of them."""
        table = self._tables.get(series.metric)
        if table is None:
            return {}
        keys, values = merged(table, replace(series, labels=(*series.labels, *table.labels)))
        return dict(zip(keys, values.tolist(), strict=True))

    def values(self, metric: str) -> dict[Key, float]:
        """The series of a metric as they are."""
        table = self._tables.get(metric)
        return {} if table is None else dict(zip(table.keys, table.values.tolist(), strict=True))


def merged(table: Table, series: Series, selected: Sequence[int] | None = None) -> Values:
    """A table as `series` reads it: selected, and merged over the labels that it drops.

    `selected` are the rows that its matchers select, where they are known.
    """
    if table.labels == series.labels and not series.matchers:
        return table.keys, table.values
    place_of = {label: place for place, label in enumerate(table.labels)}
    keys: Sequence[Key] = table.keys
    rows: Sequence[int] = range(len(keys)) if selected is None else selected
    for label, wanted in series.matchers if selected is None else ():
        place = place_of.get(label)
        if place is not None:
            rows = [row for row in rows if keys[row][place] == wanted]
        elif wanted:  # to Prometheus a label that is not there is empty
            return _NOTHING
    if not rows:
        return _NOTHING
    kept = [place_of.get(label) for label in series.labels]
    merge, groups = _MERGE[series.aggregate], dict[Key, float]()
    for row in rows:
        key = tuple("" if place is None else keys[row][place] for place in kept)
        value = float(table.values[row])
        groups[key] = merge(groups[key], value) if key in groups else value
    return list(groups), np.array(list(groups.values()), np.float64)
