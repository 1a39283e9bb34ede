"""Which file is which: by inode while it lives, by its content once it has been moved, copied or compressed.

A path means nothing (rotation hands it on), an inode number is used again by the next file, a device number may change
at a reboot. So a file is known by device, inode and a fingerprint of its first kilobyte; a read position by a
fingerprint of the kilobyte before it. A file that is shorter than a kilobyte grows: its fingerprint says how many bytes
it covers, and the same number of bytes of a candidate is compared.

Two files that agree in their first kilobyte, and in the kilobyte before what was read, are held to be the same records.
Log lines with times and identifiers in them never agree by accident.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

import msgspec
import xxhash

COVERED = 1024
"""Bytes that a fingerprint covers at most."""

Skip = Literal["", "line", "hole"]
"""What is being skipped at a position: nothing, the rest of a line that is too long, or the zeros that a writer leaves
at the start of a file that was cut under it."""


_Whole = Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]


class Fingerprint(msgspec.Struct, frozen=True):
    """The 64-bit xxhash (XXH3) of `length` bytes. Of none: matches everything."""

    length: Annotated[int, msgspec.Meta(ge=0, le=COVERED)] = 0
    hash: int = 0

    @classmethod
    def of(cls, data: bytes) -> Self:
        """Fingerprint of all of `data`."""
        return cls(len(data), xxhash.xxh3_64_intdigest(data)) if data else cls()

    def matches_start(self, data: bytes) -> bool:
        """Whether `data` begins with the bytes seen then."""
        return len(data) >= self.length and self == Fingerprint.of(data[: self.length])

    def matches_end(self, data: bytes) -> bool:
        """Whether `data` ends with the bytes seen then."""
        return len(data) >= self.length and self == Fingerprint.of(data[len(data) - self.length :])


class Identity(msgspec.Struct, frozen=True):
    """A file: where the file system keeps it, and how it begins (decompressed)."""

    device: int
    inode: int
    head: Fingerprint


class Position(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How far one file was read: all that is needed to go on, encodable as JSON or MessagePack.

    `offset` counts in the decompressed stream; `before` covers up to a kilobyte before it. `size` is where the stream
    ended at the last look; of a compressed file `offset` plus the compressed bytes not read yet, and once it is `done`
    or `ignored` the size of the file itself. `generation` tells the contents apart that one inode has had. `stem` is
    the path that the file had while it was written to. `done`: a compressed file read to its end; `ignored`: a
    compressed file that was there before the first start, or whose content was read under another name. `gone` is when
    the file was missed first (Unix seconds), 0 while it is there. `lead` are lines at the end of the file before this
    one that begin its first record.
    """

    identity: Identity
    generation: _Whole
    path: str
    stem: str
    offset: _Whole
    before: Fingerprint
    size: _Whole
    skip: Skip = ""
    done: bool = False
    ignored: bool = False
    gone: float = 0.0
    lead: bytes = b""


def load_positions(plain: object) -> dict[str, Position]:
    """What `FileTail.positions` gave, after it went through MessagePack or JSON and came back as plain data.

    Raises:
        ValueError: these are no positions; the text says where it is wrong.
    """
    return msgspec.convert(plain, dict[str, Position])
