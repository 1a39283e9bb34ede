"""How a source is doing: what its health metrics are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Status:
    """A source at its last look. Counters start at 0 with the reader; sizes are bytes.

    `up` is false when there is nothing to read from or something that should be read cannot be; `reason` then says
    why. `problems` lists, for people, everything that is odd, also what does not take the source down.
    `unread_bytes` includes unfinished last lines; what is left of a compressed file counts compressed.
    `partial_lines` are the last lines that wait for their newline, `partial_bytes` their length so far.
    `bytes_lost` were seen and vanished before they could be read; `lines_too_long` were skipped, `bytes_skipped` long
    in all; `errors` counts by kind: ``open``, ``read``, ``gzip``.
    A source that is posted to has `answers`, requests by status code, `refused`, by reason, and `spool_bytes`.
    """

    source: str
    up: bool
    reason: str
    unread_bytes: int
    files: int
    open_files: int
    partial_lines: int
    partial_bytes: int
    bytes_lost: int
    bytes_skipped: int
    lines_too_long: int
    rotations: Mapping[str, int] = field(default_factory=dict)
    errors: Mapping[str, int] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    answers: Mapping[str, int] = field(default_factory=dict)
    refused: Mapping[str, int] = field(default_factory=dict)
    spool_bytes: int | None = None
