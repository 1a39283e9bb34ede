"""What cannot be read, or is no log."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from exporters.sources.file import FileTail

if TYPE_CHECKING:
    from tests.exporters.sources.conftest import Rig

MIB = 1024 * 1024


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
    rig.start(follow_symlinks=True)
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
        "has an unsupported compression",
        "is a FIFO",
        "is a device",
        "is a directory",
    ]


def test_a_link_to_somebody_elses_file_is_refused(rig: Rig, tmp_path_factory: pytest.TempPathFactory) -> None:
    secret = tmp_path_factory.mktemp("elsewhere") / "secret"
    secret.write_bytes(b"password\n")
    rig.start()
    rig.write("x.log", b"1\n")
    assert rig.read() == [b"1\n"]
    (rig.folder / "y.log").symlink_to(secret)
    assert rig.read() == []
    assert "is a symbolic link; set `follow_symlinks: true`" in rig.tail.status().reason
    (rig.folder / "x.log").unlink()
    (rig.folder / "x.log").symlink_to(secret)
    assert rig.read() == []
    assert not rig.tail.status().up


@pytest.mark.parametrize("kind", ["directory", "FIFO"])
def test_a_log_that_becomes_something_else_is_said_and_read_again_once_it_is_back(rig: Rig, kind: str) -> None:
    rig.start("x.log")
    path = rig.write("x.log", b"1\n")
    rig.read()
    path.unlink()
    if kind == "FIFO":
        os.mkfifo(path)
    else:
        path.mkdir()
    assert rig.read() == []
    assert f"is a {kind}" in rig.tail.status().reason
    path.unlink() if kind == "FIFO" else path.rmdir()
    rig.write("x.log", b"2\n")
    assert rig.read() == [b"2\n"]
    assert rig.tail.status().up


def test_a_loop_of_links_is_said(rig: Rig) -> None:
    (rig.folder / "a.log").symlink_to("b.log")
    (rig.folder / "b.log").symlink_to("a.log")
    rig.start(follow_symlinks=True)
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


@pytest.mark.parametrize("name", [b"x\xff.log", b"x\ny.log"])
def test_a_name_that_cannot_be_printed_is_said_and_kept_out_of_the_state(rig: Rig, name: bytes) -> None:
    rig.start()
    Path(os.fsdecode(os.fsencode(rig.folder) + b"/" + name)).write_bytes(b"1\n")
    rig.write("y.log", b"2\n")
    assert rig.read() == [b"2\n"]
    (problem,) = rig.tail.status().problems
    assert problem.isprintable()
    assert problem.endswith("has a name that cannot be printed")
    rig.restart()
