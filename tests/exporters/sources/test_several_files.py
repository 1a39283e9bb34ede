"""Several files at once: fairness, links, look-alikes, more than may be open."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.exporters.sources.conftest import Numbered, Rig


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
    rig.start(follow_symlinks=True)
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
    rig.settle()
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
    rig.cut(rig.folder / "a.log")
    rig.write("a.log", b"A0\nA1\nA2\nA3\n")
    rig.cut(rig.folder / "h.log")
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
    rig.start("containers/*.log", follow_symlinks=True)
    rig.write("pods/0.log", b"1\n")
    assert rig.read() == [b"1\n"]
    rig.write("pods/0.log", b"2\n").rename(pod / "0.log.20261123-120000")
    rig.read()
    rig.write("pods/0.log", b"3\n")
    rig.read()
    assert rig.lines == [b"1\n", b"2\n", b"3\n"]
    assert rig.tail.status().rotations["rename"] == 1
