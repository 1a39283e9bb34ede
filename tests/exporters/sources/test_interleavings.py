"""Every place where a writer can go on, or the reader can be killed, between two system calls of the reader.

A writer fills and rotates a log in small steps. The reader is stopped before each of its system calls in turn, and the
writer then runs on to each of its later steps, with the reader going on or starting again from its last state. Whatever
the pair, each line has come once in the end. Nothing here waits.
"""

from __future__ import annotations

import gzip
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from exporters.sources.file import FileTail, Position

CALLS = ("open", "stat", "fstat", "scandir", "preadv", "pread")
LINES = 2
"""In each file: more than the kilobyte by which files are told apart."""
GRACE = 1e6
ALL = 1_000


class KilledError(BaseException):
    """The reader ends where it is."""


def line(number: int) -> bytes:
    return b"%03d %s\n" % (number, b"." * (550 + number * 37 % 150))


def write(folder: Path, rotations: tuple[str, ...]) -> Iterator[None]:
    """Write and rotate; each `next` is one step that a reader may see alone."""
    path = folder / "x.log"
    log = path.open("ab", buffering=0)
    number = 0
    for turn, rotation in enumerate((*rotations, ""), 1):
        for _ in range(LINES):
            new = line(number)
            number += 1
            if number % LINES == 0:  # the end of a line comes late
                log.write(new[:20])
                yield
                new = new[20:]
            log.write(new)
            yield
        old = folder / f"x.log.{turn}"
        if rotation == "cut":
            yield from _in_halves(old, path.read_bytes())
            os.truncate(path, 0)
            yield
        elif rotation:
            log.close()
            path.rename(old)
            yield
            log = path.open("ab", buffering=0)
            yield
        if rotation == "gzip":
            yield from _in_halves(folder / f"{old.name}.gz", gzip.compress(old.read_bytes()))
            old.unlink()
            yield
    log.close()


def _in_halves(path: Path, data: bytes) -> Iterator[None]:
    with path.open("wb", buffering=0) as file:
        yield
        file.write(data[: len(data) // 2])
        yield
        file.write(data[len(data) // 2 :])
        yield


@dataclass
class Run:
    """One writer and its reader. Before system call `at` the writer runs on to step `to`; `kill`: the reader dies then.

    Otherwise it takes `stride` steps before each look of the reader, and all that are left after that call. `began` has
    the step of the writer at each call.
    """

    folder: Path
    rotations: tuple[str, ...]
    stride: int
    at: int = 0
    to: int = 0
    kill: bool = False
    calls: int = 0
    steps: int = 0
    began: list[int] = field(default_factory=list)
    written: bool = False
    reading: bool = False
    counts: list[int] = field(default_factory=list)
    saved: tuple[dict[str, Position], list[int]] | None = None

    def __post_init__(self) -> None:
        self._writer = write(self.folder, self.rotations)
        self.counts = [0] * (LINES * (len(self.rotations) + 1))

    def before_call(self) -> None:
        """What happens between two system calls of the reader."""
        if not self.reading:
            return
        self.calls += 1
        self.began.append(self.steps)
        if self.calls != self.at:
            return
        self.reading = False
        self.go_on(self.to - self.steps)
        self.reading = True
        if self.kill:
            raise KilledError

    def go_on(self, steps: int) -> None:
        """So many steps of the writer."""
        for _ in range(steps):
            self.written = next(self._writer, self) is self
            if self.written:
                break
            self.steps += 1

    def finish(self) -> int:
        """Read until all is written, and a few looks more; returns the bytes that count as lost."""
        now, left = 1e9, 4
        tail: FileTail | None = None
        while left:
            self.go_on(ALL if 0 < self.at <= self.calls else self.stride)
            now += 0.1
            left -= self.written
            self.reading = True
            try:
                tail = tail or self._start()
                self._read(tail, now)
            except KilledError:
                self.reading = False
                if tail is not None:
                    tail.close()
                tail, left = None, 4
            self.reading = False
        assert tail is not None
        lost = tail.status().bytes_lost
        tail.close()
        return lost

    def _start(self) -> FileTail:
        positions: Mapping[str, Position] | None = None
        self.counts = [0] * len(self.counts)
        if self.saved is not None:
            positions, counts = self.saved
            self.counts = counts.copy()
        return FileTail(
            "gw",
            [f"{self.folder}/x.log*"],
            positions=positions,
            start_at="beginning",
            chunk_bytes=4096,
            rescan_every=0.0,
            grace=GRACE,
        )

    def _read(self, tail: FileTail, now: float) -> None:
        for chunk in tail.read(1 << 16, now=now):
            for each in bytes(chunk.data).splitlines():
                self.counts[int(each[:3])] += 1
            self.saved = tail.positions(), self.counts.copy()
        self.saved = tail.positions(), self.counts.copy()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rotations", "stride"),
    [
        pytest.param(("cut",), 1, id="cut"),
        pytest.param(("gzip",), 1, id="gzip"),
        pytest.param(("cut", "gzip"), 3, id="cut-gzip"),
        pytest.param(("gzip", "rename"), 3, id="gzip-rename"),
    ],
)
def test_each_line_comes_once_wherever_the_writer_goes_on(
    rotations: tuple[str, ...], stride: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    running: list[Run] = []

    def watched(call: Callable[..., object]) -> Callable[..., object]:
        def stopped(*arguments: Any, **named: Any) -> object:
            if running and not (call is opened and arguments[1] & os.O_DIRECTORY):  # the folders stay as they are
                running[-1].before_call()
            return call(*arguments, **named)

        return stopped

    opened = os.open
    for name in CALLS:
        monkeypatch.setattr(os, name, watched(getattr(os, name)))

    def ran(name: str, at: int = 0, to: int = 0, kill: bool = False) -> tuple[Run, int]:
        folder = tmp_path / name
        folder.mkdir()
        run = Run(folder, rotations, stride, at, to, kill)
        running.append(run)
        try:
            return run, run.finish()
        finally:
            running.pop()
            shutil.rmtree(folder)

    plain, lost = ran("plain")
    assert (set(plain.counts), lost) == ({1}, 0)
    assert plain.calls > 50
    wrong = []
    for at, step in enumerate(plain.began, 1):
        for to in range(step, plain.steps + 1):
            for kill in (False, True) if to > step else (True,):
                run, lost = ran(f"{at}-{to}-{kill}", at, to, kill)
                if run.counts != plain.counts or lost:
                    wrong.append((at, to, kill, run.counts, lost))
    assert wrong == [], "system call, step of the writer, reader killed, how often each line came, bytes lost"
