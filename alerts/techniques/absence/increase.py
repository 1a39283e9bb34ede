"""How much counters grew, as Prometheus estimates it.

Source: documentation of `increase()`, and its implementation in ``promql/functions.go`` of Prometheus 2.42. A counter
that falls was reset. What lies before the first and after the last sample of the window is filled up as if it went on
like in between, to the window's edge if that is near, else half a step; and never to before the counter was 0.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Final

Key = tuple[str, ...]
Sample = tuple[float, float]
"""Time in seconds, and value."""

_INSTANT: Final = 1e-6  # seconds; scaled durations are no whole numbers
_NEAR: Final = 1.1


class IncreaseWindow:
    """The increase of each series of a counter, over a window in seconds."""

    def __init__(self, window: float) -> None:
        self.window = window
        self._series: dict[Key, deque[Sample]] = {}

    def observe(self, t: float, now: Mapping[Key, float]) -> dict[Key, float]:
        """What a scrape at `t` says of each series; how much those grew in (t - window, t] of which that is known."""
        for key, value in now.items():
            self._series.setdefault(key, deque()).append((t, value))
        for key, samples in list(self._series.items()):
            while samples and t - samples[0][0] >= self.window - _INSTANT:
                samples.popleft()
            if not samples:
                del self._series[key]
        return {
            key: increase(list(samples), t - self.window, t)
            for key, samples in self._series.items()
            if len(samples) > 1
        }

    @property
    def empty(self) -> bool:
        """Whether there is no series."""
        return not self._series


def increase(samples: Sequence[Sample], start: float, end: float) -> float:
    """The increase of one series between two times, from at least two samples between them."""
    (first, least), (last, _) = samples[0], samples[-1]
    grown = samples[-1][1] - least + sum(before for (_, before), (_, after) in pairwise(samples) if after < before)
    sampled = last - first
    step = sampled / (len(samples) - 1)
    before, after = first - start, end - last
    if grown > 0 and least >= 0:
        before = min(before, sampled * least / grown)
    known = sampled
    known += before if before < _NEAR * step else step / 2
    known += after if after < _NEAR * step else step / 2
    return grown * known / sampled
