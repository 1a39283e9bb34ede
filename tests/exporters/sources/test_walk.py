"""The walk means what glob means, follows nothing, and never does much at once."""

from __future__ import annotations

import glob
import os
import socket
import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporters.sources import walk as walking
from exporters.sources.discovery import discover
from exporters.sources.walk import DEPTH, LINK, Walk


def all_of(*patterns: str, follow: bool = False, names: int = 1 << 30) -> Walk:
    walk = Walk(patterns, follow_symlinks=follow)
    while not walk.go_on(names):
        pass
    return walk


def files(walk: Walk) -> list[str]:
    return sorted(match.path for match in walk.matches if stat.S_ISREG(match.status.st_mode))


def tree(folder: Path, *paths: str) -> None:
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(b"")


# --------------------------------------------------------------------------------------------------- what patterns mean
PARTS = ["a", "b", "*", "a*", "?", "[ab]", "[!a]", ".*", ".h", "**", "*.log", "x.log", "[*]", "a**"]
TREE = [
    "x.log",
    "a/x.log",
    "a/b/x.log",
    "a/b/a/b",
    "b/.h/x.log",
    ".h/a/x.log",
    "*/x.log",
    "b/*",
    "a/b/a/.x.log",
    "ab/a/x",
]


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tree")
    tree(folder, *TREE)
    return folder


@settings(max_examples=400, deadline=None)
@given(parts=st.lists(st.sampled_from(PARTS), min_size=1, max_size=5), names=st.integers(1, 50))
def test_a_pattern_means_what_it_means_to_glob(planted: Path, parts: list[str], names: int) -> None:
    pattern = "/".join([str(planted), *parts])
    expected = {path for path in glob.glob(pattern, recursive=True) if os.path.isfile(path)}  # noqa: PTH113, PTH207
    assert files(all_of(pattern, names=names)) == sorted(expected)


@settings(max_examples=100, deadline=None)
@given(patterns=st.lists(st.lists(st.sampled_from(PARTS), min_size=1, max_size=4), min_size=2, max_size=4))
def test_several_patterns_in_one_pass_match_what_each_matches(planted: Path, patterns: list[list[str]]) -> None:
    whole = ["/".join([str(planted), *parts]) for parts in patterns]
    walk = all_of(*whole)
    alone = [all_of(pattern) for pattern in whole]
    assert files(walk) == sorted({path for each in alone for path in files(each)})
    assert walk.matched == {pattern for each in alone for pattern in each.matched}


def test_a_pattern_may_name_the_folder_above(planted: Path) -> None:
    assert files(all_of(f"{planted}/a/../b/../*.log")) == [f"{planted}/a/../b/../x.log"]


def test_a_pattern_may_be_relative_and_end_in_a_slash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree(tmp_path, "a/x.log")
    monkeypatch.chdir(tmp_path)
    assert files(all_of("*/x.log")) == ["a/x.log"]
    assert files(all_of(f"{tmp_path}/a/x.log/", f"{tmp_path}//a///x.log")) == [f"{tmp_path}/a/x.log"]
    assert not all_of(f"{tmp_path}/a/x.log/").matched
    assert not all_of(f"{tmp_path}/a\0b", "", "/").matches


# ------------------------------------------------------------------------------------------------------------- bounds
def test_links_that_lead_back_are_not_followed(tmp_path: Path) -> None:
    tree(tmp_path, "x.log")
    for name in ("l1", "l2"):
        (tmp_path / name).symlink_to(".")
    walk = all_of(f"{tmp_path}/**/*.log")
    assert files(walk) == [f"{tmp_path}/x.log"]
    assert walk.looked < 30


def test_with_links_each_folder_is_seen_once_however_many_lead_there(tmp_path: Path) -> None:
    """Twenty links in a row, each of which can be taken in two ways: a million paths, and twenty folders."""
    tree(tmp_path, "x.log")
    for number in range(20):
        (tmp_path / f"{number}").mkdir()
        tree(tmp_path, f"{number}/x.log")
        for way in "ab":
            (tmp_path / f"{number}" / way).symlink_to(f"../{number + 1}")
    (tmp_path / "loop").symlink_to(".")
    walk = all_of(f"{tmp_path}/**/x.log", follow=True)
    assert {Path(path).resolve() for path in files(walk)} == {path.resolve() for path in tmp_path.rglob("x.log")}
    assert walk.looked < 600


def test_two_deep_components_cost_no_more_than_one(tmp_path: Path) -> None:
    for depth in range(20):
        tree(tmp_path, "/".join(["d"] * depth + ["x.log"]))
    one = all_of(f"{tmp_path}/**/x.log")
    five = all_of(f"{tmp_path}/**/**/d/**/**/d/**/x.log")
    assert len(files(one)) == 20 and len(files(five)) == 18
    assert five.looked <= 2 * one.looked


def test_no_go_looks_at_more_names_than_it_may(tmp_path: Path) -> None:
    tree(tmp_path, *(f"{n % 7}/{n}.log" for n in range(1000)))
    walk = Walk([f"{tmp_path}/**/*.log"], follow_symlinks=False)
    goes, before = 0, 0
    while not walk.go_on(50):
        assert walk.looked - before <= 51
        goes, before = goes + 1, walk.looked
    assert goes >= 20
    assert len(files(walk)) == 1000


