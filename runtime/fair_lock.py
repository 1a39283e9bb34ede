"""A lock that serves in the order of arrival.

Python's own lock goes to whoever is awake first. A reader that gives it up and takes it again at once is always awake
first, so a scrape that waits would never get it.
"""

from __future__ import annotations

import threading
from collections import deque


class FairLock:
    """As `threading.Lock`, for ``with`` alone: whoever waits longest is next."""

    def __init__(self) -> None:
        self._gate = threading.Lock()
        self._held = False
        self._waiting: deque[threading.Lock] = deque()

    def __enter__(self) -> None:
        with self._gate:
            if not self._held:
                self._held = True
                return
            turn = threading.Lock()
            turn.acquire()
            self._waiting.append(turn)
        turn.acquire()

    def __exit__(self, *_error: object) -> None:
        with self._gate:
            if self._waiting:
                self._waiting.popleft().release()  # it stays held, by the next one
            else:
                self._held = False
