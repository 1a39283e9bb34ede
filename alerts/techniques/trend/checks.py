"""Trends that have enough values, and do not look further than these reach."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Final

from alerts.techniques.trend.model import Trend
from spec.checks.base import Gravity, Issue
from spec.duration import Duration
from spec.errors import Path
from spec.model import Spec

FEWEST: Final = 5
FURTHEST: Final = 10
"""Times its window that a forecast looks ahead."""
MOST_SAMPLES: Final = 10_000
"""Values of one line: with a hundred groups, a fiftieth of what Prometheus reads in one query."""


class TrendsAreSound:
    """A trend has enough values for a line, and looks ahead at most ten times as far as it looks back."""

    id: ClassVar[str] = "TOC044"
    severity: ClassVar[Gravity] = "error"

    def check(self, spec: Spec) -> Iterator[Issue]:
        """Trends that are noise, or that never fire."""
        interval = float(spec.settings.evaluation_interval)
        for name, alert in spec.alerts.items():
            when, path = alert.when, ("alerts", name, "when")
            if not isinstance(when, Trend):
                continue
            yield from _values(when, interval, path)
            if not 0 < when.ahead <= FURTHEST * when.window:
                most = Duration(FURTHEST * when.window)
                yield Issue(f"found {when.ahead}, expected more than 0 and at most {most}", (*path, "ahead"))
            if alert.one_shot:
                text = "found true, expected false: a forecast changes with each new value"
                yield Issue(text, ("alerts", name, "one_shot"))
            signal, by = spec.signals.get(when.signal), ""
            by = signal.by if signal is not None else ""
            if by in spec.fields and spec.fields[by].top:
                text = f"found a signal by {by}. Only its worst groups are shown, so no group has a whole course"
                yield Issue(f"{text}; expected a field with `cap` or `values`", (*path, "signal"))


def _values(when: Trend, interval: float, path: Path) -> Iterator[Issue]:
    if when.min_samples < FEWEST:
        text = f"found {when.min_samples}, expected {FEWEST} or more: a line through two values is noise"
        yield Issue(text, (*path, "min_samples"))
    if when.window < when.min_samples * interval:
        least = Duration(when.min_samples * interval)
        text = f"found {when.window}, expected at least {least}: {when.min_samples} evaluations"
        yield Issue(text, (*path, "window"))
    if when.window > MOST_SAMPLES * interval:
        text = f"found {when.window}, expected at most {Duration(MOST_SAMPLES * interval)}, {MOST_SAMPLES} values"
        yield Issue(text, (*path, "window"))
