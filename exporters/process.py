"""The exporter as a process: what it tells the allocator and the garbage collector, and what Prometheus sees of it."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal

import numpy as np

from exporters.samples import Table

_M_MMAP_THRESHOLD: Final = -3  # from glibc's malloc.h
_M_ARENA_MAX: Final = -8
_LARGE: Final = 128 * 1024  # bytes
_SELDOM: Final = (20_000, 20, 50)
_PROC: Final = Path("/proc")


def prepare() -> None:
    """To be called before anything is loaded.

    Large blocks are mapped one by one, so that they go back to the system when they are free: by itself glibc raises
    that limit to 32 MB, and then keeps what loading, a backlog or a save took. And all threads share one heap: those
    that serve requests would each leave one of their own behind, while the interpreter lets one run at a time.
    """
    with contextlib.suppress(OSError, AttributeError):  # another C library
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_THRESHOLD, _LARGE)
        libc.mallopt(_M_ARENA_MAX, 1)


def settle() -> None:
    """To be called once everything is loaded.

    What loading has left behind goes back to the system.

    Batches are made of many small tuples that form no cycles. Collecting as often as Python does by itself costs a
    tenth of the whole work (measured), as each time what lives long is looked at again.
    """
    gc.collect()
    trim()
    gc.freeze()
    gc.set_threshold(*_SELDOM)


def trim() -> None:
    """Give memory that is free inside the heap back to the system. It takes some tenths of a millisecond."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


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
