"""Counters that the writers of a log report of themselves, added up over writers that come and go."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

MOST_WRITERS: Final = 4_096
"""Writers remembered, all sources together; of whom is forgotten, everything would count once more."""


class CounterDeltas:
    """How much of what each writer reports was counted already.

    A writer's numbers begin at 0 with its process. When a source is met for the first time, what its writers have done
    until then is not counted: nobody was there. Later ones count from 0.
    """

    def __init__(self, sources: Collection[str]) -> None:
        self._sources = frozenset(sources)
        self._met: set[str] = set()
        self._known: dict[tuple[str, str], dict[str, int]] = {}

    def new(self, source: str, reports: Iterable[tuple[str, Mapping[str, int]]]) -> Counter[str]:
        """What is new, by name, in the numbers of all of a source's writers. A number that falls is not believed."""
        new: Counter[str] = Counter()
        first = source not in self._met
        self._met.add(source)
        for writer, numbers in reports:
            known = self._known.pop((source, writer), None)
            if known is None:
                known = dict(numbers) if first else {}
            for name, number in numbers.items():
                new[name] += max(0, number - known.get(name, 0))
                known[name] = max(number, known.get(name, 0))
            self._known[source, writer] = known
        while len(self._known) > MOST_WRITERS:
            del self._known[next(iter(self._known))]
        return new

    # ------------------------------------------------------------------------------------------------ snapshot
    def save(self) -> dict[str, object]:
        """Plain data that `load` takes back."""
        return {
            "met": sorted(self._met),
            "known": [[source, writer, dict(numbers)] for (source, writer), numbers in self._known.items()],
        }

    def load(self, data: Mapping[str, Any]) -> None:
        """Take back a snapshot, of the sources that there still are."""
        self._met = set(self._sources.intersection(data["met"]))
        self._known = {
            (source, writer): dict(numbers) for source, writer, numbers in data["known"] if source in self._sources
        }
