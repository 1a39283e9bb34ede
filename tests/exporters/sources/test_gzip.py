"""Compressed files, known ones and new ones, whole ones and damaged ones."""

from __future__ import annotations

import gzip
import tracemalloc
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.exporters.sources.conftest import Numbered, Rig

MIB = 1024 * 1024


@pytest.mark.parametrize("restarted", [False, True])
def test_a_compressed_file_is_known_by_its_content(rig: Rig, numbered: Numbered, restarted: bool) -> None:
    rig.start("x.log*")
    rig.write("x.log", b"".join(numbered(0, 100))).rename(rig.folder / "x.log.1")
    rig.read()
    rig.pack(rig.folder / "x.log.1")
    rig.write("x.log", b"".join(numbered(100, 110)))
    if restarted:
        rig.restart("x.log*")
    rig.settle()
    assert rig.lines == numbered(0, 110)
    assert rig.tail.status().rotations["gzip"] == 1
    rig.restart("x.log*")
    assert rig.settle() == []


def test_a_compressed_file_goes_on_where_the_plain_one_was_left(rig: Rig, numbered: Numbered) -> None:
    rig.start("x.log*", chunk_bytes=2048, max_line=2048)
    path = rig.write("x.log", b"".join(numbered(0, 200)))
    rig.read(4096)
    assert 0 < len(rig.lines) < 200
    path.rename(rig.folder / "x.log.1")
    rig.pack(rig.folder / "x.log.1")
    rig.write("x.log", b"".join(numbered(200, 210)))
    rig.restart("x.log*", chunk_bytes=2048, max_line=2048)
    rig.settle()
    assert rig.lines == numbered(0, 210)


def test_a_compressed_file_beside_its_original_is_not_read_twice(rig: Rig, numbered: Numbered) -> None:
    rig.start("x.log*")
    path = rig.write("x.log", b"".join(numbered(0, 100)))
    (rig.folder / "x.log.gz").write_bytes(gzip.compress(path.read_bytes()))
    rig.read()
    rig.settle()
    assert rig.lines == numbered(0, 100)
    assert any("copy of" in problem for problem in rig.tail.status().problems)


def test_a_small_compressed_file_beside_its_original_is_not_read_twice(rig: Rig, numbered: Numbered) -> None:
    rig.start("x.log*")
    path = rig.write("x.log", b"".join(numbered(0, 10)))
    rig.read()
    (rig.folder / "x.log.gz").write_bytes(gzip.compress(path.read_bytes()))
    assert rig.settle() == []
    rig.write("x.log", b"more\n")
    assert rig.settle() == [b"more\n"]
    assert not rig.tail.status().problems


def test_a_compressed_file_that_begins_like_a_known_one_is_told_by_what_was_read_last(
    rig: Rig, numbered: Numbered
) -> None:
    banner = [b"the same banner in every file\n"] * 40
    rig.start("x.log*")
    path = rig.write("x.log", b"".join(banner + numbered(0, 10)))
    rig.read()
    path.unlink()
    rig.settle()
    (rig.folder / "x.log.1.gz").write_bytes(gzip.compress(b"".join(banner + numbered(10, 100))))
    assert rig.settle() == banner + numbered(10, 100)


def test_a_compressed_file_that_nobody_knows_is_read_with_all_its_members(rig: Rig) -> None:
    rig.start()
    (rig.folder / "x.gz").write_bytes(gzip.compress(b"1\n2") + gzip.compress(b"\n3\n") + bytes(512))
    assert rig.read() == [b"1\n", b"2\n", b"3\n"]
    rig.restart()
    assert rig.settle() == []


def test_a_member_that_is_added_later_is_read(rig: Rig) -> None:
    rig.start()
    rig.write("x.gz", gzip.compress(b"1\n"))
    assert rig.read() == [b"1\n"]
    rig.write("x.gz", gzip.compress(b"2\n"))
    assert rig.read() == [b"2\n"]


def test_an_unfinished_last_line_of_a_compressed_file(rig: Rig) -> None:
    rig.start()
    (rig.folder / "x.gz").write_bytes(gzip.compress(b"1\ntorn"))
    assert rig.read() == [b"1\n", b"torn\n"]
    assert rig.settle() == []


def test_a_compressed_file_in_the_making_is_followed(rig: Rig, numbered: Numbered) -> None:
    rig.start()
    content = gzip.compress(b"".join(numbered(0, 3000)), compresslevel=1)
    for start in range(0, len(content), 1000):
        rig.write("x.gz", content[start : start + 1000])
        rig.read()
    assert rig.lines == numbered(0, 3000)
    assert rig.tail.status().errors["gzip"] == 0


