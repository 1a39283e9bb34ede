"""Rotation by copying the file and cutting it."""

from __future__ import annotations

import gzip
import os
import shutil
from typing import TYPE_CHECKING

import pytest

from exporters.sources.readers import Reader, open_reader

if TYPE_CHECKING:
    from tests.exporters.sources.conftest import Numbered, Rig


def test_a_cut_file_is_read_from_its_start(rig: Rig) -> None:
    rig.start("x.log")
    path = rig.write("x.log", b"1111\n2222\n")
    rig.read()
    rig.cut(path)
    rig.write("x.log", b"3\n")
    assert rig.read() == [b"3\n"]
    status = rig.tail.status()
    assert (status.rotations["truncate"], status.bytes_lost) == (1, 0)
    assert len({file for file, _, _ in rig.chunks}) == 2


def test_a_cut_file_that_has_outgrown_the_position_is_noticed(rig: Rig, numbered: Numbered) -> None:
    rig.start("x.log")
    path = rig.write("x.log", b"".join(numbered(0, 10)))
    rig.read()
    rig.cut(path)
    rig.write("x.log", b"".join(numbered(10, 100)))
    assert rig.read() == numbered(10, 100)
    assert rig.tail.status().rotations["truncate"] == 1


def test_the_same_while_nobody_looked(rig: Rig, numbered: Numbered) -> None:
    rig.start("x.log")
    path = rig.write("x.log", b"".join(numbered(0, 10)))
    rig.read()
    rig.cut(path)
    rig.write("x.log", b"".join(numbered(10, 100)))
    rig.restart("x.log")
    assert rig.read() == numbered(10, 100)
    assert rig.tail.status().rotations["truncate"] == 1


@pytest.mark.parametrize("restarted", [False, True])
def test_a_file_that_begins_as_before_the_cut_is_told_by_what_was_read_last(
    rig: Rig, numbered: Numbered, restarted: bool
) -> None:
    banner = [b"the same banner after every cut\n"] * 40
    rig.start("x.log")
    path = rig.write("x.log", b"".join(banner + numbered(0, 10)))
    rig.read()
    rig.cut(path)
    rig.write("x.log", b"".join(banner + numbered(10, 100)))
    if restarted:
        rig.restart("x.log")
    assert rig.read() == banner + numbered(10, 100)
    assert rig.tail.status().rotations["truncate"] == 1


def test_what_a_cut_took_away_unread_is_counted(rig: Rig) -> None:
    rig.start("x.log", chunk_bytes=4096, max_line=4096)
    path = rig.write("x.log", (b"y" * 99 + b"\n") * 100)
    got = rig.read(4096)
    assert len(got) == 40
    rig.cut(path)
    rig.write("x.log", b"3\n")
    assert rig.read() == [b"3\n"]
    assert rig.tail.status().bytes_lost == 0  # a copy may turn up
    rig.settle()
    assert rig.tail.status().bytes_lost == 6000
    rig.settle()
    assert rig.tail.status().bytes_lost == 6000


@pytest.mark.parametrize("copied_as", ["x.log.1", "x.log.1.gz"])
@pytest.mark.parametrize("outgrown", [False, True])
@pytest.mark.parametrize("restarted", [False, True])
def test_a_copy_that_matches_is_read_on(
    rig: Rig, numbered: Numbered, copied_as: str, outgrown: bool, restarted: bool
) -> None:
    rig.start("x.log*")
    path = rig.write("x.log", b"".join(numbered(0, 50)))
    rig.read()
    rig.write("x.log", b"".join(numbered(50, 80)))
    packed = copied_as.endswith(".gz")
    (rig.folder / copied_as).write_bytes(gzip.compress(path.read_bytes()) if packed else path.read_bytes())
    rig.cut(path)
    rig.write("x.log", b"".join(numbered(80, 300 if outgrown else 81)))
    if restarted:
        rig.restart("x.log*")
    rig.read()
    assert rig.lines == numbered(0, 300 if outgrown else 81)
    rig.settle()
    assert rig.lines == numbered(0, 300 if outgrown else 81)
    status = rig.tail.status()
    assert (status.bytes_lost, status.rotations["truncate"]) == (0, 1)
    assert status.rotations["gzip"] == packed
    rig.restart("x.log*")
    assert rig.settle() == []


def test_a_copy_seen_before_the_cut_waits(rig: Rig, numbered: Numbered) -> None:
    rig.start("x.log*")
    path = rig.write("x.log", b"".join(numbered(0, 50)))
    rig.read()
    shutil.copyfile(path, rig.folder / "x.log.1")
    assert rig.read() == []
    rig.write(
        "x.log", b"".join(numbered(50, 60))
    )  # after the copy: this is what the method loses, but it is read in time
    assert rig.read() == numbered(50, 60)
    rig.cut(path)
    rig.write("x.log", b"".join(numbered(60, 61)))
    assert rig.read() == numbered(60, 61)
    assert rig.settle() == []
    assert rig.tail.status().bytes_lost == 0


