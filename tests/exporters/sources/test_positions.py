"""What is stored, and for how long."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from exporters.sources.file import FileTail, load_positions

if TYPE_CHECKING:
    from tests.exporters.sources.conftest import Numbered, Rig

MIB = 1024 * 1024


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
    rig.pack(rig.folder / "x.log.1")
    rig.restart("x.log*")
    rig.settle()
    assert len({file for file, _, _ in rig.chunks}) == 1
    assert list(rig.tail.positions()) == [rig.chunks[0][0]]


def test_positions_of_vanished_files_are_forgotten(rig: Rig) -> None:
    rig.start(expire_after=1000.0)
    rig.write("x.log", b"1\n")
    rig.read()
    (rig.folder / "x.log").unlink()
    rig.settle()
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
    rig.settle()
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


@pytest.mark.parametrize("plain", [None, [], {"key": {"offset": "3"}}, {"key": {}}])
def test_positions_that_are_none_are_refused(plain: object) -> None:
    with pytest.raises(ValueError, match=r"Expected|Object missing"):
        load_positions(plain)


def test_positions_and_counters_belong_together(rig: Rig) -> None:
    """Between any two chunks: what is counted is what the positions have passed over."""
    rig.start(chunk_bytes=64, max_line=128)
    content = b"a\n" * 100 + b"x" * 199 + b"\n" + b"b\n" * 100
    rig.write("x.log", content)
    for chunk in rig.tail.read(1 << 20, now=1.0):
        (position,) = rig.tail.positions().values()
        assert position.offset == chunk.end
        status = rig.tail.status()
        assert (status.lines_too_long, status.bytes_skipped) == ((0, 0) if chunk.end <= 200 else (1, 200))
    assert chunk.end == len(content)
