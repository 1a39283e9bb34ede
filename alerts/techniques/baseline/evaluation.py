"""What a baseline means."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Collection

import numpy as np

from alerts.rule import AlertRule
from alerts.tables import Key
from alerts.techniques.baseline.baseline_history import BaselineHistory, HistoryRange
from alerts.view import View
from alerts.watch import INSTANT, Watch


class BaselineWatch(Watch):
    """A rule that compares with the member's own history."""

    def __init__(self, rule: AlertRule, history: HistoryRange) -> None:
        super().__init__(rule)
        self.latch = 0.0  # the limit moves, so the values of the look-back are kept instead
        self._floor_only = history.floor_only
        self._history = BaselineHistory(history, rule.value)
        self._recent: deque[tuple[float, dict[Key, float]]] = deque()

    def true(self, t: float, view: View) -> list[tuple[Key, float]]:
        """For whom the worst value of the look-back reaches the limit."""
        keys, values = view.vector(self.series)
        now = dict(zip(keys, values.tolist(), strict=True))
        self._history.observe(t, now)
        self._recent.append((t, now))
        while self._recent[0][0] < t and t - self._recent[0][0] >= self.rule.lookback - INSTANT:
            self._recent.popleft()
        most: dict[Key, float] = {}
        for _, earlier in self._recent:
            for key, value in earlier.items():
                if value >= self.value:  # no limit is lower
                    most[key] = max(value, most.get(key, value))
        limits = dict(self._history.limits(most))
        otherwise = self.value if self._floor_only else np.inf
        return [(key, value) for key, value in most.items() if value >= limits.get(key, otherwise)]

    def steady_until(self, view: View, fixed: Collection[str]) -> float:
        """For ever at 0, below every limit until the history takes its next sample.

        Who is at 0 is shown always or never, as windows are, so samples there are what they would be.
        """
        highest = max((value for _, earlier in self._recent for value in earlier.values()), default=0.0)
        if highest >= self.value:
            return -math.inf
        return self._history.next if highest > 0 else math.inf
