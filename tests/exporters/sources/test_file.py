from __future__ import annotations

import errno
import gzip
import json
import os
import shutil
import tempfile
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from exporters.sources import Source
from exporters.sources.file import FileTail

if TYPE_CHECKING:
    from tests.exporters.sources.conftest import Rig

Numbered = Callable[[int, int], list[bytes]]
MIB = 1024 * 1024


def settle(rig: Rig) -> list[bytes]:
    """Read until everything that only waits for time to pass has happened."""
    got: list[bytes] = []
    for _ in range(4):
        got += rig.read(after=31.0)
    return got


# -------------------------------------------------------------------------------------------------- plain growth
def test_it_is_a_source(rig: Rig) -> None:
    source: Source = rig.start()
    assert source.source == "gw"


def test_lines_arrive_once_in_order_with_their_offsets(rig: Rig) -> None:
    rig.start()
    rig.write("x.log", b"one\ntwo\n")
    chunks = [(chunk.start, chunk.end, bytes(chunk.data)) for chunk in rig.tail.read(MIB, now=1.0)]
    rig.write("x.log", b"three\n")
    chunks += [(chunk.start, chunk.end, bytes(chunk.data)) for chunk in rig.tail.read(MIB, now=2.0)]
    assert chunks == [(0, 8, b"one\ntwo\n"), (8, 14, b"three\n")]
    assert not list(rig.tail.read(MIB, now=3.0))


def test_chunks_are_numbered_and_keep_the_file(rig: Rig, numbered: Numbered) -> None:
    rig.start(chunk_bytes=4096, max_line=8192)
    rig.write("x.log", b"".join(numbered(0, 500)))
    chunks = [(chunk.sequence, chunk.file, chunk.source) for chunk in rig.tail.read(MIB, now=1.0)]
    assert len(chunks) > 5
    assert chunks == [(index, chunks[0][1], "gw") for index in range(len(chunks))]


def test_small_chunks_lose_nothing(rig: Rig, numbered: Numbered) -> None:
    rig.start(chunk_bytes=100, max_line=4096)
    rig.write("x.log", b"".join(numbered(0, 300)))
    assert rig.read() == numbered(0, 300)


def test_a_late_newline_is_waited_for(rig: Rig) -> None:
    rig.start()
    rig.write("x.log", b"whole\nhal")
    assert rig.read() == [b"whole\n"]
    status = rig.tail.status()
    assert (status.partial_lines, status.partial_bytes, status.unread_bytes) == (1, 3, 3)
    assert settle(rig) == []
    rig.write("x.log", b"f\n")
    assert rig.read() == [b"half\n"]
    assert (rig.tail.status().partial_lines, rig.tail.status().unread_bytes) == (0, 0)


def test_a_late_newline_over_a_restart(rig: Rig) -> None:
    rig.start()
    rig.write("x.log", b"whole\nhal")
    rig.read()
    rig.restart()
    assert rig.read() == []
    rig.write("x.log", b"f\nnext\n")
    assert rig.read() == [b"half\n", b"next\n"]


def test_nul_bytes_and_carriage_returns_pass_through(rig: Rig) -> None:
    rig.start()
    rig.write("x.log", b"\0a\0\n\0\r\n\n")
    assert rig.read() == [b"\0a\0\n", b"\0\r\n", b"\n"]


def test_a_growing_file_is_read_while_it_grows(rig: Rig, numbered: Numbered) -> None:
    rig.start(chunk_bytes=4096)
    lines = numbered(0, 3000)
    path = rig.write("x.log", lines[0])

    def grow() -> None:
        with path.open("ab", buffering=0) as file:
            for line in lines[1:]:
                file.write(line[:5])
                file.write(line[5:])

    writer = threading.Thread(target=grow)
    writer.start()
    while writer.is_alive():
        rig.read(after=0.01)
    rig.read()
    assert rig.lines == lines


