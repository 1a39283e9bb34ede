"""Files that are deleted, or replaced by others."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.exporters.sources.conftest import Numbered, Rig


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
    assert rig.settle() == [b"torn\n"]
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
        assert rig.settle() == [b"more %d\n" % restarted]


def test_what_was_deleted_while_nobody_looked_is_counted(rig: Rig) -> None:
    rig.start("x.log", chunk_bytes=4096, max_line=4096)
    path = rig.write("x.log", (b"y" * 99 + b"\n") * 100)
    rig.read(4096)
    path.unlink()
    rig.restart("x.log")
    rig.settle()
    assert rig.tail.status().bytes_lost == 6000
    assert rig.tail.status().rotations["delete"] == 1
    rig.restart("x.log")
    rig.settle()
    assert rig.tail.status().bytes_lost == 0
