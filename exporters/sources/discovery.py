"""What the patterns match now: regular files by inode, and why the rest is not read."""

from __future__ import annotations

import glob
import os
import re
import stat
from collections.abc import Container, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from exporters.sources.packed import is_packed
from exporters.sources.readers import kind_of
from exporters.sources.walk import LINK, NAMES, SHOWN, Match, Walk

_UNSUPPORTED = (".bz2", ".xz", ".lz4", ".zip", ".Z")
_ROTATED = re.compile(r"(?:[.\-_](?:\d[\dTZ:]*|old|bak))*(\.[A-Za-z]+)??(?:\.gz|\.zst)?$")

Where = tuple[int, int]
"""Device and inode."""


@dataclass(frozen=True, slots=True)
class Found:
    """A regular file and all matched paths that lead to it, sorted. `modified` is in nanoseconds."""

    where: Where
    size: int
    modified: int
    paths: tuple[str, ...]

    @property
    def path(self) -> str:
        """The first of its paths."""
        return self.paths[0]

    @property
    def packed(self) -> bool:
        """Whether its name says that it is compressed."""
        return is_packed(self.path)

    @property
    def look(self) -> tuple[int, int]:
        """Changes whenever the file is written to."""
        return self.size, self.modified


@dataclass(slots=True)
class Discovery:
    """One look at the folders.

    `refused` says of a matched path why it cannot be looked at, `oddities` why it is no log (a folder, a FIFO, a
    compression that is not read), `unmatched` of a pattern why it matches nothing. `cut`: there is more than one look
    takes in. `failed`: a folder could not be looked into, so that what is in it may be there still.
    """

    found: dict[Where, Found] = field(default_factory=dict)
    at: dict[str, Where] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    oddities: dict[str, str] = field(default_factory=dict)
    unmatched: dict[str, str] = field(default_factory=dict)
    cut: bool = False
    failed: bool = False

    def add(self, where: Where, status: os.stat_result, paths: tuple[str, ...]) -> None:
        """Take in a regular file."""
        self.found[where] = Found(where, status.st_size, status.st_mtime_ns, paths)
        self.at.update(dict.fromkeys(paths, where))


class Search:
    """A look at everything that matches, in as many goes as it takes. See `exporters.sources.walk`.

    A symbolic link is refused unless links are followed: whoever may write to the folder could have any file read.
    """

    def __init__(self, patterns: Sequence[str], *, follow_symlinks: bool) -> None:
        self._patterns = tuple(patterns)
        self._walk = Walk(patterns, follow_symlinks=follow_symlinks)

    @property
    def looked(self) -> int:
        """How many names were looked at."""
        return self._walk.looked

    def go_on(self, names: int) -> Discovery | None:
        """Look at so many names more; everything that was found once that is all, None before."""
        return self._result() if self._walk.go_on(names) else None

    def close(self) -> None:
        """Give it up."""
        self._walk.close()

    def _result(self) -> Discovery:
        walk = self._walk
        seen = Discovery(refused=walk.refused, oddities=walk.oddities, cut=walk.cut, failed=walk.failed)
        for pattern in self._patterns:
            if pattern not in walk.matched:
                seen.unmatched[pattern] = _why_unmatched(pattern)
        same: dict[Where, list[str]] = {}
        statuses: dict[Where, os.stat_result] = {}
        for match in sorted(walk.matches, key=lambda match: match.path):
            why = _no_log(match)
            if why is not None:
                path = match.path if match.path.isprintable() else ascii(match.path)
                troubles = seen.refused if why == LINK else seen.oddities
                if len(troubles) < SHOWN:
                    troubles[path] = why
                continue
            where = (match.status.st_dev, match.status.st_ino)
            same.setdefault(where, []).append(match.path)
            statuses[where] = match.status
        for where, names in same.items():
            seen.add(where, statuses[where], tuple(names))
        return seen


def _no_log(match: Match) -> str | None:
    """Why a match is not read."""
    if not match.path.isprintable():  # line breaks, and bytes that are no UTF-8, which no state file could hold
        return "has a name that cannot be printed"
    if stat.S_ISLNK(match.status.st_mode):
        return LINK
    if not stat.S_ISREG(match.status.st_mode):
        return f"is {kind_of(match.status.st_mode)}"
    if match.path.endswith(_UNSUPPORTED):
        return "has an unsupported compression"
    return None


def discover(patterns: Sequence[str], *, follow_symlinks: bool) -> Discovery:
    """Look at everything that matches at once."""
    search = Search(patterns, follow_symlinks=follow_symlinks)
    while (seen := search.go_on(NAMES)) is None:
        pass
    return seen


def stem_of(path: str, stems: Container[str]) -> str:
    """The path of the live log that a rotated file's path was made from, if that is one of `stems`; else `path`.

    Rotation puts numbers, a date or ``old`` at the end of a name or before its extension: ``x.log.1``,
    ``x.log-20261123.gz``, ``x.2026-11-23.log``.
    """
    stem = _ROTATED.sub(r"\1", path, count=1)
    return stem if stem in stems else path


def _why_unmatched(pattern: str) -> str:
    """Say why nothing matches; a folder that may not be listed looks to glob like an empty one."""
    folder = Path(pattern).parent
    while glob.has_magic(str(folder)):
        folder = folder.parent
    try:
        os.scandir(folder).close()
    except OSError as error:
        return f"no file matches {pattern}: {folder}: {error.strerror}"
    return f"no file matches {pattern}"
