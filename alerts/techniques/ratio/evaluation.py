"""What a ratio means."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from alerts.expression import Series
from alerts.rule import AlertRule
from alerts.view import Values, View
from alerts.watch import Watch, stands


class RatioWatch(Watch):
    """Compares the share of another series, for whom that is at least `least` and the part `least_part`."""

    def __init__(self, rule: AlertRule, denominator: Series, least: float, least_part: float = 0.0) -> None:
        super().__init__(rule)
        self._denominator = denominator
        self._least, self._least_part = least, least_part

    def compared(self, view: View) -> Values:
        """The shares."""
        over = view.vector(self.series)
        if not len(over[1]):
            return over
        keys, values = view.vector(self._denominator)
        under = dict(zip(keys, values.tolist(), strict=True))
        shares = {
            key: _share(value, under[key])
            for key, value in zip(over[0], over[1].tolist(), strict=True)
            if under.get(key, -np.inf) >= self._least and (not self._least_part or value >= self._least_part)
        }
        return list(shares), np.array(list(shares.values()), np.float64)

    def steady(self, view: View, fixed: Collection[str]) -> bool:
        """Without a part, without enough of the whole, or where neither moves."""
        over = view.vector(self.series)[1]
        if not len(over) or all(stands(series, view, fixed) for series in (self.series, self._denominator)):
            return True
        enough = (view.vector(self._denominator)[1] >= self._least).any()
        return not enough or (not over.any() and not self.over(0.0, self.value))


def _share(over: float, under: float) -> float:
    if under:
        return over / under
    return np.inf if over else np.nan  # as everywhere but in Python
