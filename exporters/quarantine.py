"""The quarantine: where each record stands whose reading has failed, so that somebody can look at it.

A record that raises anywhere on its way is stepped over and named here: source, file, offset, length, the step that
failed, the kind of exception and the place in our code. Never its content, and never the exception's text, which may
quote it. The file is JSON lines, for the exporter's user alone, and bounded: a full one replaces the one before it.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Final

from events.batch import Fault

NAME: Final = "quarantine.jsonl"
LARGEST: Final = 1024 * 1024
"""Bytes of the file; one more such file, ``quarantine.jsonl.1``, has the entries before."""
SAY_EVERY: Final = 60.0
"""Seconds between two lines in our log, at least."""
_REMEMBERED: Final = 4_096
_SHOWN: Final = 512  # characters of a path

log = logging.getLogger("tocsin")


def fault_of(step: str, error: BaseException, *, line: int = -1, start: int = -1, length: int = -1) -> Fault:
    """What went wrong, without a word of what was read. `start` and `length` are bytes of the batch's raw data."""
    return Fault(step, line, start, length, type(error).__name__, _place(error.__traceback__))


def _place(traceback: TracebackType | None) -> str:
    """Where in our code it was raised: ``record.py:12 in decode``."""
    place = ""
    while traceback is not None:
        code = traceback.tb_frame.f_code
        path = Path(code.co_filename)
        if path.parent.name:
            place = f"{path.parent.name}/{path.name}:{traceback.tb_lineno} in {code.co_name}"
        traceback = traceback.tb_next
    return place


class Quarantine:
    """The file in `folder`. `clock` is in Unix seconds."""

    def __init__(self, folder: Path, *, clock: Callable[[], float] = time.time) -> None:
        self.path = folder / NAME
        self._clock = clock
        self._known: set[tuple[str, str, int]] = set()  # what was entered already, as it may be read again
        self._reported_at = -SAY_EVERY
        self._unreported = 0

    def enter(self, source: str, file: str, path: str, offset: int, fault: Fault) -> None:
        """Name a record. `file` is the key of a position, `path` its name as far as there is one."""
        key = (source, file, offset)
        if key in self._known:
            return
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        self._known.add(key)
        now = self._clock()
        entry = {
            "at": round(now, 3),
            "source": source,
            "file": file,
            "path": path[:_SHOWN],
            "offset": offset,
            "length": fault.length,
            "step": fault.step,
            "error": fault.error,
            "place": fault.place,
        }
        try:
            self._append((json.dumps(entry) + "\n").encode())
        except OSError as error:
            self._say(now, f"; {self.path} cannot be written: {error.strerror}", fault)
        else:
            self._say(now, f"; see {self.path}", fault)

    def _append(self, line: bytes) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        file = os.open(self.path, flags, 0o600)
        try:
            size = os.fstat(file).st_size
            if size + len(line) > LARGEST and size:
                self.path.replace(self.path.with_name(NAME + ".1"))
                os.close(file)
                file = os.open(self.path, flags, 0o600)
            os.write(file, line)
        finally:
            os.close(file)

    def _say(self, now: float, where: str, fault: Fault) -> None:
        self._unreported += 1
        if 0 <= now - self._reported_at < SAY_EVERY:
            return
        count, self._unreported, self._reported_at = self._unreported, 0, now
        log.error(
            "%d record(s) quarantined because reading failed, the last one in step %s with %s at %s%s",
            count,
            fault.step,
            fault.error,
            fault.place,
            where,
        )
