"""UTF-16 and UTF-32, with or without a byte order mark: what PowerShell and other Windows programs write."""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from typing import Final

Buffer = bytes | bytearray | memoryview | mmap.mmap

_LOOKED: Final = 8  # bytes
_FIRST: Final = frozenset(bytes((byte,)) for byte in b'{[<"0123456789 \t\r\n,]')  # what a line of records begins with


@dataclass(frozen=True, slots=True)
class Encoding:
    """How text is encoded: the codec, the bytes of a unit, and a newline in it."""

    name: str
    codec: str
    width: int
    newline: bytes

    def end_of_line(self, data: bytes | bytearray | mmap.mmap, first: int, last: int) -> int:
        """Where the last line ends that ends between these two, newline included; 0: none does. 0 is a whole unit."""
        place = data.rfind(self.newline, first, last)
        while place >= 0:
            if place % self.width == 0:
                return place + self.width
            place = data.rfind(self.newline, first, place + self.width - 1)
        return 0

    def lines(self, data: bytes) -> list[tuple[int, int]]:
        """Where the lines begin and end, without their newlines."""
        found, start, place = [], 0, data.find(self.newline)
        while place >= 0:
            if place % self.width == 0:
                found.append((start, place))
                start = place + self.width
            place = data.find(self.newline, place + 1)
        end = len(data) - len(data) % self.width  # a reader may have added a newline to the last line
        if start < end:
            found.append((start, end))
        return found

    def text(self, data: bytes) -> bytes:
        """As UTF-8. Half a surrogate pair becomes bytes that are none, so that the next step counts it."""
        try:
            return data.decode(self.codec, "surrogatepass").encode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            return data.decode(self.codec, "replace").encode()


_ENCODINGS: Final = {
    (name, order): Encoding(name, f"utf-{bits}-{order}", bits // 8, "\n".encode(f"utf-{bits}-{order}"))
    for name, bits in (("utf16", 16), ("utf32", 32))
    for order in ("le", "be")
}


def encoding_of(data: Buffer) -> Encoding | None:
    """How text that begins a record is encoded, if it is UTF-16 or UTF-32; a record begins with ASCII."""
    if len(data) < 2 or (data[0] and data[1] and data[0] < 0xFE):
        return None
    start = bytes(data[:_LOOKED])
    for order, mark in (("le", b"\xff\xfe\0\0"), ("be", b"\0\0\xfe\xff")):
        if start.startswith(mark):
            return _ENCODINGS["utf32", order]
    for order, mark in (("le", b"\xff\xfe"), ("be", b"\xfe\xff")):
        if start.startswith(mark):
            return _ENCODINGS["utf16", order]
    if start.lstrip(b"\0")[:1] not in _FIRST:
        return None
    shape = bytes(byte > 0 for byte in start)
    for name, order, pattern in (
        ("utf32", "le", b"\1\0\0\0\1\0\0\0"),
        ("utf32", "be", b"\0\0\0\1\0\0\0\1"),
        ("utf16", "le", b"\1\0\1\0"),
        ("utf16", "be", b"\0\1\0\1"),
    ):
        if shape.startswith(pattern) or (len(start) == len(pattern) // 2 and pattern.startswith(shape)):
            return _ENCODINGS[name, order]
    return None