def test_an_empty_file_is_fine_and_its_first_lines_are_read(rig: Rig) -> None:
    rig.start(start_at="end")
    rig.write("x.log", b"")
    assert rig.read() == []
    assert rig.tail.status().up
    rig.write("x.log", b"first\n")
    assert rig.read() == [b"first\n"]


def test_the_data_of_a_chunk_cannot_be_written_to(rig: Rig) -> None:
    rig.start()
    rig.write("x.log", b"a\n")
    (chunk,) = rig.tail.read(MIB, now=1.0)
    assert chunk.data.readonly


# -------------------------------------------------------------------------------------------------- where to begin
def test_first_start_at_the_end_begins_at_the_last_line_end(rig: Rig) -> None:
    rig.write("x.log", b"old\n" * 50_000 + b"hal")
    rig.start(start_at="end")
    assert rig.read() == []
    rig.write("x.log", b"f\n")
    assert rig.read() == [b"half\n"]


def test_files_that_appear_after_the_first_start_are_read_whole(rig: Rig) -> None:
    rig.write("x.log", b"old\n")
    rig.start(start_at="end")
    rig.read()
    rig.write("y.log", b"new\n")
    assert rig.read() == [b"new\n"]


def test_first_start_over_an_overlong_line_skips_its_rest(rig: Rig) -> None:
    rig.write("x.log", b"a" * 1000)
    rig.start(start_at="end", chunk_bytes=100, max_line=200)
    assert rig.read() == []
    rig.write("x.log", b"aaa\nnext\n")
    assert rig.read() == [b"next\n"]


def test_a_restart_without_any_file_is_no_first_start(rig: Rig) -> None:
    rig.start(start_at="end")
    rig.read()
    rig.write("x.log", b"while nobody looked\n")
    rig.restart(start_at="end")
    assert rig.read() == [b"while nobody looked\n"]


def test_old_compressed_files_are_not_read_at_a_first_start_at_the_end(rig: Rig) -> None:
    path = rig.folder / "x.log.1.gz"
    path.write_bytes(gzip.compress(b"old\n"))
    rig.start(start_at="end")
    assert rig.read() == []
    path.rename(rig.folder / "x.log.2.gz")
    assert rig.read() == []
    rig.restart(start_at="end")
    assert settle(rig) == []
    assert rig.tail.status().unread_bytes == 0
    (rig.folder / "x.log.2").write_bytes(b"old\n")  # somebody unpacks it to have a look
    (rig.folder / "x.log.2.gz").unlink()
    assert settle(rig) == []


# -------------------------------------------------------------------------------------------------- rename
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
    settle(rig)
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
    assert settle(rig) == [b"torn\n"]
    assert rig.tail.status().partial_lines == 0
    assert settle(rig) == []
    rig.restart("x.log*")
    assert settle(rig) == []


# -------------------------------------------------------------------------------------------------- copy and cut
def cut(path: Path) -> None:
    os.truncate(path, 0)


def test_a_cut_file_is_read_from_its_start(rig: Rig) -> None:
    rig.start("x.log")
    path = rig.write("x.log", b"1111\n2222\n")
    rig.read()
    cut(path)
    rig.write("x.log", b"3\n")
    assert rig.read() == [b"3\n"]
    status = rig.tail.status()
    assert (status.rotations["truncate"], status.bytes_lost) == (1, 0)
    assert len({file for file, _, _ in rig.chunks}) == 2


def test_a_cut_file_that_has_outgrown_the_position_is_noticed(rig: Rig, numbered: Numbered) -> None:
    rig.start("x.log")
    path = rig.write("x.log", b"".join(numbered(0, 10)))
    rig.read()
    cut(path)
    rig.write("x.log", b"".join(numbered(10, 100)))
    assert rig.read() == numbered(10, 100)
    assert rig.tail.status().rotations["truncate"] == 1


def test_the_same_while_nobody_looked(rig: Rig, numbered: Numbered) -> None:
    rig.start("x.log")
    path = rig.write("x.log", b"".join(numbered(0, 10)))
    rig.read()
    cut(path)
    rig.write("x.log", b"".join(numbered(10, 100)))
    rig.restart("x.log")
    assert rig.read() == numbered(10, 100)
    assert rig.tail.status().rotations["truncate"] == 1


