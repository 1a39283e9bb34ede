"""Logs as lines, batches and feeds."""

import gzip
import os
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events.batch import EventBatch, Provenance, Reject
from exporters.sources import Chunk
from replay.log_reader import CHUNK, Feed, Log, LogError, arrivals


def toy(chunk: Chunk) -> EventBatch:
    """Decodes lines of a time each; what is no number is a reject."""
    times, rejects, offsets, start = list[float](), list[Reject](), list[int](), chunk.start
    for number, line in enumerate(bytes(chunk.data).split(b"\n")):
        place, start = start, start + len(line) + 1
        if not line.strip():
            continue
        try:
            times.append(float(line))
            offsets.append(place)
        except ValueError:
            rejects.append(Reject(number, "not_json", ""))
    columns: dict[str, Any] = {"time": np.array(times), "event_id": list(range(len(times)))}
    rejects.reverse()  # in whatever order
    zeros = np.zeros(len(times), np.int64)
    provenance = Provenance((chunk.file,), zeros.astype(np.int32), np.array(offsets, np.int64), zeros, zeros)
    return EventBatch(
        "log", "toy", len(times), columns, rejects=rejects, dropped_fields={"x": len(times)}, provenance=provenance
    )


def write(folder: Path, content: bytes, name: str = "log") -> Log:
    path = folder / name
    path.write_bytes(content)
    return Log(path)


def piece(data: bytes) -> Chunk:
    return Chunk.of("log", data)


def read(log: Log, limit: int = 1000, size: int = 100) -> tuple[bytes, int]:
    chunks = [(bytes(chunk.data), skipped) for chunk, skipped in log.chunks(limit, size)]
    assert all(data.endswith(b"\n") or not data for data, _ in chunks)
    return b"".join(data for data, _ in chunks), sum(skipped for _, skipped in chunks)


def test_lines_are_whole_whatever_their_length(tmp_path: Path) -> None:
    content = b"".join(b"%d" % number * (number % 70) + b"\n" for number in range(500))
    assert read(write(tmp_path, content)) == (content, 0)


def test_the_last_line_may_lack_its_newline(tmp_path: Path) -> None:
    assert read(write(tmp_path, b"one\ntwo")) == (b"one\ntwo\n", 0)


@pytest.mark.parametrize("size", [1, 7, 40])
def test_a_chunk_says_where_it_is_in_the_file(tmp_path: Path, size: int) -> None:
    content = b"one\n" + b"x" * 60 + b"\n\n" + b"".join(b"%d" % number + b"\n" for number in range(50)) + b"last"
    log = write(tmp_path, content)
    chunks = [chunk for chunk, _ in log.chunks(50, size) if chunk.data]
    assert [chunk.data for chunk in chunks] == [(content + b"\n")[chunk.start :][: len(chunk.data)] for chunk in chunks]
    assert b"".join(chunk.data for chunk in chunks) == content.replace(b"x" * 60 + b"\n", b"") + b"\n"
    assert {chunk.file for chunk in chunks} == {str(log.path)}


def test_too_long_lines_are_passed_over_and_counted(tmp_path: Path) -> None:
    long = b"x" * 1000
    content = long + b"\na\n" + long + b"\n" + long + b"y\nb\n" + long
    assert read(write(tmp_path, content)) == (b"a\nb\n", 4)
    assert read(write(tmp_path, b"x" * 999 + b"\n")) == (b"x" * 999 + b"\n", 0)


def test_gzip_is_told_by_its_first_bytes_and_may_have_several_parts(tmp_path: Path) -> None:
    packed = gzip.compress(b"one\n") + gzip.compress(b"two\n")
    assert read(write(tmp_path, packed, "no-ending")) == (b"one\ntwo\n", 0)
    assert read(write(tmp_path, b"plain\n", "plain.gz")) == (b"plain\n", 0)


@pytest.mark.parametrize("damage", ["cut", "changed"])
def test_damaged_gzip_is_an_error_that_names_the_file(tmp_path: Path, damage: str) -> None:
    packed = bytearray(gzip.compress(os.urandom(5000)))
    if damage == "cut":
        del packed[-100:]
    else:
        packed[2000:2100] = bytes(100)
    with pytest.raises(LogError, match=r"log\.gz: .*damaged or cut off"):
        read(write(tmp_path, bytes(packed), "log.gz"))


def test_what_cannot_be_opened_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(LogError, match=f"{path.name}: cannot be read: "):
            Feed(Log(path), toy)


