"""Opens files component by component and follows no link in any of them.

Whoever may write to a folder can put a link there, at any moment. So a path is never looked at first and opened later:
each folder is opened from the one above it, and a link in its place is an error, not a way.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

FOLDER: Final = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
"""Flags that open a folder to go on from there, without the right to list it."""


class LinkError(OSError):
    """A symbolic link stands where a file or a folder should be; nothing was followed."""

    def __init__(self, path: str) -> None:
        super().__init__(errno.ELOOP, "is a symbolic link, or lies behind one, and links are not followed", path)


def open_beneath(path: str, flags: int, mode: int = 0o600) -> int:
    """As `os.open`, but no component of `path` may be a link; the file is not inherited by other programs.

    Raises:
        LinkError: one is.
        OSError: it cannot be opened.
    """
    with folder_of(path) as (folder, name):
        return open_in(folder, name, flags, mode)


def stat_beneath(path: str) -> os.stat_result:
    """As `os.lstat`, but no folder on the way may be a link. Raises as `open_beneath`."""
    with folder_of(path) as (folder, name):
        return os.stat(name, dir_fd=folder, follow_symlinks=False)


def open_in(folder: int, name: str, flags: int, mode: int = 0o600) -> int:
    """Open `name` in an open folder; no link. Raises as `open_beneath`."""
    try:
        return os.open(name, flags | os.O_NOFOLLOW | os.O_CLOEXEC, mode, dir_fd=folder)
    except OSError as error:
        raise _told(error, folder, name) from None


def open_folder(folder: int | None, name: str) -> int:
    """Open a folder, from an open one or from where this process is; no link. Raises as `open_beneath`."""
    try:
        return os.open(name, FOLDER, dir_fd=folder)
    except OSError as error:
        raise _told(error, folder, name) from None


def make_private(folder: Path) -> None:
    """Make a folder, and those above it that are missing, for this user alone, whatever the umask. Raises OSError."""
    if folder.is_dir():
        return
    make_private(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)


@contextlib.contextmanager
def folder_of(path: str) -> Iterator[tuple[int, str]]:
    """The open folder that `path` is in, and its name there. Raises as `open_beneath`."""
    *folders, name = [part for part in path.split("/") if part] or ["."]
    at = os.open("/" if path.startswith("/") else ".", FOLDER)
    try:
        for part in folders:
            deeper = open_folder(at, part)
            os.close(at)
            at = deeper
        yield at, name
    finally:
        os.close(at)


def _told(error: OSError, folder: int | None, name: str) -> OSError:
    """The error, by its right name if it is about a link: the kernel calls one that is no folder by another."""
    if error.errno == errno.ELOOP:
        return LinkError(name)
    if error.errno == errno.ENOTDIR:
        with contextlib.suppress(OSError):
            if stat.S_ISLNK(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
                return LinkError(name)
    return error