def test_what_a_cut_took_away_unread_is_counted(rig: Rig) -> None:
    rig.start("x.log", chunk_bytes=4096, max_line=4096)
    path = rig.write("x.log", (b"y" * 99 + b"\n") * 100)
    got = rig.read(4096)
    assert len(got) == 40
    cut(path)
    rig.write("x.log", b"3\n")
    assert rig.read() == [b"3\n"]
    assert rig.tail.status().bytes_lost == 0  # a copy may turn up
    settle(rig)
    assert rig.tail.status().bytes_lost == 6000
    settle(rig)
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
    cut(path)
    rig.write("x.log", b"".join(numbered(80, 300 if outgrown else 81)))
    if restarted:
        rig.restart("x.log*")
    rig.read()
    assert rig.lines == numbered(0, 300 if outgrown else 81)
    settle(rig)
    assert rig.lines == numbered(0, 300 if outgrown else 81)
    status = rig.tail.status()
    assert (status.bytes_lost, status.rotations["truncate"]) == (0, 1)
    assert status.rotations["gzip"] == packed
    rig.restart("x.log*")
    assert settle(rig) == []


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
    cut(path)
    rig.write("x.log", b"".join(numbered(60, 61)))
    assert rig.read() == numbered(60, 61)
    assert settle(rig) == []
    assert rig.tail.status().bytes_lost == 0


def test_a_writer_without_append_leaves_a_hole_that_is_passed_over(rig: Rig) -> None:
    rig.start("x.log")
    path = rig.folder / "x.log"
    with path.open("wb", buffering=0) as writer:
        writer.write(b"a" * 5000 + b"\n")
        rig.read()
        cut(path)
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


# -------------------------------------------------------------------------------------------------- delete, replace
def test_a_deleted_file_is_read_to_its_end_and_then_closed(rig: Rig) -> None:
    rig.start("x.log")
    path = rig.write("x.log", b"1\n")
    rig.read()
    with path.open("ab", buffering=0) as held:
        held.write(b"2\n")
        path.unlink()
        assert rig.read() == [b"2\n"]
        held.write(b"3\nto")
        assert rig.read(after=29.0) == [b"3\n"]
        held.write(b"rn")
        assert rig.read(after=29.0) == []
    assert rig.tail.status().open_files == 1
    assert settle(rig) == [b"torn\n"]
    status = rig.tail.status()
    assert (status.open_files, status.rotations["delete"], status.bytes_lost) == (0, 1, 0)
    assert not status.up
    assert status.reason.startswith("no file matches")


def test_a_deleted_file_whose_inode_is_used_again(rig: Rig) -> None:
    rig.start("x.log")
    rig.write("x.log", b"old " * 10 + b"\n")
    rig.read()
    stored = rig.tail.positions()
    rig.tail.close()
    inode = (rig.folder / "x.log").stat().st_ino
    for attempt in range(50):  # the file system decides; ext4 does it at once
        (rig.folder / "x.log").unlink()
        rig.write("x.log", b"new %d " % attempt * 10 + b"\n")
        if (rig.folder / "x.log").stat().st_ino == inode:
            break
    rig.start("x.log", positions=stored)
    assert rig.read() == [b"new %d " % attempt * 10 + b"\n"]


def test_a_file_put_in_the_place_of_another(rig: Rig) -> None:
    rig.start("x.log")
    rig.write("x.log", b"1\n")
    rig.read()
    rig.write("x.log", b"2\n")
    rig.write("fresh", b"3\n").replace(rig.folder / "x.log")
    assert rig.read() == [b"2\n", b"3\n"]
    assert rig.tail.status().rotations["replaced"] == 1


