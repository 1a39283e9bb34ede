"""One log against every gateway: the one that fits, how much of each field is there, and what can never work."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from events.batch import ALL_COLUMNS
from events.gateways import DEFAULT, GATEWAYS, Gateway, gateway
from events.gateways.mapped import MappedGateway
from events.gateways.mapped.adapter import OTHER_RECORDS
from events.gateways.mapped.known import known_columns, known_words
from replay.log_reader import Log
from replay.source.fields import BY_COLUMN, FIELDS, known_rows
from spec import Spec
from spec.model import Signal

MOST_BYTES: Final = 64 * 1024 * 1024
"""Bytes of a log that are looked at."""
_FAR: Final = 4_000_000_000.0  # Unix seconds
_EARLY: Final = 946_684_800.0  # the year 2000
_FROM_TEXTS: Final = {"input_chars": "prompt", "output_chars": "answer", "without_content": "prompt"}
_DETECTORS: Final = {"sensitive_output": "answer", "canary_token": "answer", "tool_misuse": "tool_calls"}
"""What a detector reads; all others read prompts."""


@dataclass(slots=True)
class Reading:
    """What one gateway's adapter made of a log: `known` counts attempts by field, `mapped` are fields it can tell.

    `words` are those that a column can have at all; a column that is not there can have any. With `by_mapping`, the
    user can change where the fields are.
    """

    gateway: str
    mapped: frozenset[str]
    words: Mapping[str, frozenset[str]]
    by_mapping: bool = True
    attempts: int = 0
    others: int = 0
    rejects: Counter[str] = field(default_factory=Counter)
    details: Counter[str] = field(default_factory=Counter)
    known: Counter[str] = field(default_factory=Counter)
    seen: dict[str, Counter[str]] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)
    first: float = np.inf
    last: float = -np.inf
    cut: bool = False

    @property
    def lines(self) -> int:
        """Lines that are not blank, without those that are no attempts by the mapping."""
        return self.attempts + self.rejects.total()

    @property
    def fit(self) -> float:
        """How well the gateway fits, from 0 to 1: the part of lines that it reads, times the part of fields found."""
        core = [f.column for f in FIELDS if f.core and f.column in self.mapped]
        found = sum(self.share(column) for column in core)
        read = self.attempts / (self.lines + self.others) if self.attempts else 0.0
        return read * found / len(core)

    def share(self, column: str) -> float:
        """The part of attempts that have a field; 0 if the gateway cannot tell it."""
        return self.known[column] / self.attempts if self.attempts and column in self.mapped else 0.0


@dataclass(frozen=True, slots=True)
class Blind:
    """A signal that can never count anything in this log, and why; `fields` are the ones that are missing."""

    signal: str
    reason: str
    fields: tuple[str, ...]


def read_log(path: Path, adapter: Gateway) -> Reading:
    """What an adapter of all columns and content makes of a log.

    Raises:
        LogError: it cannot be read.
    """
    reading = Reading(adapter.name, *_abilities(adapter), isinstance(adapter, MappedGateway))
    size = 0
    for chunk, too_long in Log(path).chunks():
        size += len(chunk.data)
        if size > MOST_BYTES:
            reading.cut = True
            break
        batch = adapter.decode(chunk.data, source="log")
        reading.rejects["too_long"] += too_long
        for reject in batch.rejects:
            reading.rejects[reject.reason] += 1
            reading.details[f"{reject.reason}: {reject.detail}"] += 1
        reading.attempts += batch.size
        reading.others += batch.unread.get(OTHER_RECORDS, 0)
        reading.left_out.update(batch.dropped_fields)
        reading.known.update(known_rows(batch))
        for column in ("outcome", "error_class", "verdict", "operation"):
            reading.seen.setdefault(column, Counter()).update(batch.objects(column))
        if batch.size:
            times = batch.numbers("time")
            reading.first = min(reading.first, float(times.min()))
            reading.last = max(reading.last, float(times.max()))
    reading.rejects = +reading.rejects
    return reading


def _abilities(adapter: Gateway) -> tuple[frozenset[str], Mapping[str, frozenset[str]]]:
    if not isinstance(adapter, MappedGateway):
        return ALL_COLUMNS | {"prompt", "answer"}, {}
    mapping = adapter.mapping
    texts = {name for name in ("prompt", "answer") if getattr(mapping, name)}
    return (known_columns(mapping) - {"content"}) | texts, known_words(mapping)


def readings(path: Path, *, name: str | None = None, mapping: Path | None = None) -> list[Reading]:
    """The log as each gateway reads it, the best first: that of the mapping, the one called `name`, or all.

    Raises:
        LogError: it cannot be read.
        UnknownGatewayError: there is no such gateway.
        SpecError: the mapping cannot be used.
    """
    names = [name or DEFAULT] if name or mapping else list(GATEWAYS)
    found = [read_log(path, gateway(each, ALL_COLUMNS, content=True, mapping=mapping)) for each in names]
    return sorted(found, key=lambda reading: -reading.fit)


def odd_times(reading: Reading) -> bool:
    """Whether the times look as if they were read in the wrong unit."""
    return bool(reading.attempts) and not (reading.first > _EARLY and reading.last < _FAR)


def blind_signals(spec: Spec, reading: Reading) -> list[Blind]:
    """The signals that no line of this log can ever feed. Those that other servers measure are not asked.

    A bounded label that is missing, such as the tenant, is ``unknown``: then all attempts are one group, and the signal
    works.
    """
    blind: list[Blind] = []
    for name, signal in spec.signals.items():
        if signal.stream not in ("events", "detections", "tool_calls"):
            continue
        missing = tuple(dict.fromkeys(column for column in _needed(spec, signal) if not reading.share(column)))
        if missing:
            titles = " and ".join(f"no {BY_COLUMN[column].title}" for column in missing)
            blind.append(Blind(name, titles, missing))
            continue
        for column, words in signal.where.items():
            possible = reading.words.get(column)
            if possible is not None and not possible & set(words):
                reason = f"{BY_COLUMN[column].title} is never {' or '.join(words)}"
                blind.append(Blind(name, reason, (column,)))
                break
    return blind


def _needed(spec: Spec, signal: Signal) -> Iterable[str]:
    """The fields that a signal is made of, as far as a log may lack them."""
    asked = [*signal.where, *signal.at_least]
    if signal.by in spec.fields and spec.fields[signal.by].unbounded:
        asked.append(signal.by)
    if signal.measure in ("sum", "distinct"):
        asked.append(signal.field)
    columns = [_FROM_TEXTS.get(column, column) for column in asked]
    if signal.stream == "detections":
        columns += [_DETECTORS.get(word, "prompt") for word in signal.where.get("detector", ())] or ["prompt"]
    if signal.stream == "tool_calls":
        columns.append("tool_calls")
    # A quiet sample has no verdict or failure; whether there can be one is asked of the words.
    return (column for column in columns if column in BY_COLUMN and column not in ("verdict", "operation"))


def ungrouped(spec: Spec, reading: Reading) -> dict[str, list[str]]:
    """By field that is missing, the signals that have one group instead of one for each of its values."""
    found: dict[str, list[str]] = {}
    for name, signal in spec.signals.items():
        bounded = signal.by in spec.fields and not spec.fields[signal.by].unbounded
        if signal.stream == "events" and bounded and signal.by in BY_COLUMN and not reading.share(signal.by):
            found.setdefault(signal.by, []).append(name)
    return found


def blind_alerts(spec: Spec, blind: Iterable[Blind]) -> dict[str, str]:
    """The alerts that can never fire for want of a signal, and which signal that is."""
    gone = {each.signal for each in blind}
    alerts: dict[str, str] = {}
    for name, alert in spec.alerts.items():
        for key in alert.when.SIGNALS:
            if (signal := getattr(alert.when, key, "")) in gone:
                alerts.setdefault(name, str(signal))
    return alerts