def test_an_empty_log_has_nothing(tmp_path: Path) -> None:
    assert Feed(write(tmp_path, b""), toy).next == np.inf


def everything(log: Log, steps: Iterator[float]) -> list[tuple[float, list[float], int]]:
    """What a feed hands out at each step: times and number of rejects."""
    feed, found = Feed(log, toy), []
    for now in steps:
        for part in feed.until(now):
            found.append((now, part.numbers("time").tolist(), len(part.rejects)))
        assert feed.next > now
    assert feed.next == np.inf
    return found


def test_a_feed_hands_out_what_is_known(tmp_path: Path) -> None:
    log = write(tmp_path, b"oops\n1\n2\n\nbad\n5\n4\nbad\n9\nbad\n")
    assert everything(log, iter([0.5, 2, 3, 7, 20])) == [(2, [1, 2], 2), (7, [5, 4], 1), (20, [9], 1)]


def test_a_feed_waits_for_its_time(tmp_path: Path) -> None:
    feed = Feed(write(tmp_path, b"100\n"), toy)
    assert feed.next == 100
    assert list(feed.until(99)) == []
    assert [part.size for part in feed.until(100)] == [1]


def test_rejects_without_any_attempt_have_no_time(tmp_path: Path) -> None:
    feed = Feed(write(tmp_path, b"bad\nbad\n"), toy)
    assert feed.next == -np.inf
    assert [(part.size, len(part.rejects)) for part in feed.until(-np.inf)] == [(0, 2)]
    assert feed.next == np.inf


def test_too_long_lines_are_rejects_in_their_place() -> None:
    (first, second) = arrivals(toy, iter([(piece(b"1\n2\n"), 0), (piece(b"3\n"), 2)]))
    assert [reject.reason for reject in second.batch.rejects] == ["too_long", "too_long"]
    assert second.rejects.tolist() == [2, 2]
    assert first.attempts.tolist() == [1, 2]


def test_a_feed_that_is_no_file_is_read_once(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.write(writing, b"1\n2\n")
    os.close(writing)
    feed = Feed(Log(Path(f"/proc/self/fd/{reading}")), toy)
    os.close(reading)
    assert [part.size for part in feed.until(5)] == [2]


lines = st.lists(st.one_of(st.integers(0, 40).map(lambda time: b"%d" % time), st.sampled_from([b"bad", b"", b"  "])))


@settings(max_examples=50)
@given(lines, st.lists(st.integers(1, 5), min_size=60, max_size=60), st.lists(st.integers(0, 40), max_size=8))
def test_chunks_and_steps_lose_nothing_and_repeat_nothing(
    content: list[bytes], sizes: list[int], steps: list[int]
) -> None:
    rest, chunks = list(content), []
    for size in sizes:
        if rest:
            chunks.append((piece(b"".join(line + b"\n" for line in rest[:size])), 0))
            del rest[:size]
    chunks += [(piece(b"".join(line + b"\n" for line in rest)), 0)] if rest else []
    # One chunk and one step, as the reference: neither may make a difference.
    reference = list(arrivals(toy, iter([(piece(b"".join(chunk.data for chunk, _ in chunks)), 0)])))
    found = list(arrivals(toy, iter(chunks)))
    if not reference:
        assert not found and not any(line.strip() for line in content)
        return
    (whole,) = reference
    assert [*chain.from_iterable(part.attempts.tolist() for part in found)] == whole.attempts.tolist()
    assert [*chain.from_iterable(part.rejects.tolist() for part in found)] == whole.rejects.tolist()
    places, parts = (0, 0), []
    for now in [-np.inf, *sorted(steps), 100]:
        last = (int((whole.attempts <= now).sum()), int((whole.rejects <= now).sum()))
        if last != places:
            parts.append(whole.between(places, last))
        places = last
    assert [time for part in parts for time in part.numbers("time").tolist()] == whole.batch.numbers("time").tolist()
    assert sum(len(part.rejects) for part in parts) == content.count(b"bad")
    assert sum(part.dropped_fields.get("x", 0) for part in parts) == whole.batch.size


def test_memory_is_bounded_by_the_chunk_and_not_by_the_file(tmp_path: Path) -> None:
    log = write(tmp_path, b"1\n" * CHUNK)
    sizes = [len(chunk.data) for chunk, _ in log.chunks()]
    assert len(sizes) == 2 and max(sizes) <= CHUNK
