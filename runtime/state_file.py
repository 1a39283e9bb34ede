"""The state file: everything the exporter must not forget, in one file that is whole or absent.

Written to a temporary file, synced, and renamed; the one before stays beside it. See docs/adr/0001. It is written and
read in pieces, so that a save does not take as much memory again as the state.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import io
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

import msgspec
import numpy as np
import xxhash

from runtime.beneath import LinkError, make_private, open_in
from runtime.errors import TocsinError

VERSION = 3
_MAGIC = b"TOCSIN-STATE\n"
_HEAD = len(_MAGIC) + 4 + 8  # magic, version, checksum
_ARRAY = 1  # msgpack extension type
_DTYPES: Final = frozenset(("|b1", "|u1", "<i4", "<u4", "<f4", "<i8", "<u8", "<f8"))
_MAP32, _ARRAY32, _EXT32 = b"\xdf", b"\xdd", b"\xc9"  # msgpack's first bytes of what has a length of four


class StateError(TocsinError):
    """The state folder cannot be used; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What was found: `data` is None on a first start.

    `damaged` says why the newest file could not be used. `data` is then the one before, or None: counters in it are
    lower than what may have been shown, so they have to start from 0.
    """

    data: dict[str, Any] | None
    damaged: str = ""


class StateFolder:
    """A folder that one exporter at a time may use; `close` gives it back.

    Raises:
        StateError: the folder cannot be written, or another exporter uses it.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "state"
        self.previous = folder / "state.previous"
        self._place = folder
        try:
            make_private(folder)
            self._folder = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise StateError(f"state folder {folder}: {error.strerror}; make it writable for this user") from error
        try:
            self._lock = open_in(self._folder, "lock", os.O_RDWR | os.O_CREAT | os.O_NONBLOCK)
        except OSError as error:
            os.close(self._folder)
            raise StateError(f"state folder {folder}: {error.strerror}; make it writable for this user") from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # the kernel lets go of it when a process ends
        except OSError as error:
            self.close()
            text = f"state folder {folder} is used by another exporter; give each its own folder, or stop the other one"
            raise StateError(text) from error

    def close(self) -> None:
        """Let another exporter use the folder."""
        os.close(self._lock)
        os.close(self._folder)

    def save(self, data: dict[str, Any]) -> int:
        """Write the state; its size in bytes.

        Raises:
            OSError: it could not be written, or the folder is another one now; the last state is still whole.
        """
        self._require_ours()
        draft = self.path.name + ".new"
        self._remove(draft)  # also a link, which nothing is to be written through
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
            with os.fdopen(open_in(self._folder, draft, flags, 0o600), "wb") as file:
                size = _write(file, data)
                file.flush()
                os.fsync(file.fileno())
            self._move(self.path.name, self.previous.name)
            os.rename(draft, self.path.name, src_dir_fd=self._folder, dst_dir_fd=self._folder)
        except OSError:
            self._remove(draft)  # on a full disk it is in the way
            raise
        os.fsync(self._folder)  # or power loss could bring the one before back
        return size

    def _require_ours(self) -> None:
        """The folder and its lock are still those that were locked, so that nobody else writes here."""
        for path, descriptor in ((self._place, self._folder), (self._place / "lock", self._lock)):
            try:
                ours = os.path.samestat(path.stat(follow_symlinks=descriptor == self._folder), os.fstat(descriptor))
            except FileNotFoundError:
                ours = False
            if not ours:
                raise OSError(
                    errno.ESTALE, "it was replaced while the exporter runs; start the exporter again", str(path)
                )

    def _move(self, name: str, to: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.rename(name, to, src_dir_fd=self._folder, dst_dir_fd=self._folder)

    def _remove(self, name: str) -> None:
        with contextlib.suppress(OSError):
            os.unlink(name, dir_fd=self._folder)

    def load(self, usable: Callable[[dict[str, Any]], None] = lambda _data: None) -> Loaded:
        """Read the newest state that is whole, and that `usable` does not refuse by a ValueError.

        Raises:
            StateError: it was written by a newer version, or cannot be read.
        """
        damaged = ""
        for path in (self.path, self.previous):
            try:
                data = decode(self._read(path))
                usable(data)
            except FileNotFoundError:
                continue
            except ValueError as error:
                damaged = damaged or str(error)
                if path is self.path:
                    with contextlib.suppress(OSError):
                        self._move(path.name, f"{path.name}.damaged")
                continue
            except OSError as error:
                raise StateError(f"{path}: {error.strerror}; make it readable for this user") from error
            return Loaded(data, damaged)
        return Loaded(None, damaged)

    def _read(self, path: Path) -> bytes:
        """The content of a state file. Raises OSError; ValueError: what is there is no file of ours."""
        try:
            descriptor = open_in(self._folder, path.name, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
        except LinkError:
            raise ValueError(f"{path.name} is a symbolic link") from None
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise ValueError(f"{path.name} is no regular file")
        with os.fdopen(descriptor, "rb") as file:
            return file.read()


def encode(data: dict[str, Any]) -> bytes:
    """Plain data and numpy arrays as bytes with a version and a checksum."""
    file = io.BytesIO()
    _write(file, data)
    return file.getvalue()


def _write(file: BinaryIO, data: dict[str, Any]) -> int:
    """As `encode`, from the start of a file on; how many bytes that is. Raises OSError."""
    file.write(_MAGIC + VERSION.to_bytes(4, "big") + bytes(8))
    checksum, size = xxhash.xxh3_64(), _HEAD
    for piece in _pieces(data):
        checksum.update(piece)
        file.write(piece)
        size += len(piece)
    file.seek(_HEAD - 8)
    file.write(checksum.digest())
    return size


def decode(content: bytes) -> dict[str, Any]:
    """The inverse of `encode`.

    Raises:
        StateError: written by a newer version.
        ValueError: the bytes are damaged.
    """
    if not content.startswith(_MAGIC) or len(content) < _HEAD:
        raise ValueError("this is not a state file")
    version = int.from_bytes(content[len(_MAGIC) : len(_MAGIC) + 4], "big")
    if version > VERSION:
        text = f"the state was written by a newer version (format {version}, this one reads up to {VERSION})"
        raise StateError(f"{text}; run that version, or move the state away to start afresh")
    body = memoryview(content)[_HEAD:]
    if xxhash.xxh3_64_digest(body) != content[_HEAD - 8 : _HEAD]:
        raise ValueError("the state file's checksum is wrong")
    try:
        data: object = msgspec.msgpack.decode(body, ext_hook=_from_extension)
    except (TypeError, OverflowError, RecursionError, MemoryError) as error:
        raise ValueError(f"the state file holds what was never saved: {type(error).__name__}") from error
    if not isinstance(data, dict) or not all(isinstance(key, str) for key in data):
        raise ValueError("the state file holds no state")
    return data


def _pieces(value: object) -> Iterator[bytes | memoryview]:
    """The msgpack of plain data. Dictionaries and lists of them are taken apart, and no array is copied."""
    if isinstance(value, dict):
        yield _MAP32 + len(value).to_bytes(4, "big")
        for key, item in value.items():
            yield msgspec.msgpack.encode(key)
            yield from _pieces(item)
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        yield _ARRAY32 + len(value).to_bytes(4, "big")
        for item in value:
            yield from _pieces(item)
    elif isinstance(value, np.ndarray):
        head = msgspec.msgpack.encode([value.dtype.str, list(value.shape)])
        flat = np.ascontiguousarray(value).reshape(-1).view(np.uint8)
        yield _EXT32 + (4 + len(head) + len(flat)).to_bytes(4, "big") + bytes([_ARRAY])
        yield len(head).to_bytes(4, "big") + head
        yield flat.data
    else:
        yield msgspec.msgpack.encode(value)


def _from_extension(code: int, content: memoryview) -> object:
    if code != _ARRAY:
        raise ValueError(f"the state file holds an unknown type {code}")
    size = int.from_bytes(content[:4], "big")
    dtype, shape = msgspec.msgpack.decode(content[4 : 4 + size], type=tuple[str, list[int]])
    if dtype not in _DTYPES or any(length < 0 for length in shape):
        raise ValueError(f"the state file holds an unknown kind of numbers {dtype[:20]!r}")
    return np.frombuffer(content[4 + size :], np.dtype(dtype)).reshape(shape).copy()
