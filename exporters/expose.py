"""The text that Prometheus reads: its own text format 0.0.4, and OpenMetrics 1.0.

The text of a metric's lines is made once and kept as long as the table keeps its list of keys, which the families do;
so a scrape puts numbers into a text that exists. That list may have grown since the table was made.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import numpy as np

from exporters.metric_table import Table

TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"

_Keys = Sequence[tuple[str, ...]]


class Exposition:
    """Renders tables; one instance for all scrapes, as it remembers label texts."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[_Keys, int, str]] = {}  # of a metric: keys, how many were met, and its template

    def render(self, tables: Iterable[Table], *, openmetrics: bool = False) -> bytes:
        """The exposition of `tables`."""
        parts: list[bytes] = []
        for table in tables:
            family = table.name.removesuffix("_total") if openmetrics and table.type == "counter" else table.name
            help_text = table.help.replace("\\", "\\\\").replace("\n", "\\n")
            if openmetrics:
                help_text = help_text.replace('"', '\\"')
            head = f"# HELP {family} {help_text}\n# TYPE {family} {table.type}\n"
            parts.append((head + self._lines(table)).encode())
        if openmetrics:
            parts.append(b"# EOF\n")
        return b"".join(parts)

    def _lines(self, table: Table) -> str:
        if not len(table.values):
            return ""
        values = table.values
        if table.type == "histogram":
            counts = np.cumsum(values[:, :-1], axis=1)
            values = np.concatenate([counts, values[:, -1:], counts[:, -1:]], axis=1).ravel()
        return self._template(table) % tuple(map(repr, values.tolist()))

    def _template(self, table: Table) -> str:
        """The lines with ``%s`` for each number; made of the keys that are new."""
        keys, met, template = self._known.get(table.name, (None, 0, ""))
        if keys is not table.keys:
            met, template = 0, ""
        size = len(table.values)
        if met < size:
            lines = _histogram_lines if table.type == "histogram" else _lines
            template += "".join(line for key in table.keys[met:size] for line in lines(table, key))
            self._known[table.name] = (table.keys, size, template)
        return template


def _lines(table: Table, key: tuple[str, ...]) -> Iterator[str]:
    yield _line(table.name, table.labels, key)


def _histogram_lines(table: Table, key: tuple[str, ...]) -> Iterator[str]:
    for bound in (*map(repr, map(float, table.edges)), "+Inf"):
        yield _line(f"{table.name}_bucket", (*table.labels, "le"), (*key, bound))
    yield _line(f"{table.name}_sum", table.labels, key)
    yield _line(f"{table.name}_count", table.labels, key)


def _line(name: str, labels: tuple[str, ...], key: tuple[str, ...]) -> str:
    return f"{name}{_labels(labels, key)}".replace("%", "%%") + " %s\n"


def _labels(names: tuple[str, ...], values: tuple[str, ...]) -> str:
    if not names:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in zip(names, values, strict=True)) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
