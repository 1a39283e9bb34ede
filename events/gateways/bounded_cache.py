"""A bounded dictionary that computes what it does not have."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")

LONGEST_KEY = 256
"""Characters of a text that is remembered: longer ones are rare, unless somebody wants memory to fill up."""


class BoundedCache(dict[K, V]):
    """``cache[key]`` is ``compute(key)``, computed once.

    Keys come from logs and thus from attackers: at `limit` entries everything is forgotten, so memory stays bounded
    and the usual keys are back at once.
    """

    __slots__ = ("_compute", "_limit")

    def __init__(self, compute: Callable[[K], V], limit: int = 65_536) -> None:
        super().__init__()
        self._compute = compute
        self._limit = limit

    def __missing__(self, key: K) -> V:
        if isinstance(key, str) and len(key) > LONGEST_KEY:
            return self._compute(key)
        if len(self) >= self._limit:
            self.clear()
        value = self[key] = self._compute(key)
        return value
