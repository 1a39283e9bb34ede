"""What a trend means."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from alerts.rule import AlertRule
from alerts.tables import Key
from alerts.view import View
from alerts.watch import INSTANT, Watch


@dataclass(frozen=True, slots=True)
class Line:
    """A straight line through the values of the last `window` seconds, if there are `enough`, `ahead` seconds on."""

    window: float
    ahead: float
    enough: int


class TrendWatch(Watch):
    """Compares forecasts. The values of the window are kept, so the alert has no other look-back."""

    def __init__(self, rule: AlertRule, line: Line) -> None:
        super().__init__(rule)
        self.latch = 0.0
        self._line = line
        self._samples: dict[Key, deque[tuple[float, float]]] = {}

    def true(self, t: float, view: View) -> list[tuple[Key, float]]:
        """Whose forecast compares, and what it is."""
        keys, values = view.vector(self.series)
        for key, value in zip(keys, values.tolist(), strict=True):
            self._samples.setdefault(key, deque()).append((t, value))
        found = []
        for key, samples in list(self._samples.items()):
            while samples and t - samples[0][0] >= self._line.window - INSTANT:
                samples.popleft()
            if not samples:
                del self._samples[key]
            elif len(samples) >= max(2, self._line.enough):
                ahead = forecast(samples, t, self._line.ahead)
                if self.over(ahead, self.value):
                    found.append((key, ahead))
        return found

    def steady(self, view: View, fixed: Collection[str]) -> bool:
        """Without values, or when they never change and do not compare: a value that falls bends the line."""
        if not self._samples:
            return not view.has(self.series.metric)
        flat = all(value == samples[0][1] for samples in self._samples.values() for _, value in samples)
        true = any(self.over(samples[-1][1], self.value) for samples in self._samples.values())
        return self.series.metric in fixed and flat and not true


def forecast(samples: Sequence[tuple[float, float]], now: float, ahead: float) -> float:
    """What the line of least squares through (time, value) says of `ahead` seconds from `now`.

    Source: `predict_linear()` of Prometheus, which takes values that are all the same as they are.
    """
    first = samples[0][1]
    if all(value == first for _, value in samples):
        return first
    count = len(samples)
    times, values = [time - now for time, _ in samples], [value for _, value in samples]
    mean, middle = math.fsum(values) / count, math.fsum(times) / count
    spread = math.fsum((time - middle) ** 2 for time in times)
    slope = math.fsum((time - middle) * (value - mean) for time, value in zip(times, values, strict=True)) / spread
    return mean + slope * (ahead - middle)
