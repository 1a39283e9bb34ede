from __future__ import annotations

import gzip
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from exporters.sources.chunk import Chunk
from exporters.sources.file import FileTail, Position, load_positions
from runtime.state_file import decode, encode

GRACE = 30.0

Numbered = Callable[[int, int], list[bytes]]
"""Makes the lines from one number up to another."""


class Rig:
    """A folder, a clock and a tail over them; `lines` is everything handed out."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = 1_000_000.0
        self.lines: list[bytes] = []
        self.chunks: list[tuple[str, int, int]] = []
        self.tail: FileTail

    def start(self, *patterns: str, positions: Mapping[str, Position] | None = None, **options: Any) -> FileTail:
        options.setdefault("start_at", "beginning")
        where = [str(self.folder / pattern) for pattern in patterns or ("*",)]
        self.tail = FileTail("gw", where, positions=positions, grace=GRACE, **options)
        return self.tail

    def restart(self, *patterns: str, **options: Any) -> FileTail:
        """As a new process would: the positions go through the state file's encoding."""
        stored = encode({"positions": self.tail.positions()})
        self.tail.close()
        return self.start(*patterns, positions=load_positions(decode(stored)["positions"]), **options)

    def read(self, budget: int = 1 << 30, *, after: float = 2.0) -> list[bytes]:
        """Everything new, `after` seconds later."""
        self.now += after
        got: list[bytes] = []
        for chunk in self.tail.read(budget, now=self.now):
            got += self.check(chunk)
        self.lines += got
        return got

    def check(self, chunk: Chunk) -> list[bytes]:
        data = bytes(chunk.data)
        assert data.endswith(b"\n")
        assert chunk.end - chunk.start in (len(data), len(data) - 1)
        assert all(end <= chunk.start for file, _, end in self.chunks if file == chunk.file)
        self.chunks.append((chunk.file, chunk.start, chunk.end))
        return [line + b"\n" for line in data[:-1].split(b"\n")]

    def settle(self) -> list[bytes]:
        """Read until everything that only waits for time to pass has happened."""
        got: list[bytes] = []
        for _ in range(4):
            got += self.read(after=GRACE + 1)
        return got

    def write(self, name: str, data: bytes) -> Path:
        """Append, as a log writer does."""
        path = self.folder / name
        with path.open("ab") as file:
            file.write(data)
        return path

    def cut(self, path: Path) -> None:
        """As copytruncate does once the copy is there."""
        os.truncate(path, 0)

    def pack(self, path: Path) -> Path:
        """As gzip does: write the new file, then remove the old one."""
        packed = path.with_name(path.name + ".gz")
        packed.write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
        return packed


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path)
    yield made
    if hasattr(made, "tail"):
        made.tail.close()


@pytest.fixture
def numbered() -> Numbered:
    def lines(start: int, stop: int) -> list[bytes]:
        return [b"line %06d %s\n" % (n, b"x" * (n * 37 % 90)) for n in range(start, stop)]

    return lines
