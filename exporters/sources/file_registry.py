"""Keeps the watched files known: what the patterns match, which file is which, what was replaced, moved or lost.

A look never does much: it goes through so many names of the folders, and meets so many files that were not read before.
When there are more, the next look goes on there; what was read before is read on meanwhile. Files that are met together
are read only once all of them are met, as only then their order is known, and which is a copy of which.
"""

from __future__ import annotations

import errno
import os
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Final

from exporters.sources.discovery import Discovery, Found, Search, Where, stem_of
from exporters.sources.file_matching import FileIndex, compare, last_line_end
from exporters.sources.identity import COVERED, Fingerprint, Identity, Position, Skip
from exporters.sources.readers import Reader, open_reader, peek
from exporters.sources.tracked_file import Counters, ReplacedError, TrackedFile, Trial
from runtime.beneath import stat_beneath

NAMES_A_LOOK: Final = 20_000
"""Names in folders that one look goes through, at most."""
FILES_A_LOOK: Final = 256
"""Files that one look meets, at most: each is opened, and compared with those that are known."""

_GONE: Final = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
_BREAKS_OFF = "the compressed stream breaks off"
_NOTHING = Fingerprint()


class FileRegistry:
    """All files that `patterns` match, and the positions of those that are gone. The parameters are `FileTail`'s.

    `files` is ordered: of two files of the same log the older one comes first. `seen` is what the patterns matched
    last, `troubles` says of a path why it cannot be read, `notes` why it is not read yet; `held` are the keys of files
    that are not to be read before all are met that were found with them.
    """

    def __init__(
        self,
        patterns: Sequence[str],
        positions: Mapping[str, Position],
        *,
        skip_existing: bool,
        follow_symlinks: bool,
        max_line: int,
        rescan_every: float,
        grace: float,
        expire_after: float,
        max_gone: int,
        max_open: int,
    ) -> None:
        self.files = {key: TrackedFile(key, position, follow=follow_symlinks) for key, position in positions.items()}
        self.seen = Discovery()
        self.scanned: float | None = None
        self.troubles: dict[str, str] = {}
        self.notes: dict[str, str] = {}
        self.counters = Counters()
        self._patterns = tuple(patterns)
        self._follow_symlinks = follow_symlinks
        self._skip_existing = skip_existing
        self._max_line = max_line
        self._rescan_every = rescan_every
        self._grace = grace
        self._expire_after = expire_after
        self._max_gone = max_gone
        self._max_open = max_open
        self._rescan = True
        self._begun = 0.0  # when the patterns were looked at last
        self._search: Search | None = None  # while that takes more than one look
        self._unsorted: deque[Found] = deque()  # found, and not looked into yet
        self._fresh: deque[Found] = deque()  # to be met, in this order
        self._index = FileIndex(())  # what those are compared with
        self._moved: set[Where] = set()  # of those, the ones that are known under another name
        self._old: set[str] = set()  # keys of the files that were known before those
        self.held: set[str] = set()
        self._existing: dict[Where, int] = {}  # sizes at the first start of files that could not be opened then
        self._waiting: dict[Where, tuple[tuple[int, int], float]] = {}  # files not placed yet: look, and since when
        self._stems: set[str] = set()
        self._open = 0  # descriptors, while files are placed

    # ------------------------------------------------------------------------------------------------ looking
    def look(self, now: float) -> None:
        """Look at the open files; at the patterns too when it is time, or when a file was replaced."""
        for file in list(self.files.values()):
            if file.reader is None:
                continue
            try:
                file.refresh(now, self.counters)
            except OSError as error:
                self.trouble(file.path, "read", error)
                file.close()
            except ReplacedError:
                self.replaced(file, now)
        if self._search is None and not self.waiting and self._is_time(now):
            self._begun, self._rescan = now, False
            self._search = Search(self._patterns, follow_symlinks=self._follow_symlinks)
        if self._search is not None and (seen := self._search.go_on(NAMES_A_LOOK)) is not None:
            self._search = None
            self._compare(seen, now)
            self._meet(now)
        elif self.waiting:
            self._meet(now)

    def _is_time(self, now: float) -> bool:
        return self._rescan or self.scanned is None or not 0 <= now - self._begun < self._rescan_every

    @property
    def waiting(self) -> int:
        """Files that were found and are not met yet."""
        return len(self._unsorted) + len(self._fresh)

    @property
    def looked(self) -> int:
        """Names that a look at the patterns, which is not over yet, went through."""
        return self._search.looked if self._search is not None else 0

    def close(self) -> None:
        """Close all files and folders."""
        if self._search is not None:
            self._search.close()
        for file in self.files.values():
            file.close()

    def replaced(self, file: TrackedFile, now: float) -> None:
        """The file was cut or overwritten: remember what was read, and look at once what is there now."""
        self.counters.rotations["truncate"] += 1
        file.detach(now)
        self._rescan = True

    def _compare(self, seen: Discovery, now: float) -> None:
        """Take in what the patterns match now: what is there still, what is gone, what is to be met."""
        self.seen = seen
        if seen.cut or seen.failed:
            self._look_for_known()
        self.troubles = {path: why for path, why in self.troubles.items() if path in seen.at}
        for file in list(self.files.values()):
            if file.where is None:
                continue
            found = seen.found.get(file.where)
            if found is None:
                self._missed(file, now)
            else:
                self._met(file, found, now)
        known = {file.where for file in self.files.values()}
        fresh = [found for where, found in seen.found.items() if where not in known]
        waiting = {found.where: (found.look, now) for found in fresh}
        self._waiting = {
            where: old if (old := self._waiting.get(where)) and old[0] == new[0] else new
            for where, new in waiting.items()
        }
        self.notes = {}
        if fresh:
            self._expect(fresh)

    def _expect(self, fresh: list[Found]) -> None:
        """Get ready for files that are to be met."""
        self._unsorted.extend(fresh)
        self._moved.clear()
        self._old = set(self.files)
        self._stems = stems = {file.stem for file in self.files.values()} | set(self.seen.at)
        for file in self.files.values():  # found as x.log.1 while there was no x.log, which is there now
            if not file.rotated:
                file.stem = stem_of(file.path, stems)
        self._index = FileIndex(self.files.values())

    def _look_for_known(self) -> None:
        """Not everything was found: look for the files that are read where they were."""
        for file in self.files.values():
            if file.where is None or file.where in self.seen.found:
                continue
            try:
                status = os.stat(file.path) if self._follow_symlinks else stat_beneath(file.path)  # noqa: PTH116
            except OSError as error:
                if error.errno not in _GONE:  # no descriptor left, for instance: nothing is known of it
                    self.seen.found[file.where] = Found(file.where, *file.look, (file.path,))
                continue
            if (status.st_dev, status.st_ino) == file.where:
                self.seen.add(file.where, status, (file.path,))

    def _meet(self, now: float) -> None:
        """Meet the files that were found, as many as one look may; with the last of them the look is over."""
        if self.waiting:
            self._place_some(FILES_A_LOOK, now)
        if self.waiting:
            return
        if self.held:
            self._put_in_order()
        if self.scanned is None:
            self._account_for_absence(now)
        self.scanned = self._begun
        self._skip_existing = False
        self._tidy(now)

    def _met(self, file: TrackedFile, found: Found, now: float) -> None:
        """A file that is read is still there."""
        file.present = True
        file.gone = 0.0
        if file.path in self.troubles:
            file.caught_up = False  # try again
        if file.trial:
            file.trial.found = found
        elif file.path not in found.paths:
            if not file.rotated:
                self.counters.rotations["rename"] += 1
            file.choose_path(found)
            file.quiet_since = now
        if file.reader is not None or file.look == found.look:
            return
        if file.packed:  # changed since it was done with: begin again, and compare
            file.done = False
            file.detach(now)
            if file.failed and file.ignored:
                del self.files[file.key]
            return
        try:
            file.refresh(now, self.counters)
        except OSError as error:
            self.trouble(file.path, "open", error)
        except ReplacedError:
            self.replaced(file, now)

    def _missed(self, file: TrackedFile, now: float) -> None:
        """A file that is read is not there any more."""
        if file.present:
            file.present = False
            file.gone = file.quiet_since = now
            if not file.rotated and not file.trial:
                linked = file.reader is not None and file.reader.stat().st_nlink > 0
                kind = "rename" if linked else "replaced" if file.path in self.seen.at else "delete"
                self.counters.rotations[kind] += 1
        if file.reader is None:
            file.detach(now)

    def _account_for_absence(self, now: float) -> None:
        """Say what became of the stored files that are not there, while nobody looked."""
        for file in self.files.values():
            if file.where is not None or file.gone:
                continue
            self._count_absence(file)
            file.gone = now

    def _count_absence(self, file: TrackedFile) -> None:
        if not file.rotated:
            same = (file.identity.device, file.identity.inode) == self.seen.at.get(file.path)
            kind = "truncate" if same else "replaced" if file.path in self.seen.at else "delete"
            self.counters.rotations[kind] += 1

    def _tidy(self, now: float) -> None:
        """Close what is finished, count what is lost, forget what is long gone."""
        opened: list[TrackedFile] = []
        for file in list(self.files.values()):
            quiet = now - file.quiet_since >= self._grace
            if file.where is None:
                if file.unread and now - file.gone >= self._grace:
                    self._write_off(file)
                if now - file.gone > self._expire_after:
                    del self.files[file.key]
            elif file.packed and file.reader is not None and file.caught_up and quiet and not file.finished:
                self._give_up(file, now)
            elif not file.present and quiet and not file.pending(now, self._grace):
                file.detach(now)
            elif file.reader is not None and file.present and not file.packed:
                opened.append(file)
        gone = sorted((file for file in self.files.values() if file.where is None), key=lambda file: file.gone)
        for file in gone[: max(0, len(gone) - self._max_gone)]:
            self._write_off(file)
            del self.files[file.key]
        opened.sort(key=lambda file: (file.unread > 0, file.quiet_since))
        for file in opened[: max(0, len(opened) - self._max_open)]:
            file.close()

    def _write_off(self, file: TrackedFile) -> None:
        self.counters.bytes_lost += file.unread
        file.size = file.offset

    def _give_up(self, file: TrackedFile, now: float) -> None:
        """A compressed file that breaks off, and is not being written to."""
        if file.trial is None:
            file.finish(_BREAKS_OFF, self.counters)
            return
        self.end_trial(file, file.trial, now, read_already=True, error=_BREAKS_OFF)

    def end_trial(self, file: TrackedFile, trial: Trial, now: float, *, read_already: bool, error: str = "") -> None:
        """The compressed file on trial cannot be read on from the position.

        It holds something else, or (`read_already`) begins like what was read and ends or breaks before the position.
        """
        file.detach(now)
        file.refused.add(trial.found.where)
        self._rescan = True
        if read_already:
            self._add_unread(trial.found, trial.head, error, now)

    # ------------------------------------------------------------------------------------------------ placing
    def _place_some(self, most: int, now: float) -> None:
        """Find out what files are that are not being read: known contents, copies of them, or new."""
        index = self._index
        self._open = sum(file.reader is not None for file in self.files.values())
        while self._unsorted and most > 0:
            found = self._unsorted.popleft()
            self._fresh.append(found)
            if index.has_inode(found.where):
                most -= 1
                if self._is_moved(found, index):
                    self._moved.add(found.where)
            if not self._unsorted:
                self._fresh = deque(sorted(self._fresh, key=self._order))
        if self._unsorted:
            return
        while self._fresh and most > 0:
            most -= 1
            self._place(self._fresh.popleft(), index, now)

    def _order(self, found: Found) -> tuple[bool, bool, bool, int]:
        """Originals before copies: what was merely moved first, plain before compressed, live before rotated."""
        rotated = stem_of(found.path, self._stems) != found.path
        return found.where not in self._moved, found.packed, rotated, found.modified

    def _put_in_order(self) -> None:
        """All are met: of each log the oldest file comes first, and reading may begin."""
        self.held.clear()
        self._index = FileIndex(())
        if not self._old.issuperset(self.files):
            new = [file for key, file in self.files.items() if key not in self._old]
            new.sort(key=lambda file: (not file.rotated, file.look[1]))  # in the order they were written
            old = {key: file for key, file in self.files.items() if key in self._old}
            self.files = old | {file.key: file for file in new}

    def _is_moved(self, found: Found, index: FileIndex) -> bool:
        """Whether it is a known file under whatever name, and not another one that was given its inode."""
        try:
            reader, _ = open_reader(found.path, packed=found.packed, follow=self._follow_symlinks)
        except OSError:
            return False
        try:
            return bool(index.own(found, peek(reader, 0, COVERED)))
        except OSError:
            return False
        finally:
            reader.close()

    def _place(self, found: Found, index: FileIndex, now: float) -> None:
        try:
            reader, status = open_reader(found.path, packed=found.packed, follow=self._follow_symlinks)
        except OSError as error:
            self.trouble(found.path, "open", error)
            if self._skip_existing:
                self._existing[found.where] = found.size
            return
        kept = False
        try:
            if (status.st_dev, status.st_ino) == found.where:  # else it was moved just now: see the next look
                kept = self._settle(found, reader, index, now)
        except OSError as error:
            self.trouble(found.path, "read", error)
        finally:
            if not kept:
                reader.close()

    def _settle(self, found: Found, reader: Reader, index: FileIndex, now: float) -> bool:
        """Give the found file its place; returns whether the reader is kept."""
        head = peek(reader, 0, COVERED)
        if reader.stat().st_size < found.size:  # it was cut just now: see the next look
            return False
        quiet = now - self._waiting[found.where][1] >= self._grace
        self.troubles.pop(found.path, None)
        if len(head) < COVERED and found.packed and not (reader.ended or reader.error or quiet):
            return False  # in the making
        if not head:
            for known in index.candidates(found, head):
                return self._resume(known, found, reader, head, now)
            if found.packed:
                self._add_unread(found, head, reader.error or ("" if reader.ended else _BREAKS_OFF), now)
            return False
        existed = found.size if self._skip_existing else self._existing.pop(found.where, None)
        if existed is not None:
            return self._add_existing(found, existed, reader, head, index, now)
        for known in index.candidates(found, head):
            match compare(known, found, reader, head, quiet=quiet):
                case "other":
                    continue
                case "same":
                    return self._resume(known, found, reader, head, now)
                case "beyond":
                    offset = known.offset
                    if known.reader:
                        offset = last_line_end(reader, known.reader.stat().st_size, self._max_line) or 0
                    return self._add(found, reader, head, index, now, offset=offset)
                case "wait":
                    self.notes[found.path] = f"waiting: it looks like a copy of {known.path}"
                    return False
                case "copied" if found.packed:
                    self._add_unread(found, head, "", now)
                    return False
                case "copied":
                    return self._add(found, reader, head, index, now, offset=found.size)
        return self._add(found, reader, head, index, now)

    def _resume(self, known: TrackedFile, found: Found, reader: Reader, head: bytes, now: float) -> bool:
        """Read a known content on from `found`."""
        moved = (known.identity.device, known.identity.inode) != found.where
        if not moved and not known.rotated and known.path not in found.paths:
            self.counters.rotations["rename"] += 1
        if moved and not known.gone:
            self._count_absence(known)
        keep = not found.packed and self._open < self._max_open
        known.attach(found, reader if keep else None, head, now)
        self.held.add(known.key)
        if found.packed and moved and not known.trial:
            self.counters.rotations["gzip"] += 1
        self._open += keep
        return keep

    def _add_existing(self, found: Found, size: int, reader: Reader, head: bytes, index: FileIndex, now: float) -> bool:
        """A file that was `size` bytes long at the very first start, and is read from there on."""
        if found.packed:
            self.counters.bytes_before_start += size
            self._add_unread(found, head, "", now)
            return False
        offset = last_line_end(reader, size, self._max_line)
        self.counters.bytes_before_start += size if offset is None else offset
        if offset is None:
            return self._add(found, reader, head, index, now, offset=size, skip="line")
        return self._add(found, reader, head, index, now, offset=offset)

    def _add(
        self,
        found: Found,
        reader: Reader,
        head: bytes,
        index: FileIndex,
        now: float,
        *,
        offset: int = 0,
        skip: Skip = "",
    ) -> bool:
        """A content not known before."""
        file = self._remember(found, head, offset=offset, before=_before(reader, offset), skip=skip)
        keep = not found.packed and self._open < self._max_open
        file.attach(found, reader if keep else None, head, now)
        self._open += keep
        index.add(file)
        return keep

    def _add_unread(self, found: Found, head: bytes, error: str, now: float) -> None:
        """A file that is not to be read: its content was, or it is damaged where reading would have to begin."""
        file = self._remember(found, head, ignored=True)
        file.attach(found, None, head, now)
        if error:
            file.failed = error
            self.counters.errors["gzip"] += 1

    def _remember(
        self,
        found: Found,
        head: bytes,
        *,
        offset: int = 0,
        before: Fingerprint = _NOTHING,
        skip: Skip = "",
        ignored: bool = False,
    ) -> TrackedFile:
        generation = 0
        while (key := f"{found.where[0]:x}-{found.where[1]:x}-{generation}") in self.files:
            generation += 1
        if generation and not offset:
            skip = "hole"
        stem = stem_of(found.path, self._stems)
        identity = Identity(*found.where, Fingerprint.of(head))
        position = Position(
            identity=identity,
            generation=generation,
            path=found.path,
            stem=stem,
            offset=offset,
            before=before,
            size=found.size,
            skip=skip,
            ignored=ignored,
        )
        self.files[key] = file = TrackedFile(key, position, follow=self._follow_symlinks)
        self.held.add(key)
        return file

    def trouble(self, path: str, kind: str, error: OSError) -> None:
        """A file cannot be opened or read; counted once until that changes."""
        if path not in self.troubles:
            self.counters.errors[kind] += 1
        self.troubles[path] = error.strerror or str(error)


def _before(reader: Reader, offset: int) -> Fingerprint:
    length = min(offset, COVERED)
    return Fingerprint.of(peek(reader, offset - length, length)) if length else _NOTHING
