"""A folder for what can be made again at some cost. What is taken from it is trusted, so nobody else may write there.

A file is named after what it was made of, so several versions stand side by side; the newest few of a name are kept.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import stat
import tempfile
from pathlib import Path
from typing import Final

log = logging.getLogger("tocsin")

KEPT: Final = 4
"""Files of one name that are kept."""
LARGEST: Final = 256 * 1024 * 1024
"""Bytes of a file."""
_OTHERS: Final = stat.S_IWGRP | stat.S_IWOTH
_SEAL: Final = 32  # bytes


def user_cache() -> Path | None:
    """The folder of this user for what can be made again; None without a home.

    It is below ``XDG_CACHE_HOME``, or ``~/.cache`` where that is not an absolute path.
    """
    configured = Path(os.environ.get("XDG_CACHE_HOME", ""))
    try:
        base = configured if configured.is_absolute() else Path.home() / ".cache"
    except RuntimeError:
        return None
    return base / "tocsin"


class PrivateCache:
    """Files by a name and the key that says what they were made of. A file that cannot be used or written is no error.

    `what` names the content in the one message that says why nothing is kept.
    """

    def __init__(self, folder: Path, *, what: str) -> None:
        self.folder = folder
        self._what = what
        self._warned = False

    def read(self, name: str, key: bytes) -> bytes | None:
        """What was written under this name for this key; None if there is nothing, or it cannot be trusted.

        It has to be whole, and folder and file have to be ours and closed to the writing of others.
        """
        try:
            if not _private(self.folder.lstat()):
                self._warn("others can write there, or it belongs to another user")
                return None
            with open(self.folder / _name(name, key), "rb", opener=_no_link) as file:
                status = os.fstat(file.fileno())
                if not (_private(status) and stat.S_ISREG(status.st_mode) and status.st_size <= LARGEST):
                    return None
                whole = file.read(LARGEST)
        except OSError:
            return None
        seal, data = whole[:_SEAL], whole[_SEAL:]
        return data if seal == _seal(key, data) else None

    def write(self, name: str, key: bytes, data: bytes) -> None:
        """Keep `data` under this name for this key, and forget the oldest of the name."""
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not _private(self.folder.lstat()):
                self._warn("others can write there, or it belongs to another user")
                return
            handle, temporary = tempfile.mkstemp(dir=self.folder)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(_seal(key, data) + data)
                Path(temporary).replace(self.folder / _name(name, key))
            except OSError:
                Path(temporary).unlink(missing_ok=True)
                raise
            self._forget(name)
        except OSError as error:
            self._warn(error.strerror or "it cannot be written")

    def _forget(self, name: str) -> None:
        """Remove all but the newest files of a name. Others may do the same at this moment."""
        found: list[tuple[float, Path]] = []
        for path in self.folder.glob(f"{name}-{'[0-9a-f]' * 16}"):
            with contextlib.suppress(OSError):
                found.append((path.stat().st_mtime, path))
        for _, path in sorted(found, reverse=True)[KEPT:]:
            path.unlink(missing_ok=True)

    def _warn(self, why: str) -> None:
        if not self._warned:
            log.warning("%s cannot be kept in %s: %s", self._what, self.folder, why)
        self._warned = True


def _name(name: str, key: bytes) -> str:
    return f"{name}-{hashlib.sha256(key).hexdigest()[:16]}"


def _seal(key: bytes, data: bytes) -> bytes:
    """What ties `data` to what it was made of."""
    return hashlib.sha256(hashlib.sha256(key).digest() + data).digest()


def _private(status: os.stat_result) -> bool:
    return status.st_uid == os.geteuid() and not status.st_mode & _OTHERS


def _no_link(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