def test_a_rewritten_copy_in_place_goes_on_where_it_was(rig: Rig, numbered: Numbered) -> None:
    """As an editor, a restore from backup, or a reboot that renumbers devices does."""
    rig.start("x.log")
    path = rig.write("x.log", b"".join(numbered(0, 100)))
    rig.read()
    for restarted in (False, True):
        shutil.copyfile(path, rig.folder / "copy")
        (rig.folder / "copy").replace(path)
        rig.write("x.log", b"more %d\n" % restarted)
        if restarted:
            rig.restart("x.log")
        assert settle(rig) == [b"more %d\n" % restarted]


def test_what_was_deleted_while_nobody_looked_is_counted(rig: Rig) -> None:
    rig.start("x.log", chunk_bytes=4096, max_line=4096)
    path = rig.write("x.log", (b"y" * 99 + b"\n") * 100)
    rig.read(4096)
    path.unlink()
    rig.restart("x.log")
    settle(rig)
    assert rig.tail.status().bytes_lost == 6000
    assert rig.tail.status().rotations["delete"] == 1
    rig.restart("x.log")
    settle(rig)
    assert rig.tail.status().bytes_lost == 0


# -------------------------------------------------------------------------------------------------- gzip
def pack(path: Path, *, name: str | None = None) -> Path:
    """As gzip does: write the new file, then remove the old one."""
    packed = path.with_name(name or path.name + ".gz")
    packed.write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    return packed


@pytest.mark.parametrize("restarted", [False, True])
def test_a_compressed_file_is_known_by_its_content(rig: Rig, numbered: Numbered, restarted: bool) -> None:
    rig.start("x.log*")
    rig.write("x.log", b"".join(numbered(0, 100))).rename(rig.folder / "x.log.1")
    rig.read()
    pack(rig.folder / "x.log.1")
    rig.write("x.log", b"".join(numbered(100, 110)))
    if restarted:
        rig.restart("x.log*")
    settle(rig)
    assert rig.lines == numbered(0, 110)
    assert rig.tail.status().rotations["gzip"] == 1
    rig.restart("x.log*")
    assert settle(rig) == []


def test_a_compressed_file_goes_on_where_the_plain_one_was_left(rig: Rig, numbered: Numbered) -> None:
    rig.start("x.log*", chunk_bytes=2048, max_line=2048)
    path = rig.write("x.log", b"".join(numbered(0, 200)))
    rig.read(4096)
    assert 0 < len(rig.lines) < 200
    path.rename(rig.folder / "x.log.1")
    pack(rig.folder / "x.log.1")
    rig.write("x.log", b"".join(numbered(200, 210)))
    rig.restart("x.log*", chunk_bytes=2048, max_line=2048)
    settle(rig)
    assert rig.lines == numbered(0, 210)


def test_a_compressed_file_beside_its_original_is_not_read_twice(rig: Rig, numbered: Numbered) -> None:
    rig.start("x.log*")
    path = rig.write("x.log", b"".join(numbered(0, 100)))
    (rig.folder / "x.log.gz").write_bytes(gzip.compress(path.read_bytes()))
    rig.read()
    settle(rig)
    assert rig.lines == numbered(0, 100)
    assert any("copy of" in problem for problem in rig.tail.status().problems)