def test_a_broken_off_compressed_file_is_counted_and_stops_nobody(rig: Rig, numbered: Numbered) -> None:
    rig.start()
    content = gzip.compress(b"".join(numbered(0, 2000)))
    rig.write("cut.gz", content[: len(content) // 2])
    rig.write("z.log", b"fine\n")
    rig.settle()
    assert b"fine\n" in rig.lines
    whole = [line for line in rig.lines if line != b"fine\n"]
    assert len(whole) > 500
    assert whole[:-1] == numbered(0, len(whole) - 1)  # the last one is torn
    assert rig.tail.status().errors["gzip"] == 1
    assert rig.tail.status().up
    assert any("breaks off" in problem for problem in rig.tail.status().problems)
    assert rig.settle() == []
    rig.write("cut.gz", content[len(content) // 2 :])
    rest = rig.settle()
    assert rest[1:] == numbered(len(whole), 2000)


@pytest.mark.parametrize("at", [0, 300])
def test_a_damaged_compressed_file_is_counted_and_stops_nobody(rig: Rig, numbered: Numbered, at: int) -> None:
    rig.start()
    content = bytearray(gzip.compress(b"".join(numbered(0, 2000)), compresslevel=0))
    content[at : at + 20] = b"\xff" * 20
    content[-8:-4] = b"\0\0\0\0"
    rig.write("bad.gz", bytes(content))
    rig.write("z.log", b"fine\n")
    rig.settle()
    assert b"fine\n" in rig.lines
    assert rig.tail.status().errors["gzip"] == 1
    rig.restart()
    assert rig.settle() == []


def test_a_compressed_bomb_takes_no_memory(rig: Rig) -> None:
    rig.write("bomb.gz", gzip.compress(bytes(300 * MIB), compresslevel=1))
    rig.write("z.log", b"fine\n")
    rig.start(max_line=MIB)
    tracemalloc.start()
    rig.read(4 * MIB)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert rig.lines == [b"fine\n"]
    assert peak < 8 * MIB
    status = rig.tail.status()
    assert status.lines_too_long == 1
    assert status.bytes_skipped < 16 * MIB  # no more than the budget was looked at


def test_empty_members_cost_no_more_than_the_budget(rig: Rig) -> None:
    empty = gzip.compress(b"")
    content = gzip.compress(b"begin\n" * 200) + empty * (4 * MIB // len(empty)) + gzip.compress(b"end\n")
    (rig.folder / "empty.gz").write_bytes(content)
    rig.start()
    assert rig.read(MIB) == [b"begin\n"] * 200
    assert rig.read(8 * MIB) == [b"end\n"]


def test_a_compressed_file_that_is_none(rig: Rig) -> None:
    rig.start()
    rig.write("x.gz", b"plain text\n" * 100)
    rig.write("empty.gz", b"")
    assert rig.settle() == []
    assert rig.tail.status().errors["gzip"] == 2
    rig.restart()
    assert rig.settle() == []
    assert len(rig.tail.positions()) == 2


def test_a_member_that_is_added_while_nobody_looks_is_read(rig: Rig) -> None:
    rig.start()
    rig.write("x.gz", gzip.compress(b"1\n"))
    assert rig.read() == [b"1\n"]
    rig.write("x.gz", gzip.compress(b"2\n"))
    rig.restart()
    assert rig.settle() == [b"2\n"]
    rig.restart()
    assert rig.settle() == []


def test_a_compressed_copy_that_got_the_inode_of_the_original_is_no_new_file(rig: Rig, numbered: Numbered) -> None:
    """The live file is looked at first, though a name that was given an inode known before looks merely moved."""
    rig.start("x.log*")
    rig.write("x.log", b"".join(numbered(0, 3)))
    rig.read()
    stored = rig.tail.positions()
    inode = (rig.folder / "x.log").stat().st_ino
    rig.tail.close()
    rig.write("y", b"torn line").rename(rig.folder / "x.log")  # the inode is free now
    for attempt in range(50):
        packed = rig.folder / f"x.log-{attempt}.gz"
        packed.write_bytes(gzip.compress(b"torn line"))
        if packed.stat().st_ino == inode:
            break
        packed.unlink()
    rig.write("x.log", b" is whole\n")
    rig.start("x.log*", positions=stored)
    assert rig.settle() == [b"torn line is whole\n"]
