"""Bytes of one open file by their decompressed offset, compressed or not: never waiting, never more than asked for."""

from __future__ import annotations

import errno
import mmap
import os
import stat
from collections.abc import Callable
from functools import partial
from typing import Protocol

from exporters.sources.packed import DamagedError, Decoder, decoder_of
from runtime.beneath import folder_of, open_in

_RAW_READ = 16 * 1024  # compressed bytes read at once
_RAW_LEAST = 4 * _RAW_READ  # compressed bytes that one call may consume, however few bytes it asks for
_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY

Buffer = bytearray | mmap.mmap
"""What is read into, again and again."""


class Reader(Protocol):
    """An open file.

    `at_end` tells, after a read, that nothing more is there now; `ended` that the stream is complete; `error` why its
    content cannot be read further. `raw` is how many bytes of the file itself were consumed.
    """

    at_end: bool
    ended: bool
    error: str
    raw: int

    def read_at(self, into: memoryview, offset: int) -> int:
        """Fill `into` with the stream from `offset` on, as far as it is there; returns the number of bytes."""
        ...

    def release(self, offset: int) -> None:
        """Nothing before `offset` will be asked for again."""
        ...

    def stat(self) -> os.stat_result:
        """Size and times of the file as it is now, also when it has no name any more."""
        ...

    def close(self) -> None:
        """Close the file."""
        ...


def buffer_of(size: int) -> mmap.mmap:
    """A buffer whose memory is taken page by page, as far as it is used: the longest line hardly ever comes."""
    return mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)


def open_regular(path: str, *, follow: bool = False) -> tuple[int, os.stat_result]:
    """Open a regular file for reading; returns the descriptor and its status. Links are not followed unless `follow`.

    What is no regular file is refused before it is opened, as opening a FIFO or a device has effects of its own. The
    caller compares the inode with the one that was found, so nobody can put another file in its place.

    Raises:
        OSError: it cannot be opened, is no regular file, or lies behind a link.
    """
    if follow:
        _require_regular(path, os.stat(path))  # noqa: PTH116 - the path stays a string from its discovery to here
        descriptor = os.open(path, _READ | os.O_CLOEXEC)
    else:
        with folder_of(path) as (folder, name):
            found = os.stat(name, dir_fd=folder, follow_symlinks=False)
            if not stat.S_ISLNK(found.st_mode):  # a link is refused by its right name below
                _require_regular(path, found)
            descriptor = open_in(folder, name, _READ)
    try:
        status = os.fstat(descriptor)
        _require_regular(path, status)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor, status


def _require_regular(path: str, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, f"not a regular file but {kind_of(status.st_mode)}", path)


def kind_of(mode: int) -> str:
    """What a file is, in words."""
    for test, word in (
        (stat.S_ISREG, "a regular file"),
        (stat.S_ISDIR, "a directory"),
        (stat.S_ISFIFO, "a FIFO"),
        (stat.S_ISSOCK, "a socket"),
    ):
        if test(mode):
            return word
    return "a device"


class PlainReader:
    """A file as it is."""

    ended = False
    error = ""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.at_end = False
        self.raw = 0

    def read_at(self, into: memoryview, offset: int) -> int:
        """See `Reader`. Raises OSError."""
        size = os.preadv(self._descriptor, [into], offset)
        self.at_end = size < len(into)
        return size

    def release(self, offset: int) -> None:
        """See `Reader`."""
        self.raw = offset

    def stat(self) -> os.stat_result:
        """See `Reader`."""
        return os.fstat(self._descriptor)

    def close(self) -> None:
        """See `Reader`."""
        os.close(self._descriptor)


class PackedReader:
    """A gzip or zstd file of one or more members.

    Memory is bounded by what is asked for, whatever the file claims to hold, and so is the compressed input of one
    read: empty members cost time and yield nothing. The stream runs forwards only: a read must begin in what was not
    released yet, and a new reader begins at 0.
    """

    def __init__(self, descriptor: int, decoder: Callable[[], Decoder]) -> None:
        self._descriptor = descriptor
        self._new_decoder = decoder
        self._window = bytearray()  # decompressed, not released
        self._start = 0  # offset of the window's first byte
        self._input = b""
        self._decoder: Decoder | None = None
        self.at_end = False
        self.ended = False
        self.error = ""
        self.raw = 0

    def read_at(self, into: memoryview, offset: int) -> int:
        """See `Reader`. Raises OSError; damaged content does not raise but sets `error`.

        Raises:
            ValueError: `offset` is not in the window.
        """
        first = offset - self._start
        if not 0 <= first <= len(self._window):
            raise ValueError(f"offset {offset} is outside the window at {self._start}")
        wanted = first + len(into)
        raw_limit = self.raw + max(len(into), _RAW_LEAST)
        self.at_end = self.ended = False
        while len(self._window) < wanted and self.raw < raw_limit and not self.at_end:
            self._decompress(wanted - len(self._window))
        size = min(len(self._window) - first, len(into))
        into[:size] = memoryview(self._window)[first : first + size]
        self.at_end = self.at_end and first + size == len(self._window)
        return size

    def _decompress(self, limit: int) -> None:
        """Add at most `limit` bytes to the window, or find that there are none."""
        fed = bool(self._input)
        if not fed:
            self._input = os.pread(self._descriptor, _RAW_READ, self.raw)
            self.raw += len(self._input)
            fed = bool(self._input)
        if self._decoder is None:
            self._input = self._input.lstrip(b"\0")  # tapes and block devices pad with zeros
            if not self._input:
                self.at_end = not fed
                self.ended = self.at_end and self.raw > 0
                return
            self._decoder = self._new_decoder()
        try:
            out, self._input = self._decoder.decode(self._input, limit)
        except DamagedError as error:
            self.error = str(error)
            self.at_end = True
            return
        self._window += out
        if self._decoder.eof:
            self._decoder = None
        elif not fed and not out:
            self.at_end = True

    def release(self, offset: int) -> None:
        """See `Reader`."""
        del self._window[: max(0, offset - self._start)]
        self._start = max(self._start, offset)

    def stat(self) -> os.stat_result:
        """See `Reader`."""
        return os.fstat(self._descriptor)

    def close(self) -> None:
        """See `Reader`."""
        os.close(self._descriptor)


def open_reader(path: str, *, packed: bool, follow: bool = False) -> tuple[Reader, os.stat_result]:
    """Open a regular file, `packed` or not; returns its reader and its status. Raises as `open_regular`."""
    descriptor, status = open_regular(path, follow=follow)
    return PackedReader(descriptor, partial(decoder_of, path)) if packed else PlainReader(descriptor), status


def peek(reader: Reader, offset: int, length: int) -> bytes:
    """A copy of up to `length` bytes from `offset` on. Raises OSError."""
    data = bytearray(length)
    return bytes(data[: reader.read_at(memoryview(data), offset)])
