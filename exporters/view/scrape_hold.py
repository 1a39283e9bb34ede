"""What Prometheus may see of counters.

Two things about counters cost others their alerts (measured, see docs/adr/0001): a series born above 0 is invisible to
`increase()`, and a jump that falls between two ranges is never seen. So a new series is shown at 0 until it has been
scraped twice and for `hold` seconds, and after a long time without a scrape the values shown last are shown once more
for `hold` seconds. Both clocks start at a scrape that was served, and are part of the saved state.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class ScrapeHold:
    """A growing number of series with `width` values each, and what of them has been shown."""

    __slots__ = ("_settled", "first_shown", "shown", "shows", "width")

    def __init__(self, width: int = 1) -> None:
        self.width = width
        self.first_shown: Floats = np.zeros(0)  # +Inf: never shown
        self.shows: Ints = np.zeros(0, np.int64)
        self.shown: Floats = np.zeros((0, width))
        self._settled = False  # whether no series is young

    def __len__(self) -> int:
        return len(self.shows)

    def grow(self, rows: int) -> None:
        """Take in series up to `rows` of them."""
        missing = rows - len(self)
        if missing > 0:
            self.first_shown = np.concatenate([self.first_shown, np.full(missing, np.inf)])
            self.shows = np.concatenate([self.shows, np.zeros(missing, np.int64)])
            self.shown = np.concatenate([self.shown, np.zeros((missing, self.width))])
            self._settled = False

    def show(self, values: Floats, now: float, hold: float, *, again: bool) -> Floats:
        """What a scrape at `now` sees of `values`, shape (series, width); it is remembered as served.

        `again`: show what was shown last.
        """
        self.grow(len(values))
        if not self._settled:
            self.first_shown[self.first_shown > now] = now  # not shown yet, or the clock was set back
            young = (self.shows < 2) | (now - self.first_shown < hold)
            self._settled = not young.any()
            if not again:
                values = np.where(young[:, None], 0.0, values)
        # A hold never takes back what was shown already.
        values = self.shown if again else np.maximum(values, self.shown)
        self.shows += 1
        self.shown = values
        return values

    def save(self) -> dict[str, object]:
        """Plain data that `load` takes back."""
        return {"first_shown": self.first_shown.copy(), "shows": self.shows.copy(), "shown": self.shown.copy()}

    def load(self, data: dict[str, object], places: Sequence[int | None], rows: int) -> None:
        """Take back a snapshot whose series i is now series ``places[i]`` of `rows` (None: it is no more).

        Places beyond those that were ever shown may follow.
        """
        first_shown: Floats = data["first_shown"]  # type: ignore[assignment]
        shows: Ints = data["shows"]  # type: ignore[assignment]
        shown: Floats = data["shown"]  # type: ignore[assignment]
        self.first_shown, self.shows = np.full(rows, np.inf), np.zeros(rows, np.int64)
        self.shown = np.zeros((rows, self.width))
        self._settled = False
        if shown.shape[1:] != (self.width,):
            return
        places = places[: len(shows)]
        old = [row for row, place in enumerate(places) if place is not None]
        new = [place for place in places if place is not None]
        self.first_shown[new], self.shows[new], self.shown[new] = first_shown[old], shows[old], shown[old]


class ScrapeClock:
    """When Prometheus last read, and whether it has been away so long that the last values have to be shown again."""

    def __init__(self, interval: float) -> None:
        self.hold = 2 * interval
        self.away = 5 * interval
        self.last = 0.0
        self._again_until = 0.0

    def begin(self, now: float) -> bool:
        """A scrape at `now`; whether it is to see what was shown last."""
        if self.last and now - self.last > self.away:
            self._again_until = now + self.hold
        self.last = now
        return now < self._again_until

    def save(self) -> list[float]:
        """Plain data that `load` takes back."""
        return [self.last, self._again_until]

    def load(self, data: list[float]) -> None:
        """Take back a snapshot."""
        self.last, self._again_until = data
