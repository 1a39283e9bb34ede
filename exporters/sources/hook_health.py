"""What the writers of a hook say of themselves, beside the log that they write.

A hook in a gateway (exporters/hooks) has one writer in each worker process. Beside its log each keeps a small file of
fixed size, ``PREFIX-WRITER.health.json``, which it writes anew in place every second, and whose lock it holds while its
process lives. On a full or failing disk no line can be written, so this file is all that can still speak. The gateway
declares the prefix and the words in the file (`events.hook`).

Anybody who may write to the folder can put anything there. So few files are looked at, those of writers that are known
before others, only regular ones, without following links or waiting, and little of each; what cannot be used is counted
by reason. The folders are gone through as for the logs (`exporters.sources.walk`). A file that is read while it
is written may show parts of both; so it is read until two looks agree, and numbers never go back.

Whether a process lives is asked of its lock, which means to take it for a moment. A writer that begins, or one that
tells what a dead one has lost, must never find it taken by us. So it is asked only of a writer that has been silent for
`STALE` seconds, and never again once the lock was free: nobody takes the lock of a writer that has ended.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import math
import os
import re
import stat
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

import msgspec

from events.hook import DROPS, UNREPORTED, HookFormat, HookHealthFile
from exporters.sources.walk import Walk
from runtime.beneath import open_beneath, stat_beneath
from runtime.text import one_line

log = logging.getLogger("tocsin")

LOOK_EVERY: Final = 2.0
"""Seconds between two looks at the files."""
MOST_FILES: Final = 256
"""Files that are looked at; what a folder has beyond them is counted as refused."""
MOST_FOUND: Final = 16 * MOST_FILES
"""Files that are found at most, so that those that count are among them."""
NAMES_A_LOOK: Final = 5_000
"""Names in folders that one look goes through, at most; the next one goes on there."""
LARGEST: Final = 16 * 1024
"""Bytes of a file; the hook's have 1,024."""
STALE: Final = 15.0
"""Seconds without news after which a writer that should live is no longer believed to."""
LATELY: Final = 60.0
"""Seconds for which a writer that has dropped a record is in trouble."""

STATES: Final = ("running", "stopping", "stopped", "stuck", "dead", "unreadable")
"""``stopping``: told to end. ``stopped``: ended in order. ``stuck``: its process lives, but it says nothing new.
``dead``: ended without a word. ``unreadable``: what it says cannot be used."""
REFUSALS: Final = ("not_a_file", "too_large", "damaged", "io", "too_many", "failed")
"""Why a file says nothing."""

_LIVING: Final = frozenset(("running", "stopping", "stuck"))
_READ: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY
_TRIES: Final = 3
_SHOWN: Final = 200  # characters of a text in our log

State = Literal["running", "stopping", "stopped", "stuck", "dead", "unreadable"]


@dataclass(frozen=True, slots=True)
class Report:
    """How one writer is. Numbers count since its process began, and are those that it said last.

    `records` are those that it was given, None when it does not say; `dropped` are counted by `DROPS`. `age` is how
    many seconds ago it said something new. `troubled`: it cannot write, or it has lately dropped a record. `shed` are
    records by what was left out of them (`HookFormat.parts`), `content_lost` those without all of their content.
    `unreported` are fields that the gateway does not report (`UNREPORTED`).
    """

    writer: str
    state: State
    records: int | None = None
    dropped: Mapping[str, int] = field(default_factory=dict)
    queue_bytes: int = 0
    age: float = 0.0
    troubled: bool = False
    shed: Mapping[str, int] = field(default_factory=dict)
    content_lost: int = 0
    unreported: frozenset[str] = frozenset()

    @property
    def lives(self) -> bool:
        """Whether its process does, as far as is known, so that it should say something each second."""
        return self.state in _LIVING


@dataclass(slots=True)
class _Writer:
    """What is remembered of a writer between two looks. Times are in Unix seconds, by our clock."""

    changed: float
    said: HookHealthFile | None = None
    dropped: dict[str, int] = field(default_factory=lambda: dict.fromkeys(DROPS, 0))
    dropped_at: float = -math.inf
    unlocked: bool = False
    state: State | None = None
    trouble: str = ""


