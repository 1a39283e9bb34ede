"""A file that only grows."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from exporters.sources import Source

if TYPE_CHECKING:
    from tests.exporters.sources.conftest import Numbered, Rig

MIB = 1024 * 1024


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
    assert rig.settle() == []
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
