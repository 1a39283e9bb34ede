"""The machine around the hook misbehaves: disks, folders, clocks, masks, forks. The gateway is not harmed by any."""

from __future__ import annotations

import errno
import json
import os
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from exporters.hooks.litellm import tocsin_litellm
from tests.events.gateways.samples import record
from tests.exporters.hooks.conftest import MakeHook, attempts, lines, log, notices, until, writer_of
from tests.support.small_disk import small_disk


def _health(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_bytes() or b"{}") if path.exists() else {}
    return found


def _calls(folder: Path) -> list[str]:
    return [attempt["litellm_call_id"] for attempt in attempts(folder)]


@pytest.fixture
def mask() -> Iterator[Callable[[int], int]]:
    before = os.umask(0o077)
    yield os.umask
    os.umask(before)


# ------------------------------------------------------------------------------------------------ who may read
@pytest.mark.parametrize("umask", [0, 0o777, 0o022])
def test_files_and_folders_are_for_one_user_whatever_the_mask(
    make_hook: MakeHook, tmp_path: Path, mask: Callable[[int], int], umask: int
) -> None:
    mask(umask)
    folder = tmp_path / "made" / "on" / "the" / "way"
    hook = make_hook(folder=folder)
    log(hook, record())
    hook.close()
    assert attempts(folder) == [record()]
    made = [folder, *folder.parents[:3], tmp_path / "memory" / f"tocsin-litellm-{os.getuid()}"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in made} == {0o700}
    files = [*folder.iterdir(), *made[-1].iterdir()]
    assert len(files) == 3
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


def test_a_file_for_counts_that_others_may_read_is_closed_to_them(make_hook: MakeHook, tmp_path: Path) -> None:
    home = tmp_path / "memory" / f"tocsin-litellm-{os.getuid()}"
    home.mkdir(mode=0o777)
    home.chmod(0o777)
    writer_of(make_hook())
    assert stat.S_IMODE(home.stat().st_mode) == 0o700


def test_a_file_for_counts_that_somebody_removed_is_not_missed(make_hook: MakeHook, folder: Path) -> None:
    hook = make_hook()
    path = writer_of(hook)._board.path
    assert path is not None
    path.unlink()
    log(hook, record())
    hook.close()
    assert len(attempts(folder)) == 1


# ------------------------------------------------------------------------------------------------ disks and folders
def test_on_a_really_full_disk_records_wait_and_what_has_no_room_is_counted(
    make_hook: MakeHook, tmp_path: Path
) -> None:
    with small_disk(tmp_path / "disk", 2 << 20) as disk:
        folder = tmp_path / "disk" / "records"
        hook = make_hook(folder=folder, queue_bytes=200_000)
        log(hook, record(litellm_call_id="first"))
        writer = writer_of(hook)
        path = writer.health_path
        assert writer.flush(10)
        disk.fill()
        for number in range(200):
            log(hook, record(litellm_call_id=f"call-{number}"))
        until(lambda: _health(path)["trouble"] == os.strerror(errno.ENOSPC))
        dropped = writer.dropped["queue_full"]
        until(lambda: _health(path)["dropped"]["queue_full"] == dropped)
        assert 0 < dropped < 200
        disk.make_room()
        assert writer.flush(30)
        log(hook, record(litellm_call_id="last"))
        hook.close()
        assert _calls(folder) == ["first", *(f"call-{number}" for number in range(200 - dropped)), "last"]
        assert notices(folder, "dropped") == [{"records": dropped, "reasons": {"queue_full": dropped}}]


def test_a_disk_that_is_full_from_the_start_is_waited_for(make_hook: MakeHook, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 1 << 20) as disk:
        disk.fill()
        folder = tmp_path / "disk" / "records"
        hook = make_hook(folder=folder)
        log(hook, record())
        until(lambda: writer_of(hook).trouble)
        disk.make_room()
        assert writer_of(hook).flush(30)
        hook.close()
        assert attempts(folder) == [record()]


@pytest.mark.parametrize("then", ["nothing", "an empty folder", "a file for a while"])
def test_a_folder_that_somebody_took_away_is_made_again_with_both_files(
    make_hook: MakeHook, folder: Path, tmp_path: Path, then: str
) -> None:
    hook = make_hook()
    log(hook, record(litellm_call_id="before"))
    writer = writer_of(hook)
    assert writer.flush(10)
    folder.rename(tmp_path / "taken")
    if then == "an empty folder":
        folder.mkdir()
    if then == "a file for a while":
        folder.write_text("")
        until(lambda: writer.trouble)
        folder.unlink()
    until(lambda: _health(writer.health_path).get("state") == "running")
    until(writer.path.exists)
    log(hook, record(litellm_call_id="after"))
    hook.close()
    assert _calls(folder) == ["after"]
    assert _calls(tmp_path / "taken") == ["before"]
    assert _health(writer.health_path)["state"] == "stopped"


