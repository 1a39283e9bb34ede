"""The tail against a model of writers, logrotate and operators: nothing lost that need not be, nothing twice."""

from __future__ import annotations

import gzip
import os
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from exporters.sources.file import FileTail, Position, load_positions
from exporters.sources.identity import COVERED
from runtime.state_file import decode, encode

LOGS = ("a.log", "b.log")
GRACE = 30.0
MAX_LINE = 4096


@dataclass
class Content:
    """Everything ever written to one file between its creation (or cut) and its end."""

    number: int
    written: bytes = b""
    delivered: int = 0  # bytes handed out, always a prefix
    torn: bool = False  # its unfinished last line was handed out
    seen: int = 0  # bytes that were there when the tail looked last, and had the file open since
    left: int | None = None  # after a cut: bytes that a copy holds
    may_lose: bool = False


@dataclass
class Named:
    """A file in the folder."""

    content: Content
    path: Path
    writer: IO[bytes] | None = None
    copy: Path | None = None  # being made of it, compressed if its name says so
    copied: int = 0  # bytes that the copy will hold


@dataclass
class Stored:
    """What a snapshot holds: positions, and what had been handed out with them."""

    state: bytes
    delivered: dict[int, tuple[int, bool]] = field(default_factory=dict)


class Rotation(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.now = 1e6
        self.count = 0
        self.contents: dict[int, Content] = {}
        self.live: dict[str, Named] = {}
        self.rotated: dict[str, list[Named]] = {log: [] for log in LOGS}
        self.unlinked: list[Named] = []
        self.tail = self.make(None)
        self.stored = self.snapshot()
        self.rotations = 0
        self.kept: list[IO[bytes]] = []

    def make(self, positions: dict[str, Position] | None) -> FileTail:
        return FileTail(
            "gw",
            [str(self.folder / "*.log*")],
            positions=positions,
            start_at="beginning",
            grace=GRACE,
            rescan_every=0.0,
            chunk_bytes=512,
            max_line=MAX_LINE,
        )

    def snapshot(self) -> Stored:
        delivered = {number: (content.delivered, content.torn) for number, content in self.contents.items()}
        return Stored(encode({"positions": self.tail.positions()}), delivered)

    # ---------------------------------------------------------------------------------------------- writers
    def new_live(self, log: str) -> Named:
        content = Content(len(self.contents))
        self.contents[content.number] = content
        path = self.folder / log
        named = Named(content, path, path.open("ab", buffering=0))
        self.live[log] = named
        return named

    def put(self, named: Named, data: bytes) -> None:
        assert named.writer is not None
        named.writer.write(data)
        named.content.written += data

    def line(self, content: Content, length: int) -> bytes:
        self.count += 1
        number = b"%d:%d " % (content.number, self.count)
        return number + (number * length)[:length] + b"\n"  # no two kilobytes alike

    @rule(
        log=st.sampled_from(LOGS),
        lengths=st.lists(st.sampled_from([0, 5, 80, 400, 1100, 3000]), min_size=1, max_size=6),
    )
    def append(self, log: str, lengths: list[int]) -> None:
        named = self.live.get(log) or self.new_live(log)
        for length in lengths:
            self.put(named, self.line(named.content, length))

    @rule(log=st.sampled_from(LOGS), keep=st.integers(8, 30))
    def append_a_part(self, log: str, keep: int) -> None:
        named = self.live.get(log) or self.new_live(log)
        self.put(named, self.line(named.content, 30)[:keep])

    @rule(log=st.sampled_from(LOGS), length=st.sampled_from([3, 900]))
    def write_late_to_the_rotated_file(self, log: str, length: int) -> None:
        held = [named for named in (*self.rotated[log], *self.unlinked) if named.writer is not None]
        if held and not held[-1].content.torn:
            self.put(held[-1], self.line(held[-1].content, length))

    # ---------------------------------------------------------------------------------------------- rotation
    @rule(log=st.sampled_from(LOGS), create=st.booleans())
    def rename(self, log: str, create: bool) -> None:
        named = self.live.pop(log, None)
        if named is None:
            return
        self.abandon(named)
        for older in self.rotated[log]:
            self.finish_packing(older)
            if older.writer:
                older.writer.close()
                older.writer = None
        files = self.rotated[log]
        for index, older in reversed(list(enumerate(files))):
            target = self.folder / f"{log}.{index + 2}{'.gz' if older.path.suffix == '.gz' else ''}"
            older.path = older.path.rename(target)
        named.path = named.path.rename(self.folder / f"{log}.1")
        files.insert(0, named)
        if create:
            self.new_live(log)

    @rule(log=st.sampled_from(LOGS), pick=st.integers(0, 3), share=st.sampled_from([0.0, 0.5, 1.0]), end=st.booleans())
    def compress(self, log: str, pick: int, share: float, end: bool) -> None:
        plain = [named for named in self.rotated[log] if named.path.suffix != ".gz"]
        if not plain:
            return
        named = plain[pick % len(plain)]
        if named.writer:
            named.writer.close()
            named.writer = None
        self.copy(named, named.path.with_name(named.path.name + ".gz"), share)
        if end:
            self.finish_packing(named)

    def finish_packing(self, named: Named) -> None:
        if named.copy:
            self.copy(named, named.copy, 1.0)
            named.path.unlink()
            named.path, named.copy = named.copy, None

    def copy(self, named: Named, target: Path, share: float) -> None:
        """Bring a copy to the state of having `share` of its bytes."""
        if named.copy is None:
            named.copy, named.copied = target, named.path.stat().st_size
        data = named.content.written[: named.copied]
        data = gzip.compress(data, mtime=0) if named.copy.suffix == ".gz" else data
        there = named.copy.stat().st_size if named.copy.exists() else 0
        with named.copy.open("ab") as file:
            file.write(data[there : max(there, int(len(data) * share))])

    def abandon(self, named: Named) -> None:
        if named.copy:
            named.copy.unlink()
            named.copy, named.copied = None, 0

    @rule(log=st.sampled_from(LOGS), pack=st.booleans(), share=st.sampled_from([0.0, 0.5, 1.0]))
    def begin_to_copy(self, log: str, pack: bool, share: float) -> None:
        named = self.live.get(log)
        if named and named.content.written and not named.copy:
            self.rotations += 1
            self.copy(named, self.folder / f"{log}-{self.rotations}{'.gz' if pack else ''}", share)

    @rule(log=st.sampled_from(LOGS), matching=st.booleans(), pack=st.booleans())
    def copy_and_cut(self, log: str, matching: bool, pack: bool) -> None:
        if matching:
            self.begin_to_copy(log, pack, 1.0)
        named = self.live.get(log)
        if named is None or not named.content.written:
            return
        if named.copied < min(COVERED, len(named.content.written)):
            self.abandon(named)  # see the limits in exporters.sources.file
        if named.copy:
            self.copy(named, named.copy, 1.0)
            self.rotated[log].append(Named(named.content, named.copy))
            named.content.left = named.copied
        else:
            named.content.left = 0
        self.ends(named.content)
        named.copy = None
        os.truncate(named.path, 0)
        content = Content(len(self.contents))
        self.contents[content.number] = content
        named.content = content

    @rule(log=st.sampled_from(LOGS))
    def delete(self, log: str) -> None:
        named = self.live.pop(log, None)
        if named is None:
            return
        if named.content.seen == 0:  # also what is written to it from now on
            named.content.may_lose = True
        self.abandon(named)
        named.path.unlink()
        self.unlinked.append(named)

    def ends(self, content: Content) -> None:
        """Whatever was not handed out and is in no file any more may be lost."""
        there = len(content.written) if content.left is None else content.left
        content.may_lose = content.may_lose or (
            there < len(content.written) and content.delivered < len(content.written)
        )

    # ---------------------------------------------------------------------------------------------- reading
    @rule(budget=st.sampled_from([1, 600, 5000, 1 << 20]), after=st.sampled_from([0.1, 1.0, 40.0]))
    def read(self, budget: int, after: float) -> None:
        if after > GRACE:  # before that, writers let go of a rotated file, and copies are complete
            for named in (*self.unlinked, *(file for files in self.rotated.values() for file in files)):
                if named.writer:
                    named.writer.close()
                    named.writer = None
                if named.copy:
                    self.copy(named, named.copy, 1.0)
            for named in self.live.values():
                if named.copy:
                    self.copy(named, named.copy, 1.0)
        self.now += after
        for chunk in self.tail.read(budget, now=self.now):
            data = bytes(chunk.data)
            content = self.contents[int(data.partition(b":")[0])]
            assert not content.torn
            assert chunk.start == content.delivered
            assert data.endswith(b"\n")
            if chunk.end - chunk.start < len(data):
                content.torn = True
                data = data[:-1]
                assert chunk.end == len(content.written) or content.may_lose
            assert content.written[chunk.start : chunk.end] == data
            content.delivered = chunk.end
        for named in (*self.live.values(), *(file for files in self.rotated.values() for file in files)):
            named.content.seen = len(named.content.written)

    @rule()
    def save(self) -> None:
        self.stored = self.snapshot()

    @rule(orderly=st.booleans())
    def restart(self, orderly: bool) -> None:
        """After an orderly stop, or after kill -9 with the last snapshot."""
        if orderly:
            self.stored = self.snapshot()
        self.tail.close()
        for named in self.live.values():  # see the limits in exporters.sources.file
            if named.copy and named.copied < min(COVERED, len(named.content.written)):
                self.kept.append(named.copy.open("rb"))  # its inode is not given to the next copy
                self.abandon(named)
            elif named.copy and named.copy.stat().st_size < COVERED:
                self.copy(named, named.copy, 1.0)
        self.tail = self.make(load_positions(decode(self.stored.state)["positions"]))
        there = {named.content.number for named in self.live.values()}
        there |= {named.content.number for files in self.rotated.values() for named in files}
        for content in self.contents.values():
            content.delivered, content.torn = self.stored.delivered.get(content.number, (0, False))
            content.seen = 0
            self.ends(content)
            if content.number not in there:  # also what is written to it from now on
                content.may_lose = True

    # ---------------------------------------------------------------------------------------------- checks
    @invariant()
    def nothing_is_counted_lost_that_is_not(self) -> None:
        lost = sum(len(content.written) - content.delivered for content in self.contents.values())
        assert self.tail.status().bytes_lost <= lost

    def teardown(self) -> None:
        try:
            for log in LOGS:  # so that rotated files can be told as such
                self.append(log, [1])
            for files in self.rotated.values():
                for named in files:
                    self.finish_packing(named)
            for _ in range(8):
                self.read(1 << 24, GRACE + 1)
            for content in self.contents.values():
                if not content.may_lose:
                    whole = content.written.rfind(b"\n") + 1
                    live = any(named.content is content for named in self.live.values())
                    expected = whole if live else len(content.written)
                    assert content.delivered == expected, (content.number, content.delivered, expected)
            status = self.tail.status()
            assert status.errors == {"open": 0, "read": 0, "gzip": 0}
            assert (status.lines_too_long, status.bytes_skipped) == (0, 0)
        finally:
            self.tail.close()
            for file in self.kept:
                file.close()
            for named in (
                *self.live.values(),
                *self.unlinked,
                *(file for files in self.rotated.values() for file in files),
            ):
                if named.writer:
                    named.writer.close()
            shutil.rmtree(self.folder)


Rotation.TestCase.settings = settings(
    max_examples=200,
    stateful_step_count=30,
    deadline=None,
    report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
TestRotation = Rotation.TestCase
