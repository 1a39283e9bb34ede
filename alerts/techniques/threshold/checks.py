"""Values that are neither always nor never true."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from alerts.techniques.threshold.model import Threshold
from spec.checks.base import Gravity, Issue
from spec.errors import Path
from spec.lookup import main_signal, own_stream
from spec.model import Spec


class ThresholdsPositive:
    """Thresholds are above 0; only a gauge of health may be compared downwards."""

    id: ClassVar[str] = "TOC012"
    severity: ClassVar[Gravity] = "error"

    def check(self, spec: Spec) -> Iterator[Issue]:
        """Thresholds that are always or never true."""
        for name, alert in spec.alerts.items():
            when, path = alert.when, ("alerts", name, "when")
            if not isinstance(when, Threshold):
                continue
            yield from above_zero(when.value, path)
            signal = main_signal(spec, alert)
            if signal and own_stream(signal) and when.op in ("<", "<="):
                text = "a quiet group has no series, so it can never be below"
                yield Issue(f"found {when.op!r}, expected '>=' or '>' on a window: {text}", (*path, "op"))


def above_zero(value: float, path: Path) -> Iterator[Issue]:
    """A value that is not above 0, or is not a number."""
    if not value > 0:
        yield Issue(f"found {value:g}, expected more than 0", (*path, "value"))
