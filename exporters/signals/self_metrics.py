"""The exporter's own counters: what was read, refused, lost and crossed."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np

from exporters.samples import Table
from exporters.signals.scrape_hold import ScrapeHold
from spec.model import HealthMetric


class SelfMetrics:
    """Counters by name and labels, shown under the same holds as the families.

    `born` gives, for a metric, the label sets that are shown at 0 from the start.
    """

    def __init__(self, metrics: Mapping[str, HealthMetric], born: Mapping[str, Sequence[tuple[str, ...]]]) -> None:
        self._metrics = {name: metric for name, metric in metrics.items() if metric.type == "counter"}
        self._values: dict[str, dict[tuple[str, ...], float]] = {
            name: dict.fromkeys(born.get(name, () if metric.labels else ((),)), 0.0)
            for name, metric in self._metrics.items()
        }
        self._held = {name: ScrapeHold() for name in self._metrics}

    def add(self, name: str, labels: tuple[str, ...] = (), amount: float = 1.0) -> None:
        """Count. A new label set is counted, and shown, from its first time on."""
        values = self._values[name]
        values[labels] = values.get(labels, 0.0) + amount

    def set_at_least(self, name: str, labels: tuple[str, ...], total: float) -> None:
        """Take over a total that is counted elsewhere; it never goes back."""
        values = self._values[name]
        values[labels] = max(values.get(labels, 0.0), total)

    def value(self, name: str, labels: tuple[str, ...] = ()) -> float:
        """What was counted so far."""
        return self._values[name].get(labels, 0.0)

    def show(self, now: float, hold: float, *, again: bool, only: Collection[str] | None = None) -> Iterator[Table]:
        """What a scrape sees, of the metrics `only` (None: of all); it is remembered as served."""
        for name, metric in self._metrics.items():
            if only is not None and name not in only:
                continue
            values = np.array(list(self._values[name].values()), np.float64).reshape(-1, 1)
            shown = self._held[name].show(values, now, hold, again=again)
            yield Table(name, "counter", metric.help, metric.labels, list(self._values[name]), shown[:, 0])

    def save(self) -> dict[str, object]:
        """Plain data that `load` takes back."""
        return {
            name: {"keys": [list(key) for key in values], "values": list(values.values()), **self._held[name].save()}
            for name, values in self._values.items()
        }

    def load(self, data: Mapping[str, dict[str, object]], *, reset: bool) -> None:
        """Take back a snapshot; `reset`: only to know which series there were."""
        for name, saved in data.items():
            if name not in self._values:
                continue
            values = self._values[name]
            keys = [tuple(key) for key in saved["keys"]]  # type: ignore[attr-defined]
            for key, value in zip(keys, saved["values"], strict=True):  # type: ignore[call-overload]
                if len(key) == len(self._metrics[name].labels):
                    values[key] = 0.0 if reset else value
            if not reset:
                order = {key: place for place, key in enumerate(values)}
                self._held[name].load(saved, [order.get(key) for key in keys], len(order))
