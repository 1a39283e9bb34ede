"""A reader that is killed again and again, while logs are written and rotated: relative to its state nothing is lost or
repeated."""

from __future__ import annotations

import gzip
import multiprocessing
import os
import random
import shutil
import signal
import time
from pathlib import Path

import numpy as np

from exporters.sources.file import FileTail, load_positions
from runtime.state_file import StateFolder
from tests.support.waiting import PATIENCE

LINES = 24_000
PER_FILE = 400
GRACE = 60.0
"""Seconds without a change after which a copy counts as complete. The writer is never held up for so long in the middle
of one, however busy the machine is."""
FORK = multiprocessing.get_context("fork")  # starts in a millisecond, so most of a reader's short life is reading


def write(folder: Path) -> None:
    """Write numbered lines to ``x.log``, and rotate it by rename, by copy and cut, and with compression in turn."""
    path = folder / "x.log"
    log = path.open("ab", buffering=0)
    for number in range(LINES):
        line = b"%08d %s\n" % (number, b"." * (number * 37 % 150))
        if number % 50:
            log.write(line)
        else:  # the newline comes late
            log.write(line[:20])
            time.sleep(0.005)
            log.write(line[20:])
        turn, rest = divmod(number + 1, PER_FILE)
        if rest:
            continue
        target = folder / f"x.log.{turn}"
        if turn % 3 == 0:
            shutil.copyfile(path, target)
            os.truncate(path, 0)
            continue
        log.close()
        path.rename(target)
        log = path.open("ab", buffering=0)
        if turn % 3 == 1:
            with gzip.open(f"{target}.gz", "wb") as packed:
                packed.write(target.read_bytes())
            target.unlink()


def read(folder: Path, state: Path) -> None:
    """Read until all lines have come; now and then save how often each has come, together with the positions."""
    store = StateFolder(state)
    saved = store.load().data
    counts = saved["counts"] if saved else np.zeros(LINES, np.uint8)
    tail = FileTail(
        "gw",
        [str(folder / "x.log*")],
        positions=load_positions(saved["positions"]) if saved else None,
        start_at="beginning",
        chunk_bytes=4096,
        rescan_every=0.02,
        grace=GRACE,
    )
    dice = random.Random(os.getpid())
    while counts.sum() < LINES:
        for chunk in tail.read(1 << 16, now=time.time()):
            for line in bytes(chunk.data).splitlines():
                counts[int(line[:8])] += 1
            if dice.random() < 0.2:  # also in the middle of a round
                save(store, tail, counts)
        save(store, tail, counts)
        time.sleep(0.002)


def save(store: StateFolder, tail: FileTail, counts: np.ndarray[tuple[int], np.dtype[np.uint8]]) -> None:
    lost = tail.status().bytes_lost
    store.save({"positions": tail.positions(), "counts": counts, "lost": lost})


def test_nothing_is_lost_or_repeated_when_the_reader_is_killed(tmp_path: Path) -> None:
    logs, state = tmp_path / "logs", tmp_path / "state"
    logs.mkdir()
    dice = random.Random(3)
    writer = FORK.Process(target=write, args=(logs,))
    writer.start()
    kills = 0
    try:
        while writer.is_alive():
            reader = FORK.Process(target=read, args=(logs, state))
            reader.start()
            time.sleep(dice.uniform(0.02, 0.2))
            reader.kill()
            reader.join()
            kills += reader.exitcode == -signal.SIGKILL
            assert reader.exitcode in (0, -signal.SIGKILL)  # 0: all was read while the writer was about to end
        reader = FORK.Process(target=read, args=(logs, state))
        reader.start()
        reader.join(PATIENCE)
        assert reader.exitcode == 0
    finally:
        writer.kill()
        reader.kill()
    saved = StateFolder(state).load()
    assert saved.data is not None
    assert kills > 5
    counts = saved.data["counts"]
    assert {int(line): int(counts[line]) for line in np.flatnonzero(counts != 1)} == {}, (
        "how often a line came, if not once"
    )
    assert (saved.damaged, saved.data["lost"]) == ("", 0)
