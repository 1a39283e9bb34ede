"""The base families of the spec: their cell tables, roll-ups and labels, all derived from the YAML."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np

from exporters.metric_table import Table
from exporters.signals.cells import CellTable, Histogram, Ints
from exporters.signals.labels import OTHER, LabelSet
from exporters.signals.rollup import Rollup
from exporters.signals.series_keys import SeriesBudget, SeriesKeys
from spec.model import Family, Spec
from spec.vocabulary import MEASURES, SIDE_TABLES, STREAM_DIMENSIONS

EVENTS: Final = "events"
CLIENTS_CHOICE: Final = frozenset(("model", "provider", "tool"))
"""Labels whose values a client can make up: what is asked for, and what a prompt can make a model call."""


class Families:
    """Counters and histograms over bounded labels.

    `gateways` are those that will ever be seen; `dims` are dimensions of attempts that are wanted beside the labels of
    the families.
    """

    def __init__(self, spec: Spec, gateways: Sequence[str], dims: Collection[str] = ()) -> None:
        fields = spec.fields
        self.label_sets = {
            name: LabelSet(field.cap, field.values, vouched=name not in CLIENTS_CHOICE)
            for name, field in fields.items()
        }
        for gateway in gateways:
            self.label_sets["gateway"].admit(gateway, proven=True)
        closed: dict[str, Sequence[str]] = {name: field.values for name, field in fields.items() if field.values}
        closed["gateway"] = tuple(gateways)
        used = {*dims}.union(*(_dims_of(family) for family in spec.families.values()))
        self.dims = tuple(dim for dim in STREAM_DIMENSIONS[EVENTS] if dim in used)
        dims_of_tables = {EVENTS: self.dims, **SIDE_TABLES}
        keys = {
            name: SeriesKeys(family, dims_of_tables[table_of(family)], closed) for name, family in spec.families.items()
        }
        self._budget = SeriesBudget(spec.settings.max_series, keys.values())
        self.tables = {EVENTS: self._table(self.dims, spec.families.values())}
        for name, own in SIDE_TABLES.items():
            self.tables[name] = CellTable(
                own, (name,), label_sets=self.label_sets, admit_series=self._budget.admits(own)
            )
        self.rollups = [
            Rollup(name, family, keys[name], self.tables[table_of(family)]) for name, family in spec.families.items()
        ]

    def _table(self, dims: tuple[str, ...], families: Iterable[Family]) -> CellTable:
        sums: dict[str, None] = {"attempts": None}
        histograms: dict[Histogram, None] = {}
        for family in families:
            if family.type == "histogram":
                histograms[Histogram(family.measure, family.buckets)] = None
            elif table_of(family) == EVENTS:
                split = (column for columns in family.split.values() for column in columns.values())
                sums.update(dict.fromkeys([family.measure] if family.measure else split))
        admits = self._budget.admits(dims)
        return CellTable(dims, tuple(sums), tuple(histograms), label_sets=self.label_sets, admit_series=admits)

    @property
    def series(self) -> int:
        """Series of all families, buckets counted one by one."""
        return self._budget.series

    @property
    def measures(self) -> frozenset[str]:
        """The measures of attempts that are added up here."""
        table = self.tables[EVENTS]
        return frozenset(table.sums) | {histogram.measure for histogram in table.histograms}

    def add_side(
        self, table: str, rows: Sequence[tuple[object, ...]], proven: Sequence[bool], *, count: bool = True
    ) -> Ints:
        """Count rows of a side table, one each, unless they have been counted before; the cell of each row."""
        cells = self.tables[table].resolve(rows, proven)
        if len(cells) and count:
            self.tables[table].add(cells, {table: np.ones(len(cells))})
        return cells

    def overflows(self) -> Iterator[tuple[tuple[str, ...], float]]:
        """For each open label, how many attempts or side rows had no room in it."""
        totals = {name: 0.0 for name, labels in self.label_sets.items() if not labels.closed and labels.cap}
        for name, table in self.tables.items():
            column = table.column["attempts" if name == EVENTS else name]
            for place, dim in enumerate(table.dims):
                if dim in totals:
                    cells = [cell for cell, labels in enumerate(table.labels) if labels[place] == OTHER]
                    totals[dim] += float(table.values[cells, column].sum())
        for name, total in totals.items():
            yield (name,), total

    def snapshot(self) -> Iterator[Table]:
        """What has been counted up to now."""
        for rollup in self.rollups:
            values = rollup.values()
            edges = rollup.histogram.edges if rollup.histogram else ()
            yield Table(
                rollup.name,
                rollup.family.type,
                rollup.family.help,
                rollup.family.labels,
                rollup.keys,
                values if edges else values[:, 0],
                edges,
            )

    # ------------------------------------------------------------------------------------------------ snapshot
    def save(self) -> dict[str, object]:
        """Plain data that `load` takes back."""
        return {
            "tables": {name: {"layout": self._layout(table), **table.save()} for name, table in self.tables.items()},
        }

    def load(self, data: Mapping[str, Any], *, reset: bool) -> bool:
        """Take back a snapshot; False when counters had to start from 0.

        That happens when the layout of a table is another one now, and when `reset` asks for it.
        """
        whole = not reset
        for name, table in self.tables.items():
            saved = data["tables"].get(name)
            if reset or saved is None or saved["layout"] != self._layout(table):
                whole = False
            else:
                table.load(saved["labels"], saved["values"])
        if whole:
            for rollup in self.rollups:
                rollup.sync()
        else:
            for table in self.tables.values():
                table.values[:] = 0
        return whole

    @staticmethod
    def _layout(table: CellTable) -> list[object]:
        edges = [[histogram.measure, list(histogram.edges)] for histogram in table.histograms]
        return [list(table.dims), list(table.sums), edges]


def _dims_of(family: Family) -> set[str]:
    return {*family.labels, *family.where} if table_of(family) == EVENTS else set()


def table_of(family: Family) -> str:
    """The table that a family rolls up."""
    return family.measure if family.measure in SIDE_TABLES and family.measure not in MEASURES else EVENTS
