from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from exporters.sources.chunk import Chunk
from exporters.sources.file import FileTail
from exporters.sources.identity import Position

GRACE = 30.0


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
        """As a new process would: the positions go through the snapshot's encoding."""
        stored = msgspec.json.encode(self.tail.positions())
        self.tail.close()
        return self.start(*patterns, positions=msgspec.json.decode(stored, type=dict[str, Position]), **options)

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

    def write(self, name: str, data: bytes) -> Path:
        """Append, as a log writer does."""
        path = self.folder / name
        with path.open("ab") as file:
            file.write(data)
        return path


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


@pytest.fixture
def numbered() -> Callable[[int, int], list[bytes]]:
    def lines(start: int, stop: int) -> list[bytes]:
        return [b"line %06d %s\n" % (n, b"x" * (n * 37 % 90)) for n in range(start, stop)]

    return lines
