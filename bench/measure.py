"""Measuring that survives a noisy machine: processor time, interleaved rounds, medians and ranges."""

from __future__ import annotations

import os
import statistics
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure of the report. `goal` says which side of it is good: ``>= 8`` or ``<= 64``."""

    name: str
    value: float
    low: float
    high: float
    unit: str
    goal: str
    reference: str

    @classmethod
    def of(cls, name: str, values: Sequence[float], unit: str, goal: str, reference: str) -> Figure:
        """The median of several values, and their range."""
        return cls(name, statistics.median(values), min(values), max(values), unit, goal, reference)

    @property
    def reached(self) -> bool:
        """Whether the goal is."""
        side, number = self.goal.split()
        return self.value >= float(number) if side == ">=" else self.value <= float(number)


def cpu_seconds(command: Sequence[str], *, env: Mapping[str, str] | None = None) -> float:
    """User and system time of a command as a whole process, in seconds.

    Raises:
        RuntimeError: it failed.
    """
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{command[0]} ended with {process.returncode}")
    return usage.ru_utime + usage.ru_stime
