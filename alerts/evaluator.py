"""Alerts over one scrape after the other: what they mean, in code. Rules of every backend are compilations of it.

Pure: a step is a time and the tables of a scrape. Evaluations have to be in ascending order of time.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable

from alerts.rule import AlertRule
from alerts.tables import Table
from alerts.view import View
from alerts.watch import AlertInstance


class Evaluator:
    """Evaluates rules step by step."""

    def __init__(self, rules: Iterable[AlertRule]) -> None:
        self._watches = [rule.criterion.watch(rule) for rule in rules]

    def step(self, t: float, tables: Iterable[Table]) -> list[AlertInstance]:
        """The alert instances that began or ended at `t`, when a scrape saw `tables`.

        They are kept up to date until they end.

        With a look-back the compared value is the worst one of (t - lookback, t]. Where what it is compared with does
        not move, that compares true exactly as long as one of those does, so it is enough to remember the last time.
        """
        view = View(tables)
        return [instance for watch in self._watches for instance in watch.step(t, view)]

    def steady_until(self, tables: Iterable[Table], fixed: Collection[str]) -> float:
        """Up to when steps need not be taken for what they see, as long as no value rises above those of the last step.

        `tables` are those of the last step; `fixed` metrics do not even fall. -Inf: a comparison may change its result
        at any time; +Inf: none ever will. Otherwise the last step that is not after that time has to see it afresh.
        """
        view = View(tables)
        until = math.inf
        for watch in self._watches:
            until = min(until, watch.steady_until(view, fixed))
            if until == -math.inf:
                break
        return until

    @property
    def due(self) -> float:
        """When the next alert begins or ends if the comparisons of the last step go on as they are; +Inf: none does."""
        return min((watch.due for watch in self._watches), default=math.inf)
