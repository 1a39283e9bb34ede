"""Thousands of files are met over several looks, each of which opens a few; known ones are read on meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from exporters.sources import file_registry, readers, tracked_file
from exporters.sources.file_matching import ALIKE, FileIndex
from runtime import beneath

if TYPE_CHECKING:
    from tests.exporters.sources.conftest import Rig

FEW = 10


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A look meets `FEW` files; the paths of log files that were opened."""
    monkeypatch.setattr(file_registry, "FILES_A_LOOK", FEW)
    paths: list[str] = []

    def opening(path: str, *, packed: bool, follow: bool = False) -> object:
        paths.append(path)
        return readers.open_reader(path, packed=packed, follow=follow)

    for module in (file_registry, tracked_file):
        monkeypatch.setattr(module, "open_reader", opening)
    return paths


def test_a_look_meets_a_few_and_says_how_many_are_left(rig: Rig, opened: list[str]) -> None:
    for number in range(100):
        rig.write(f"{number}.log", b"%d\n" % number)
    rig.start("*.log")
    waiting = []
    for _ in range(20):
        before = len(opened)
        rig.read(after=0.01)
        assert len(opened) - before <= 2 * FEW + 100 * (rig.tail.status().files_waiting == 0)
        waiting.append(rig.tail.status().files_waiting)
        if not waiting[-1]:
            break
        assert f"{waiting[-1]} files found and not opened yet" in rig.tail.status().problems
    assert waiting == [*range(90, -1, -FEW)]
    rig.read()
    assert sorted(rig.lines) == sorted(b"%d\n" % number for number in range(100))


def test_known_files_are_read_on_while_others_are_met(rig: Rig, opened: list[str]) -> None:
    rig.start("*.log")
    rig.write("known.log", b"1\n")
    assert rig.read() == [b"1\n"]
    for number in range(100):
        rig.write(f"{number}.log", b"new %d\n" % number)
    for turn in range(8):
        line = b"turn %d\n" % turn
        rig.write("known.log", line)
        assert rig.read() == [line]
        assert rig.tail.status().files_waiting
    for _ in range(4):
        rig.read()
    assert len(rig.lines) == 109


def test_a_restart_over_many_files_reads_each_on_in_order_and_loses_nothing(rig: Rig, opened: list[str]) -> None:
    rig.start("*.log*")
    for number in range(60):
        rig.write(f"{number}.log", b"log %02d begins\n" % number)
    for _ in range(10):
        rig.read()
    rig.restart("*.log*")
    for number in range(60):
        path = rig.write(f"{number}.log", b"log %02d ends\n" % number)
        path.rename(path.with_name(path.name + ".1"))
        rig.write(f"{number}.log", b"log %02d, a new one\n" % number)
    rig.lines.clear()
    for _ in range(40):
        rig.read(after=40.0)
    assert rig.tail.status().bytes_lost == 0
    for number in range(60):
        of = [line for line in rig.lines if line.startswith(b"log %02d" % number)]
        assert of == [b"log %02d ends\n" % number, b"log %02d, a new one\n" % number]


def test_names_in_huge_folders_are_gone_through_over_several_looks(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_registry, "NAMES_A_LOOK", 20)
    for number in range(200):
        rig.write(f"{number}.other", b"")
    rig.write("x.log", b"1\n")
    rig.start("*.log")
    looks = 0
    while not rig.read(after=0.01):
        looks += 1
        assert rig.tail.status().reason == "not looked yet"
        assert any("names so far" in problem for problem in rig.tail.status().problems)
    assert looks >= 9
    assert rig.tail.status().up


def test_more_than_one_pass_takes_in_is_said_and_known_files_go_on(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.start("*.log")
    rig.write("known.log", b"1\n")
    rig.read()
    monkeypatch.setattr("exporters.sources.walk.Walk.__init__.__kwdefaults__", {"most_names": 30, "most_matches": 5})
    for number in range(50):
        rig.write(f"{number}.log", b"new\n")
    for turn in range(20):
        line = b"turn %d\n" % turn
        rig.write("known.log", line)
        assert line in rig.read()
    status = rig.tail.status()
    assert not status.up and "narrow them" in status.reason
    assert status.rotations["delete"] == 0


def test_reading_many_files_keeps_no_more_open_than_it_may(rig: Rig) -> None:
    for number in range(100):
        rig.write(f"{number}.log", b"%d\n" % number)
    rig.start("*.log", max_open=10)
    most = 0
    for _ in range(3):
        rig.now += 2
        for chunk in rig.tail.read(1 << 20, now=rig.now):
            rig.check(chunk)
            most = max(most, sum(file.reader is not None for file in rig.tail._watch.files.values()))
    assert most <= 11
    assert len(rig.chunks) == 100


def test_a_folder_that_cannot_be_looked_into_for_a_moment_takes_no_file_away(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.start("*.log", max_open=2)
    for number in range(5):
        rig.write(f"{number}.log", b"%d\n" % number)
    rig.read()
    with monkeypatch.context() as patch:

        def none_left(*_arguments: object, **_options: object) -> object:
            raise OSError(24, "Too many open files")

        patch.setattr("exporters.sources.walk.open_folder", none_left)
        patch.setattr(file_registry, "stat_beneath", none_left)
        rig.settle()
    rig.settle()
    status = rig.tail.status()
    assert status.files == 5 and status.bytes_lost == 0
    assert set(status.rotations.values()) == {0}
    assert len(rig.lines) == 5


def test_files_that_begin_alike_are_compared_with_a_few(rig: Rig) -> None:
    """Whoever makes thousands of files with the same first kilobyte makes no square of work of them."""
    head = b'{"a": "' + b"x" * 1100
    rig.start("*.log", max_line=8192, chunk_bytes=4096)
    for number in range(100):
        rig.write(f"{number}.log", head + b'%d"}\n' % number * 2)
    for _ in range(4):
        rig.read()
    index = FileIndex(rig.tail._watch.files.values())
    found = next(iter(rig.tail._watch.seen.found.values()))
    assert len(index.candidates(found, head[:1024])) <= ALIKE
    assert len(rig.lines) >= 100


def test_a_link_put_in_place_of_a_folder_after_the_look_is_not_followed(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between finding a file and opening it, its folder becomes a link to one that holds the same file."""
    (rig.folder / "logs").mkdir()
    rig.write("logs/x.log", b"1\n")
    rig.start("logs/*.log")
    really = readers.open_reader

    def late(path: str, *, packed: bool, follow: bool = False) -> object:
        if not (rig.folder / "moved").exists():
            (rig.folder / "logs").rename(rig.folder / "moved")
            (rig.folder / "logs").symlink_to("moved")
        return really(path, packed=packed, follow=follow)

    monkeypatch.setattr(file_registry, "open_reader", late)
    assert rig.read() == []
    assert rig.tail.status().errors["open"] == 1
    with pytest.raises(beneath.LinkError):
        beneath.open_beneath(str(rig.folder / "logs/x.log"), 0)
