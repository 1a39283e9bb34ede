"""The table of groups, such as accounts and ranges, by row: bounded, evicted by the wall clock of the last touch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import repeat

import numpy as np
import numpy.typing as npt


class Groups:
    """Names -> rows. When full, the groups untouched for longest make room.

    Those that were over a limit within `protect` seconds go last. `violated` is when each was last; whoever sees it
    enters it there.
    """

    def __init__(self, capacity: int, *, protect: float) -> None:
        self.capacity = capacity
        self.violated: dict[int, float] = {}  # by row, by the wall clock
        self.rows: dict[str, int] = {}
        self.names: list[str | None] = []
        self.extra: list[str] = []  # the second label: that of the field's companion
        self._touched: npt.NDArray[np.float64] = np.zeros(16)
        self._free: list[int] = []
        self._protect = protect
        self._evicted: list[int] = []

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def size(self) -> int:
        """Rows ever used: every row number is below it."""
        return len(self.names)

    def resolve(self, names: Sequence[str], extra: Callable[[int], str], now: float) -> npt.NDArray[np.int64]:
        """Rows of `names`, made when new with the second label ``extra(i)`` of name i; all are touched at `now`."""
        out = np.fromiter(map(self.rows.get, names, repeat(-1)), np.int64, len(names))
        missing = np.flatnonzero(out < 0).tolist()
        if missing:
            self._touched[out[out >= 0]] = now  # before anybody makes room for somebody new
            out[missing] = [self._row(names[place], place, extra, now) for place in missing]
        self._touched[out] = now
        return out

    def _row(self, name: str, place: int, extra: Callable[[int], str], now: float) -> int:
        row = self.rows.get(name)
        if row is not None:  # met a moment ago
            return row
        if len(self.rows) >= self.capacity:
            self._evict(now)
        if self._free:
            row = self._free.pop()
            self.names[row], self.extra[row] = name, extra(place)
        else:
            row = len(self.names)
            self.names.append(name)
            self.extra.append(extra(place))
            if row >= len(self._touched):
                self._touched = np.concatenate([self._touched, np.zeros_like(self._touched)])
        self._touched[row] = now
        self.rows[name] = row
        return row

    def take_evicted(self) -> list[int]:
        """Rows of groups that made room since the last call; they may be somebody else's already."""
        rows, self._evicted = self._evicted, []
        return rows

    def _evict(self, now: float) -> None:
        # The unprotected first, then the oldest; when nearly everybody is in violation the oldest of them go all the
        # same, as memory is bounded. Many go at once, as finding them looks at everybody.
        rank = np.zeros(self.size, np.int8)
        rank[self._protected(now)] = 1
        rank[self._free] = 2
        order = np.lexsort((self._touched[: self.size], rank))
        victims = order[: max(1, self.capacity // 50)].tolist()
        for row in victims:
            name = self.names[row]
            if name is not None:
                del self.rows[name]
            self.names[row] = None
            self.violated.pop(row, None)
            self._free.append(row)
        self._evicted += victims

    def _protected(self, now: float) -> npt.NDArray[np.int64]:
        """Rows that were over a limit a short time ago; of the others it is forgotten."""
        rows = np.fromiter(self.violated, np.int64, len(self.violated))
        over = np.fromiter(self.violated.values(), np.float64, len(rows)) < now - self._protect
        for row in rows[over].tolist():
            del self.violated[row]
        return rows[~over]

    def save(self) -> dict[str, object]:
        """Plain data that `load` takes back."""
        return {
            "names": list(self.names),
            "extra": list(self.extra),
            "touched": self._touched[: self.size].copy(),
            "free": list(self._free),
            "violated": [[row, time] for row, time in self.violated.items()],
        }

    def load(
        self,
        names: list[str | None],
        extra: list[str],
        touched: npt.NDArray[np.float64],
        free: list[int],
        violated: Sequence[tuple[int, float]],
    ) -> None:
        """Take back a snapshot."""
        self.violated.clear()  # others hold on to it
        self.violated.update((row, time) for row, time in violated)
        self.names, self.extra, self._free = list(names), list(extra), list(free)
        self.rows = {name: row for row, name in enumerate(self.names) if name is not None}
        self._touched = np.concatenate([touched, np.zeros(max(16, len(touched)))])
