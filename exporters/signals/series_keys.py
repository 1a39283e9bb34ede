"""Which series the base families have: label values of cells become series, within a budget.

The cell table asks the budget, the budget asks the keys, and a roll-up reads both: nothing here knows a table.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import product

from spec.model import Family

_FEW = 8  # closed combinations that are worth a series at 0 before they happen


class SeriesKeys:
    """The series of one family, whose cells have labels `dims`. `keys[i]` are the label values of series i.

    `closed` are the labels that have a closed set of values, with these.
    """

    def __init__(self, family: Family, dims: tuple[str, ...], closed: Mapping[str, Sequence[str]]) -> None:
        self.dims = dims
        self.keys: list[tuple[str, ...]] = []
        self.width = len(family.buckets) + 2 if family.type == "histogram" else 1
        """Values of a series: one, or what a histogram's buckets hold, +Inf and the sum."""
        self._exposed = self.width + (family.type == "histogram")
        self._index: dict[tuple[str, ...], int] = {}
        split = next(iter(family.split.items()), None)
        self._parts = tuple(split[1]) if split else ()
        self._split_place = family.labels.index(split[0]) if split else -1
        self._own = [label for place, label in enumerate(family.labels) if place != self._split_place]
        self._places = [dims.index(label) for label in self._own]
        self._where = [(dims.index(label), frozenset(words)) for label, words in family.where.items()]
        self._closed = {label: tuple(words) for label, words in closed.items() if label in self._own}
        for label, words in family.where.items():
            if label in self._closed:
                self._closed[label] = tuple(words)
        # Closed labels that combine in few ways are worth a series at 0 for each way, before it happens.
        self._siblings = math.prod(len(words) for words in self._closed.values()) <= _FEW
        if len(self._closed) == len(self._own):
            for values in product(*(self._closed[label] for label in self._own)):
                for key in self._split(values):
                    self._place(key)

    @property
    def exposed(self) -> int:
        """Series as Prometheus counts them, buckets one by one."""
        return len(self.keys) * self._exposed

    def missing(self, labels: tuple[str, ...]) -> tuple[str, ...] | None:
        """The family's label values of a cell with these labels, if they need series that are not there yet."""
        values = self._project(labels)
        return None if values is None or self._known(values) else values

    def count_new(self, values: tuple[str, ...]) -> int:
        """How many series missing label values would add."""
        return sum(key not in self._index for key in {*self._born_with(values), *self._split(values)})

    def add(self, values: tuple[str, ...]) -> None:
        """Make the series of missing label values, and of their siblings."""
        for key in (*self._born_with(values), *self._split(values)):
            self._place(key)

    def places(self, labels: tuple[str, ...]) -> list[int] | None:
        """The series that a cell counts in, one for each part of a split; None when the family is not about it."""
        values = self._project(labels)
        if values is None:
            return None
        if not self._known(values):
            self.add(values)
        return [self._place(key) for key in self._split(values)]

    def _split(self, values: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        if not self._parts:
            yield values
            return
        for part in self._parts:
            yield (*values[: self._split_place], part, *values[self._split_place :])

    def _place(self, key: tuple[str, ...]) -> int:
        place = self._index.get(key)
        if place is None:
            place = self._index[key] = len(self.keys)
            self.keys.append(key)
        return place

    def _known(self, values: tuple[str, ...]) -> bool:
        return next(self._split(values)) in self._index  # the others were made with it

    def _project(self, labels: tuple[str, ...]) -> tuple[str, ...] | None:
        for place, words in self._where:
            if labels[place] not in words:
                return None
        return tuple([labels[place] for place in self._places])

    def _born_with(self, values: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        """`values` and its siblings in the closed labels, when they are few: they are born at 0 together."""
        if not self._siblings:
            yield from self._split(values)
            return
        for chosen in product(
            *(self._closed.get(label, (value,)) for label, value in zip(self._own, values, strict=True))
        ):
            yield from self._split(chosen)


class SeriesBudget:
    """At most so many series of all families together."""

    def __init__(self, most: int, families: Iterable[SeriesKeys]) -> None:
        self._most = most
        self._families = tuple(families)

    @property
    def series(self) -> int:
        """Series of all families, buckets counted one by one."""
        return sum(keys.exposed for keys in self._families)

    def admits(self, dims: tuple[str, ...]) -> Callable[[tuple[str, ...]], bool]:
        """For a table with these labels: makes the series of a new combination, unless there is no room for them."""
        concerned = [keys for keys in self._families if keys.dims == dims]

        def admit(labels: tuple[str, ...]) -> bool:
            missing = [(keys, values) for keys in concerned if (values := keys.missing(labels)) is not None]
            wanted = sum(keys.count_new(values) * keys.width for keys, values in missing)
            if wanted and self.series + wanted > self._most:
                return False
            for keys, values in missing:
                keys.add(values)
            return True

        return admit