class HookHealth:
    """The health files in the folders of a source's `patterns`, looked at now and then.

    `reports` is None before the first look; `refused` counts looks at files that gave nothing, by `REFUSALS`. Links to
    folders are followed with `follow_symlinks`, as for the logs, and never one to a file. `form` is what the gateway
    declares of its hook.
    """

    def __init__(
        self, source: str, patterns: Sequence[str], form: HookFormat, *, follow_symlinks: bool = False
    ) -> None:
        folders = dict.fromkeys(str(Path(pattern).parent) for pattern in patterns)
        self.reports: tuple[Report, ...] | None = None
        self.refused: Counter[str] = Counter(dict.fromkeys(REFUSALS, 0))
        self.form = form
        self._name = re.compile(re.escape(form.prefix) + r"-([0-9A-Za-z]{1,64})\.health\.json")
        self._decoder = msgspec.json.Decoder(form.content)
        self._source = source
        self._patterns = tuple(f"{folder}/{form.prefix}-*.health.json" for folder in folders)
        self._follow = follow_symlinks
        self._walk: Walk | None = None  # while it takes more than one look
        self._writers: dict[str, _Writer] = {}
        self._looked = -math.inf

    def look(self, now: float) -> None:
        """Look again, if the last look is long enough ago. `now` is in Unix seconds, and may go back."""
        if self._walk is None:
            if 0 <= now - self._looked < LOOK_EVERY:
                return
            self._looked = now
            self._walk = Walk(self._patterns, follow_symlinks=self._follow, most_matches=MOST_FOUND)
        if not self._walk.go_on(NAMES_A_LOOK):
            return
        paths = {match.path for match in self._walk.matches}
        self._walk = None
        found = sorted(paths, key=lambda path: (path not in self._writers, path))
        chosen = found[:MOST_FILES]
        self.refused["too_many"] += len(found) - len(chosen)
        reports = [report for path in chosen if (report := self._guarded(path, now)) is not None]
        self._writers = {path: writer for path, writer in self._writers.items() if path in paths}
        self.reports = tuple(reports)

    def close(self) -> None:
        """Leave the folders that are open."""
        if self._walk is not None:
            self._walk.close()
            self._walk = None

    # ------------------------------------------------------------------------------------------------ one file
    def _guarded(self, path: str, now: float) -> Report | None:
        """As `_look_at`; a file that raises there does not hide the others."""
        try:
            return self._look_at(path, now)
        except Exception as error:
            if not self.refused["failed"]:
                log.error("source %s: a health file of the hook fails with %s", self._source, type(error).__name__)
            self.refused["failed"] += 1
            return None

    def _look_at(self, path: str, now: float) -> Report | None:
        """What a file says; None when it has gone, or is no file of a writer."""
        name = self._name.fullmatch(path.rpartition("/")[2])
        try:
            # A look before it is opened, as opening alone can have effects, of a device for instance.
            status = os.lstat(path) if self._follow else stat_beneath(path)
            if name is None or not stat.S_ISREG(status.st_mode):
                self.refused["not_a_file"] += 1
                return None
            file = os.open(path, _READ | os.O_NOFOLLOW | os.O_CLOEXEC) if self._follow else open_beneath(path, _READ)
        except FileNotFoundError:  # another writer has removed it
            return None
        except OSError as error:
            if name is None or error.errno == errno.ELOOP:  # it became a link just now
                self.refused["not_a_file"] += 1
                return None
            self.refused["io"] += 1
            return self._judge(path, name[1], None, now)
        try:
            if not stat.S_ISREG(os.fstat(file).st_mode):  # it was replaced just now
                self.refused["not_a_file"] += 1
                return None
            return self._judge(path, name[1], file, now)
        finally:
            os.close(file)

    def _judge(self, path: str, name: str, file: int | None, now: float) -> Report:
        said = None if file is None else self._read(file, name)
        writer = self._writers.get(path)
        if writer is None:
            # Its clock tells how long ago that was, if it is ours; later on it is enough that there is something new.
            writer = self._writers[path] = _Writer(min(now, said.updated) if said else now)
            if said:
                self._take(writer, said)
        elif said is not None and (writer.said is None or said.updated != writer.said.updated):
            if self._take(writer, said):
                writer.dropped_at = now
            writer.changed, writer.unlocked = now, False
        writer.changed = min(writer.changed, now)  # the clock was set back
        state = self._state(writer, file, now)
        lives = state in _LIVING
        trouble = writer.said.trouble if writer.said and lives else ""
        self._tell(writer, name, state, trouble)
        lately = 0 <= now - writer.dropped_at < LATELY
        return Report(
            writer=name,
            state=state,
            records=writer.said.records if writer.said else None,
            dropped=dict(writer.dropped),
            queue_bytes=writer.said.queue_bytes if writer.said and lives else 0,
            age=now - writer.changed,
            troubled=state == "stuck" or (lives and (bool(trouble) or lately)),
            shed=_known(writer.said.shed.items() if writer.said else (), self.form.parts),
            content_lost=writer.said.content_lost if writer.said else 0,
            unreported=frozenset(
                _known([(name, 1) for name in writer.said.unreported] if writer.said and lives else (), UNREPORTED)
            ),
        )

    def _read(self, file: int, name: str) -> HookHealthFile | None:
        """The content, None when it cannot be used; that is counted, but for a file that is still empty."""
        try:
            data = os.pread(file, LARGEST + 1, 0)
            for _ in range(_TRIES):
                again = os.pread(file, LARGEST + 1, 0)
                if again == data:
                    break
                data = again
        except OSError:
            self.refused["io"] += 1
            return None
        if not data:
            return None
        if len(data) > LARGEST:
            self.refused["too_large"] += 1
            return None
        try:
            said = self._decoder.decode(data)
        except (ValueError, RecursionError):
            said = None
        if said is None or said.writer != name:
            self.refused["damaged"] += 1
            return None
        return said

    @staticmethod
    def _take(writer: _Writer, said: HookHealthFile) -> bool:
        """Remember what is said; whether there are new drops."""
        dropped: Counter[str] = Counter()
        for reason, count in said.dropped.items():
            dropped[reason if reason in DROPS else "other"] += count
        more = any(count > writer.dropped[reason] for reason, count in dropped.items())
        writer.dropped = {reason: max(before, dropped[reason]) for reason, before in writer.dropped.items()}
        if writer.said is not None and said.records is not None:
            said = msgspec.structs.replace(said, records=max(said.records, writer.said.records or 0))
        writer.said = said
        return more

    @staticmethod
    def _state(writer: _Writer, file: int | None, now: float) -> State:
        said, silent = writer.said, now - writer.changed >= STALE
        if said is not None and (said.state == "stopped" or not silent):
            return said.state
        if silent and not writer.unlocked and file is not None:
            if _locked(file):
                return "stuck"
            writer.unlocked = True
        if said is None:
            begins = not silent and file is not None and not os.fstat(file).st_size
            return "running" if begins else "unreadable"
        return "stopped" if said.state == "stopping" and not said.queue_bytes else "dead"

    # ------------------------------------------------------------------------------------------------ our log
    def _tell(self, writer: _Writer, name: str, state: State, trouble: str) -> None:
        """Say in the log what has changed, once."""
        if state != writer.state:
            if state in ("stuck", "dead", "unreadable"):
                log.warning("source %s: the hook's writer %s is %s", self._source, name, _MEANING[state])
            elif writer.state in ("stuck", "unreadable"):
                log.info("source %s: the hook's writer %s reports again", self._source, name)
            elif writer.state is None and writer.said is not None and writer.said.gateway_version:
                unreported = ", ".join(writer.said.unreported) or "nothing that Tocsin needs"
                log.info(
                    "source %s: hook %s in %s %s, which does not report: %s",
                    *(self._source, one_line(writer.said.hook, 20)),
                    *(self.form.gateway, one_line(writer.said.gateway_version, 20)),
                    one_line(unreported, _SHOWN),
                )
            writer.state = state
        if trouble != writer.trouble:
            if trouble:
                log.warning(
                    "source %s: the hook's writer %s cannot write: %s", self._source, name, one_line(trouble, _SHOWN)
                )
            elif state in _LIVING:
                log.info("source %s: the hook's writer %s writes again", self._source, name)
            writer.trouble = trouble


def _known(counts: Iterable[tuple[str, int]], names: Sequence[str]) -> Counter[str]:
    """The sums of counts by their name; those of names that are not known are of the last name."""
    known: Counter[str] = Counter()
    for name, count in counts:
        if count:
            known[name if name in names else names[-1]] += count
    return known


_MEANING: Final = {
    "stuck": f"stuck: its process is alive, but it has reported nothing new for {STALE:g} seconds",
    "dead": "dead: its process exited without a shutdown record; the next worker in that folder will report losses",
    "unreadable": "unreadable: its health file cannot be used",
}


def _locked(file: int) -> bool:
    """Whether somebody holds the lock; ours is given back at once."""
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # a file system without locks, where no writer can hold one
        return False
    fcntl.flock(file, fcntl.LOCK_UN)
    return False
