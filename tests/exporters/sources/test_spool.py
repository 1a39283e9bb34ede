"""What was acknowledged is read once, whatever the disk does and whenever the process dies."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from exporters.sources.spool import Spool, SpoolFullError, SpoolPosition, SpoolSlowError
from tests.support.waiting import PATIENCE, wait_for


def opened(folder: Path, position: SpoolPosition | None = None, *, limit: int = 10_000, segment: int = 100) -> Spool:
    return Spool(folder / "spool", limit=limit, position=position, segment_bytes=segment)


def lines(spool: Spool, budget: int = 1 << 20) -> list[bytes]:
    return b"".join(bytes(data) for _, _, data in spool.read(budget, bytearray(4096), 64)).splitlines()


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "spool").iterdir())


def fill(spool: Spool, first: int, count: int) -> list[bytes]:
    made = [b"line %d" % number for number in range(first, first + count)]
    for line in made:
        spool.append(line + b"\n")
    return made


def test_lines_come_out_as_they_went_in_over_many_segments(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    made = fill(spool, 0, 100)
    assert len(files(tmp_path)) > 5
    assert (spool.unread, spool.size) == (790, 790)
    assert lines(spool) == made
    assert (lines(spool), spool.unread) == ([], 0)


def test_a_long_line_is_read_though_it_is_longer_than_a_chunk(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    spool.append(b"a" * 4000 + b"\n" + b"b\n")
    assert [len(line) for line in lines(spool)] == [4000, 1]


def test_reading_goes_on_at_a_position_and_a_torn_line_is_none(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    made = fill(spool, 0, 30)
    seen = lines(spool, 100)
    assert 0 < len(seen) < 30
    newest = tmp_path / "spool" / files(tmp_path)[-1]
    with newest.open("ab") as file:
        file.write(b'{"half": ')
    again = opened(tmp_path, spool.position)
    more = fill(again, 100, 3)
    assert lines(again) == made[len(seen) :] + more


def test_segments_go_once_two_saved_states_have_passed_them(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    fill(spool, 0, 100)
    first = lines(spool)
    assert first
    spool.saved(spool.position)
    assert len(files(tmp_path)) > 5  # the state before may have to be gone back to
    more = fill(spool, 100, 1)
    assert lines(opened(tmp_path, SpoolPosition())) == first + more
    spool.saved(spool.position)
    assert len(files(tmp_path)) == 1
    assert lines(spool) == more
    spool.saved(spool.position)
    spool.saved(spool.position)
    assert (files(tmp_path), spool.size) == ([], 0)  # nobody's prompts lie about
    assert fill(spool, 200, 2) == lines(spool)


def test_unread_lines_stay_whatever_is_saved(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    made = fill(spool, 0, 100)
    for _ in range(3):
        spool.saved(spool.position)
    assert lines(spool) == made


def test_numbers_are_not_used_again_after_all_segments_have_gone(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    fill(spool, 0, 5)
    lines(spool)
    for _ in range(2):
        spool.saved(spool.position)
    assert files(tmp_path) == []
    again = opened(tmp_path, spool.position)
    assert fill(again, 5, 1) == lines(again)


def test_a_full_spool_refuses_until_others_were_counted_and_saved(tmp_path: Path) -> None:
    spool = opened(tmp_path, limit=100, segment=20)
    spool.append(b"a" * 59 + b"\n")
    with pytest.raises(SpoolFullError):
        spool.append(b"b" * 59 + b"\n")
    lines(spool)
    for _ in range(2):
        spool.saved(spool.position)
    spool.append(b"b" * 59 + b"\n")


def test_whoever_comes_during_a_sync_shares_the_next_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool, syncs, sync = opened(tmp_path, segment=10_000), [], os.fdatasync
    made = [b"line %d\n" % number for number in range(40)]

    def slow(file: int) -> None:
        syncs.append(file)
        written = os.fstat(file).st_size
        wait_for(lambda: written + len(b"".join(spool._pending.parts)) == len(b"".join(made)), "not all others come")
        sync(file)

    monkeypatch.setattr(os, "fdatasync", slow)
    threads = [threading.Thread(target=spool.append, args=(text,), kwargs={"patience": PATIENCE}) for text in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(lines(spool)) == 40
    assert len(syncs) <= 2


def test_nothing_is_acknowledged_or_read_before_it_is_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool, at_sync, go = opened(tmp_path), threading.Event(), threading.Event()

    def waits(_file: int) -> None:
        at_sync.set()
        go.wait(PATIENCE)

    monkeypatch.setattr(os, "fdatasync", waits)
    thread = threading.Thread(target=spool.append, args=(b"a\n",))
    thread.start()
    assert at_sync.wait(PATIENCE)
    assert lines(spool) == []
    with pytest.raises(SpoolSlowError):
        spool.append(b"b\n", patience=0.01)
    go.set()
    thread.join()
    spool.append(b"c\n")
    assert lines(spool) == [b"a", b"c"]  # b was refused, and is not kept in memory either
    assert spool.size == 4


@pytest.mark.parametrize("call", ["pwrite", "fdatasync"])
def test_a_full_disk_is_an_error_and_leaves_nothing_of_what_it_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    spool = opened(tmp_path)
    spool.append(b"a\n")
    write = os.pwrite

    def full(file: int, *arguments: Any) -> int:
        if arguments:
            write(file, b"half\nha", arguments[1])
        raise OSError(errno.ENOSPC, "No space left on device")

    for _ in range(3):
        monkeypatch.setattr(os, call, full)
        with pytest.raises(OSError, match="No space left"):
            spool.append(b"refused\n")
        monkeypatch.undo()
    assert spool.size == 2
    assert len(files(tmp_path)) == 1
    spool.append(b"b\n")
    assert lines(spool) == [b"a", b"b"]
    assert lines(opened(tmp_path, SpoolPosition())) == [b"a", b"b"]


def test_what_somebody_removed_or_damaged_is_counted_as_lost(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    made = fill(spool, 0, 40)
    names = files(tmp_path)
    (tmp_path / "spool" / names[0]).unlink()
    damaged = tmp_path / "spool" / names[1]
    damaged.write_bytes(bytes(damaged.stat().st_size))
    seen = lines(spool)
    assert seen == made[-len(seen) :]
    assert spool.lost == sum(len(line) + 1 for line in made[: -len(seen)]) > 100


def test_its_files_are_for_nobody_else_and_a_link_is_none_of_them(tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir(mode=0o700)
    secret = tmp_path / "secret"
    secret.write_text("a secret\n")
    (tmp_path / "spool" / "000000000007.jsonl").symlink_to(secret)
    spool = opened(tmp_path)
    assert fill(spool, 0, 3) == lines(spool)
    mode = (tmp_path / "spool" / "000000000001.jsonl").stat().st_mode
    assert mode & 0o777 == 0o600


def test_a_closed_spool_takes_nothing(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    made = fill(spool, 0, 3)
    spool.close()
    with pytest.raises(OSError, match="closed"):
        spool.append(b"late\n")
    assert lines(opened(tmp_path)) == made