def test_a_compressed_file_that_nobody_knows_is_read_with_all_its_members(rig: Rig) -> None:
    rig.start()
    (rig.folder / "x.gz").write_bytes(gzip.compress(b"1\n2") + gzip.compress(b"\n3\n") + bytes(512))
    assert rig.read() == [b"1\n", b"2\n", b"3\n"]
    rig.restart()
    assert settle(rig) == []


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
    assert settle(rig) == []


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
    settle(rig)
    assert b"fine\n" in rig.lines
    whole = [line for line in rig.lines if line != b"fine\n"]
    assert len(whole) > 500
    assert whole[:-1] == numbered(0, len(whole) - 1)  # the last one is torn
    assert rig.tail.status().errors["gzip"] == 1
    assert rig.tail.status().up
    assert any("breaks off" in problem for problem in rig.tail.status().problems)
    assert settle(rig) == []
    rig.write("cut.gz", content[len(content) // 2 :])
    rest = settle(rig)
    assert rest[1:] == numbered(len(whole), 2000)


@pytest.mark.parametrize("at", [0, 300])
def test_a_damaged_compressed_file_is_counted_and_stops_nobody(rig: Rig, numbered: Numbered, at: int) -> None:
    rig.start()
    content = bytearray(gzip.compress(b"".join(numbered(0, 2000)), compresslevel=0))
    content[at : at + 20] = b"\xff" * 20
    content[-8:-4] = b"\0\0\0\0"
    rig.write("bad.gz", bytes(content))
    rig.write("z.log", b"fine\n")
    settle(rig)
    assert b"fine\n" in rig.lines
    assert rig.tail.status().errors["gzip"] == 1
    rig.restart()
    assert settle(rig) == []


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
    assert settle(rig) == []
    assert rig.tail.status().errors["gzip"] == 2
    rig.restart()
    assert settle(rig) == []
    assert len(rig.tail.positions()) == 2


# -------------------------------------------------------------------------------------------------- long lines
def test_a_line_of_10_mb_is_passed_over_with_little_memory(rig: Rig) -> None:
    rig.start()
    rig.write("x.log", b"a\n" + b"x" * 10_000_000 + b"\nb\n")
    tracemalloc.start()
    assert rig.read() == [b"a\n", b"b\n"]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < MIB  # beside the buffer, which was there already
    status = rig.tail.status()
    assert (status.lines_too_long, status.bytes_skipped) == (1, 10_000_001)


@pytest.mark.parametrize(("length", "passes"), [(511, True), (512, True), (513, False), (5000, False)])
def test_the_longest_line_is_exact_wherever_it_lies(rig: Rig, length: int, passes: bool) -> None:
    rig.start(chunk_bytes=128, max_line=512)
    line = b"x" * (length - 1) + b"\n"
    for before in range(0, 260, 13):
        rig.write("x.log", b"a" * before + b"\n" + line + b"z\n")
        assert rig.read() == [b"a" * before + b"\n", *([line] if passes else []), b"z\n"]
    assert rig.tail.status().lines_too_long == (0 if passes else 20)


def test_skipping_goes_on_after_a_restart(rig: Rig) -> None:
    rig.start(chunk_bytes=128, max_line=512)
    rig.write("x.log", b"x" * 700)
    assert rig.read() == []
    rig.restart(chunk_bytes=128, max_line=512)
    rig.write("x.log", b"x" * 700 + b"\nnext\n")
    assert rig.read() == [b"next\n"]


def test_a_long_line_that_arrives_slowly(rig: Rig) -> None:
    rig.start(chunk_bytes=128, max_line=2000)
    for _ in range(19):
        rig.write("x.log", b"y" * 100)
        assert rig.read() == []
    rig.write("x.log", b"\n")
    assert rig.read() == [b"y" * 1900 + b"\n"]


# -------------------------------------------------------------------------------------------------- several files
def test_the_budget_is_shared(rig: Rig, numbered: Numbered) -> None:
    rig.start()
    for name in "abc":
        rig.write(f"{name}.log", name.encode() + b"".join(numbered(0, 20_000)))
    rig.write("d.log", b"small\n")
    rig.read(400_000)
    read: dict[str, int] = {}
    for file, start, end in rig.chunks:
        read[file] = read.get(file, 0) + end - start
    large = sorted(read.values())[1:]
    assert len(read) == 4
    assert min(large) > 0.8 * max(large)


def test_a_tiny_budget_starves_nobody(rig: Rig) -> None:
    rig.start()
    for name in "abc":
        rig.write(f"{name}.log", (name.encode() * 4000 + b"\n") * 3)
    for _ in range(3):
        rig.read(1)
    assert sorted(line[:1] for line in rig.lines) == [b"a", b"b", b"c"]


def test_a_file_under_two_names_is_read_once(rig: Rig) -> None:
    rig.start()
    rig.write("a.log", b"1\n")
    os.link(rig.folder / "a.log", rig.folder / "b.log")
    (rig.folder / "c.log").symlink_to("a.log")
    assert rig.read() == [b"1\n"]
    (rig.folder / "a.log").unlink()
    rig.write("b.log", b"2\n")
    assert rig.read() == [b"2\n"]


def test_two_files_that_begin_alike_are_both_read(rig: Rig) -> None:
    banner = b"the same banner in every file\n" * 100
    rig.start()
    rig.write("a.log", banner)
    rig.write("b.log", banner)
    rig.read()
    rig.write("a.log", b"a\n")
    rig.write("b.log", b"b\n")
    settle(rig)
    assert {b"a\n", b"b\n"} <= set(rig.lines)
    rig.write("a.log", b"aa\n")
    rig.write("b.log", b"bb\n")
    assert set(rig.read()) == {b"aa\n", b"bb\n"}


def test_more_files_than_may_be_open(rig: Rig) -> None:
    rig.start(max_open=3)
    for turn in range(3):
        for name in "abcdefgh":
            rig.write(f"{name}.log", b"%s%d\n" % (name.encode(), turn))
        assert sorted(rig.read()) == [b"%s%d\n" % (name.encode(), turn) for name in "abcdefgh"]
        rig.read()
        assert rig.tail.status().open_files == 3
    cut(rig.folder / "a.log")
    rig.write("a.log", b"A0\nA1\nA2\nA3\n")
    cut(rig.folder / "h.log")
    rig.write("h.log", b"H0\nH1\nH2\nH3\n")
    rig.read()
    assert sorted(rig.read() + rig.lines[-8:])[-8:] == [
        b"A0\n",
        b"A1\n",
        b"A2\n",
        b"A3\n",
        b"H0\n",
        b"H1\n",
        b"H2\n",
        b"H3\n",
    ]


def test_kubernetes_links_are_followed(rig: Rig) -> None:
    pod = rig.folder / "pods"
    pod.mkdir()
    links = rig.folder / "containers"
    links.mkdir()
    (links / "gw.log").symlink_to(pod / "0.log")
    rig.start("containers/*.log")
    rig.write("pods/0.log", b"1\n")
    assert rig.read() == [b"1\n"]
    rig.write("pods/0.log", b"2\n").rename(pod / "0.log.20261123-120000")
    rig.read()
    rig.write("pods/0.log", b"3\n")
    rig.read()
    assert rig.lines == [b"1\n", b"2\n", b"3\n"]
    assert rig.tail.status().rotations["rename"] == 1


# -------------------------------------------------------------------------------------------------- what cannot be read
@pytest.fixture
def nobody() -> Iterator[Path]:
    """A folder, while this process has no special rights."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o777)
    root = os.geteuid() == 0
    try:
        if root:
            os.seteuid(65534)
        yield folder
    finally:
        if root:
            os.seteuid(0)
        shutil.rmtree(folder)


def test_an_unreadable_file_is_said_and_read_once_it_can_be(nobody: Path) -> None:
    (nobody / "x.log").write_bytes(b"old\n")
    (nobody / "y.log").write_bytes(b"")
    (nobody / "x.log").chmod(0)
    tail = FileTail("gw", [str(nobody / "*")])
    assert not list(tail.read(MIB, now=1.0))
    assert not list(tail.read(MIB, now=3.0))
    status = tail.status()
    assert not status.up
    assert status.reason == f"{nobody / 'x.log'}: {os.strerror(errno.EACCES)}"
    assert status.errors["open"] == 1
    (nobody / "x.log").chmod(0o644)
    with (nobody / "x.log").open("ab") as file:
        file.write(b"new\n")
    assert [bytes(chunk.data) for chunk in tail.read(MIB, now=5.0)] == [b"new\n"]  # "old" was there at the first start
    assert tail.status().up


def test_an_unlistable_folder_is_said(nobody: Path) -> None:
    (nobody / "logs").mkdir()
    (nobody / "logs").chmod(0)
    tail = FileTail("gw", [str(nobody / "logs/*.log")])
    assert not list(tail.read(MIB, now=1.0))
    assert tail.status().reason.endswith(f"{nobody / 'logs'}: {os.strerror(errno.EACCES)}")
    (nobody / "logs").chmod(0o700)


def test_a_file_that_becomes_unreadable_between_restarts(nobody: Path) -> None:
    (nobody / "x.log").write_bytes(b"1\n")
    tail = FileTail("gw", [str(nobody / "*")], start_at="beginning")
    assert len(list(tail.read(MIB, now=1.0))) == 1
    tail.close()
    (nobody / "x.log").write_bytes(b"1\n2\n")
    (nobody / "x.log").chmod(0)
    tail = FileTail("gw", [str(nobody / "*")], positions=tail.positions())
    assert not list(tail.read(MIB, now=2.0))
    assert not tail.status().up
    (nobody / "x.log").chmod(0o644)
    assert [bytes(chunk.data) for chunk in tail.read(MIB, now=4.0)] == [b"2\n"]


def test_a_pattern_that_matches_nothing_is_said(rig: Rig) -> None:
    tail = rig.start("x/*.log", "y.log")
    assert tail.status().reason == "not looked yet"
    rig.read()
    assert not tail.status().up
    assert tail.status().reason.startswith(f"no file matches {rig.folder}/x/*.log")
    rig.write("y.log", b"1\n")
    rig.read()
    assert tail.status().up
    assert len(tail.status().problems) == 1


def test_a_file_replaced_by_a_folder(rig: Rig) -> None:
    rig.start()
    path = rig.write("x.log", b"1\n")
    rig.read()
    rig.write("x.log", b"2\n")
    path.unlink()
    path.mkdir()
    assert rig.read() == [b"2\n"]
    assert rig.tail.status().reason == f"{path}: is a directory"
    path.rmdir()
    rig.write("x.log", b"3\n")
    assert rig.read() == [b"3\n"]
    assert rig.tail.status().up


def test_what_is_no_log_is_left_alone(rig: Rig) -> None:
    rig.start()
    rig.write("x.log", b"1\n")
    (rig.folder / "folder").mkdir()
    os.mkfifo(rig.folder / "fifo")
    (rig.folder / "device").symlink_to("/dev/zero")
    (rig.folder / "nowhere").symlink_to("missing")
    rig.write("old.log.xz", b"compressed\n")
    assert rig.read() == [b"1\n"]
    status = rig.tail.status()
    assert status.up
    assert sorted(problem.partition(": ")[2] for problem in status.problems) == [
        "is a FIFO",
        "is a device",
        "is a directory",
        "is compressed in a way that is not read",
    ]


def test_a_loop_of_links_is_said(rig: Rig) -> None:
    (rig.folder / "a.log").symlink_to("b.log")
    (rig.folder / "b.log").symlink_to("a.log")
    rig.start()
    assert rig.read() == []
    assert os.strerror(errno.ELOOP) in rig.tail.status().reason


def test_a_file_that_vanishes_before_it_was_opened(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.start()
    rig.write("x.log", b"1\n")
    rig.write("y.log", b"2\n")
    really = os.open

    def vanishing(path: str, *args: int, **kwargs: int) -> int:
        if str(path).endswith("x.log"):
            (rig.folder / "x.log").unlink(missing_ok=True)
        return really(path, *args, **kwargs)

    monkeypatch.setattr(os, "open", vanishing)
    assert rig.read() == [b"2\n"]
    assert rig.read() == []
    assert rig.tail.status().up


def test_a_read_error_does_not_stop_the_others(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.start()
    rig.write("x.log", b"1\n")
    rig.write("y.log", b"2\n")
    rig.read()
    rig.write("x.log", b"3\n")
    rig.write("y.log", b"4\n")
    really = os.preadv
    broken = (rig.folder / "x.log").stat().st_ino

    def failing(descriptor: int, buffers: list[memoryview], offset: int) -> int:
        if os.fstat(descriptor).st_ino == broken:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return really(descriptor, buffers, offset)

    with monkeypatch.context() as patch:
        patch.setattr(os, "preadv", failing)
        assert rig.read() == [b"4\n"]
        rig.read()
    status = rig.tail.status()
    assert (status.up, status.errors["read"] + status.errors["open"]) == (False, 1)
    assert rig.read() == [b"3\n"]
    assert rig.tail.status().up


# -------------------------------------------------------------------------------------------------- positions
def test_only_taken_chunks_move_the_position(rig: Rig, numbered: Numbered) -> None:
    rig.start(chunk_bytes=1024, max_line=2048)
    rig.write("x.log", b"".join(numbered(0, 200)))
    chunks = rig.tail.read(MIB, now=1.0)
    first = bytes(next(chunks).data)
    second = bytes(next(chunks).data)
    rig.restart(chunk_bytes=1024, max_line=2048)
    assert first + second + b"".join(rig.read()) == b"".join(numbered(0, 200))


def test_earlier_positions_lead_back(rig: Rig) -> None:
    rig.start("x.log*")
    rig.write("x.log", b"1\n")
    rig.read()
    earlier = rig.tail.positions()
    rig.write("x.log", b"2\n").rename(rig.folder / "x.log.1")
    rig.write("x.log", b"3\n")
    rig.read()
    rig.tail.close()
    rig.chunks.clear()
    rig.start("x.log*", positions=earlier)
    assert rig.read() == [b"2\n", b"3\n"]


def test_positions_are_plain_json(rig: Rig) -> None:
    rig.start()
    rig.write("x.log", b"1\n")
    rig.read()
    (position,) = json.loads(msgspec.json.encode(rig.tail.positions())).values()
    assert position["offset"] == position["size"] == 2
    assert position["identity"]["head"]["length"] == 2
    assert position["generation"] == 0


def test_the_key_of_a_file_lasts(rig: Rig) -> None:
    rig.start("x.log*")
    path = rig.write("x.log", b"1\n")
    rig.read()
    rig.write("x.log", b"2\n")
    path.rename(rig.folder / "x.log.1")
    rig.read()
    rig.restart("x.log*")
    rig.write("x.log.1", b"3\n")
    rig.read()
    pack(rig.folder / "x.log.1")
    rig.restart("x.log*")
    settle(rig)
    assert len({file for file, _, _ in rig.chunks}) == 1
    assert list(rig.tail.positions()) == [rig.chunks[0][0]]


def test_positions_of_vanished_files_are_forgotten(rig: Rig) -> None:
    rig.start(expire_after=1000.0)
    rig.write("x.log", b"1\n")
    rig.read()
    (rig.folder / "x.log").unlink()
    settle(rig)
    assert len(rig.tail.positions()) == 1
    rig.restart(expire_after=1000.0)
    rig.read(after=800.0)
    assert len(rig.tail.positions()) == 1
    rig.read(after=200.0)
    assert not rig.tail.positions()


def test_the_number_of_remembered_files_is_bounded(rig: Rig) -> None:
    rig.start(max_gone=5)
    for index in range(20):
        rig.write(f"{index}.log", b"%d\n" % index)
        rig.read()
        (rig.folder / f"{index}.log").unlink()
    settle(rig)
    kept = [position.path for position in rig.tail.positions().values()]
    assert [Path(path).name for path in kept] == [f"{index}.log" for index in range(15, 20)]


def test_the_patterns_are_not_matched_at_every_read(rig: Rig) -> None:
    rig.start(rescan_every=10.0)
    rig.write("x.log", b"1\n")
    rig.read()
    rig.write("y.log", b"2\n")
    rig.write("x.log", b"3\n")
    assert rig.read(after=1.0) == [b"3\n"]
    assert rig.read(after=9.5) == [b"2\n"]


def test_sizes_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="chunk_bytes"):
        FileTail("gw", [], chunk_bytes=100, max_line=99)
