"""How a source is doing: what its health metrics are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from events.hook import HookFormat
from exporters.sources.hook_health import Report


@dataclass(frozen=True, slots=True)
class Status:
    """A source at its last look. Counters start at 0 with the reader; sizes are bytes.

    `up` is false when there is nothing to read from or something that should be read cannot be; `reason` then says
    why. `problems` lists, for people, everything that is odd, also what does not take the source down.
    `unread_bytes` includes unfinished last lines; what is left of a compressed file counts compressed.
    `files_waiting` are those that were found and are not looked into yet, as a look meets so many at most (None: it has
    no files). `partial_lines` are the last lines that wait for their newline, `partial_bytes` their length so far.
    `bytes_lost` were seen and vanished before they could be read; `lines_too_long` were skipped, `bytes_skipped` long
    in all, and the last one is at that byte of the file that `too_long_at` names; `bytes_before_start` were there at
    the very first start, which began at the end. `errors` counts by kind: ``open``, ``read``, ``gzip``.
    A source that is posted to has `answers`, requests by status code, `refused`, by reason, and `spool_bytes`. One
    whose log a hook may write has the `hook` of its gateway, `writers`, what each writer says of itself (None: nobody
    has looked), and `reports_refused`, looks that gave nothing, by reason.
    """

    source: str
    up: bool = False
    reason: str = ""
    unread_bytes: int = 0
    files: int = 0
    files_waiting: int | None = None
    open_files: int = 0
    partial_lines: int = 0
    partial_bytes: int = 0
    bytes_lost: int = 0
    bytes_skipped: int = 0
    bytes_before_start: int = 0
    lines_too_long: int = 0
    too_long_at: tuple[str, int] | None = None
    rotations: Mapping[str, int] = field(default_factory=dict)
    errors: Mapping[str, int] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    answers: Mapping[str, int] = field(default_factory=dict)
    refused: Mapping[str, int] = field(default_factory=dict)
    spool_bytes: int | None = None
    hook: HookFormat | None = None
    writers: tuple[Report, ...] | None = None
    reports_refused: Mapping[str, int] = field(default_factory=dict)
