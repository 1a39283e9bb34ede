"""A saved state of any structure: taken up, or given up for the one before, and never a traceback at the start."""

from __future__ import annotations

import copy
import errno
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st

from exporters.exporter import Exporter, restore
from exporters.signals.saved import check
from exporters.sources.file import FileTail
from exporters.sources.spool import Spool
from runtime.state_file import _MAGIC, VERSION, StateError, StateFolder, decode, encode
from tests.support.engines import feed, make_engine
from tests.support.litellm_lines import line, record

JUNK: list[Any] = [
    None,
    -1,
    1 << 70,
    float("nan"),
    float("inf"),
    -1e300,
    "",
    "x" * 1000,
    b"\xff",
    [],
    {},
    [[[[]]]],
    {"a": {"b": []}},
    True,
    np.zeros(0),
    np.full(3, np.nan),
    np.full((2, 2), -1.0),
    np.array([1 << 40], np.int64),
    np.zeros((0, 1 << 20), np.uint64),
]


def busy_state() -> dict[str, Any]:
    """As saved by an exporter that has seen a little of everything, after a round trip."""
    engine = make_engine()
    now = time.time()
    lines = [line(record(now - n / 10, f"call-{n % 40}")) for n in range(60)]
    feed(engine, "gw", [b"".join(lines)], now=now)
    for _ in range(3):
        engine.scrape(now)
    positions: dict[str, Any] = {
        "gw": {"1-2-0": {"identity": {"device": 1, "inode": 2, "head": {"length": 3, "hash": 4}}}}
    }
    positions["gw"]["1-2-0"] |= {
        "generation": 0,
        "path": "/x.log",
        "stem": "/x.log",
        "offset": 5,
        "before": {"length": 1, "hash": 2},
        "size": 9,
    }
    return decode(encode({**engine.memory.save(), "positions": positions}))


GOOD = busy_state()


