"""Ctrl-C and its relatives as an exception, but only where nothing can be left half done."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType, TracebackType
from typing import Any, Final, Self

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(BaseException):
    """Somebody wants the program to end. No `Exception`, so that nothing on the way takes it for a fault."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


class Stop:
    """Remembers the first signal to end, from entry to exit; only in the main thread.

    Inside of `armed` the signal raises `Stopped` at once. Outside, for instance while folders are removed, it waits for
    the next `armed`; those that follow the first are ignored.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self._armed = False
        self._before: dict[signal.Signals, Any] = {}

    @contextlib.contextmanager
    def armed(self) -> Iterator[None]:
        """A stretch that the signal may break off anywhere.

        Raises:
            Stopped: the signal came, now or before.
        """
        self._armed = True
        try:
            if self.number is not None:
                raise Stopped(self.number)
            yield
        finally:
            self._armed = False

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._handle) for number in _SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.number is not None:
            return
        self.number = number
        if self._armed:
            self._armed = False
            raise Stopped(number)
