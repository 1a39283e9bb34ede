r"""The file tail: follows log files by pattern through every kind of rotation, loses nothing and repeats nothing.

Files are looked at by ``stat``, the patterns once a second. No change notification is used: it does not work on network
and overlay file systems, overflows under load and so needs the same polling as its safety net, while one look costs a
microsecond or two a file.

What happens to a file, and what is done about it:

- *Renamed*: read on under its new name, before the file that took its old one. Lines written after the rename are read
  too, and so are lines written after the new file has begun, though after its first ones.
- *Copied and cut* (``copytruncate``): noticed by the size, or by the kilobyte before the position when the file has
  grown beyond it again. If a pattern matches the copy, plain or compressed, the copy is read on from the position, and
  then nothing is lost. Otherwise what was written after the last look before the cut is lost by the method itself; of
  that, what had been seen is counted (`bytes_lost`), and what nobody saw cannot be. A writer that did not open the file
  for appending leaves a hole of zeros at the start of the cut file; it is passed over.
- *Deleted, or moved to where no pattern matches*: read to its end through the open descriptor, which is closed after
  `grace` seconds without growth.
- *Compressed* (``*.gz``, ``*.zst``): decompressed up to the position, compared there, and read on if anything is left;
  one that nobody has seen before is read whole, all its members. A damaged one is read up to the damage and counted.
- *An unfinished last record* waits for its end, be it a line or several. Once the file will never grow again (rotated
  or gone and quiet for `grace` seconds; complete, if compressed) it is handed out as it is, so that it is counted as a
  reject.
- *A line longer than `max_line`* is passed over and counted.
- *Gone with unread bytes* while nobody had it open: counted as lost after `grace` seconds, unless a copy turns up. A
  copy that turns up later is still read, so the count errs on the high side.

Limits: a file that is created and removed again between two looks at the patterns is never seen. A copy is told from
an original by its first kilobyte and the kilobyte before the position (see `exporters.sources.identity`). A file that
begins like another one that is still being read is taken for a copy of it, and waits until they differ. A copy is
taken to be complete once it has not changed for `grace` seconds. After a restart, a copy that holds less than a
kilobyte, and less than was read, is not recognised. For users: docs/sources.md.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from functools import partial
from typing import Literal

from exporters.sources.chunk import Chunk
from exporters.sources.file_registry import FileRegistry
from exporters.sources.hook_health import HookHealth
from exporters.sources.identity import Position, load_positions
from exporters.sources.readers import buffer_of
from exporters.sources.status import Status
from exporters.sources.tracked_file import ReplacedError, TrackedFile

__all__ = ["FileTail", "Position", "load_positions"]

_LEAST_SHARE = 4096  # bytes; smaller reads are all overhead
_SHOWN_PROBLEMS = 20


class FileTail:
    """All files that `patterns` match, as one source of whole lines.

    `positions` are those of an earlier reader; None at the very first start, when files that are there already begin
    at their last line end (`start_at` ``end``) or at their beginning. Files that appear later are always read whole.

    Sizes are bytes, times seconds: `max_line` is the longest line that is handed out, newline included (so much memory
    is used, once such a line is met); `chunk_bytes` the usual chunk; `rescan_every` the time between looks at the
    patterns; after `expire_after` the position of a vanished file is forgotten, and before that when there are more
    than `max_gone`; `max_open` is how many plain files are kept open. The others, those that changed longest ago, are
    opened when they change; what is unread of them when they are deleted is lost, and counted. `hooks` looks at what
    the writers of the log say of themselves; None: nobody does.
    """

    def __init__(
        self,
        source: str,
        patterns: Sequence[str],
        *,
        positions: Mapping[str, Position] | None = None,
        start_at: Literal["end", "beginning"] = "end",
        follow_symlinks: bool = False,
        max_line: int = 8 * 1024 * 1024,
        chunk_bytes: int = 1024 * 1024,
        rescan_every: float = 1.0,
        grace: float = 30.0,
        expire_after: float = 7 * 86400.0,
        max_gone: int = 1000,
        max_open: int = 256,
        hooks: HookHealth | None = None,
    ) -> None:
        if not 0 < chunk_bytes <= max_line:
            raise ValueError(f"chunk_bytes ({chunk_bytes}) must be positive and at most max_line ({max_line})")
        self.source = source
        self._again = partial(
            FileTail,
            source,
            patterns,
            follow_symlinks=follow_symlinks,
            max_line=max_line,
            chunk_bytes=chunk_bytes,
            rescan_every=rescan_every,
            grace=grace,
            expire_after=expire_after,
            max_gone=max_gone,
            max_open=max_open,
        )
        self._watch_from = partial(
            FileRegistry,
            patterns,
            follow_symlinks=follow_symlinks,
            max_line=max_line,
            rescan_every=rescan_every,
            grace=grace,
            expire_after=expire_after,
            max_gone=max_gone,
            max_open=max_open,
        )
        self._watch = self._watch_from(positions or {}, skip_existing=positions is None and start_at == "end")
        self._first: Mapping[str, Position] | None = positions
        self._counted = deepcopy(self._watch.counters)
        self._max_line = max_line
        self._chunk_bytes = chunk_bytes
        self._grace = grace
        self._max_open = max_open
        self._hooks = hooks
        self._buffer = buffer_of(max_line + 1)  # a newline may be added
        self._sequence = 0
        self._served = ""  # the log that had the last turn

    # ------------------------------------------------------------------------------------------------ the source
    def read(self, budget_bytes: int, *, now: float, piece_bytes: int | None = None) -> Iterator[Chunk]:
        """Look at the files, and hand over what is new; never waits.

        About `budget_bytes` are read (a long line and a small share may exceed it), shared equally between the logs
        that have something; whoever stops earlier goes on with the next log. No chunk is longer than `piece_bytes`,
        but around a line that is (at most twice as long as the line). A chunk is taken, and the position behind it,
        when the iterator gives it out; its data is valid until the next step of the iterator. One iterator at a time.
        """
        self._watch.look(now)
        if self._first is None and self._watch.scanned is not None:
            self._first = self.positions()
        if self._hooks is not None:
            self._hooks.look(now)
        return self._chunks(budget_bytes, min(piece_bytes or self._chunk_bytes, self._chunk_bytes), now)

    def positions(self) -> dict[str, Position]:
        """The position of every file known, oldest first. As a value, it may be kept until slower readers are done."""
        return {key: file.position() for key, file in self._watch.files.items()}

    def saved(self, positions: Mapping[str, object]) -> None:
        """Remember what was counted up to here; others remove logs."""
        self._counted = deepcopy(self._watch.counters)

    def rewind(self, positions: Mapping[str, object] | None) -> None:
        """Open the files anew, as after a restart. What is unread of files deleted meanwhile is lost, and counted."""
        if self._watch.scanned is None:
            return
        kept = {key: found for key, found in (positions or {}).items() if isinstance(found, Position)}
        self.close()
        self._watch = self._watch_from(kept or self._first or {}, skip_existing=False)
        self._watch.counters = deepcopy(self._counted)

    @property
    def crowded(self) -> bool:
        """Files wait for everybody: nothing is kept here."""
        return False

    def reader(self, positions: Mapping[str, object]) -> FileTail:
        """Another reader of the same files, from these positions on."""
        return self._again(positions={key: at for key, at in positions.items() if isinstance(at, Position)})

    def status(self) -> Status:
        """How things were at the last look."""
        seen, counters = self._watch.seen, self._watch.counters
        files = self._watch.files.values()
        attached = [file for file in files if file.where is not None]
        partial = [file.rest for file in attached if file.rest]
        stems = {file.stem for file in files} if seen.oddities else set()
        blocking = (
            seen.refused | self._watch.troubles | {path: why for path, why in seen.oddities.items() if path in stems}
        )
        reasons = [f"{path}: {why}" for path, why in blocking.items()]
        if self._watch.scanned is None:
            reasons.append("not looked yet")
        elif not seen.found and not attached:
            reasons += seen.unmatched.values() or ["no file matches"]
        others = [*seen.unmatched.values(), *(f"{path}: {why}" for path, why in self._watch.notes.items())]
        if seen.cut:
            reasons.append("the patterns match too many names or files; narrow them")
        if self._watch.looked:
            others.append(f"still searching: {self._watch.looked} names so far")
        if self._watch.waiting:
            others.append(f"{self._watch.waiting} files found and not opened yet")
        others += [f"{path}: {why}" for path, why in seen.oddities.items() if path not in stems]
        others += [f"{file.path}: {file.failed}" for file in attached if file.failed]
        problems = dict.fromkeys(reasons + others)
        return Status(
            source=self.source,
            up=not reasons,
            reason=reasons[0] if reasons else "",
            unread_bytes=sum(file.unread for file in attached),
            files=len(attached),
            files_waiting=self._watch.waiting,
            open_files=sum(file.reader is not None for file in attached),
            partial_lines=len(partial),
            partial_bytes=sum(partial),
            bytes_lost=counters.bytes_lost,
            bytes_skipped=counters.bytes_skipped,
            bytes_before_start=counters.bytes_before_start,
            lines_too_long=counters.lines_too_long,
            too_long_at=counters.too_long_at,
            rotations=dict(counters.rotations),
            errors=dict(counters.errors),
            problems=tuple(problems)[:_SHOWN_PROBLEMS],
            hook=self._hooks.form if self._hooks else None,
            writers=self._hooks.reports if self._hooks else None,
            reports_refused=dict(self._hooks.refused) if self._hooks else {},
        )

    def close(self) -> None:
        """Close all files."""
        self._watch.close()
        if self._hooks is not None:
            self._hooks.close()

    # ------------------------------------------------------------------------------------------------ reading
    def _chunks(self, budget: int, piece: int, now: float) -> Iterator[Chunk]:
        ready = self._queues(now)
        opened = sum(file.reader is not None for file in self._watch.files.values())
        share = left = 0  # of the round: bytes for each log, and logs that had no turn yet
        while ready and budget > 0:
            if not left:
                left = len(ready)
                share = min(piece, max(budget // left, _LEAST_SHARE))
            left -= 1
            log, queue = ready.popleft()
            self._served = log
            file = queue[0]
            closed = file.reader is None
            waits = False
            try:
                older = self._unfinished_before(file)
                goes_on = older is not None and file.continues(older)
                waits = older is not None and goes_on is None and not older.is_final(now, self._grace)
                if older is not None and goes_on:
                    start, end, lines = file.take_over(older)
                    yield self._continued(older, start, end, lines)
                if file.trial:
                    budget -= self._try(file, share, now)
                elif not waits:
                    final = file.is_final(now, self._grace)
                    step = file.step(self._buffer, share, self._max_line, self._watch.counters, final=final)
                    budget -= step.cost
                    if step.length:
                        data = memoryview(self._buffer)[: step.length].toreadonly()
                        self._sequence += 1
                        yield Chunk(self.source, file.key, step.start, step.end, data, self._sequence - 1, step.lead)
            except OSError as error:
                self._watch.trouble(file.path, "read" if file.reader else "open", error)
                file.close()
                file.caught_up = True  # until the next look at the patterns
            except ReplacedError:
                self._watch.replaced(file, now)
            else:
                self._watch.troubles.pop(file.path, None)
            if closed and file.reader is not None:
                opened += 1
                if opened > self._max_open and not file.packed:  # a compressed one would begin anew
                    file.close()
                    opened -= 1
            if waits or not file.pending(now, self._grace):
                queue.popleft()
            if queue:
                ready.append((log, queue))

    def _unfinished_before(self, file: TrackedFile) -> TrackedFile | None:
        """The older file of the log that ends with an unfinished record, as long as nothing of `file` was read."""
        if file.offset or file.lead or file.packed or file.skip or file.trial:
            return None
        found = None
        for other in self._watch.files.values():
            if other is file:
                break
            if other.held and other.stem == file.stem and other.caught_up and other.where is not None:
                found = other
        return found

    def _continued(self, file: TrackedFile, start: int, end: int, lines: bytes) -> Chunk:
        """Lines at the end of a file whose record goes on in the next one."""
        self._sequence += 1
        return Chunk(self.source, file.key, start, end, memoryview(lines), self._sequence - 1, continued=True)

    def _queues(self, now: float) -> deque[tuple[str, deque[TrackedFile]]]:
        """The files that have something, by log, the older ones of a log first.

        A compressed file that can hold nothing new, as its original was read to its end here, is looked through beside
        its log.
        """
        logs: dict[str, deque[TrackedFile]] = {}
        for file in self._watch.files.values():
            if file.pending(now, self._grace) and file.key not in self._watch.held:
                log = file.key if file.trial and file.head and not file.unread else file.stem
                logs.setdefault(log, deque()).append(file)
        ready = deque(logs.items())
        if self._served in logs:  # the next one begins, however few had their turn before reading was stopped
            ready.rotate(-1 - list(logs).index(self._served))
        return ready

    def _try(self, file: TrackedFile, share: int, now: float) -> int:
        """One step of a compressed file's trial; returns its cost."""
        trial, before = file.trial, file.identity
        cost, verdict = file.compare(self._buffer, share)
        if trial is None or verdict == "open":
            return cost
        if verdict == "same":
            if (before.device, before.inode) != trial.found.where:
                self._watch.counters.rotations["gzip"] += 1
            return cost
        error = file.reader.error if file.reader else ""
        self._watch.end_trial(file, trial, now, read_already=verdict == "short", error=error)
        return cost
