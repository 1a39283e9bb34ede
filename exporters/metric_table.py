"""What can be read of the exporter's state: the one form that feeds /metrics, replay and sinks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Table:
    """One metric: `keys[i]` are the label values of series i, in the order of `labels`.

    `values` has shape (series,). Of a histogram it has shape (series, buckets + 2): what each bucket of `edges` holds
    by itself, then what is above the last edge, then the sum.
    """

    name: str
    type: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...]
    keys: Sequence[tuple[str, ...]]
    values: Floats
    edges: tuple[float, ...] = ()

    def samples(self) -> Iterator[tuple[dict[str, str], float]]:
        """Labels and value of each series; of a histogram, the number of observations."""
        values = self.values[:, :-1].sum(axis=1) if self.type == "histogram" else self.values
        for key, value in zip(self.keys, values.tolist(), strict=True):
            yield dict(zip(self.labels, key, strict=True)), value
