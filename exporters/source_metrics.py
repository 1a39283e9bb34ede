"""The sources of an exporter as counters and gauges: what was read, what was lost, how far behind reading is."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np

from events.hook import DROPS, UNREPORTED, HookFormat
from exporters.metric_table import Table
from exporters.quarantine import fault_of
from exporters.reject_log import RejectLog
from exporters.signals.state import SignalState
from exporters.sources import Report, Source, Status
from exporters.sources.hook_health import STATES
from runtime.text import one_line
from spec.model import HealthMetric

log = logging.getLogger("tocsin")

_GAUGES: Final = (
    "tocsin_source_up",
    "tocsin_unread_bytes",
    "tocsin_newest_event_timestamp_seconds",
    "tocsin_feed_lag_seconds",
    "tocsin_feed_recent_gaps",
)
_SPOOL: Final = "tocsin_spool_bytes"
_WAITING: Final = "tocsin_files_waiting"
_WRITERS: Final = "tocsin_hook_writers"
_HOOK_GAUGES: Final = (
    "tocsin_hook_unhealthy_writers",
    "tocsin_hook_queue_bytes",
    "tocsin_hook_report_age_seconds",
)
_UNREPORTED: Final = "tocsin_hook_unreported_fields"
_NOT_YET: Final = ("", "not looked yet")  # reasons of a source that has only just begun
_SHOWN: Final = 300  # characters of a reason in our log
_GIVEN: Final = "records"  # among the numbers of a writer, beside its reasons to drop some
_LOST: Final = "content_lost"  # the same
_SHED: Final = "shed:"  # the same, before each part


class Feeds:
    """Watches the status of sources; their counters start at 0 with each process and are added up in the state."""

    def __init__(self, sources: Mapping[str, Source], state: SignalState) -> None:
        self._sources = sources
        self._state = state
        self._before = {name: Status(name) for name in sources}
        self._kept = dict(self._before)
        self._rejects = RejectLog(lambda _source, _file: "")
        self._failing: set[tuple[str, str]] = set()

    def kept(self) -> None:
        """What was counted so far is saved for good."""
        self._kept = dict(self._before)

    def count_into(self, state: SignalState) -> None:
        """Count into `state` from now on, which knows what was counted so far."""
        self._state = state

    def go_back(self, state: SignalState) -> None:
        """Count into `state` from now on, which knows what was last `kept`."""
        self._state = state
        self._before = dict(self._kept)

    def count(self, now: float) -> None:
        """Add what sources have counted since the last time. A source that fails at it does not stop the others."""
        for name, source in self._sources.items():
            try:
                self._count(name, source, now)
            except Exception as error:
                self.failed(name, "counted", error)
            else:
                self.worked(name, "counted")

    def failed(self, name: str, what: str, error: Exception) -> None:
        """A source itself could not be `what` (``read``, ``counted``), for a reason that is no record's."""
        self._state.health.add("tocsin_reading_failures_total", (name,))
        if (name, what) not in self._failing:
            fault = fault_of("", error)
            log.error("source %s cannot be %s: %s at %s", name, what, fault.error, fault.place)
            self._failing.add((name, what))

    def worked(self, name: str, what: str) -> None:
        """It could be."""
        if self._failing:
            self._failing.discard((name, what))

    def _count(self, name: str, source: Source, now: float) -> None:
        status, before = source.status(), self._before[name]
        self._before[name] = status
        self._grown("tocsin_bytes_lost_total", (name,), status.bytes_lost, before.bytes_lost)
        for metric, counts, earlier in (
            ("tocsin_rotations_total", status.rotations, before.rotations),
            ("tocsin_http_requests_total", status.answers, before.answers),
            ("tocsin_http_refused_total", status.refused, before.refused),
            ("tocsin_hook_reports_refused_total", status.reports_refused, before.reports_refused),
        ):
            for kind, count in counts.items():
                self._grown(metric, (name, kind), count, earlier.get(kind, 0))
        if (skipped := status.lines_too_long - before.lines_too_long) > 0:
            self._state.reject(name, "too_long", skipped, now=now)
            self._rejects.skipped(name, skipped, status.too_long_at)
        if status.hook is not None and status.writers is not None and status.writers is not before.writers:
            self._count_reported(name, status.hook, status.writers)
        self._count_gaps(name, status, now)
        _log_change(status, before)

    def _grown(self, metric: str, labels: tuple[str, ...], count: int, before: int) -> None:
        self._state.health.add(metric, labels, max(0, count - before))

    def _count_reported(self, name: str, hook: HookFormat, writers: Sequence[Report]) -> None:
        """What writers were given, have dropped and left out; the log cannot tell when it cannot be written."""
        fresh = self._state.sequence_gaps.deltas.new(name, ((report.writer, _numbers(report)) for report in writers))
        self._state.health.add("tocsin_hook_records_total", (name,), fresh.pop(_GIVEN, 0))
        self._state.health.add("tocsin_hook_content_lost_total", (name,), fresh[_LOST])
        for reason in DROPS:
            self._state.health.add("tocsin_hook_records_dropped_total", (name, reason), fresh[reason])
        for part in hook.parts:
            self._state.health.add("tocsin_hook_records_shed_total", (name, part), fresh[_SHED + part])

    def _count_gaps(self, name: str, status: Status, now: float) -> None:
        sequence_gaps, health = self._state.sequence_gaps, self._state.health
        gaps, lost = sequence_gaps.gaps[name], sequence_gaps.lost[name]
        sequence_gaps.settle(name, now, idle=status.unread_bytes <= status.partial_bytes)
        health.add("tocsin_feed_gaps_total", (name,), sequence_gaps.gaps[name] - gaps)
        health.add("tocsin_feed_records_lost_total", (name,), sequence_gaps.lost[name] - lost)

    def tables(self, now: float) -> Iterator[Table]:
        """The gauges of every source, as of the last `count`."""
        metrics: Mapping[str, HealthMetric] = self._state.spec.health
        keys = [(name,) for name in self._sources]
        rows = np.array([self._gauges(name, now) for name in self._sources], np.float64).reshape(-1, len(_GAUGES))
        for place, metric in enumerate(_GAUGES):
            yield Table(metric, "gauge", metrics[metric].help, ("source",), keys, rows[:, place])

        spools = {name: status.spool_bytes for name, status in self._before.items() if status.spool_bytes is not None}
        sizes = np.array(list(spools.values()), np.float64)
        yield Table(_SPOOL, "gauge", metrics[_SPOOL].help, ("source",), [(name,) for name in spools], sizes)

        waiting = {name: found for name, status in self._before.items() if (found := status.files_waiting) is not None}
        counts = np.array(list(waiting.values()), np.float64)
        yield Table(_WAITING, "gauge", metrics[_WAITING].help, ("source",), [(name,) for name in waiting], counts)
        yield from self._hook_tables(metrics)

    def _hook_tables(self, metrics: Mapping[str, HealthMetric]) -> Iterator[Table]:
        writers = {name: status.writers for name, status in self._before.items() if status.writers is not None}
        states = [Counter(report.state for report in reports) for reports in writers.values()]
        keys = [(name, state) for name in writers for state in STATES]
        counts = np.array([[found[state] for state in STATES] for found in states], np.float64).ravel()
        yield Table(_WRITERS, "gauge", metrics[_WRITERS].help, ("source", "state"), keys, counts)

        keys = [(name, what) for name in writers for what in UNREPORTED]
        blind = [
            sum(what in report.unreported for report in reports) for reports in writers.values() for what in UNREPORTED
        ]
        yield Table(
            _UNREPORTED, "gauge", metrics[_UNREPORTED].help, ("source", "field"), keys, np.array(blind, np.float64)
        )

        rows = np.array([_of_hook(reports) for reports in writers.values()], np.float64).reshape(-1, len(_HOOK_GAUGES))
        names = [(name,) for name in writers]
        for place, metric in enumerate(_HOOK_GAUGES):
            yield Table(metric, "gauge", metrics[metric].help, ("source",), names, rows[:, place])

    def _gauges(self, name: str, now: float) -> tuple[float, ...]:
        status, newest = self._before[name], self._state.newest.get(name, 0.0)
        waiting = status.unread_bytes - status.partial_bytes
        lag = now - newest if waiting > 0 and newest else 0.0
        gaps = self._state.sequence_gaps.recent(name, now)
        return float(status.up), float(status.unread_bytes), newest, max(0.0, lag), float(gaps)


