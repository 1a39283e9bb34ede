"""The tables of a scrape, as far as alerts read them. Whoever can make such tables can have its alerts evaluated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Key = tuple[str, ...]
"""Label values of a series."""


class Table(Protocol):
    """One metric: `keys[i]` are the label values of series i, in the order of `labels`; `values` has shape (series,).

    `type` is counter, gauge or histogram. Alerts never read a histogram.
    """

    @property
    def name(self) -> str:
        """The metric."""
        ...

    @property
    def type(self) -> str:
        """What kind of metric it is."""
        ...

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of the labels."""
        ...

    @property
    def keys(self) -> Sequence[Key]:
        """The label values of each series."""
        ...

    @property
    def values(self) -> Floats:
        """The value of each series."""
        ...
