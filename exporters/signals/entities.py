"""Who a signal is about: the groups of each field that signals are grouped by."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from exporters.signals.groups import Groups
from exporters.signals.labels import label_text
from spec.model import Field

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

NOBODY: Final = ""
"""The one group of a signal that is not grouped."""
_MOST_KEYS: Final = 4096  # of published groups, that are kept made


class Entity:
    """The groups of one field. `top` is how many of them are published, 0 for all; `labels` are their label names.

    There may be any number of groups of an unbounded field, so the table is bounded by `capacity`; who was over a limit
    within `protect` seconds goes last. Those of a bounded label are never forgotten.
    """

    def __init__(
        self,
        by: str,
        field: Field | None,
        labels: tuple[str, ...],
        *,
        capacity: int,
        protect: float,
    ) -> None:
        self.by = by
        self.labels = labels
        self.top = field.top if field else 0
        self.unbounded = field is not None and field.unbounded
        self.groups = Groups(capacity if self.unbounded else 1 << 30, protect=protect)
        self._pseudonym = field is not None and field.pseudonym
        self._keys: dict[int, tuple[str, ...]] = {}

    def key(self, row: int, name_of: Callable[[str], str]) -> tuple[str, ...]:
        """The label values of a group; `name_of` has to be the same function always."""
        key = self._keys.get(row)
        if key is None:
            if len(self._keys) >= _MOST_KEYS:
                self._keys.clear()
            key = self._keys[row] = self._key(row, name_of)
        return key

    def forget(self, row: int) -> None:
        """A group was evicted; its row may be somebody else's next."""
        self._keys.pop(row, None)

    def load(self, saved: Mapping[str, Any]) -> None:
        """Take back the groups of a snapshot."""
        self.groups.load(**saved)
        self._keys.clear()

    def _key(self, row: int, name_of: Callable[[str], str]) -> tuple[str, ...]:
        name = self.groups.names[row] or NOBODY
        if self._pseudonym:
            name = name_of(name)
        if self.unbounded:
            name = label_text(name)
        return (name, self.groups.extra[row])[: len(self.labels)]

    def choose(
        self, rows: Ints, values: Floats, violating: Collection[int], published: Collection[int]
    ) -> tuple[Ints, set[int]]:
        """Places in `rows` of those that are published, and which violating rows had no room.

        Violators come before others; among them those that are `published` already, then the greater values.
        """
        if not self.top or len(rows) <= self.top:
            return np.arange(len(rows)), set()
        bad, kept = self._among(rows, violating), self._among(rows, published)
        # The greatest can only be among these: so only these are put in order.
        likely = bad.copy()
        likely[np.argpartition(-values, self.top)[: self.top]] = True
        places = np.flatnonzero(likely)
        order = np.lexsort((rows[places], -values[places], ~(bad & kept)[places], ~bad[places]))
        chosen = places[order[: self.top]]
        return chosen, set(violating) - set(rows[chosen].tolist())

    def _among(self, rows: Ints, some: Collection[int]) -> npt.NDArray[np.bool_]:
        """For each of `rows`, whether it is one of `some`."""
        marked = np.zeros(self.groups.size, np.bool_)
        marked[list(some)] = True
        return marked[rows]
