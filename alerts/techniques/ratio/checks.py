"""Ratios that divide what belongs together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from alerts.techniques.ratio.model import Ratio
from alerts.techniques.threshold.checks import above_zero
from spec.checks.base import Gravity, Issue
from spec.model import Spec


class RatiosAreSound:
    """A ratio divides signals of the same group, where the denominator is large enough; its value is a share."""

    id: ClassVar[str] = "TOC010"
    severity: ClassVar[Gravity] = "error"

    def check(self, spec: Spec) -> Iterator[Issue]:
        """Ratios of nothing, of different things, or that are always or never true."""
        for name, alert in spec.alerts.items():
            when, path = alert.when, ("alerts", name, "when")
            if not isinstance(when, Ratio):
                continue
            if not when.min_denominator > 0:
                text = f"found {when.min_denominator:g}, expected more than 0: 1 of 1 is no failure rate"
                yield Issue(text, (*path, "min_denominator"))
            over, under = spec.signals.get(when.numerator), spec.signals.get(when.denominator)
            if over and under and over.by != under.by:
                text = f"found a signal by {under.by or 'nothing'!r}, expected by {over.by or 'nothing'!r}"
                yield Issue(f"{text}, as the numerator", (*path, "denominator"))
            if over and under and over.window != under.window:
                text = f"found a window of {under.window}, expected {over.window}, as the numerator"
                yield Issue(text, (*path, "denominator"))
            yield from above_zero(when.value, path)
            if when.value > 1:
                yield Issue(f"found {when.value:g}, expected a share, at most 1", (*path, "value"))
