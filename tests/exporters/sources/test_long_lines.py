"""Lines that are longer than is handed out."""

from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.exporters.sources.conftest import Rig

MIB = 1024 * 1024


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
