"""Compressed streams, decompressed bit by bit: gzip and zstd, of one or more members, in bounded memory."""

from __future__ import annotations

import io
import zlib
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    import zstandard

GZIP_MAGIC: Final = b"\x1f\x8b"
ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"
WINDOW: Final = 8 * 1024 * 1024
"""Bytes that a zstd stream may look back, at most: what every decoder has to support. ``zstd --long`` asks for more."""
_READ: Final = 64 * 1024  # compressed bytes
_SLICE: Final = 128  # bytes of a zstd stream that are decoded at once: 32 blocks of 128 KiB at most
_WINDOW_BITS: Final = 31  # zlib's for "gzip header expected"


class DamagedError(Exception):
    """The stream is damaged, or asks for too much memory; the text says what is wrong with it."""


class Decoder(Protocol):
    """Decodes one member of a stream. `eof`: its end was read."""

    eof: bool

    def decode(self, data: bytes, limit: int) -> tuple[bytes, bytes]:
        """What `data` holds, about `limit` bytes of it at most, and the part of `data` that is to come again.

        Raises:
            DamagedError: the stream cannot be decoded.
        """
        ...


class GzipDecoder:
    """See `Decoder`."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(_WINDOW_BITS)
        self.eof = False

    def decode(self, data: bytes, limit: int) -> tuple[bytes, bytes]:
        """See `Decoder`."""
        try:
            out = self._stream.decompress(data, limit)
        except zlib.error as error:
            raise DamagedError(str(error)) from None
        self.eof = self._stream.eof
        return out, self._stream.unused_data if self.eof else self._stream.unconsumed_tail


class ZstdDecoder:
    """See `Decoder`. A slice of the input is decoded at once, so `limit` may be exceeded by 4 MiB."""

    def __init__(self) -> None:
        import zstandard

        self._error = zstandard.ZstdError
        self._stream: zstandard.ZstdDecompressionObj = zstandard.ZstdDecompressor(
            max_window_size=WINDOW
        ).decompressobj()
        self.eof = False

    def decode(self, data: bytes, limit: int) -> tuple[bytes, bytes]:
        """See `Decoder`."""
        parts: list[bytes] = []
        size = place = 0
        while place < len(data) and size < limit and not self.eof:
            try:
                parts.append(self._stream.decompress(data[place : place + _SLICE]))
            except self._error as error:
                raise DamagedError(str(error)) from None
            place += _SLICE
            size += len(parts[-1])
            self.eof = self._stream.eof
        rest = data[place:]
        return b"".join(parts), self._stream.unused_data + rest if self.eof else rest


def decoder_of(path: str) -> Decoder:
    """A decoder for the next member of a file, by its name."""
    return ZstdDecoder() if path.endswith(".zst") else GzipDecoder()


def is_packed(path: str) -> bool:
    """Whether the name of a file says that it is compressed."""
    return path.endswith((".gz", ".zst"))


class ZstdFile:
    """A zstd file of one or more frames, read from its beginning."""

    def __init__(self, file: io.BufferedIOBase) -> None:
        self._file = file
        self._decoder: Decoder | None = None
        self._input = b""
        self._output = b""

    def read(self, size: int) -> bytes:
        """The next bytes, `size` at most; empty at the end.

        Raises:
            DamagedError: it is damaged or breaks off.
        """
        while not self._output:
            self._input = self._input or self._file.read(_READ)
            if not self._input:
                if self._decoder is not None:
                    raise DamagedError("it breaks off")
                return b""
            self._decoder = self._decoder or ZstdDecoder()
            self._output, self._input = self._decoder.decode(self._input, size)
            if self._decoder.eof:
                self._decoder = None
        out, self._output = self._output[:size], self._output[size:]
        return out
