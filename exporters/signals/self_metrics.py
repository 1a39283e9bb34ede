"""The exporter's own counters: what was read, refused, lost and crossed."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np

from exporters.metric_table import Table
from spec.model import HealthMetric

_NONE: Final[Mapping[str, Mapping[tuple[str, ...], float]]] = {}


class SelfMetrics:
    """Counters by name and labels.

    `born` gives, for a metric, the label sets that are shown at 0 from the start.
    """

    def __init__(self, metrics: Mapping[str, HealthMetric], born: Mapping[str, Sequence[tuple[str, ...]]]) -> None:
        self._metrics = {name: metric for name, metric in metrics.items() if metric.type == "counter"}
        self._values: dict[str, dict[tuple[str, ...], float]] = {
            name: dict.fromkeys(born.get(name, () if metric.labels else ((),)), 0.0)
            for name, metric in self._metrics.items()
        }

    def add(self, name: str, labels: tuple[str, ...] = (), amount: float = 1.0) -> None:
        """Count. A new label set is counted, and shown, from its first time on."""
        values = self._values[name]
        values[labels] = values.get(labels, 0.0) + amount

    def value(self, name: str, labels: tuple[str, ...] = ()) -> float:
        """What was counted so far."""
        return self._values[name].get(labels, 0.0)

    def snapshot(
        self, only: Collection[str] | None = None, at_least: Mapping[str, Mapping[tuple[str, ...], float]] = _NONE
    ) -> Iterator[Table]:
        """What has been counted up to now, of the metrics `only` (None: of all).

        `at_least` are totals that are counted elsewhere. They may have been greater before; a counter never goes back.
        """
        for name, metric in self._metrics.items():
            if only is None or name in only:
                values = dict(self._values[name])
                for key, total in at_least.get(name, {}).items():
                    values[key] = max(values.get(key, 0.0), total)
                yield Table(
                    name, "counter", metric.help, metric.labels, list(values), np.array(list(values.values()), float)
                )

    def save(self) -> dict[str, object]:
        """Plain data that `load` takes back."""
        return {
            name: {"keys": [list(key) for key in values], "values": list(values.values())}
            for name, values in self._values.items()
        }

    def load(self, data: Mapping[str, Mapping[str, Any]], *, reset: bool) -> None:
        """Take back a snapshot; `reset`: only to know which series there were."""
        for name, saved in data.items():
            values = self._values.get(name)
            if values is None:
                continue
            for key, value in zip(map(tuple, saved["keys"]), saved["values"], strict=True):
                if len(key) == len(self._metrics[name].labels):
                    values[key] = 0.0 if reset else value
