"""Is this file one whose content is known already? Compares a newly found file with what was read before."""

from __future__ import annotations

import bisect
import heapq
from collections.abc import Iterable, Iterator
from typing import Final, Literal

from exporters.sources.discovery import Found, Where
from exporters.sources.identity import COVERED, Fingerprint
from exporters.sources.packed import is_packed
from exporters.sources.readers import Reader, peek
from exporters.sources.tracked_file import ReplacedError, TrackedFile

ALIKE: Final = 32
"""Known contents that a found file is compared with, at most. Whoever makes more that begin alike may have records of
copies read twice, which their ids tell."""

Match = Literal["other", "same", "copied", "beyond", "wait"]
"""What a found file is to a known content: something else; the content itself, to be read on from the position; a copy
without anything unread, or the file itself, cut short; a copy that has grown further than the original; or nothing to
decide yet, as it looks like a copy of a file that is still being read, or like one being made."""


class FileIndex:
    """Known contents by inode and by how they begin."""

    def __init__(self, files: Iterable[TrackedFile]) -> None:
        self._by_head: dict[Fingerprint, list[TrackedFile]] = {}  # those whose head itself is not known
        self._lengths: set[int] = set()  # of those heads
        self._heads: list[tuple[bytes, int]] = []  # sorted; each with its place in the next one
        self._headed: list[TrackedFile] = []
        self._by_inode: dict[Where, list[TrackedFile]] = {}
        for file in files:
            self._take(file)
        self._heads.sort()

    def _take(self, file: TrackedFile) -> None:
        self._by_inode.setdefault(_inode(file), []).append(file)
        if file.head:
            self._heads.append((file.head, len(self._headed)))
            self._headed.append(file)
        elif file.identity.head.length:
            self._lengths.add(file.identity.head.length)
            self._by_head.setdefault(file.identity.head, []).append(file)

    def add(self, file: TrackedFile) -> None:
        """Take in one more."""
        self._take(file)
        if file.head:
            bisect.insort(self._heads, self._heads.pop())

    def has_inode(self, where: Where) -> bool:
        """Whether a content was known at this inode."""
        return where in self._by_inode

    def own(self, found: Found, head: bytes) -> list[TrackedFile]:
        """Contents known at this inode that begin like `head`, as far as they are known."""
        return [
            file
            for file in self._by_inode.get(found.where, [])
            if is_packed(file.path) == found.packed and file.identity.head.matches_start(head)
        ]

    def candidates(self, found: Found, head: bytes) -> list[TrackedFile]:
        """Contents that begin as `found` does, as far as both are known, the most telling first.

        That is: a finished one of its own inode; the more of the start agrees; the more was read of them (of several
        copies the most complete one knows best what was read); its own inode's; those that have a file. There are
        `ALIKE` of them at most.
        """
        own = self.own(found, head)
        alike = own.copy()
        alike += self._shorter(head)
        for length in self._lengths:
            if length <= len(head):
                alike += self._by_head.get(Fingerprint.of(head[:length]), [])
        if 0 < len(head) < COVERED:  # it may be a copy that is being made, or what a cut has left
            alike += [file for file in self._longer(head) if b"\n" in head or _inode(file) != found.where]
        unique = [file for file in dict.fromkeys(alike) if found.where not in file.refused]

        def rank(file: TrackedFile) -> tuple[bool, int, int, bool, bool]:
            agrees = min(file.identity.head.length, len(head))
            finished = file in own and file.is_over(found)
            return not finished, -agrees, -file.offset, file not in own, file.where is None

        return heapq.nsmallest(ALIKE, unique, key=rank)

    def _longer(self, head: bytes) -> Iterator[TrackedFile]:
        """Contents that begin with all of `head` and go on."""
        place = bisect.bisect_right(self._heads, (head, len(self._headed)))
        while place < len(self._heads) and self._heads[place][0].startswith(head):
            yield self._headed[self._heads[place][1]]
            place += 1

    def _shorter(self, head: bytes) -> Iterator[TrackedFile]:
        """Contents whose beginning, as far as it is known, is one of `head`."""
        rest = head
        while rest:
            place = bisect.bisect_right(self._heads, (rest, len(self._headed)))
            if not place:
                return
            before = self._heads[place - 1][0]
            pairs = enumerate(zip(before, rest, strict=False))
            common = next((at for at, (one, other) in pairs if one != other), min(len(before), len(rest)))
            if common < len(before):  # between it and a shorter beginning of `rest` nothing can lie
                rest = rest[:common]
                continue
            first = bisect.bisect_left(self._heads, (before,))
            for _, number in self._heads[first:place]:
                yield self._headed[number]
            rest = before[:-1]


def compare(known: TrackedFile, found: Found, reader: Reader, head: bytes, *, quiet: bool) -> Match:
    """Match `found`, which begins like `known`. `quiet`: it has not changed for a while, so is no copy being made.

    Raises:
        OSError: the found file cannot be read.
    """
    own = _inode(known) == found.where
    if known.where is not None:
        return _match_live(known, found, reader, head, quiet=quiet)
    if own and not known.identity.head.length:
        return "other" if known.ignored else "same"  # what could not be read then can be now
    if own and known.is_over(found):
        return "same"
    if known.ignored:
        return "copied"
    if found.packed:
        return "same"  # as far as can be told before it is decompressed up to the position
    if found.size < known.offset:
        return "copied" if own or quiet else "wait"
    return "same" if _agrees(known, reader) else "other"


def _agrees(known: TrackedFile, reader: Reader) -> bool:
    """Whether a plain file holds before the position what was read there."""
    before = Fingerprint.of(known.tail) if known.tail else known.before
    return before.matches_end(peek(reader, known.offset - before.length, before.length))


def _match_live(known: TrackedFile, found: Found, reader: Reader, head: bytes, *, quiet: bool) -> Match:
    if known.ignored:
        return "copied"
    if known.done and not found.packed and found.size >= known.offset:
        return "beyond" if _agrees(known, reader) else "other"
    covered = known.identity.head.length
    if covered > len(head):  # all of it is known
        complete = reader.ended or (quiet and b"\n" in head)
        return "copied" if complete and known.offset >= len(head) else "wait"
    if covered < min(COVERED, len(head)) and b"\n" not in head[:covered]:
        return "other"  # to begin with the same part of a line proves nothing
    if known.packed or found.packed or known.trial:
        return "other" if covered < min(COVERED, len(head)) and quiet else "wait"
    try:
        live = known.open()
        size = live.stat().st_size
        end = min(found.size, size)
        start = max(0, end - COVERED)
        same = peek(live, start, end - start) == peek(reader, start, end - start)
        known.verify()  # it may have been cut, and have grown again, since it was looked at
        if not same:
            return "other"
    except (OSError, ReplacedError):
        return "wait"
    if known.offset <= size < found.size:
        return "beyond"
    return "copied" if quiet and found.size <= known.offset else "wait"


def _inode(file: TrackedFile) -> Where:
    return file.identity.device, file.identity.inode


def last_line_end(reader: Reader, size: int, limit: int) -> int | None:
    """Offset just behind the last newline before `size`; 0 if there is none, None if the search passed `limit` bytes.

    Raises:
        OSError: the file cannot be read.
    """
    end = size
    while end > 0:
        if size - end >= limit:
            return None
        start = max(0, end - 64 * 1024)
        found = peek(reader, start, end - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0
