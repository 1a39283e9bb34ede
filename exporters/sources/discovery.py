"""What the patterns match now: regular files by inode, and why the rest is not read."""

from __future__ import annotations

import glob
import os
import re
import stat
from collections.abc import Container, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from exporters.sources.readers import kind_of

_UNSUPPORTED = (".bz2", ".xz", ".zst", ".lz4", ".zip", ".Z")
_ROTATED = re.compile(r"(?:[.\-_](?:\d[\dTZ:]*|old|bak))*(\.[A-Za-z]+)??(?:\.gz)?$")

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
    def gzip(self) -> bool:
        """Whether its name says that it is compressed."""
        return self.path.endswith(".gz")

    @property
    def look(self) -> tuple[int, int]:
        """Changes whenever the file is written to."""
        return self.size, self.modified


@dataclass(slots=True)
class Discovery:
    """One look at the folders.

    `refused` says of a matched path why it cannot be looked at, `oddities` why it is no log (a folder, a FIFO, a
    compression that is not read), `unmatched` of a pattern why it matches nothing.
    """

    found: dict[Where, Found] = field(default_factory=dict)
    at: dict[str, Where] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    oddities: dict[str, str] = field(default_factory=dict)
    unmatched: dict[str, str] = field(default_factory=dict)


def discover(patterns: Sequence[str], *, follow_symlinks: bool) -> Discovery:
    """Look at everything that matches. Hidden files match only a pattern that names the dot; ``**`` goes deep.

    A symbolic link is refused unless links are followed: whoever may write to the folder could have any file read.
    """
    seen = Discovery()
    paths: set[str] = set()
    for pattern in patterns:
        matched = glob.glob(pattern, recursive=True)  # noqa: PTH207 - pathlib's would match hidden files
        if not matched:
            seen.unmatched[pattern] = _why_unmatched(pattern)
        paths.update(matched)
    same: dict[Where, list[str]] = {}
    statuses: dict[Where, os.stat_result] = {}
    for path in sorted(paths):
        if not path.isprintable():  # line breaks, and bytes that are no UTF-8, which no state file could hold
            seen.oddities[ascii(path)] = "has a name that cannot be printed"
            continue
        try:
            status = os.stat(path) if follow_symlinks else os.lstat(path)  # noqa: PTH116
        except FileNotFoundError:  # gone since, or a link that leads nowhere
            continue
        except OSError as error:
            seen.refused[path] = error.strerror or str(error)
            continue
        if stat.S_ISLNK(status.st_mode):
            seen.refused[path] = "is a symbolic link; set `follow_symlinks: true` where links are meant to be read"
            continue
        if not stat.S_ISREG(status.st_mode):
            seen.oddities[path] = f"is {kind_of(status.st_mode)}"
            continue
        if path.endswith(_UNSUPPORTED):
            seen.oddities[path] = "is compressed in a way that is not read"
            continue
        where = (status.st_dev, status.st_ino)
        seen.at[path] = where
        same.setdefault(where, []).append(path)
        statuses[where] = status
    for where, names in same.items():
        status = statuses[where]
        seen.found[where] = Found(where, status.st_size, status.st_mtime_ns, tuple(names))
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
