"""The log lines behind alerts, found by reading the logs a second time."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from alerts import AlertInstance
from alerts.calendar import OffHours
from events.batch import Detection, EventBatch, Text
from exporters.engine import Engine
from exporters.signals.state import SignalState
from replay.html.redact import Redactor
from replay.html.things import Things
from replay.log_reader import Log
from replay.run import Progress
from spec import Spec
from spec.lookup import main_signal, own_stream
from spec.model import Signal

LINES: Final = 5
"""Lines that are shown of an alert."""
_COLUMNS: Final = ("outcome", "error_class", "verdict", "model")


@dataclass(frozen=True, slots=True)
class Line:
    """An attempt behind an alert: what it was, which rules saw something, and what was said, fit to be shown."""

    time: float
    facts: Mapping[str, str]
    rules: tuple[str, ...]
    texts: tuple[tuple[str, str], ...]


@dataclass(slots=True)
class Evidence:
    """The first lines behind an alert, and how many there were."""

    lines: list[Line] = field(default_factory=list)
    count: int = 0


@dataclass(slots=True)
class _Wanted:
    """What an alert instance is about: attempts of (begin, end], of one group, selected as its signal does."""

    signal: Signal
    begin: float
    end: float
    by: str
    group: str
    found: Evidence

    def rows(self, things: Things, inside: np.ndarray[Any, Any]) -> list[int]:
        """The attempts of a batch that it is about, of those `inside` its time."""
        owners = things.owners(self.signal, self.by, self.group)
        return [row for row in dict.fromkeys(owners) if inside[row]]


def evidence(
    engine: Engine,
    logs: Sequence[Path],
    instances: Sequence[AlertInstance],
    spec: Spec,
    redactor: Redactor,
    progress: Progress | None = None,
) -> list[Evidence]:
    """For each alert instance the lines behind it; none where its signal is not about attempts.

    Raises:
        LogError: a log cannot be read.
    """
    out = [Evidence() for _ in instances]
    wanted = [
        found
        for instance, lines in zip(instances, out, strict=True)
        for found in [_wanted(instance, spec, lines)]
        if found
    ]
    if not wanted:
        return out
    seen: set[object] = set()
    memory = engine.state.anew()  # of what accounts have sent before: their attacks count once, here too
    offhours = OffHours(spec.calendars[spec.settings.offhours_calendar])
    opened = [Log(path) for path in logs]
    size = sum(log.size for log in opened)
    for log in opened:
        for chunk, _ in log.chunks():
            if chunk.data:
                _look(engine, engine.decode(chunk), wanted, seen, memory, redactor, offhours)
            if progress is not None and size:
                progress(sum(one.done for one in opened) / size)
    for lines in out:
        lines.lines = sorted(lines.lines, key=lambda line: line.time)[:LINES]
    return out


def _wanted(instance: AlertInstance, spec: Spec, found: Evidence) -> _Wanted | None:
    signal = main_signal(spec, instance.rule.alert)
    if signal is None or not own_stream(signal) or signal.stream == "rejects":
        return None
    interval = float(spec.settings.scrape_interval)
    begin = instance.fired_at - instance.rule.hold - float(signal.window) - 2 * interval
    group = instance.labels.get(signal.by, "") if signal.by else ""
    return _Wanted(signal, begin, instance.fired_at + interval, signal.by, group, found)


def _look(
    engine: Engine,
    batch: EventBatch,
    wanted: Sequence[_Wanted],
    seen: set[object],
    memory: SignalState,
    redactor: Redactor,
    offhours: OffHours,
) -> None:
    if not batch.size:
        return
    times = batch.numbers("time")
    first, last = float(times.min()), float(times.max())
    near = [one for one in wanted if one.begin < last and one.end >= first]
    if not near:
        return
    inside = {id(one): (times > one.begin) & (times <= one.end) for one in near}
    rows = np.flatnonzero(np.logical_or.reduce(list(inside.values())))
    places = set(rows.tolist())
    looked_at = replace(batch, texts=[text for text in batch.texts if text.row in places])
    detections = engine.detect(looked_at)
    things = Things(batch, memory.new_content(looked_at, detections, now=math.inf)[0], offhours)
    ids = batch.objects("event_id") if "event_id" in batch.columns else range(batch.size)
    fresh: dict[int, bool] = {}
    for one in near:
        for row in one.rows(things, inside[id(one)]):
            if row not in fresh:
                fresh[row] = ids[row] not in seen
                seen.add(ids[row])
            if not fresh[row]:
                continue  # the same record in two files
            one.found.count += 1
            if len(one.found.lines) < 4 * LINES:
                one.found.lines.append(_line(engine, batch, row, detections, redactor))


def _line(engine: Engine, batch: EventBatch, row: int, detections: Sequence[Detection], redactor: Redactor) -> Line:
    fields = engine.state.spec.fields
    facts: dict[str, str] = {
        name: redactor.shown(_word(batch.objects(name)[row]))
        for name in (*_COLUMNS, *(name for name, of in fields.items() if of.unbounded and of.top), "tenant")
        if name in batch.columns and batch.objects(name)[row] not in (None, "", "none")
    }
    rules = tuple(dict.fromkeys(one.rule for one in detections if one.row == row))
    return Line(
        float(batch.numbers("time")[row]),
        facts,
        tuple("canary" if rule.startswith("canary_") else rule for rule in rules),
        tuple((text.channel, redactor.shown(text.text)) for text in _telling(engine, batch, row)),
    )


def _telling(engine: Engine, batch: EventBatch, row: int) -> Iterator[Text]:
    """The texts of an attempt that rules see something in; else the last question and the answer."""
    texts = [text for text in batch.texts if text.row == row]
    seen = [text for text in texts if engine.detect(replace(batch, texts=[text]))]
    last = {text.channel: text for text in texts if text.channel in ("user", "output", "tool_call")}
    shown = [*seen[-2:], *(text for text in last.values() if text not in seen)]
    return iter(shown[:3])


def _word(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
