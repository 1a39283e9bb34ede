"""The state file: everything the exporter must not forget, in one file that is whole or absent.

Written to a temporary file, synced, and renamed; the one before stays beside it. See docs/adr/0001. It is written and
read in pieces, so that a save does not take as much memory again as the state.
"""

from __future__ import annotations

import fcntl
import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import numpy as np
import xxhash

VERSION = 1
_MAGIC = b"TOCSIN-STATE\n"
_HEAD = len(_MAGIC) + 4 + 8  # magic, version, checksum
_ARRAY = 1  # msgpack extension type
_MAP32, _ARRAY32, _EXT32 = b"\xdf", b"\xdd", b"\xc9"  # msgpack's first bytes of what has a length of four


class StateError(Exception):
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
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._folder = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            self._lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StateError(f"state folder {folder}: {error.strerror}; make it writable for this user") from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self.close()
            text = f"state folder {folder} is used by another exporter; give each its own, or end the other one"
            raise StateError(text) from error

    def close(self) -> None:
        """Let another exporter use the folder."""
        os.close(self._lock)
        os.close(self._folder)

    def save(self, data: dict[str, Any]) -> int:
        """Write the state; its size in bytes.

        Raises:
            OSError: it could not be written; the last state is still whole.
        """
        draft = self.path.with_suffix(".new")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            size = _write(file, data)
            file.flush()
            os.fsync(file.fileno())
        if self.path.exists():
            self.path.replace(self.previous)
        draft.replace(self.path)
        os.fsync(self._folder)  # or power loss could bring the one before back
        return size

    def load(self) -> Loaded:
        """Read the newest state.

        Raises:
            StateError: it was written by a newer version.
        """
        try:
            return Loaded(decode(self.path.read_bytes()))
        except FileNotFoundError:
            damaged = ""
        except ValueError as error:
            damaged = str(error)
            self.path.replace(self.path.with_suffix(".damaged"))
        try:
            return Loaded(decode(self.previous.read_bytes()), damaged)
        except (FileNotFoundError, ValueError):
            return Loaded(None, damaged)


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
        raise ValueError("the state file does not begin as one")
    version = int.from_bytes(content[len(_MAGIC) : len(_MAGIC) + 4], "big")
    if version > VERSION:
        text = f"the state was written by a newer version (format {version}, this one reads up to {VERSION})"
        raise StateError(f"{text}; run that version, or move the state away to start afresh")
    body = memoryview(content)[_HEAD:]
    if xxhash.xxh3_64_digest(body) != content[_HEAD - 8 : _HEAD]:
        raise ValueError("the state file's checksum is wrong")
    data: dict[str, Any] = msgspec.msgpack.decode(body, ext_hook=_from_extension)
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
    return np.frombuffer(content[4 + size :], np.dtype(dtype)).reshape(shape).copy()
