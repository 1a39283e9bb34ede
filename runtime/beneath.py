"""Opens files component by component and follows no link in any of them.

Whoever may write to a folder can put a link there, at any moment. So a path is never looked at first and opened later:
each folder is opened from the one above it, and a link in its place is an error, not a way.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

FOLDER: Final = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
"""Flags that open a folder to go on from there, without the right to list it."""


class LinkError(OSError):
    """A symbolic link stands where a file or a folder should be; nothing was followed."""

    def __init__(self, path: str) -> None:
        super().__init__(errno.ELOOP, "is a symbolic link, or is behind one; links are not followed", path)


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


def write_beneath(root: Path, path: str, text: str) -> None:
    """Write a file `path` below a folder, with the folders it needs; whole, or not at all.

    What is there is replaced and never written through: not a link, nor a second name of another file.

    Raises:
        LinkError: a link stands on the way, or where the file should be.
        OSError: it cannot be written.
    """
    with _below(root, path, make=True) as (folder, name):
        with contextlib.suppress(FileNotFoundError):
            if stat.S_ISLNK(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
                raise LinkError(str(root / path))
        draft = f".{name}.{secrets.token_hex(8)}"
        try:
            with os.fdopen(open_in(folder, draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666), "wb") as file:
                file.write(text.encode())
            os.rename(draft, name, src_dir_fd=folder, dst_dir_fd=folder)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(draft, dir_fd=folder)
            raise


def remove_beneath(root: Path, path: str) -> None:
    """Remove a file below a folder, never one behind a link. Raises as `write_beneath`."""
    with _below(root, path) as (folder, name):
        os.unlink(name, dir_fd=folder)


def write_named(path: Path, text: str) -> None:
    """Write the file that a person named, whose folder they know; a link in its place is not followed.

    Raises:
        LinkError: there is one.
        OSError: it cannot be written.
    """
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise LinkError(str(path)) if error.errno == errno.ELOOP else error from None
    with os.fdopen(file, "wb") as stream:
        stream.write(text.encode())


@contextlib.contextmanager
def _below(root: Path, path: str, *, make: bool = False) -> Iterator[tuple[int, str]]:
    """The open folder of `path` below `root`, and the name there; `root` is as a person named it, link or not."""
    *folders, name = path.split("/")
    if make:
        root.mkdir(parents=True, exist_ok=True)
    at = os.open(root, FOLDER & ~os.O_NOFOLLOW)
    try:
        for part in folders:
            if make:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(part, dir_fd=at)
            try:
                deeper = open_folder(at, part)
            except LinkError:
                raise LinkError(str(root / path)) from None
            os.close(at)
            at = deeper
        yield at, name
    finally:
        os.close(at)


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