def _log_change(status: Status, before: Status) -> None:
    """Say in the log, once, why a source cannot be read, and that it can be again; and that many files are met.

    One that is posted to says so itself.
    """
    if skipped := status.bytes_before_start - before.bytes_before_start:
        text = "source %s: skipped %d bytes that were there before the first start, because of `start_at: end`"
        log.info(text, status.source, skipped)
    if status.files_waiting and not before.files_waiting:
        log.info("source %s: %d new files, opening a few at a time", status.source, status.files_waiting)
    elif before.files_waiting and not status.files_waiting:
        log.info("source %s: all new files are open", status.source)
    if status.spool_bytes is not None or status.reason == before.reason:
        return
    if status.reason not in _NOT_YET:
        # A reason names files, whose names others choose.
        log.warning("source %s cannot be read: %s", status.source, one_line(status.reason, _SHOWN))
    elif status.up and before.reason not in _NOT_YET:
        log.info("source %s is read again", status.source)


def _numbers(report: Report) -> dict[str, int]:
    """What a writer counts."""
    shed = {_SHED + part: count for part, count in report.shed.items()}
    return {_GIVEN: report.records or 0, _LOST: report.content_lost, **report.dropped, **shed}


def _of_hook(reports: Sequence[Report]) -> tuple[float, ...]:
    """What `_HOOK_GAUGES` say of all writers of a source."""
    troubled = sum(report.troubled for report in reports)
    queued = sum(report.queue_bytes for report in reports)
    age = max((report.age for report in reports if report.lives), default=0.0)
    return float(troubled), float(queued), age
