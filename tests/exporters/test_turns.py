"""A turn of reading ends by time, whatever is read; every test here counts steps of a clock that it moves itself."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterable
from pathlib import Path

import pytest
import yaml

from exercises.servers import free_port
from exporters import pace
from exporters.exporter import ClosedError, Exporter
from exporters.liveness import STUCK, Liveness
from exporters.pace import LARGEST, SLICE, SMALLEST, Pace
from exporters.run import export
from exporters.server import MetricsServer
from exporters.sources import Chunk
from exporters.sources.file import FileTail
from runtime.state_file import StateFolder
from tests.support.engines import make_engine
from tests.support.litellm_lines import line, record

MB = 1024 * 1024


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def exporter_of(folder: Path, clock: Clock, *paths: str) -> Exporter:
    tail = FileTail("gw", [str(folder / path) for path in paths], start_at="beginning")
    return Exporter(make_engine().memory, {"gw": tail}, StateFolder(folder / "state"), now=time.time(), clock=clock)


def slow(exporter: Exporter, clock: Clock, monkeypatch: pytest.MonkeyPatch, *, seconds_per_mb: float) -> list[int]:
    """Let decoding take time of `clock`; the sizes of the pieces that it is given."""
    sizes: list[int] = []
    decode = exporter._memory.engine.decode

    def decoding(chunk: Chunk) -> object:
        data = chunk.data
        sizes.append(len(data))
        clock.now += seconds_per_mb * len(data) / MB
        return decode(chunk)

    monkeypatch.setattr(exporter._memory.engine, "decode", decoding)
    return sizes


def fill(path: Path, size: int) -> int:
    """Write records of about `size` bytes in all; how many."""
    count = 0
    with path.open("wb") as file:
        while file.tell() < size:
            count += 1
            file.write(line(record(1_700_000_000.0, f"call-{count}")))
    return count


def attempts(exporter: Exporter) -> float:
    table = exporter._state.families.tables["events"]
    return float(table.values[:, table.column["attempts"]].sum())


@pytest.mark.parametrize("seconds_per_mb", [0.01, 1.0, 20.0])
def test_no_turn_holds_the_lock_longer_than_a_slice_and_a_piece(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds_per_mb: float
) -> None:
    clock = Clock()
    count = fill(tmp_path / "x.log", 2 * MB)
    exporter = exporter_of(tmp_path, clock, "x.log")
    sizes = slow(exporter, clock, monkeypatch, seconds_per_mb=seconds_per_mb)
    longest, turns = 0.0, 0
    while True:
        before = clock.now
        if not exporter.poll():
            break
        longest, turns = max(longest, clock.now - before), turns + 1
        assert turns < 10_000
    piece = 2 * SMALLEST if len(sizes) > 1 else 0
    first = sizes[0] * seconds_per_mb / MB  # its cost could not be known
    assert longest <= SLICE + max(first, SLICE, piece * seconds_per_mb / MB)
    assert attempts(exporter) == count
    exporter.close()


def test_costly_content_makes_pieces_small_and_cheap_content_large_again() -> None:
    clock = Clock()
    sizes = Pace(clock)

    def chunks(cost: float, count: int) -> Iterable[Chunk]:
        for number in range(count):
            size = sizes.piece
            clock.now += cost * size / MB
            yield Chunk("gw", "f", 0, size, memoryview(bytes(size)), number)

    def take(cost: float) -> None:
        for _ in sizes.slice(chunks(cost, 50)):
            clock.now += cost * sizes.piece / MB

    for _ in range(10):
        take(0.001)
    assert sizes.piece == LARGEST
    for _ in range(10):
        take(20.0)
    assert sizes.piece == SMALLEST
    for _ in range(20):
        take(0.001)
    assert sizes.piece == LARGEST


def test_a_line_longer_than_a_piece_is_still_handed_out_whole(tmp_path: Path) -> None:
    long = b'{"a":"' + b"x" * MB + b'"}\n'
    (tmp_path / "x.log").write_bytes(long + b"{}\n")
    tail = FileTail("gw", [str(tmp_path / "x.log")], start_at="beginning")
    chunks = [bytes(chunk.data) for chunk in tail.read(10 * MB, now=1.0, piece_bytes=SMALLEST)]
    assert chunks[0].startswith(long) and len(chunks[0]) <= 2 * len(long)
    assert b"".join(chunks) == long + b"{}\n"


def test_logs_take_turns_however_early_reading_is_stopped(tmp_path: Path) -> None:
    for number in range(6):
        (tmp_path / f"{number}.log").write_bytes(b'{"a":%d}\n' % number * 10_000)
    tail = FileTail("gw", [str(tmp_path / "*.log")], start_at="beginning")
    seen = []
    for turn in range(12):
        chunk = next(tail.read(MB, now=float(turn), piece_bytes=SMALLEST))
        seen.append(bytes(chunk.data)[5:6])
    assert sorted(seen[:6]) == sorted(seen[6:]) == [b"%d" % number for number in range(6)]


def test_what_a_scrape_between_two_slices_saves_is_what_was_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kill after any slice, and a restart: nothing is lost or counted twice."""
    clock = Clock()
    count = fill(tmp_path / "x.log", MB)
    exporter = exporter_of(tmp_path, clock, "x.log")
    slow(exporter, clock, monkeypatch, seconds_per_mb=5.0)
    slices = 0
    while exporter.poll():
        slices += 1
        exporter.scrape()
        saved = exporter._folder.load().data
        assert saved is not None
        (position,) = saved["positions"]["gw"].values()
        lines = (tmp_path / "x.log").read_bytes()[: position["offset"]].count(b"\n")
        assert lines == attempts(exporter)
    assert slices > 5 and attempts(exporter) == count
    exporter.close()


