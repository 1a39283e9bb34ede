"""Who a signal is about: the groups of each field that signals are grouped by."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Final

from exporters.signals.groups import Groups
from spec.model import Field

NOBODY: Final = ""
"""The one group of a signal that is not grouped."""


class Entity:
    """The groups of one field. `top` is how many of them are published, 0 for all; `labels` are their label names.

    Groups of a field with `top` are people and addresses: there may be any number of them, and the table is bounded by
    `capacity`. Those of a bounded label are never forgotten.
    """

    def __init__(
        self,
        by: str,
        field: Field | None,
        labels: tuple[str, ...],
        *,
        capacity: int,
        forget: Callable[[int], None],
        protected: Callable[[], Collection[int]],
    ) -> None:
        self.by = by
        self.labels = labels
        self.top = field.top if field else 0
        self.groups = Groups(capacity if self.top else 1 << 30, forget, protected)
        self.published: set[int] = set()  # rows that have a place, so that nobody noisier takes it

    def key(self, row: int, name_of: Callable[[str], str]) -> tuple[str, ...]:
        """The label values of a group."""
        name = self.groups.names[row] or NOBODY
        if self.by == "actor":
            name = name_of(name)
        return (name, self.groups.extra[row])[: len(self.labels)]

    def choose(
        self, rows: Sequence[int], values: Sequence[float], violating: Collection[int]
    ) -> tuple[list[int], set[int]]:
        """Which of `rows` are published, and which violating ones had no room.

        Violators come before others; among them those that have a place already, then the greater values.
        """
        if not self.top:
            return list(rows), set()
        size = dict(zip(rows, values, strict=True))

        def rank(row: int) -> tuple[bool, bool, float, int]:
            bad = row in violating
            return not bad, not (bad and row in self.published), -size[row], row

        order = sorted(size, key=rank)
        chosen = order[: self.top]
        return chosen, set(violating) - set(chosen)
