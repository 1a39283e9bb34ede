"""A plugin for pytest: a clock on the wall that is set forth and back all the time. ``-p tests.support.leaps``.

What measures how long something takes stays true, as on a machine whose clock is set.
"""

from __future__ import annotations

import random
import time
from typing import Final

EVERY: Final = 20
"""Looks at the clock between two leaps, on average."""
FARTHEST: Final = 86_400.0
"""Seconds of a leap, back or forth."""

_true_time = time.time
_dice = random.Random(29)
_off = 0.0


def _leaping() -> float:
    global _off
    if _dice.random() < 1 / EVERY:
        _off = _dice.uniform(-FARTHEST, FARTHEST)
    return _true_time() + _off


time.time = _leaping
time.time_ns = lambda: round(_leaping() * 1e9)