def test_after_the_end_nothing_is_shown_that_could_not_be_saved(tmp_path: Path) -> None:
    exporter = exporter_of(tmp_path, Clock(), "x.log")
    exporter.close()
    with pytest.raises(ClosedError):
        exporter.scrape()
    exporter.close()  # a second time does nothing


# ------------------------------------------------------------------------------------------------------ alive or stuck
class Work:
    """A reading thread's processor time."""

    def __init__(self) -> None:
        self.used: int | None = 0

    def __call__(self, _thread: int) -> int | None:
        return self.used


def test_slow_content_is_no_reason_to_start_again_and_a_thread_that_does_nothing_is(tmp_path: Path) -> None:
    clock, work = Clock(), Work()
    exporter = exporter_of(tmp_path, clock, "x.log")
    alive = Liveness(exporter, clock=clock, used=work)
    exporter.poll()
    assert alive.check()[0]
    exporter.progress.begins("gw", clock.now)
    for _ in range(20):  # ten minutes in one piece, at work
        clock.now += STUCK / 2
        assert work.used is not None
        work.used += 100
        healthy, text = alive.check()
        assert healthy and "reading source gw for" in text
    assert "slow" in text
    clock.now += STUCK / 2
    assert alive.check()[0]  # it may only just have stopped to work
    clock.now += STUCK
    assert not alive.check()[0]
    exporter.progress.turned(clock.now)
    assert alive.check()[0]
    exporter.close()


def test_a_thread_that_is_no_more_is_not_alive_for_long(tmp_path: Path) -> None:
    clock, work = Clock(), Work()
    work.used = None
    exporter = exporter_of(tmp_path, clock, "x.log")
    alive = Liveness(exporter, clock=clock, used=work)
    exporter.poll()
    clock.now += 10 * STUCK
    alive.check()
    clock.now += 2 * STUCK
    assert not alive.check()[0]
    exporter.close()


# ---------------------------------------------------------------------------------------------------------- the process
def test_told_to_end_it_saves_first_and_waits_for_no_client(tmp_path: Path) -> None:
    """300 clients drip their heads, half of them at the source of posts; the state is saved, and the process ends."""
    ports = free_port(), free_port()
    (tmp_path / "token").write_text("t0ken-of-the-gateway")
    (tmp_path / "x.log").write_bytes(b"")
    fill(tmp_path / "x.log", 100_000)
    config = {
        "listen": f"127.0.0.1:{ports[0]}",
        "state_folder": "state",
        "scan_content": False,
        "sources": {
            "gw": {"gateway": "litellm", "paths": ["x.log"], "start_at": "beginning"},
            "posts": {
                "gateway": "litellm",
                "type": "http",
                "listen": f"127.0.0.1:{ports[1]}",
                "token_file": "token",
            },
        },
    }
    (tmp_path / "tocsin.yaml").write_text(yaml.safe_dump(config))
    command = [sys.executable, "-m", "tocsin", "export", "--config", str(tmp_path / "tocsin.yaml")]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    clients: list[socket.socket] = []
    stop = threading.Event()

    def drip() -> None:
        while not stop.wait(0.05):
            for client in clients:
                with contextlib.suppress(OSError):
                    client.send(b"G")

    dripper = threading.Thread(target=drip)
    try:
        body = ""
        end = time.monotonic() + 120
        while 'tocsin_unread_bytes{source="gw"} 0' not in body or "llm_requests_by_actor{" not in body:
            assert time.monotonic() < end and process.poll() is None
            time.sleep(0.05)
            try:
                body = urllib.request.urlopen(f"http://127.0.0.1:{ports[0]}/metrics", timeout=60).read().decode()
            except OSError:
                continue
        clients += [socket.create_connection(("127.0.0.1", ports[number % 2])) for number in range(300)]
        dripper.start()
        url = f"http://127.0.0.1:{ports[0]}/-/healthy"
        assert urllib.request.urlopen(url, timeout=60).read().startswith(b"healthy\n")
        before = (tmp_path / "state" / "state").stat().st_mtime_ns  # a new file may get the number of an old one
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        assert (tmp_path / "state" / "state").stat().st_mtime_ns != before
    finally:
        stop.set()
        if dripper.ident is not None:
            dripper.join()
        for client in clients:
            client.close()
        if process.poll() is None:
            process.kill()
        process.wait()


def test_the_state_is_saved_before_the_server_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x.log").write_bytes(b"")
    config = {
        "listen": "127.0.0.1:0",
        "state_folder": "state",
        "scan_content": False,
        "sources": {"gw": {"gateway": "litellm", "paths": ["x.log"]}},
    }
    (tmp_path / "tocsin.yaml").write_text(yaml.safe_dump(config))
    order: list[str] = []
    save, stop = StateFolder.save, MetricsServer.stop

    def saving(self: StateFolder, data: dict[str, object]) -> int:
        order.append("save")
        return save(self, data)

    def stopping(self: MetricsServer) -> None:
        order.append("stop")
        stop(self)

    monkeypatch.setattr(StateFolder, "save", saving)
    monkeypatch.setattr(MetricsServer, "stop", stopping)
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        export(tmp_path / "tocsin.yaml", ready=lambda _address: signal.raise_signal(signal.SIGTERM))
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert order[:2] == ["save", "stop"]


def test_the_slice_is_short_beside_what_a_scrape_may_wait() -> None:
    assert pace.SLICE <= 0.5
