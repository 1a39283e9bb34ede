"""What an absence means."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from alerts.expression import Series
from alerts.rule import AlertRule
from alerts.tables import Key
from alerts.techniques.absence.increase import IncreaseWindow
from alerts.view import View
from alerts.watch import Watch


@dataclass(frozen=True, slots=True)
class Activity:
    """A counter that has to grow by `least` or more within `window` seconds; it has the labels of the heartbeat."""

    counter: Series
    least: float
    window: float


class HeartbeatWatch(Watch):
    """A rule that without labels is true without a series too."""

    def __init__(self, rule: AlertRule, *, age: bool, missing: float, activity: Activity | None) -> None:
        super().__init__(rule)
        self._age, self._missing, self._activity = age, missing, activity
        self._increases = IncreaseWindow(activity.window if activity is not None else 0.0)

    def true(self, t: float, view: View) -> list[tuple[Key, float]]:
        """Whose heartbeat is bad, or missing where it has no labels; with a counter, only who had something to tell."""
        keys, values = view.vector(self.series)
        beats = dict(zip(keys, (t - values if self._age else values).tolist(), strict=True))
        if not beats and not self.series.labels:
            beats = {(): self._missing}
        if self._activity is not None:
            grown = self._grown(t, self._activity.counter, view)
            beats = {key: value for key, value in beats.items() if grown.get(key, -np.inf) >= self._activity.least}
        return [(key, value) for key, value in beats.items() if self.over(value, self.value)]

    def _grown(self, t: float, counter: Series, view: View) -> dict[Key, float]:
        """How much the counter of each member grew, as far as that is known."""
        members: dict[Key, float] = {}
        for key, grown in self._increases.observe(t, view.selected(counter)).items():
            member = key[: len(counter.labels)]
            members[member] = members.get(member, 0.0) + grown
        return members

    def steady(self, view: View, fixed: Collection[str]) -> bool:
        """Whether there is neither a heartbeat that moves nor a counter that may grow."""
        if self._activity is not None:
            return not view.has(self._activity.counter.metric) and self._increases.empty
        metric = self.series.metric
        return not view.has(metric) or (metric in fixed and not self._age)
