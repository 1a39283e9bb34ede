"""What Prometheus sees of the process: CPU time, memory, open files, start."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal

import numpy as np

from exporters.metric_table import Table

_PROC: Final = Path("/proc")


def process_tables() -> Iterator[Table]:
    """Processor time, memory, files and start of this process, under the names that every exporter has for them."""
    try:
        stat = (_PROC / "self/stat").read_text().rpartition(")")[2].split()  # a name may hold anything, this does not
        booted = next(line for line in (_PROC / "stat").read_text().splitlines() if line.startswith("btime "))
        files = sum(1 for _ in (_PROC / "self/fd").iterdir())
    except OSError:  # no /proc to look at
        return
    ticks = os.sysconf("SC_CLK_TCK")
    started = int(stat[19]) / ticks + int(booted.split()[1])
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield _single("counter", "cpu_seconds_total", "Processor time spent.", (int(stat[11]) + int(stat[12])) / ticks)
    yield _single("gauge", "resident_memory_bytes", "Resident memory.", int(stat[21]) * resource.getpagesize())
    yield _single("gauge", "virtual_memory_bytes", "Virtual memory.", int(stat[20]))
    yield _single("gauge", "start_time_seconds", "When the process was started, Unix time.", started)
    yield _single("gauge", "open_fds", "Open files.", files)
    yield _single("gauge", "max_fds", "Open files at most.", np.inf if most == resource.RLIM_INFINITY else most)


def _single(kind: Literal["counter", "gauge"], name: str, text: str, value: float) -> Table:
    return Table(f"process_{name}", kind, text, (), [()], np.array([value], np.float64))