def test_a_folder_that_becomes_read_only_costs_what_does_not_fit_and_no_more(
    make_hook: MakeHook, tmp_path: Path
) -> None:
    """As when a file system has an error. Removing and renaming fail too."""
    with small_disk(tmp_path / "disk", 1 << 20):
        folder = tmp_path / "disk" / "records"
        hook = make_hook(folder=folder, queue_bytes=50_000)
        log(hook, record(litellm_call_id="before"))
        writer = writer_of(hook)
        assert writer.flush(10)

        def remount(how: str) -> None:
            subprocess.run(["mount", "-o", f"remount,{how}", tmp_path / "disk"], check=True)

        os.close(writer._file)  # what is open for writing keeps it writable
        os.close(writer._health)
        writer._file = writer._health = -1
        remount("ro")
        try:
            for number in range(100):
                log(hook, record(litellm_call_id=f"call-{number}"))
            until(lambda: writer.trouble == os.strerror(errno.EROFS))
            dropped = writer.dropped["queue_full"]
            assert 0 < dropped < 100
            assert writer._thread.is_alive()
        finally:
            remount("rw")
        assert writer.flush(30)
        hook.close()
        assert _calls(folder) == ["before", *(f"call-{number}" for number in range(100 - dropped))]


def test_whatever_call_of_the_system_fails_the_thread_goes_on(
    make_hook: MakeHook, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each in turn: also those that are made while another failure is dealt with."""
    hook = make_hook()
    writer = writer_of(hook)
    assert writer.flush(10)

    asked: list[None] = []

    def fail(*_: Any, **__: Any) -> Any:
        asked.append(None)
        writer._wake.set()
        raise OSError(errno.EIO, "broken")

    number = 0
    for owner, name in (
        (os, "write"), (os, "fstat"), (os, "open"), (os, "pwrite"), (Path, "rename"), (Path, "lstat"),
        (Path, "glob"), (Path, "mkdir"), (Path, "is_dir"), (Path, "exists"),
    ):  # fmt: skip
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, fail)
            if name != "write":
                patch.setattr(os, "write", fail)
            writer._next_look = writer._next_clean = 0
            for _ in range(3):
                log(hook, record(litellm_call_id=f"call-{number}"))
                number += 1
            asked.clear()
            until(lambda: len(asked) > 2 or not writer._thread.is_alive())
            assert writer._thread.is_alive(), name
        assert writer.flush(30), name
    hook.close()
    assert sorted(_calls(folder)) == sorted(f"call-{place}" for place in range(number))


def test_trying_again_for_long_opens_no_more_and_more_files(
    make_hook: MakeHook, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    tried = 0

    def busy(*_: Any) -> None:
        nonlocal tried
        tried += 1
        raise BlockingIOError(errno.EAGAIN, "locked")

    monkeypatch.setattr(tocsin_litellm, "_RETRY", 0.001)
    monkeypatch.setattr(fcntl, "flock", busy)
    hook = make_hook()
    writer = writer_of(hook)
    before = len(list(Path("/proc/self/fd").iterdir()))

    def enough() -> bool:
        writer._wake.set()
        return tried >= 20

    until(enough)
    assert len(list(Path("/proc/self/fd").iterdir())) <= before + 1


# ------------------------------------------------------------------------------------------------ clocks
@pytest.mark.parametrize("jump", [-400 * 86_400.0, 400 * 86_400.0])
def test_a_clock_that_jumps_silences_nothing_and_removes_nothing(
    make_hook: MakeHook, folder: Path, monkeypatch: pytest.MonkeyPatch, jump: float
) -> None:
    hook = make_hook(beat_seconds=1)
    writer = writer_of(hook)
    log(hook, record(litellm_call_id="before"))
    assert writer.flush(10)
    aside = folder / "litellm-0.jsonl.000001"
    aside.write_bytes(b"")
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + jump)
    writer._next_clean = 0
    beats = len(notices(folder, "beat"))
    said = _health(writer.health_path)["updated"]
    until(lambda: _health(writer.health_path)["updated"] not in (said,))
    until(lambda: len(notices(folder, "beat")) > beats)
    until(lambda: writer._next_clean > 0)
    log(hook, record(litellm_call_id="after"))
    hook.close()
    assert abs(_health(writer.health_path)["updated"] - real() - jump) < 60
    assert aside.exists(), "a file of today is not removed for being of last year"
    assert _calls(folder) == ["before", "after"]
    assert len([path for path in folder.glob("litellm-*.jsonl*") if path != aside]) == 1, "nor is a file set aside"


def test_a_clock_that_is_right_again_is_believed_again(make_hook: MakeHook, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = writer_of(make_hook())
    assert writer._believes_clock()
    wall, steady = time.time, time.monotonic
    monkeypatch.setattr(time, "time", lambda: wall() + 86_400)
    assert not writer._believes_clock()
    assert not writer._believes_clock()
    monkeypatch.setattr(time, "monotonic", lambda: steady() + 3_601)
    monkeypatch.setattr(time, "time", lambda: wall() + 86_400 + 3_601)
    assert writer._believes_clock()


# ------------------------------------------------------------------------------------------------ processes
_PROCESS = """
import asyncio, os, sys, time
sys.path[:0] = [{root!r}, {module!r}]
from tests.events.gateways.samples import record
def log(name):
    tocsin_litellm.hook.take({{"standard_logging_object": record(litellm_call_id=name)}})
{code}
"""


def _run(tmp_path: Path, code: str) -> subprocess.CompletedProcess[str]:
    root, module = Path(__file__).parents[3], Path(tocsin_litellm.__file__).parent
    (tmp_path / "memory").mkdir(exist_ok=True)
    environment = {
        **os.environ, "TOCSIN_HOOK_FOLDER": str(tmp_path / "records"), "TOCSIN_HOOK_MEMORY": str(tmp_path / "memory"),
    }  # fmt: skip
    return subprocess.run(
        [sys.executable, "-c", _PROCESS.format(root=str(root), module=str(module), code=code)],
        env=environment, timeout=60, check=False, capture_output=True, text=True,
    )  # fmt: skip


_PRELOAD = """
import tocsin_litellm
{before}
children = []
for number in range(3):
    child = os.fork()
    if not child:
        for place in range(20):
            log(f"child-{{number}}-{{place}}")
        tocsin_litellm.hook.close()
        os._exit(0)
    children.append(child)
for child in children:
    assert os.waitpid(child, 0)[1] == 0
{after}
tocsin_litellm.hook.close()
"""


@pytest.mark.parametrize("parent", ["only imports", "writes too"])
def test_workers_that_are_forked_after_the_import_write_each_to_its_own_file(
    tmp_path: Path, folder: Path, parent: str
) -> None:
    """As of a server that loads the application once and then forks."""
    writes = parent == "writes too"
    code = _PRELOAD.format(before='log("before")' if writes else "", after='log("after")' if writes else "")
    done = _run(tmp_path, code)
    assert done.returncode == 0, done.stderr
    written: dict[str, list[str]] = {}
    for line in lines(folder):
        if line["kind"] == "attempt":
            written.setdefault(line["writer"], []).append(line["record"]["litellm_call_id"])
    expected = [[f"child-{number}-{place}" for place in range(20)] for number in range(3)]
    assert sorted(written.values()) == sorted([*expected, *([["before", "after"]] if writes else [])])
    assert not notices(folder, "lost")


def test_a_fork_in_the_middle_of_a_record_does_not_stop_the_child(tmp_path: Path, folder: Path) -> None:
    """The lock is held by a thread that the child does not have."""
    code = """
import tocsin_litellm, threading
log("before")
held = threading.Event()
def hold():
    with tocsin_litellm.hook._guard, tocsin_litellm.hook._writer._lock:
        held.set()
        time.sleep(60)
threading.Thread(target=hold, daemon=True).start()
held.wait()
child = os.fork()
if not child:
    log("child")
    tocsin_litellm.hook.close()
    os._exit(0)
deadline = time.monotonic() + 30
while (done := os.waitpid(child, os.WNOHANG))[0] == 0:
    assert time.monotonic() < deadline
    time.sleep(0.01)
assert done[1] == 0
os._exit(0)
"""
    done = _run(tmp_path, code)
    assert done.returncode == 0, done.stderr
    assert "child" in _calls(folder)


def test_what_a_process_had_in_memory_when_it_became_another_program_is_told(
    tmp_path: Path, folder: Path, make_hook: MakeHook
) -> None:
    code = """
import tocsin_litellm
log("written")
writer = tocsin_litellm.hook._writer
assert writer.flush(10)
write = os.write
tocsin_litellm.os.write = lambda file, data: time.sleep(99)
for number in range(10):
    log(f"in memory {number}")
files = sorted(os.listdir("/proc/self/fd"), key=int)
os.execv(sys.executable, [sys.executable, "-c", "import os; print(max(map(int, os.listdir('/proc/self/fd'))))"])
"""
    done = _run(tmp_path, code)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) <= 4, "the other program has none of the hook's files"
    hook = make_hook()
    log(hook, record())
    until(lambda: notices(folder, "lost"))
    (told,) = notices(folder, "lost")
    assert told["exact"]
    assert told["offered"] - told["written"] == 10


def test_a_full_process_table_leaves_the_gateway_alone(
    make_hook: MakeHook, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import threading

    real = threading.Thread.start
    monkeypatch.setattr(threading.Thread, "start", lambda _self: (_ for _ in ()).throw(RuntimeError("no thread")))
    hook = make_hook()
    log(hook, record(litellm_call_id="lost"))
    monkeypatch.setattr(threading.Thread, "start", real)
    log(hook, record(litellm_call_id="written"))
    hook.close()
    assert _calls(folder) == ["written"]
    shutil.rmtree(folder)
