"""Recorded logs in simulated time: fed, scraped and evaluated as a live exporter and a Prometheus would, at every step.

A step is a scrape interval long, and steps fall on its multiples. What became known since the step before is fed, then
a scrape is read, then the alerts are evaluated on it. What only a running exporter or a Prometheus can measure is taken
as healthy.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

import numpy as np

from alerts import AlertInstance, AlertRule, Evaluator, compile_alerts
from alerts.blind import unable
from events.batch import EventBatch, Fault
from events.coverage import Coverage
from exporters.assembly import engine_of, rules_cache
from exporters.engine import CountingError, Engine
from exporters.metric_table import Table
from exporters.quarantine import fault_of
from exporters.view import PrometheusView
from replay.coverage import Covered
from replay.log_options import PLAIN, LogOptions
from replay.log_reader import SOURCE, Feed, Log
from spec import Spec

Progress = Callable[[float], None]
"""Is told which part of the logs is done, from 0 to 1."""

_SETTLED: Final = 4
"""Steps after which a scrape without new records has nothing held back: counters are held for two, peaks for three."""
_INSTANT: Final = 1e-6  # seconds; scaled durations are no whole numbers


class Watcher(Protocol):
    """Is shown what the alerts look at, at each step that is taken; between two of them values may only fall."""

    def __call__(self, now: float, tables: Sequence[Table]) -> None:
        """Take in the scrape at `now`, in Unix seconds."""
        ...

    @property
    def due(self) -> float:
        """When it wants to see the next one although nothing was recorded; +Inf: it need not."""
        ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a replay found. Times are Unix seconds of the first and last step, None when no record had a time.

    `events` are attempts without duplicates, `rejected` records that could not be read, `blocked` attempts that a
    guardrail blocked; `instances` are in order of time. `faults` are records whose reading or counting failed.
    `covered` says what all this is worth.
    """

    events: int
    rejected: int
    blocked: int
    instances: tuple[AlertInstance, ...]
    start: float | None = None
    end: float | None = None
    faults: tuple[Fault, ...] = ()
    covered: Covered = field(default_factory=lambda: Covered(Coverage(), (), 0), compare=False)


def replay_engine(
    spec: Spec, about: LogOptions = PLAIN, *, compiling: Callable[[int], None] = lambda _rules: None
) -> Engine:
    """The engine that an exporter of such logs would run; `compiling` is as of `engine_of`.

    Raises:
        UnknownGatewayError: there is no such gateway.
        SpecError: the mapping or the content rules cannot be used.
        OSError: the file of canaries cannot be read.
    """
    columns = frozenset(("tool_calls",))
    return engine_of(about.config(SOURCE), spec, cache=rules_cache(), columns=columns, compiling=compiling)


def replay(
    engine: Engine,
    logs: Sequence[Path],
    *,
    until_quiet: bool = False,
    leap: bool = True,
    progress: Progress | None = None,
    watcher: Watcher | None = None,
) -> Outcome:
    """Run `logs` through an engine made by `replay_engine`, which is used up by it.

    It ends with the last record, or with `until_quiet` when no alert can change any more. With `leap`, steps that can
    change nothing are left out: the next one is that of a record, of a sample that a baseline keeps, or of an alert
    that begins or ends by the clock. The outcome is the same.

    Raises:
        LogError: a log cannot be read.
    """
    return _Replay(engine, logs, progress, watcher).run(until_quiet=until_quiet, leap=leap)


