"""How long to wait for a process: as long as it works, however slow the machine is."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

STILL: Final = 120.0
"""Seconds in which a process neither computes nor writes to its log, so that it must be stuck."""
LONGEST: Final = 1200.0
"""Seconds after which one that does work is taken to run in circles."""
REPORT_EVERY: Final = 10.0
"""Seconds between two lines about a wait."""

_WORK: Final = 0.01
"""Seconds of processor time in a second that count as work. An idle server with a runtime of its own takes less."""


def unreported(line: str) -> None:
    """Tell unreported."""


class Patience:
    """The wait for one process. Ask `lost` again and again until it is ready."""

    def __init__(self, pid: int, name: str, log: Path, report: Callable[[str], None] = unreported) -> None:
        """Begin to wait.

        Args:
            pid: The process.
            name: What to call it in a line about it.
            log: Where it writes what it says.
            report: Takes a line about the wait, every `REPORT_EVERY` seconds.
        """
        self._pid, self._name, self._log, self._report = pid, name, log, report
        self._begun = self._moved_at = self._reported_at = time.monotonic()
        self._worked, self._said = 0.0, 0

    def lost(self) -> str:
        """Why to wait no longer; empty as long as there is hope. Tells how it stands now and then."""
        now = time.monotonic()
        worked, said = cpu_seconds(self._pid), _size(self._log)
        if said != self._said or worked - self._worked > _WORK * max(1.0, now - self._moved_at):
            self._moved_at, self._worked, self._said = now, worked, said
        if now - self._reported_at >= REPORT_EVERY:
            self._reported_at = now
            self._report(
                f"Still waiting for {self._name}: {now - self._begun:.0f} s, {worked:.1f} s of them at work. "
                "The machine may be busy."
            )
        if now - self._moved_at > STILL:
            return f"it has done nothing for {STILL:g} s"
        if now - self._begun > LONGEST:
            return f"it was not ready after {LONGEST:g} s"
        return ""


def cpu_seconds(pid: int) -> float:
    """Seconds of processor time that a process has used so far; 0 when there is none."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
