"""When each record of a log became known, told from the records alone.

A record is written when its attempt has ended, so a file is a clock: the running maximum of its times. One record dated
far ahead would stop that clock, so a time counts only if what follows in the file agrees with it.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from exporters.signals.state import SKEW

Floats = npt.NDArray[np.float64]

AHEAD: Final = 8
"""Records that are asked whether a time can be; some of them may be wrong themselves, fewer than half."""
LONGEST_PAUSE: Final = 86_400.0
"""Seconds by which the last record of a file, which nobody follows, may be later than all before it."""


def known(times: Floats, following: Floats, before: float) -> Floats:
    """When records became known, ascending, in Unix seconds.

    `times` are those of the records in the order of the file, `following` of at least `AHEAD` records after them (of
    fewer at the end of the file), `before` when the record before them became known (-Inf: there is none).
    """
    size = len(times)
    if not size:
        return np.zeros(0)
    line = np.concatenate([times, following[:AHEAD]])
    padded = np.full(size + AHEAD, np.inf)
    padded[: len(line)] = line
    followers = np.sort(np.lib.stride_tricks.sliding_window_view(padded[1:], AHEAD), axis=1)
    count = np.minimum(AHEAD, len(line) - 1 - np.arange(size))
    usual = followers[np.arange(size), count // 2]  # the later one of two in the middle
    # Who is ahead of most that follow has a wrong clock, and came at the latest with the earliest of them.
    clock = np.where(times <= usual + SKEW, times, followers[:, 0])
    clock[0] = max(clock[0], before)
    clock = np.maximum.accumulate(clock)
    if not count[-1]:
        earlier = float(clock[-2]) if size > 1 else before
        if times[-1] > earlier + LONGEST_PAUSE and earlier > -np.inf:
            clock[-1] = earlier
    return clock
