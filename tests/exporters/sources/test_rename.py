"""Rotation by rename."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.exporters.sources.conftest import Numbered, Rig


def test_rename_reads_the_old_file_to_its_end_and_then_the_new_one(rig: Rig) -> None:
    rig.start("x.log*")
    old = rig.write("x.log", b"1\n")
    rig.read()
    with old.open("ab") as held:
        rig.write("x.log", b"2\n")
        old.rename(rig.folder / "x.log.1")
        held.write(b"3\n")
        held.flush()
        rig.write("x.log", b"4\n")
        assert rig.read() == [b"2\n", b"3\n", b"4\n"]
        held.write(b"late\n")
    assert rig.read() == [b"late\n"]
    assert rig.tail.status().rotations == {"rename": 1, "truncate": 0, "delete": 0, "replaced": 0, "gzip": 0}


def test_the_old_file_comes_first_even_with_a_small_budget(rig: Rig, numbered: Numbered) -> None:
    rig.start("x.log*")
    rig.write("x.log", b"begin\n")
    rig.read()
    rig.write("x.log", b"".join(numbered(0, 2000))).rename(rig.folder / "x.log.1")
    rig.write("x.log", b"".join(numbered(2000, 2500)))
    rig.write("y.log", b"")
    for _ in range(100):
        rig.read(4096)
    assert rig.lines == [b"begin\n", *numbered(0, 2500)]


def test_rename_out_of_sight(rig: Rig) -> None:
    rig.start("x.log")
    old = rig.write("x.log", b"1\n")
    rig.read()
    with old.open("ab") as held:
        held.write(b"2\n")
        held.flush()
        old.rename(rig.folder / "away")
        rig.write("x.log", b"4\n")
        rig.read()
        held.write(b"3\n")
        held.flush()
        rig.read(after=20.0)
    assert rig.lines == [b"1\n", b"2\n", b"4\n", b"3\n"]
    rig.settle()
    assert rig.tail.status().rotations["rename"] == 1
    assert rig.tail.status().open_files == 1


def test_rename_while_nobody_looked(rig: Rig) -> None:
    rig.start("x.log*")
    rig.write("x.log", b"1\n")
    rig.read()
    rig.write("x.log", b"2\n").rename(rig.folder / "x.log.1")
    rig.write("x.log", b"3\n").rename(rig.folder / "x.log.0")
    os.utime(rig.folder / "x.log.0", (1, 1))  # the oldest of the files that nobody knows is read first
    rig.write("x.log", b"4\n")
    rig.restart("x.log*")
    assert rig.read() == [b"2\n", b"3\n", b"4\n"]
    assert rig.tail.status().rotations["rename"] == 1


def test_the_unfinished_last_line_of_a_rotated_file_is_handed_out_once(rig: Rig) -> None:
    rig.start("x.log*")
    rig.write("x.log", b"whole\ntorn").rename(rig.folder / "x.log.1")
    rig.write("x.log", b"next\n")
    assert rig.read() == [b"whole\n", b"next\n"]
    assert rig.tail.status().partial_lines == 1
    assert rig.settle() == [b"torn\n"]
    assert rig.tail.status().partial_lines == 0
    assert rig.settle() == []
    rig.restart("x.log*")
    assert rig.settle() == []
