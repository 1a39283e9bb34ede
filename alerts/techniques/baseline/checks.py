"""Baselines that can fire, and that do not fire for nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Final

from alerts.techniques.baseline.baseline_history import HistoryRange
from alerts.techniques.baseline.criterion import history_of
from alerts.techniques.baseline.model import Baseline
from spec.checks.base import Gravity, Issue
from spec.duration import Duration
from spec.errors import Path
from spec.model import Alert, Signal, Spec

LONGER: Final = 10
"""A history is at least this many times as long as what it leaves out at its end."""
MOST_SAMPLES: Final = 10_000
"""Samples of one history: with a hundred members, a fiftieth of what Prometheus reads in one query."""


class BaselinesAreSound:
    """A baseline has a floor, members that are always there, and a history much longer than what is judged by it."""

    id: ClassVar[str] = "TOC041"
    severity: ClassVar[Gravity] = "error"

    def check(self, spec: Spec) -> Iterator[Issue]:
        """Baselines that fire at anything, or never."""
        for name, alert in spec.alerts.items():
            signal = spec.signals.get(alert.when.signal) if isinstance(alert.when, Baseline) else None
            if signal is not None and isinstance(alert.when, Baseline):
                yield from _numbers(alert.when, ("alerts", name, "when"))
                yield from _members(spec, signal, ("alerts", name, "when", "signal"))
                history = history_of(spec, alert.when, float(alert.for_))
                yield from _lengths(spec, name, alert, alert.when, history)


def _numbers(when: Baseline, path: Path) -> Iterator[Issue]:
    if not when.floor > 0:
        text = f"found {when.floor:g}, expected more than 0: over a flat history everything is unusual"
        yield Issue(text, (*path, "floor"))
    if not when.deviations >= 1:
        yield Issue(f"found {when.deviations:g}, expected 1 or more", (*path, "deviations"))


def _members(spec: Spec, signal: Signal, path: Path) -> Iterator[Issue]:
    field = spec.fields.get(signal.by)
    if field is not None and field.top:
        text = f"found a signal by {signal.by}: only its worst groups are shown, so no group has a whole history"
        yield Issue(f"{text}; expected a field with `cap` or `values`", path)
    if signal.measure == "counter":
        yield Issue("found a signal over a counter, expected a window or a gauge", path)


def _lengths(spec: Spec, name: str, alert: Alert, when: Baseline, history: HistoryRange) -> Iterator[Issue]:
    path: Path = ("alerts", name, "when")
    step = spec.settings.baseline_step
    if alert.one_shot:
        text = "found true, expected false: the alert lasts as long as the value is unusual"
        yield Issue(text, ("alerts", name, "one_shot"))
    if alert.for_ < step:
        text = f"found {alert.for_}, expected at least {step}: a limit can be that old"
        yield Issue(text, ("alerts", name, "for"))
    if when.history < LONGER * history.exclude:
        least = Duration(LONGER * history.exclude)
        text = f"found {when.history}, expected at least {least}: {LONGER} times the window and hold that are left out"
        yield Issue(text, (*path, "history"))
    if when.history > MOST_SAMPLES * step:
        text = f"found {when.history}, expected at most {Duration(MOST_SAMPLES * step)}, {MOST_SAMPLES} samples"
        yield Issue(text, (*path, "history"))
    if not history.exclude <= when.min_history <= when.history:
        text = f"found {when.min_history}, expected between {Duration(history.exclude)} and {when.history}"
        yield Issue(text, (*path, "min_history"))
