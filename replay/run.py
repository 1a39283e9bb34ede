"""Recorded logs in simulated time: fed, scraped and evaluated as a live exporter and a Prometheus would, at every step.

A step is a scrape interval long, and steps fall on its multiples. What became known since the step before is fed, then
a scrape is read, then the alerts are evaluated on it. What only a running exporter or a Prometheus can measure is taken
as healthy.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from exporters.batch import EventBatch
from exporters.config import ExporterConfig, SourceConfig
from exporters.detect import user_cache
from exporters.engine import Engine
from exporters.run import engine_of
from exporters.samples import Table
from replay.evaluate import Episode, Evaluator
from replay.read import Feed, Log
from spec import AlertRule, Spec, compile_alerts

Progress = Callable[[float], None]
"""Is told which part of the logs is done, from 0 to 1."""
Watcher = Callable[[float, Sequence[Table]], None]
"""Is shown what the alerts look at, at each step that is taken; between two of them nothing changes."""

SOURCE: Final = "log"
"""The name of the one source that all logs are: a record that stands in two of them counts once."""
_SETTLED: Final = 4
"""Steps after which a scrape without new records has nothing held back: counters are held for two, peaks for three."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a replay found. Times are Unix seconds of the first and last step, None when no record had a time.

    `events` are attempts without duplicates, `rejected` records that could not be read, `blocked` attempts that a
    guardrail blocked; `episodes` are in order of time.
    """

    events: int
    rejected: int
    blocked: int
    episodes: tuple[Episode, ...]
    start: float | None = None
    end: float | None = None


def replay_engine(
    spec: Spec,
    *,
    gateway: str = "litellm",
    rules: Sequence[Path] = (),
    canaries: Path | None = None,
    shared_keys: Sequence[str] = (),
    trust_client_address: bool = False,
    scan_content: bool = True,
) -> Engine:
    """The engine that an exporter with this configuration would run; see `exporters.config`.

    Raises:
        UnknownGatewayError: there is no such gateway.
        SpecError: the content rules cannot be used.
        OSError: the file of canaries cannot be read.
    """
    source = SourceConfig(
        gateway=gateway, paths=(), shared_keys=tuple(shared_keys), trust_client_address=trust_client_address
    )
    config = ExporterConfig(
        state_folder=Path(),
        sources={SOURCE: source},
        rules=tuple(rules),
        canaries_file=canaries,
        scan_content=scan_content,
    )
    return engine_of(config, spec, cache=user_cache() / "rules")


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

    It ends with the last record, or with `until_quiet` when no alert can change any more. With `leap`, stretches in
    which nothing can change are stepped over; the outcome is the same.

    Raises:
        LogError: a log cannot be read.
    """
    return _Replay(engine, logs, progress, watcher).run(until_quiet=until_quiet, leap=leap)


class _Replay:
    def __init__(
        self, engine: Engine, logs: Sequence[Path], progress: Progress | None, watcher: Watcher | None
    ) -> None:
        self._engine = engine
        self._interval = float(engine.state.spec.settings.scrape_interval)
        rules = compile_alerts(engine.state.spec)
        self._evaluator = Evaluator(rules)
        self._counters = read_by(rules)
        self._logs = [Log(path) for path in logs]
        self._feeds = [Feed(log, lambda data: engine.decode(SOURCE, data)) for log in self._logs]
        self._progress = progress
        self._watcher = watcher
        self._healthy = healthy(engine, (SOURCE,))
        self._events = self._rejected = self._blocked = 0
        self._episodes: list[Episode] = []

    def run(self, *, until_quiet: bool, leap: bool) -> Outcome:
        self._feed(-math.inf)
        if self._next == math.inf:
            return Outcome(self._events, self._rejected, self._blocked, ())
        first = step = math.ceil(self._next / self._interval)
        tables: list[Table] = []
        steady, unfed = False, 0
        while True:
            now = step * self._interval
            if self._feed(now):
                steady, unfed = False, 0
            else:
                unfed += 1
            # The last steps before a record are taken in any case, so that the scrape that sees it is an ordinary one.
            steps_left = math.ceil(self._next / self._interval) - step if self._next < math.inf else math.inf
            if not (leap and steady and steps_left > _SETTLED):
                tables = [*self._engine.state.watch(now, self._counters), *self._healthy]
                if self._watcher is not None:
                    self._watcher(now, tables)
                steady = unfed >= _SETTLED and self._evaluator.steady(tables, _HEALTHY.keys())
            self._episodes += [episode for episode in self._evaluator.step(now, tables) if episode.resolved_at is None]
            over = self._next == math.inf
            if over and (not until_quiet or (steady and self._evaluator.settled)):
                break
            step += 1
            if leap and steady and self._evaluator.settled and steps_left > _SETTLED:
                step = max(step, step - 1 + int(steps_left) - _SETTLED)
        return Outcome(
            self._events,
            self._rejected,
            self._blocked,
            tuple(self._episodes),
            first * self._interval,
            step * self._interval,
        )

    @property
    def _next(self) -> float:
        return min((feed.next for feed in self._feeds), default=math.inf)

    def _feed(self, now: float) -> bool:
        """Count what became known up to `now`; whether there was anything."""
        if self._next > now:
            return False
        parts = [part for feed in self._feeds for part in feed.until(now)]
        self._rejected += sum(len(part.rejects) for part in parts)
        if now > -math.inf:
            fresh = self._engine.take(EventBatch.joined(parts), now=now)
            self._events += fresh.size
            self._blocked += sum(verdict == "block" for verdict in fresh.objects("verdict")) if fresh.size else 0
        if self._progress is not None:
            size = sum(log.size for log in self._logs)
            self._progress(sum(log.done for log in self._logs) / size if size else 0.0)
        return True


def read_by(rules: Iterable[AlertRule]) -> frozenset[str]:
    """The metrics that alerts look at."""
    read = (series.metric for rule in rules for series in (rule.series, rule.denominator) if series is not None)
    return frozenset(read)


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
