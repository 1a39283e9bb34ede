"""Where reading begins at a first start, and after a restart."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.exporters.sources.conftest import Rig


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
    assert rig.settle() == []
    assert rig.tail.status().unread_bytes == 0
    (rig.folder / "x.log.2").write_bytes(b"old\n")  # somebody unpacks it to have a look
    (rig.folder / "x.log.2.gz").unlink()
    assert rig.settle() == []
