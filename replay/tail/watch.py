"""Sources of an exporter followed by its engine without its state: new attempts, and what alerts do.

Nothing is written, and no position of an exporter is read, so this runs beside one.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np

from alerts import AlertInstance, Evaluator, compile_alerts
from alerts.blind import unable
from events.batch import Detection, EventBatch, Fault
from exporters.assembly import engine_of, rules_cache
from exporters.config import ExporterConfig, SourceConfig
from exporters.engine import CountingError, Engine
from exporters.pseudonyms import Pseudonyms, key_file
from exporters.quarantine import fault_of
from exporters.sources import Chunk, Source
from exporters.sources.file import FileTail
from exporters.sources.spool import folder_of
from exporters.view import PrometheusView
from replay.coverage import Covered
from replay.run import healthy, read_by
from replay.tail.spool import SpoolTail
from runtime.errors import TocsinError
from spec import Spec

NUMBERS: Final = ("time", "duration", "input_tokens", "output_tokens", "cost_usd")
WORDS: Final = ("outcome", "error_class", "tenant", "actor", "model", "operation", "verdict")
BUDGET: Final = 1024 * 1024
"""Bytes that are read between two looks at the clock."""
MOMENTS: Final = 2_000
"""Evaluations, about, for what was there before the start: alerts of the past have the time of the log, but it is not
evaluated more often than that."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt. `numbers` has the known ones of `NUMBERS`, `words` all of `WORDS` (None: unknown).

    `name` is what the account is called in metrics; None: nobody's. `describe` makes the flat record, and works only
    until the next attempt is asked for.
    """

    numbers: Mapping[str, float]
    words: Mapping[str, str | None]
    name: str | None
    detections: tuple[Detection, ...]
    describe: Callable[[], dict[str, object]]

    @property
    def time(self) -> float:
        """When it ended, in Unix seconds."""
        return self.numbers["time"]


class FollowError(TocsinError):
    """A configuration cannot be followed from outside of its exporter; the text says what to do."""


def namer(config: ExporterConfig) -> Callable[[str], str]:
    """What makes of an account the label that the exporter of this configuration gives it.

    Raises:
        FollowError: its key cannot be read.
    """
    if not config.pseudonyms:
        return str
    path = key_file(config.state_folder)
    try:
        return Pseudonyms(path.read_bytes())
    except OSError as error:
        text = f"{path}: cannot be read: {error.strerror}. The exporter makes it at its first start"
        raise FollowError(f"{text}; to see the ids of accounts instead, add --accounts") from error


class Watch:
    """Follows the sources of a configuration. `close` gives their files back.

    `since` in Unix seconds: what ended before is passed over; None: what was there before the start is.

    Raises:
        SpecError: the content rules cannot be used.
        OSError: the file of canaries cannot be read.
    """

    def __init__(
        self, config: ExporterConfig, spec: Spec, *, since: float | None, name_of: Callable[[str], str], now: float
    ) -> None:
        self._engine: Engine = engine_of(
            config,
            spec,
            cache=rules_cache(),
            name_of=name_of,
            columns=frozenset((*NUMBERS, *WORDS, "tool_calls")),
        )
        self._view = PrometheusView(self._engine.state)
        self._name_of = name_of
        self._since = since
        self._sources = {
            name: _follow(name, source, config.state_folder, start_at="end" if since is None else "beginning")
            for name, source in config.sources.items()
        }
        self._spec = spec
        self._rules = rules = compile_alerts(spec)
        self._begun = now
        self._coverage = {name: self._engine.coverage(name) for name in self._sources}
        self._evaluator = Evaluator(rules)
        self._read = read_by(rules)
        self._healthy = healthy(self._engine, tuple(self._sources))
        self._interval = float(spec.settings.scrape_interval)
        self._step = math.floor(now / self._interval) if since is None else -1
        self._pace = 0.0  # seconds between evaluations of the past; 0: nothing was read yet
        self._live = since is None
        self._rejects: dict[str, Counter[str]] = {name: Counter() for name in self._sources}
        self._said: dict[str, str] = {}
        self._faults: list[Fault] = []
        self._posts = [name for name, source in config.sources.items() if source.type == "http" and since is not None]

    def news(self, now: float) -> Iterator[Attempt | AlertInstance]:
        """The attempts that are new, a megabyte or so of them, and the alerts that begin or end.

        Attempts are counted when they are given out. What was there before the start is evaluated at its own time.
        """
        any_read = False
        for name, source in self._sources.items():
            for chunk in source.read(BUDGET, now=now):
                any_read = True
                batch = self._engine.decode(chunk)
                self._note_rejects(name, source, chunk, batch)
                if self._since is not None and self._since > -math.inf:
                    batch = batch.rows(np.flatnonzero(batch.numbers("time") >= self._since).tolist())
                if self._live or not batch.size:
                    yield from self._seen(name, batch, now)
                else:
                    yield from self._past(name, batch, now)
        if not self._live and not any_read:
            self._live = True
            yield from self._pass(now, now)
        if self._live:
            yield from self._alerts(now)

    def _seen(self, name: str, batch: EventBatch, now: float) -> Iterator[Attempt]:
        """Count a batch at this time."""
        try:
            fresh, detections = self._engine.see(batch, now=now)
        except CountingError as error:
            self._faults.append(fault_of("count", error.__cause__ or error))
            return
        self._faults += fresh.faults
        self._coverage[name].take(fresh, duplicates=batch.size - fresh.size)
        yield from self._rows(fresh, detections)

    def _past(self, name: str, batch: EventBatch, now: float) -> Iterator[Attempt | AlertInstance]:
        """Count a batch that was there before the start, as if each part had come when its attempts ended."""
        times = batch.numbers("time")
        if not self._pace:
            start = float(np.median(times))  # one absurd time is not to decide
            self._pace = self._interval * max(1, math.ceil((now - start) / MOMENTS / self._interval))
            self._step = math.floor(min(start, now) / self._interval) - 1
        seen_at = np.ceil(np.maximum.accumulate(times) / self._pace) * self._pace
        seen_at = np.minimum(np.maximum(seen_at, self._step * self._interval), now)
        for rows in np.split(np.arange(batch.size), np.flatnonzero(np.diff(seen_at)) + 1):
            at = float(seen_at[rows[0]])
            yield from self._pass(at - self._pace, now)
            yield from self._seen(name, batch.rows(rows.tolist()), at)
            yield from self._alerts(at)

    def _pass(self, until: float, now: float) -> Iterator[AlertInstance]:
        """Evaluate the time in which nothing came."""
        if self._pace:
            at = (math.floor(self._step * self._interval / self._pace) + 1) * self._pace
            for number in range(min(2 * MOMENTS, math.floor((min(until, now) - at) / self._pace) + 1)):
                yield from self._alerts(at + number * self._pace)

    def _note_rejects(self, name: str, source: Source, chunk: Chunk, batch: EventBatch) -> None:
        if not batch.rejects:
            return
        self._rejects[name].update(reject.reason for reject in batch.rejects)
        path = getattr(source.positions().get(chunk.file), "path", "")
        for reject in batch.rejects:
            self._coverage[name].reject(reject.reason, file=path, detail=reject.detail)

    def covered(self, now: float) -> dict[str, Covered]:
        """What was looked at of each source until now."""
        span = now - min(self._begun, self._begun if self._since is None else self._since)
        return {
            name: Covered(found, tuple(unable(self._spec, self._rules, found, span)), len(self._spec.alerts))
            for name, found in self._coverage.items()
        }

    def _rows(self, batch: EventBatch, detections: Sequence[Detection]) -> Iterator[Attempt]:
        found: dict[int, list[Detection]] = {}
        for detection in detections:
            found.setdefault(detection.row, []).append(detection)
        for row in range(batch.size):
            numbers = {name: float(batch.numbers(name)[row]) for name in NUMBERS}
            words = {name: batch.objects(name)[row] for name in WORDS}
            actor = words["actor"]
            yield Attempt(
                {name: value for name, value in numbers.items() if not math.isnan(value)},
                words,
                None if actor is None else self._name_of(actor),
                tuple(found.get(row, ())),
                lambda row=row: batch.record(row),  # type: ignore[misc]
            )

    def _alerts(self, now: float) -> list[AlertInstance]:
        """The alerts that began or ended since the last call, as a scrape and an evaluation see it at `now`.

        Both happen at multiples of the scrape interval.
        """
        step = math.floor(now / self._interval)
        if step <= self._step:
            return []
        self._step = step
        at = step * self._interval
        self._engine.state.advance(at)
        return self._evaluator.step(at, [*self._view.scrape_alerts(at, self._read), *self._healthy])

    def remarks(self) -> Iterator[str]:
        """What a person should know of the sources and has not been told yet."""
        yield from (f"{name}: older posts are shown as far as the exporter still keeps them" for name in self._posts)
        self._posts = []
        if self._faults:
            last = self._faults[-1]
            yield f"{len(self._faults)} faults while reading, last in step {last.step}: {last.error} at {last.place}"
            self._faults.clear()
        for name, source in self._sources.items():
            reasons = self._rejects[name]
            if reasons:
                counts = ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items()))
                yield f"{name}: records that cannot be read: {counts}"
                reasons.clear()
            status = source.status()
            if status.reason != self._said.get(name, ""):
                self._said[name] = status.reason
                yield f"{name}: {status.reason or 'it is read again'}"

    def close(self) -> None:
        """Close all files."""
        for source in self._sources.values():
            source.close()


def _follow(name: str, config: SourceConfig, state_folder: Path, *, start_at: Literal["end", "beginning"]) -> Source:
    if config.type == "http":
        return SpoolTail(name, folder_of(state_folder, name), start_at=start_at)
    return FileTail(name, config.paths, start_at=start_at, follow_symlinks=config.follow_symlinks)
