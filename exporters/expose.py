"""The text that Prometheus reads: its own text format 0.0.4, and OpenMetrics 1.0.

The label text of a series is made once and kept as long as the table keeps its list of keys, which the families do; so
a scrape joins texts that exist with numbers.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np

from exporters.samples import Table

TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"

_Keys = Sequence[tuple[str, ...]]


class Exposition:
    """Renders tables; one instance for all scrapes, as it remembers label texts."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[_Keys, list[str]]] = {}

    def render(self, tables: Iterable[Table], *, openmetrics: bool = False) -> bytes:
        """The exposition of `tables`."""
        parts: list[bytes] = []
        for table in tables:
            family = table.name.removesuffix("_total") if openmetrics and table.type == "counter" else table.name
            help_text = table.help.replace("\\", "\\\\").replace("\n", "\\n")
            if openmetrics:
                help_text = help_text.replace('"', '\\"')
            head = f"# HELP {family} {help_text}\n# TYPE {family} {table.type}"
            parts.append("\n".join((head, *self._lines(table))).encode())  # so the lines of one table exist at a time
        parts.append(b"# EOF\n" if openmetrics else b"")
        return b"\n".join(parts)

    def _lines(self, table: Table) -> Iterable[str]:
        if not len(table.keys):
            return ()
        prefixes = self._prefixes(table)
        if table.type != "histogram":
            return map(operator.add, prefixes, map(repr, table.values.tolist()))
        counts = np.cumsum(table.values[:, :-1], axis=1)
        lines = np.concatenate([counts, table.values[:, -1:], counts[:, -1:]], axis=1)
        return map(operator.add, prefixes, map(repr, lines.ravel().tolist()))

    def _prefixes(self, table: Table) -> list[str]:
        """The text before the number of each line, made for the keys that are new."""
        keys, prefixes = self._known.get(table.name, (None, []))
        if keys is not table.keys:
            prefixes = []
        each = len(table.edges) + 3 if table.type == "histogram" else 1
        for key in table.keys[len(prefixes) // each :]:
            prefixes += _histogram_prefixes(table, key) if each > 1 else [f"{table.name}{_labels(table.labels, key)} "]
        self._known[table.name] = (table.keys, prefixes)
        return prefixes


def _histogram_prefixes(table: Table, key: tuple[str, ...]) -> list[str]:
    labels, plain = (*table.labels, "le"), _labels(table.labels, key)
    bounds = [*map(repr, map(float, table.edges)), "+Inf"]
    buckets = [f"{table.name}_bucket{_labels(labels, (*key, bound))} " for bound in bounds]
    return [*buckets, f"{table.name}_sum{plain} ", f"{table.name}_count{plain} "]


def _labels(names: tuple[str, ...], values: tuple[str, ...]) -> str:
    if not names:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in zip(names, values, strict=True)) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