def test_a_pass_is_bounded_and_says_that_there_is_more(tmp_path: Path) -> None:
    tree(tmp_path, *(f"{n}.log" for n in range(300)))
    for bounds in ({"most_names": 100}, {"most_matches": 50}):
        walk = Walk([f"{tmp_path}/*"], follow_symlinks=False, **bounds)
        assert walk.go_on(1 << 30)
        assert walk.cut and len(walk.matches) <= 100


def test_nesting_is_bounded_and_said(tmp_path: Path) -> None:
    folder, deepest = os.open(tmp_path, os.O_RDONLY), DEPTH + 40
    for _ in range(deepest):  # deeper than any path can name
        os.mkdir("d" * 100, dir_fd=folder)
        deeper = os.open("d" * 100, os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = deeper
    os.close(folder)
    walk = all_of(f"{tmp_path}/**/*.log")
    assert any("folders deep" in why for why in walk.oddities.values())
    assert walk.looked < 4 * DEPTH


def test_troubles_are_bounded(tmp_path: Path) -> None:
    for number in range(walking.SHOWN + 50):
        (tmp_path / f"{number}.log").symlink_to("/etc/passwd")
        (tmp_path / f"{number}").symlink_to("/etc")
        os.mkfifo(tmp_path / f"{number}.pipe.log")
    seen = discover([f"{tmp_path}/**/*.log"], follow_symlinks=False)
    assert len(seen.refused) == len(seen.oddities) == walking.SHOWN
    assert not seen.found


def test_descriptors_are_given_back(tmp_path: Path) -> None:
    tree(tmp_path, *(f"{n}/{n}/{n}.log" for n in range(20)))
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    walk = Walk([f"{tmp_path}/**/*.log"], follow_symlinks=True)
    walk.go_on(13)
    assert len(os.listdir("/proc/self/fd")) > before  # noqa: PTH208
    walk.close()
    all_of(f"{tmp_path}/**/*.log")
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


# -------------------------------------------------------------------------------------------------------------- links
@pytest.mark.parametrize(
    "pattern", ["{}/link/x.log", "{}/l*/x.log", "{}/link/*", "{}/**/link/x.log", "{}/a/link/*/x.log"]
)
def test_a_linked_folder_in_any_component_is_refused_and_said(tmp_path: Path, pattern: str) -> None:
    logs = tmp_path / "logs"
    tree(tmp_path, "elsewhere/x.log", "elsewhere/deep/x.log", "logs/a/x.log")
    (logs / "link").symlink_to(tmp_path / "elsewhere")
    (logs / "a" / "link").symlink_to(tmp_path / "elsewhere")
    seen = discover([pattern.format(logs)], follow_symlinks=False)
    assert not seen.found
    assert LINK in seen.refused.values()
    assert discover([pattern.format(logs)], follow_symlinks=True).found


def test_a_link_above_the_logs_is_refused_too(tmp_path: Path) -> None:
    tree(tmp_path, "real/logs/x.log")
    (tmp_path / "link").symlink_to("real")
    seen = discover([f"{tmp_path}/link/logs/x.log"], follow_symlinks=False)
    assert not seen.found and seen.refused == {f"{tmp_path}/link": LINK}


def test_links_under_a_deep_pattern_are_named_as_oddities(tmp_path: Path) -> None:
    tree(tmp_path, "elsewhere/x.log", "logs/y.log")
    (tmp_path / "logs" / "link").symlink_to("../elsewhere")
    seen = discover([f"{tmp_path}/logs/**/*.log"], follow_symlinks=False)
    assert [found.path for found in seen.found.values()] == [f"{tmp_path}/logs/y.log"]
    assert "symbolic link" in seen.oddities[f"{tmp_path}/logs/link"] and not seen.refused


# --------------------------------------------------------------------------------------------------- what is no log
def test_names_and_kinds_of_every_sort(tmp_path: Path) -> None:
    odd = [b"new\nline.log", b"\xff\xfe.log", b"esc\x1b[31m.log", b"[x]*?.log"]
    for name in odd:
        (Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name))).write_bytes(b"")
    os.mkfifo(tmp_path / "fifo.log")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s.log"))
        seen = discover([f"{tmp_path}/*.log"], follow_symlinks=False)
    assert [found.path for found in seen.found.values()] == [f"{tmp_path}/[x]*?.log"]
    assert sorted(seen.oddities.values()) == ["has a name that cannot be printed"] * 3 + ["is a FIFO", "is a socket"]
    assert all(path.isprintable() for path in seen.oddities)


def test_hard_links_are_one_file_with_many_paths(tmp_path: Path) -> None:
    tree(tmp_path, "x.log")
    for number in range(200):
        os.link(tmp_path / "x.log", tmp_path / f"{number}.log")
    (found,) = discover([f"{tmp_path}/*.log"], follow_symlinks=False).found.values()
    assert len(found.paths) == 201


def test_a_folder_that_cannot_be_listed_holds_nothing_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree(tmp_path, "a/x.log", "b/x.log")
    scandir = os.scandir

    def failing(descriptor: int) -> object:
        if Path(f"/proc/self/fd/{descriptor}").readlink().name == "a":
            raise PermissionError(13, "Permission denied")
        return scandir(descriptor)

    monkeypatch.setattr(os, "scandir", failing)
    walk = all_of(f"{tmp_path}/*/*.log")
    assert files(walk) == [f"{tmp_path}/b/x.log"]
    assert walk.oddities == {f"{tmp_path}/a/": "cannot be looked at: Permission denied"}
