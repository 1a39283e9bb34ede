"""Waits for progress: a test goes on as soon as it can, and gives up only when nothing has moved for very long.

Looks are counted, not seconds: a slow machine makes each look longer, and a clock that is set meanwhile changes
nothing.
"""

from __future__ import annotations

import selectors
import time
from collections.abc import Callable
from typing import Final, TypeVar

T = TypeVar("T")

PATIENCE: Final = 600.0
"""Seconds for what has a timeout of its own: a socket, a process that ends, a thread. Only a hang takes so long."""
PAUSE: Final = 0.05
"""Seconds between two looks."""
LOOKS: Final = round(PATIENCE / PAUSE)
"""Looks in a row that see nothing move before a wait is given up."""


def wait_for(
    condition: Callable[[], T], what: str, *, progress: Callable[[], object] | None = None, looks: int = LOOKS
) -> T:
    """Look until a condition gives something that is true, and return that.

    Args:
        condition: Asked at each look. It may itself raise, for instance when a process has ended.
        what: What it means when it never happens, for the message: "the page never came".
        progress: How far it has come, as anything that can be compared. Whenever it changes, the count begins anew;
            without it only `condition` can end the wait.
        looks: How many of them in a row may see nothing move.

    Raises:
        AssertionError: nothing has moved for that many looks.
    """
    seen: object = None
    left = looks
    while not (found := condition()):
        left -= 1
        if progress is not None and (now := progress()) != seen:
            seen, left = now, looks
        assert left > 0, f"{what}; nothing moved in {looks} looks" + (f" since {seen!r}" if progress else "")
        time.sleep(PAUSE)
    return found


def readable(descriptor: int, seconds: float) -> bool:
    """Whether there is something to read within that time, whatever the descriptor's number."""
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)
        return bool(selector.select(seconds))
