"""Files compressed with zstd: known ones and new ones, of several frames, damaged ones and bombs."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import zstandard

from replay.log_reader import Log, LogError

if TYPE_CHECKING:
    from tests.exporters.sources.conftest import Numbered, Rig

MIB = 1024 * 1024


def zstd(data: bytes, window: int = 20) -> bytes:
    parameters = zstandard.ZstdCompressionParameters(window_log=window)
    packed: bytes = zstandard.ZstdCompressor(compression_params=parameters).compress(data)
    return packed


def read(path: Path) -> bytes:
    return b"".join(bytes(chunk.data) for chunk, _ in Log(path).chunks(4096, 1000))


@pytest.mark.parametrize("restarted", [False, True])
def test_a_compressed_file_is_known_by_its_content(rig: Rig, numbered: Numbered, restarted: bool) -> None:
    rig.start("x.log*")
    path = rig.write("x.log", b"".join(numbered(0, 100)))
    rig.read()
    (rig.folder / "x.log.1.zst").write_bytes(zstd(path.read_bytes() + b"".join(numbered(100, 105))))
    path.unlink()
    rig.write("x.log", b"".join(numbered(105, 110)))
    if restarted:
        rig.restart("x.log*")
    rig.settle()
    assert sorted(rig.lines) == sorted(numbered(0, 110))
    rig.restart("x.log*")
    assert rig.settle() == []


def test_a_new_file_of_several_frames_is_read_whole(rig: Rig, numbered: Numbered) -> None:
    rig.start("x.log*")
    data = b"".join(numbered(0, 4000))
    skippable = b"\x50\x2a\x4d\x18\x03\0\0\0abc"
    packed = zstd(data[:10_001]) + skippable + zstd(b"") + zstd(data[10_001:])
    path = rig.folder / "x.log.zst"
    path.write_bytes(packed)
    rig.settle()
    assert b"".join(rig.lines) == data
    assert read(path) == data


@pytest.mark.parametrize("harm", ["cut", "changed", "long"])
def test_a_damaged_file_is_read_up_to_the_damage_and_counted(rig: Rig, numbered: Numbered, harm: str) -> None:
    rig.start("x.log*")
    whole = zstd(b"".join(numbered(0, 50)))
    broken = {
        "cut": zstd(b"".join(numbered(50, 900)))[:-9],
        "changed": b"no zstd at all",
        "long": zstd(b"x" * (64 * MIB), window=26),
    }[harm]
    path = rig.folder / "x.log.zst"
    path.write_bytes(whole + broken)
    rig.settle()
    assert rig.lines[:50] == numbered(0, 50)
    assert rig.tail.status().errors["gzip"] == 1
    with pytest.raises(LogError, match="damaged or cut off"):
        read(path)


def test_a_bomb_takes_little_memory(rig: Rig) -> None:
    rig.start("x.log*")
    (rig.folder / "x.log.zst").write_bytes(zstd(b"x" * (64 * MIB)))
    tracemalloc.start()
    rig.settle()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 16 * MIB