class _Replay:
    def __init__(
        self, engine: Engine, logs: Sequence[Path], progress: Progress | None, watcher: Watcher | None
    ) -> None:
        self._engine = engine
        self._view = PrometheusView(engine.state)
        self._interval = float(engine.state.spec.settings.scrape_interval)
        self._rules = rules = compile_alerts(engine.state.spec)
        self._evaluator = Evaluator(rules)
        self._counters = read_by(rules)
        self._coverage = engine.coverage(SOURCE)
        self._logs = [Log(path) for path in logs]
        self._feeds = [Feed(log, engine.decode) for log in self._logs]
        self._progress = progress
        self._watcher = watcher
        self._healthy = healthy(engine, (SOURCE,))
        self._events = self._rejected = self._blocked = 0
        self._instances: list[AlertInstance] = []
        self._faults: list[Fault] = []

    def run(self, *, until_quiet: bool, leap: bool) -> Outcome:
        self._feed(-math.inf)
        if self._next == math.inf:
            return Outcome(
                self._events, self._rejected, self._blocked, (), faults=tuple(self._faults), covered=self._covered(0.0)
            )
        first = step = math.ceil(self._next / self._interval)
        tables: list[Table] = []
        unfed, steady = 0, -math.inf
        while True:
            now = step * self._interval
            unfed = 0 if self._feed(now) else unfed + 1
            # The last steps before a record are taken in any case, so that the scrape that sees it is an ordinary one.
            coming = math.ceil(self._next / self._interval) - _SETTLED if self._next < math.inf else math.inf
            known = leap and unfed and step < min(coming, self._unseen(steady))
            if not known:
                tables = self._scrape(now)
            self._instances += [
                instance for instance in self._evaluator.step(now, tables) if instance.resolved_at is None
            ]
            if not known:
                steady = self._evaluator.steady_until(tables, _HEALTHY.keys()) if unfed >= _SETTLED else -math.inf
            if coming == math.inf:
                if not until_quiet or (steady == math.inf and self._evaluator.due == math.inf):
                    break
                if steady < math.inf:  # so that it ends at the very step from which on nothing changes
                    steady = -math.inf
            step += 1
            if leap:
                target = min(coming, self._unseen(steady), self._step_of(self._evaluator.due - 2 * _INSTANT))
                step = int(target) if target > step else step
        if known:
            self._scrape(now)  # a watcher sees how it ended
        return Outcome(
            self._events,
            self._rejected,
            self._blocked,
            tuple(self._instances),
            first * self._interval,
            step * self._interval,
            tuple(self._faults),
            self._covered((step - first) * self._interval),
        )

    def _covered(self, span: float) -> Covered:
        """What was looked at, over `span` seconds."""
        for feed in self._feeds:
            feed.coverage.add_to(self._coverage)
        spec = self._engine.state.spec
        return Covered(self._coverage, tuple(unable(spec, self._rules, self._coverage, span)), len(spec.alerts))

    def _scrape(self, now: float) -> list[Table]:
        self._engine.state.advance(now)
        tables = [*self._view.scrape_alerts(now, self._counters), *self._healthy]
        if self._watcher is not None:
            self._watcher(now, tables)
        return tables

    def _unseen(self, steady: float) -> float:
        """The step up to which nobody has to see a scrape, when nothing changes up to the time `steady`."""
        due = math.inf if self._watcher is None else self._watcher.due
        return self._step_of(min(steady, due) + _INSTANT)

    def _step_of(self, time: float) -> float:
        """The last step that is not after a time."""
        return time if math.isinf(time) else math.floor(time / self._interval)

    @property
    def _next(self) -> float:
        return min((feed.next for feed in self._feeds), default=math.inf)

    def _feed(self, now: float) -> bool:
        """Count what became known up to `now`; whether there was anything."""
        if self._next > now:
            return False
        parts = [part for feed in self._feeds for part in feed.until(now)]
        self._rejected += sum(len(part.rejects) for part in parts)
        self._faults += [fault for part in parts for fault in part.faults]
        if now > -math.inf:
            self._take(EventBatch.joined(parts), now)
        if self._progress is not None:
            size = sum(log.size for log in self._logs)
            self._progress(sum(log.done for log in self._logs) / size if size else 0.0)
        return True

    def _take(self, batch: EventBatch, now: float) -> None:
        known = len(batch.faults)
        try:
            fresh = self._engine.take(batch, now=now)
        except CountingError as error:
            self._faults.append(fault_of("count", error.__cause__ or error))
            return
        self._faults += fresh.faults[known:]
        self._coverage.take(fresh, duplicates=batch.size - fresh.size)
        self._events += fresh.size
        self._blocked += sum(verdict == "block" for verdict in fresh.objects("verdict")) if fresh.size else 0


def read_by(rules: Iterable[AlertRule]) -> frozenset[str]:
    """The metrics that alerts compare.

    Counters that only say whether there was anything to tell are left out: what somebody else counts, such as a hook
    inside a gateway, nobody counts in a replay.
    """
    readings = (read for rule in rules for read in rule.criterion.readings)
    return frozenset(read.series.metric for read in readings if read.kind != "counter")


_HEALTHY: Final = {
    "up": 1.0,
    "tocsin_source_up": 1.0,
    "tocsin_feed_lag_seconds": 0.0,
    "tocsin_feed_recent_gaps": 0.0,
    "tocsin_unread_bytes": 0.0,
    "tocsin_snapshot_age_seconds": 0.0,
}
"""What a running exporter and its Prometheus would say of themselves if nothing is wrong with them."""


def healthy(engine: Engine, sources: Sequence[str]) -> list[Table]:
    """What a scrape sees of an exporter and its `sources` when nothing is wrong with them."""
    health = engine.state.spec.health
    tables = [Table("up", "gauge", "", ("job",), [("tocsin",)], np.ones(1))]
    for name, value in _HEALTHY.items():
        if name in health:
            keys = [(source,) for source in sources] if health[name].labels else [()]
            values = np.full(len(keys), value)
            tables.append(Table(name, "gauge", health[name].help, health[name].labels, keys, values))
    return tables