def places(value: object, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to each part of plain data."""
    found = [path] if path else []
    if isinstance(value, dict):
        for key in value:
            found += places(value[key], (*path, key))
    elif isinstance(value, list):
        for number in range(min(len(value), 2)):
            found += places(value[number], (*path, number))
    return found


PLACES = places(GOOD)


def put(data: dict[str, Any], path: tuple[Any, ...], change: str, junk: object) -> None:
    at: Any = data
    for key in path[:-1]:
        at = at[key]
    if change == "replace":
        at[path[-1]] = junk
    elif change == "remove":
        del at[path[-1]]
    elif change == "double" and isinstance(at[path[-1]], (list, str)):
        at[path[-1]] = at[path[-1]] * 2
    elif change == "shorten" and isinstance(at[path[-1]], (list, np.ndarray)):
        at[path[-1]] = at[path[-1]][:-1]
    elif change == "retype" and isinstance(at[path[-1]], np.ndarray):
        at[path[-1]] = at[path[-1]].astype(np.float32 if at[path[-1]].dtype.kind != "f" else np.int64)
    elif isinstance(at, dict):
        at[f"{path[-1]}-too"] = junk


changes = st.tuples(
    st.sampled_from(PLACES),
    st.sampled_from(["replace", "remove", "double", "shorten", "retype", "add"]),
    st.sampled_from(JUNK),
)


def test_what_an_exporter_saves_passes_every_check() -> None:
    check(GOOD["state"], GOOD["view"])


@settings(max_examples=60, deadline=None, derandomize=True)
@given(made=st.lists(changes, min_size=1, max_size=3))
def test_any_structure_is_taken_up_or_given_up(tmp_path_factory: pytest.TempPathFactory, made: list[Any]) -> None:
    """What is taken up can also be shown, fed and saved again; what is not gives way to the one before."""
    data = copy.deepcopy(GOOD)
    for path, change, junk in made:
        try:
            put(data, path, change, junk)
        except (KeyError, IndexError, TypeError, ValueError):  # an earlier change took the place away
            continue
    place = tmp_path_factory.mktemp("state")
    folder = StateFolder(place)
    try:
        content = encode(data)
    except (TypeError, OverflowError, ValueError):
        content = encode({"state": {}, "positions": {}})
    (place / "state").write_bytes(content)
    (place / "state.previous").write_bytes(encode(GOOD))
    engine = make_engine()
    try:
        assert restore(engine.memory, folder) is not None
        now = time.time()
        feed(engine, "gw", [line(record(now, "new"))], now=now)
        engine.scrape(now + 1)
        engine.save()
    finally:
        folder.close()


@pytest.mark.parametrize(
    "whole",
    [{}, {"state": 1, "positions": 2}, {"state": GOOD["state"]}, {**GOOD, "positions": {"gw": {"a": {"offset": -1}}}}],
)
@pytest.mark.parametrize("before", [None, GOOD, {"state": None}])
def test_with_no_usable_state_it_starts_with_none_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, whole: dict[str, Any], before: dict[str, Any] | None
) -> None:
    folder = StateFolder(tmp_path)
    (tmp_path / "state").write_bytes(encode(whole))
    if before is not None:
        (tmp_path / "state.previous").write_bytes(encode(before))
    engine = make_engine()
    positions = restore(engine.memory, folder)
    assert (positions is not None) == (before is GOOD)
    assert "damaged" in caplog.text
    assert engine.state.health.value("tocsin_state_resets_total", ("damaged",)) == 1
    assert (tmp_path / "state.damaged").exists()
    folder.close()


@pytest.mark.parametrize("place", [("signals", "entities"), ("families", "tables"), ("signals",), ("health",)])
def test_an_array_in_the_place_of_a_map_is_no_state(place: tuple[str, ...]) -> None:
    data = copy.deepcopy(GOOD["state"])
    at: Any = data
    for step in place[:-1]:
        at = at[step]
    at[place[-1]] = np.array([], np.float64)
    with pytest.raises(ValueError):
        check(data, GOOD["view"])


@pytest.mark.parametrize("content", [b"", b"\x81" * 5_000_000, msgspec.msgpack.encode([1, 2]), b"\x91" * 200_000])
def test_bytes_with_a_right_checksum_that_were_never_saved(tmp_path: Path, content: bytes) -> None:
    head = _MAGIC + VERSION.to_bytes(4, "big") + xxhash.xxh3_64_digest(content)
    with pytest.raises(ValueError):
        decode(head + content)


def test_arrays_of_other_kinds_are_refused() -> None:
    for dtype, shape in (
        ("|O8", [1]),
        ("<U4", [1]),
        ("<f8", [-1]),
        ("<f8", [1 << 60]),
        ("|V8", [1]),
        ("nonsense", [1]),
    ):
        head = msgspec.msgpack.encode([dtype, shape])
        body = len(head).to_bytes(4, "big") + head + bytes(8)
        packed = msgspec.msgpack.encode({"state": msgspec.msgpack.Ext(1, body)})
        with pytest.raises(ValueError):
            decode(_MAGIC + VERSION.to_bytes(4, "big") + xxhash.xxh3_64_digest(packed) + packed)


# -------------------------------------------------------------------------------------------------------- the folder
def test_nothing_is_written_through_a_link_or_a_second_name(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path / "state")
    other, second = tmp_path / "other", tmp_path / "second"
    other.write_bytes(b"mine")
    folder.save({"n": 1})
    os.link(folder.path, second)
    before = second.read_bytes()
    (tmp_path / "state" / "state.new").symlink_to(other)
    folder.save({"n": 2})
    os.link(other, tmp_path / "state" / "state.new")
    folder.save({"n": 3})
    folder.path.unlink()
    folder.path.symlink_to(other)
    folder.save({"n": 4})
    assert other.read_bytes() == b"mine" and second.read_bytes() == before
    assert folder.load().data == {"n": 4}
    folder.close()


def test_a_state_that_is_a_link_or_a_pipe_is_not_read(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path / "state")
    folder.save({"n": 1})
    folder.save({"n": 2})
    elsewhere = tmp_path / "elsewhere"
    folder.path.rename(elsewhere)
    folder.path.symlink_to(elsewhere)
    loaded = folder.load()
    assert loaded.data == {"n": 1} and "symbolic link" in loaded.damaged
    os.mkfifo(folder.path)
    assert "no regular file" in folder.load().damaged
    folder.close()


def test_a_lock_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(b"")
    (tmp_path / "lock").symlink_to(tmp_path / "other")
    with pytest.raises(StateError, match="symbolic link"):
        StateFolder(tmp_path)


@pytest.mark.parametrize("what", ["folder", "lock"])
def test_a_folder_or_lock_that_is_replaced_is_written_no_more(tmp_path: Path, what: str) -> None:
    folder = StateFolder(tmp_path / "state")
    folder.save({"n": 1})
    if what == "folder":
        (tmp_path / "state").rename(tmp_path / "old")
        second = StateFolder(tmp_path / "state")
    else:
        (tmp_path / "state" / "lock").unlink()
        second = StateFolder(tmp_path / "state")
    with pytest.raises(OSError, match="replaced") as raised:
        folder.save({"n": 2})
    assert raised.value.errno == errno.ESTALE
    second.save({"n": 3})
    assert second.load().data == {"n": 3}
    second.close()
    folder.close()


def test_a_save_that_fails_leaves_no_draft(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = StateFolder(tmp_path)
    folder.save({"n": 1})

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            folder.save({"n": 2})
    assert not (tmp_path / "state.new").exists()
    assert folder.load().data == {"n": 1}
    folder.close()


def test_folders_and_files_are_private_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        folder = StateFolder(tmp_path / "deep" / "state")
        folder.save({"n": 1})
        spool = Spool(tmp_path / "deep" / "state" / "spool" / "posts", limit=1000)
        spool.append(b"{}\n")
    finally:
        os.umask(before)
    for path in tmp_path.rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path
    spool.close()
    folder.close()


# ------------------------------------------------------------------------------------------------------ two exporters
HOLD = """
import pathlib, sys
from runtime.state_file import StateFolder
StateFolder(pathlib.Path(sys.argv[1]))
print("held", flush=True)
input()
"""


def test_a_crash_leaves_no_lock_behind_and_a_living_one_keeps_others_out(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        with pytest.raises(StateError, match="is used by another exporter"):
            StateFolder(tmp_path)
        process.kill()
    StateFolder(tmp_path).close()


def test_two_exporters_may_read_one_folder_of_logs(tmp_path: Path) -> None:
    exporters = []
    for name in ("a", "b"):
        tail = FileTail("gw", [str(tmp_path / "*.log")], start_at="beginning")
        exporters.append(Exporter(make_engine().memory, {"gw": tail}, StateFolder(tmp_path / name), now=time.time()))
    for number in range(5):
        with (tmp_path / "x.log").open("ab") as file:
            file.write(line(record(time.time(), f"call-{number}")))
        for exporter in exporters:
            exporter.poll()
    (tmp_path / "x.log").rename(tmp_path / "x.1.log")
    for exporter in exporters:
        exporter.poll()
        exporter.close()
        table = exporter._state.families.tables["events"]
        assert table.values[:, table.column["attempts"]].sum() == 5


@pytest.mark.parametrize("wrong", [-1.0, float("nan"), float("inf")])
@pytest.mark.parametrize("where", ["count", "cell"])
def test_numbers_that_nobody_counts_are_refused(wrong: float, where: str) -> None:
    """They could be taken up and shown, and would be shown for ever."""
    state = copy.deepcopy(GOOD["state"])
    if where == "count":
        state["health"]["tocsin_records_read_total"]["values"][0] = wrong
    else:
        state["families"]["tables"]["events"]["values"][0, 0] = wrong
    with pytest.raises(ValueError, match=r"not a number|no number|>= 0"):
        check(state, GOOD["view"])


def test_a_row_far_beyond_the_groups_is_refused_before_memory_is_taken_for_it() -> None:
    state = copy.deepcopy(GOOD["state"])
    tracker = next(one for one in state["signals"]["trackers"].values() if "sole" in one)
    tracker["sole"] = [[1 << 50], ["x"], [1.0]]
    with pytest.raises(ValueError, match="not there"):
        check(state, GOOD["view"])
