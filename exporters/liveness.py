"""Whether the exporter works, and what it is at: for a liveness probe, which would start it again onto the same lines.

Costly content is no reason to start again, so a turn that takes long counts as alive while the reading thread works.
Only a thread that uses no processor time for a minute, in the middle of a turn, is stuck: on a file system that hangs,
for instance.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from exporters.exporter import Exporter

STUCK: Final = 60.0
"""Seconds without a turn of reading and without any work, after which the exporter is stuck."""


class Liveness:
    """Judges an exporter from outside, without its lock.

    `clock` is the exporter's; `used` gives the processor time of a thread in any unit, None when it is no more.
    """

    def __init__(
        self,
        exporter: Exporter,
        *,
        clock: Callable[[], float] = time.monotonic,
        used: Callable[[int], int | None] | None = None,
    ) -> None:
        self._exporter = exporter
        self._clock = clock
        self._used = used or processor_time
        self._seen: int | None = None
        self._worked = clock()  # when it was seen to have worked

    def check(self) -> tuple[bool, str]:
        """Whether it is alive, and a few lines on what it is at."""
        now, progress = self._clock(), self._exporter.progress
        source, since = progress.source, progress.since
        silent = now - progress.last_turn
        if silent < STUCK:
            self._seen, self._worked = None, now
        else:
            used = self._used(progress.thread) if progress.thread is not None else None
            if used is not None and used != self._seen:
                self._seen, self._worked = used, now
        alive = now - self._worked < STUCK
        if not alive:
            word = "reading is stuck"
        elif silent < STUCK:
            word = "healthy"
        else:
            word = "healthy, but reading is slow: records take long to scan"
        lines = [word, f"turns of reading: {progress.turns}, the last one ended {silent:.0f} s ago"]
        if source:
            lines.append(f"reading source {source} for {max(0.0, now - since):.1f} s")
        return alive, "".join(f"{line}\n" for line in lines)


def processor_time(thread: int) -> int | None:
    """Clock ticks that a thread of this process has used, by its system-wide id."""
    try:
        stat = Path(f"/proc/self/task/{thread}/stat").read_text()
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()  # a name may hold anything, this does not
    return int(fields[11]) + int(fields[12])
