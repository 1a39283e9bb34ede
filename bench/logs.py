"""The logs that benchmarks read, and the portions in which an exporter reads them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bench.lines import fat_lines, lean_lines
from exporters.exporter import BUDGET, TOGETHER

LEAN: Final = 200_000
"""Lines of ``lean.jsonl``."""
FAT: Final = 50_000
"""Lines of ``fat.jsonl``."""
CHUNK: Final = 1 << 20
"""Bytes that are read at once, as by the file tail."""


def write_logs(folder: Path) -> None:
    """Write ``lean.jsonl``, ``fat.jsonl`` and ``empty.jsonl``: the same bytes each time."""
    (folder / "empty.jsonl").touch()
    for name, lines in (("lean", lean_lines(LEAN, 1)), ("fat", fat_lines(FAT, 1))):
        with (folder / f"{name}.jsonl").open("wb") as file:
            file.writelines(lines)


def groups(path: Path) -> Iterator[list[bytes]]:
    """Chunks as a running exporter counts them together."""
    group: list[bytes] = []
    with path.open("rb") as file:
        while data := file.read(CHUNK):
            group.append(data + file.readline())
            if sum(chunk.count(b"\n") for chunk in group) >= TOGETHER or sum(map(len, group)) >= BUDGET:
                yield group
                group = []
    if group:
        yield group
