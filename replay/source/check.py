"""One log against every gateway: the one that fits, how much of each field is there, and what can never work."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from events.batch import ALL_COLUMNS
from events.coverage import Coverage
from events.fields import FIELDS
from events.gateways import DEFAULT, GATEWAYS, Gateway, gateway
from events.gateways.abilities import abilities
from events.gateways.mapped import MappedGateway
from events.gateways.unwrapping import plain_adapter
from replay.log_reader import Log
from replay.unread import FileCoverage

MOST_BYTES: Final = 64 * 1024 * 1024
"""Bytes of a log that are looked at."""
_FAR: Final = 4_000_000_000.0  # Unix seconds
_EARLY: Final = 946_684_800.0  # the year 2000


@dataclass(slots=True)
class Reading:
    """What one gateway's adapter made of a log. `details` and `seen` count words, `left_out` values by field.

    With `by_mapping`, the user can change where the fields are.
    """

    coverage: Coverage
    by_mapping: bool = True
    details: Counter[str] = field(default_factory=Counter)
    seen: dict[str, Counter[str]] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)
    cut: bool = False

    @property
    def gateway(self) -> str:
        """The gateway's name."""
        return self.coverage.gateway

    @property
    def fit(self) -> float:
        """How well the gateway fits, from 0 to 1: the part of lines that it reads, times the part of fields found."""
        found, core = self.coverage, [f.column for f in FIELDS if f.core and f.column in self.coverage.mapped]
        read = found.records / (found.lines + found.others) if found.records else 0.0
        return read * sum(found.share(column) for column in core) / len(core)


def read_log(path: Path, adapter: Gateway) -> Reading:
    """What an adapter of all columns and content makes of a log.

    Raises:
        LogError: it cannot be read.
    """
    found = Coverage(adapter.name, *abilities(adapter))
    reading = Reading(found, isinstance(plain_adapter(adapter), MappedGateway))
    file = FileCoverage(str(path))
    size = 0
    for chunk, too_long in Log(path).chunks():
        size += len(chunk.data)
        if size > MOST_BYTES:
            reading.cut = True
            break
        batch = adapter.decode(chunk.data, source="log")
        file.take(chunk, batch, too_long)
        for reject in batch.rejects:
            reading.details[f"{reject.reason}: {reject.detail}"] += 1
        found.take(batch)
        reading.left_out.update(batch.dropped_fields)
        for column in ("outcome", "error_class", "verdict", "operation"):
            reading.seen.setdefault(column, Counter()).update(batch.objects(column))
    file.add_to(found)
    return reading


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


def odd_times(found: Coverage) -> bool:
    """Whether the times look as if they were read in the wrong unit."""
    return bool(found.records) and not (found.first > _EARLY and found.last < _FAR)