def test_a_writer_without_append_leaves_a_hole_that_is_passed_over(rig: Rig) -> None:
    rig.start("x.log")
    path = rig.folder / "x.log"
    with path.open("wb", buffering=0) as writer:
        writer.write(b"a" * 5000 + b"\n")
        rig.read()
        rig.cut(path)
        writer.write(b"after\n")
        assert path.stat().st_size == 5007
        assert rig.read() == [b"after\n"]
        writer.write(b"\0and on\n")
        assert rig.read() == [b"\0and on\n"]


def test_a_file_cut_in_the_middle_is_not_read_again(rig: Rig, numbered: Numbered) -> None:
    rig.start("x.log")
    path = rig.write("x.log", b"".join(numbered(0, 100)))
    rig.read()
    os.truncate(path, len(b"".join(numbered(0, 60))))
    assert rig.read() == []
    rig.write("x.log", b"more\n")
    assert rig.read() == [b"more\n"]


def test_an_unread_end_that_is_cut_off_is_counted(rig: Rig) -> None:
    rig.start("x.log")
    path = rig.write("x.log", b"whole\npart")
    rig.read()
    os.truncate(path, 6)
    rig.write("x.log", b"b\n")
    assert rig.read() == [b"b\n"]
    assert rig.tail.status().bytes_lost == 2  # of "part", what the new line does not make up for


def test_a_leftover_of_an_earlier_copy_is_not_what_the_next_copy_is_compared_with(rig: Rig) -> None:
    """Both agree in their start; the original is known further."""
    rig.start("x.log*")
    path = rig.write("x.log", b"1\n")
    shutil.copyfile(path, rig.folder / "x.log.9")
    rig.read()
    rig.settle()
    rig.write("x.log", b"2\n")
    rig.read()
    (rig.folder / "x.log.9").unlink()
    for name in ("x.log.1", "x.log.2.gz"):
        content = path.read_bytes()
        (rig.folder / name).write_bytes(gzip.compress(content) if name.endswith("gz") else content)
        assert rig.settle() == []


def test_a_cut_between_two_chunks_is_noticed(rig: Rig, numbered: Numbered) -> None:
    """The file has grown beyond the position again, so reading on would begin inside a line."""
    rig.start("x.log", chunk_bytes=4096, max_line=4096)
    path = rig.write("x.log", b"".join(numbered(0, 300)))
    chunks = rig.tail.read(1 << 20, now=1.0)
    first = rig.check(next(chunks))
    rig.cut(path)
    rig.write("x.log", b"".join(numbered(300, 500)))
    rest = [line for chunk in chunks for line in rig.check(chunk)]
    rest += rig.read()
    assert first == numbered(0, len(first))
    assert rest == numbered(300, 500)


@pytest.mark.parametrize("begun", [b"", b"new\n"])
def test_a_cut_between_look_and_opening_loses_nothing(rig: Rig, monkeypatch: pytest.MonkeyPatch, begun: bytes) -> None:
    rig.start("x.log")
    path = rig.write("x.log", b"old line that nobody saw\n")
    really = open_reader

    def late(found: str, *, packed: bool, follow: bool) -> tuple[Reader, os.stat_result]:
        rig.cut(path)
        rig.write("x.log", begun)
        return really(found, packed=packed, follow=follow)

    with monkeypatch.context() as patch:
        patch.setattr("exporters.sources.file_registry.open_reader", late)
        rig.read()
    rig.write("x.log", b"more\n")
    rig.settle()
    assert b"".join(rig.lines) == begun + b"more\n"
    assert (rig.tail.status().bytes_lost, rig.tail.status().rotations["truncate"]) == (0, 0)


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("grown", [False, True])
@pytest.mark.parametrize("changed", [0, 5, 12])
def test_a_file_that_was_rewritten_in_place_is_told_by_its_start(
    rig: Rig, numbered: Numbered, restarted: bool, grown: bool, changed: int
) -> None:
    """The size may be the same, and so may the last kilobyte."""
    before, after = numbered(0, 1_000), numbered(1_000, 1_200) if grown else []
    rig.start("x.log")
    path = rig.write("x.log", b"".join(before))
    rig.read()
    place = len(b"".join(before[:changed]))
    assert place + len(before[changed]) < 1_024 < 2_048 < path.stat().st_size
    with path.open("r+b") as file:
        file.seek(place)
        file.write(before[changed].replace(b"0", b"x", 1))
        file.seek(0, os.SEEK_END)
        file.write(b"".join(after))
    if restarted:
        rig.restart("x.log")
    again = [*before[:changed], before[changed].replace(b"0", b"x", 1), *before[changed + 1 :], *after]
    assert rig.read() == again
    assert rig.tail.status().rotations["truncate"] == 1


def test_a_file_whose_middle_alone_was_rewritten_goes_on(rig: Rig, numbered: Numbered) -> None:
    """What lies between the two kilobytes that are compared is not looked at again."""
    rig.start("x.log")
    path = rig.write("x.log", b"".join(numbered(0, 1_000)))
    rig.read()
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        file.write(b"x")
    rig.write("x.log", b"".join(numbered(1_000, 1_010)))
    assert rig.read() == numbered(1_000, 1_010)
