"""Absences that cannot take a quiet night for a broken sensor."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from alerts.techniques.absence.model import Absence
from spec import names
from spec.checks.base import Gravity, Issue
from spec.errors import Path
from spec.lookup import own_stream
from spec.model import Signal, Spec


class AbsenceIsOfHeartbeats:
    """An absence is that of a heartbeat, which beats also when nothing happens; an old one needs `while_counter`."""

    id: ClassVar[str] = "TOC042"
    severity: ClassVar[Gravity] = "error"

    def check(self, spec: Spec) -> Iterator[Issue]:
        """Absences that cannot tell quiet from broken."""
        for name, alert in spec.alerts.items():
            when, path = alert.when, ("alerts", name, "when")
            if not isinstance(when, Absence):
                continue
            yield from _heartbeat(spec.signals.get(when.signal), when, (*path, "signal"))
            if bool(when.older_than) == bool(when.below):
                yield Issue("expected one of `below` and `older_than`", path)
            elif not when.below >= 0:
                yield Issue(f"found {when.below:g}, expected more than 0", (*path, "below"))
            yield from _activity(spec, when, path)
            if alert.one_shot:
                text = "found true, expected false: a missing heartbeat lasts until it returns"
                yield Issue(text, ("alerts", name, "one_shot"))
            if not alert.for_:
                text = "found 0s, expected a duration: a restart also causes a short gap"
                yield Issue(text, ("alerts", name, "for"))


def _heartbeat(signal: Signal | None, when: Absence, path: Path) -> Iterator[Issue]:
    if signal is None:
        return
    if own_stream(signal):
        text = "found a signal over events, expected a health gauge: without traffic such a signal is absent too"
        yield Issue(text, path)
    elif signal.measure == "counter":
        yield Issue("found a counter, expected a gauge", path)
    if signal.by and not when.while_counter:
        text = f"found a signal by {signal.by}, expected one without groups: an absent group has no name"
        yield Issue(f"{text}. For groups that exist, use a threshold with `op: <`", path)


def _activity(spec: Spec, when: Absence, path: Path) -> Iterator[Issue]:
    counter = spec.signals.get(when.while_counter)
    if when.older_than and not when.while_counter:
        text = "found nothing, expected a counter that Tocsin does not keep: an old heartbeat may be a quiet night"
        yield Issue(text, (*path, "while_counter"))
    if when.while_counter and not when.older_than:
        yield Issue("found a counter, expected it only with `older_than`", (*path, "while_counter"))
    if counter is not None and not _by_others(counter):
        text = f"expected a signal that measures a `counter`, of the stream `external` or over {names.HOOK_PREFIX}*"
        yield Issue(f"{text}: Tocsin's own counters stop when it stops", (*path, "while_counter"))
    signal = spec.signals.get(when.signal)
    if counter is not None and signal is not None and counter.by != signal.by:
        text = f"found a signal by {counter.by or 'nothing'}, expected by {signal.by or 'nothing'}, like the heartbeat"
        yield Issue(text, (*path, "while_counter"))
    if when.while_counter and not when.min_increase >= 1:
        yield Issue(f"found {when.min_increase:g}, expected 1 or more", (*path, "min_increase"))


def _by_others(signal: Signal) -> bool:
    """Whether it is a counter that goes on when Tocsin receives nothing."""
    return signal.measure == "counter" and (signal.stream == "external" or signal.metric.startswith(names.HOOK_PREFIX))
