"""What the hook does when something is wrong: it never raises, never waits, and tells what it has lost."""

from __future__ import annotations

import asyncio
import errno
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from exporters.hooks.litellm import tocsin_litellm
from exporters.hooks.litellm.tocsin_litellm import Hook, Settings
from tests.events.gateways.samples import record
from tests.exporters.hooks.conftest import MakeHook, attempts, lines, log, notices, until, writer_of
from tests.support.waiting import PATIENCE

REAL_WRITE = os.write


class Disk:
    """Stands between the hook and its records; a health file is written otherwise and goes through."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.room = 10**9
        self.error = errno.ENOSPC
        self.delay = 0.0
        self.go, self.at_write = threading.Event(), threading.Event()
        self.go.set()
        monkeypatch.setattr(os, "write", self._write)

    def _write(self, file: int, data: bytes) -> int:
        if not data.lstrip(b"\0"):
            return REAL_WRITE(file, data)  # the page of counts
        time.sleep(self.delay)
        if not self.go.is_set():
            self.at_write.set()
            self.go.wait(PATIENCE)
        if self.room <= 0:
            raise OSError(self.error, os.strerror(self.error))
        done = REAL_WRITE(file, data[: self.room])
        self.room -= done
        return done


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


def _health(hook: Hook) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(writer_of(hook).health_path.read_bytes())
    return found


def test_on_a_full_disk_records_wait_and_none_is_torn_or_written_twice(
    make_hook: MakeHook, folder: Path, disk: Disk
) -> None:
    hook = make_hook()
    disk.room = 1000  # in the middle of a line
    for number in range(20):
        log(hook, record(litellm_call_id=f"call-{number}"))
    until(lambda: writer_of(hook).health_path.exists() and writer_of(hook).health_path.stat().st_size > 0)
    until(lambda: _health(hook)["trouble"] == os.strerror(errno.ENOSPC))
    disk.room = 10**9
    hook.close()
    assert [attempt["litellm_call_id"] for attempt in attempts(folder)] == [f"call-{number}" for number in range(20)]
    assert not writer_of(hook).trouble
    assert [path.suffix for path in folder.glob("*.jsonl*")] == [".jsonl"]


def test_after_another_error_a_new_file_is_begun_with_a_whole_line(
    make_hook: MakeHook, folder: Path, disk: Disk
) -> None:
    hook = make_hook()
    disk.error, disk.room = errno.EIO, 1000
    for number in range(20):
        log(hook, record(litellm_call_id=f"call-{number}"))
    until(lambda: writer_of(hook).trouble)
    disk.room = 10**9
    hook.close()
    whole = [
        json.loads(line)
        for path in folder.glob("*.jsonl*")
        for line in path.read_bytes().splitlines(keepends=True)
        if line.endswith(b"\n")
    ]
    numbers = sorted(line["seq"] for line in whole)
    assert numbers == list(range(1, len(numbers) + 1))
    assert len([line for line in whole if line["kind"] == "attempt"]) == 20


def test_a_full_queue_drops_counts_and_says_so_in_the_next_line(make_hook: MakeHook, folder: Path, disk: Disk) -> None:
    hook = make_hook(queue_bytes=20_000)
    writer = writer_of(hook)
    assert writer.flush(PATIENCE)
    disk.room = 0
    for number in range(100):
        log(hook, record(litellm_call_id=f"call-{number}"))
    dropped = writer.dropped["queue_full"]
    assert 0 < dropped < 100
    until(lambda: _health(hook)["dropped"]["queue_full"] == dropped)
    disk.room = 10**9
    assert writer.flush(PATIENCE)
    log(hook, record(litellm_call_id="next"))
    hook.close()
    kept = [attempt["litellm_call_id"] for attempt in attempts(folder)]
    assert kept == [f"call-{number}" for number in range(100 - dropped)] + ["next"]
    assert notices(folder, "dropped") == [{"records": dropped, "reasons": {"queue_full": dropped}}]
    written = lines(folder)
    jumps = {line["kind"]: line["seq"] - before["seq"] for before, line in itertools.pairwise(written)}
    assert jumps["dropped"] == dropped + 1


def test_memory_stays_within_the_queue(make_hook: MakeHook, disk: Disk) -> None:
    hook = make_hook(queue_bytes=20_000)
    disk.room = 0
    for _ in range(1000):
        log(hook, record())
    assert writer_of(hook)._queued < 21_000


def test_a_slow_disk_does_not_slow_the_callback(make_hook: MakeHook, folder: Path, disk: Disk) -> None:
    hook = make_hook()
    assert writer_of(hook).flush(PATIENCE)
    disk.go.clear()
    log(hook, record())
    assert disk.at_write.wait(PATIENCE)  # the thread is in its write now
    for number in range(50):
        log(hook, record(litellm_call_id=f"call-{number}"))
    assert attempts(folder) == [], "the callbacks returned before anything was written"
    disk.go.set()
    hook.close()
    assert len(attempts(folder)) == 51


def test_a_disk_that_is_only_slow_does_not_silence_the_health_file(
    make_hook: MakeHook, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or the writer would look stuck, for as long as records come faster than they can be written."""
    monkeypatch.setattr(tocsin_litellm, "_BATCH", 1)
    hook = make_hook()
    assert writer_of(hook).flush(PATIENCE)
    before = _health(hook)["updated"]
    disk.delay = 0.3
    for _ in range(3000):  # a quarter of an hour of writing
        log(hook, record())
    until(lambda: _health(hook)["updated"] >= before + 3)
    assert writer_of(hook)._queued, "there is always something to write"
    disk.delay = 0


def test_the_health_file_tells_records_from_other_lines(make_hook: MakeHook, disk: Disk) -> None:
    hook = make_hook(queue_bytes=20_000)
    assert writer_of(hook).flush(PATIENCE)
    disk.room = 0
    for _ in range(100):
        log(hook, record())
    writer_of(hook).drop("unencodable")
    until(lambda: _health(hook)["records"] == 101)
    assert 0 < sum(_health(hook)["dropped"].values()) < 101
    assert _health(hook)["offered"] > 101, "the line that told the start has a number too"


def test_a_folder_that_cannot_be_made_is_tried_again(make_hook: MakeHook, folder: Path) -> None:
    folder.write_text("a file where the folder should be")
    hook = make_hook()
    log(hook, record())
    until(lambda: writer_of(hook).trouble)
    folder.unlink()
    until(lambda: folder.is_dir() and attempts(folder) == [record()])


def test_a_log_that_is_a_link_to_another_file_is_not_written_to(make_hook: MakeHook, folder: Path) -> None:
    hook = make_hook()
    writer = writer_of(hook)
    assert writer.flush(PATIENCE)
    target = folder / "precious"
    target.write_text("precious")
    writer.path.unlink()
    writer.path.symlink_to(target)
    log(hook, record())
    time.sleep(1.5)
    assert target.read_text() == "precious"


def _circular() -> dict[str, Any]:
    made = record(litellm_call_id="odd")
    made["metadata"]["self"] = made
    return made


class _Unprintable:
    def __str__(self) -> str:
        raise RuntimeError("no")


@pytest.mark.parametrize(
    "odd",
    [
        pytest.param(lambda: record(litellm_call_id="odd", messages="\ud800 half a pair"), id="half of a pair"),
        pytest.param(lambda: record(litellm_call_id="odd", prompt_tokens=10**30), id="beyond 64 bits"),
        pytest.param(lambda: record(litellm_call_id="odd", response=_Unprintable()), id="unprintable"),
        pytest.param(lambda: record(litellm_call_id="odd", response={(1, 2): 3}), id="odd key"),
        pytest.param(_circular, id="circular"),
    ],
)
def test_a_record_that_is_hard_to_encode_is_written_all_the_same(make_hook: MakeHook, folder: Path, odd: Any) -> None:
    hook = make_hook()
    log(hook, odd())
    hook.close()
    assert [attempt["litellm_call_id"] for attempt in attempts(folder)] == ["odd"]


def test_a_record_that_cannot_be_encoded_at_all_is_counted(
    make_hook: MakeHook, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = make_hook()
    real = tocsin_litellm.encode

    def broken(value: Any) -> bytes:
        if "litellm_call_id" in value:
            raise ValueError("no")
        return real(value)

    monkeypatch.setattr(tocsin_litellm, "encode", broken)
    log(hook, record())
    until(lambda: folder.exists() and notices(folder, "dropped"))
    assert notices(folder, "dropped") == [{"records": 1, "reasons": {"unencodable": 1}}]


def test_a_monstrous_record_is_shortened_not_lost(make_hook: MakeHook, folder: Path) -> None:
    hook = make_hook(record_bytes=50_000)
    log(hook, record(messages=[{"role": "user", "content": "begin " + "x" * 200_000 + " end"}]))
    hook.close()
    (line,) = (line for line in lines(folder) if line["kind"] == "attempt")
    text = line["record"]["messages"][0]["content"]
    assert line["shortened"]
    assert text.startswith("begin x")
    assert text.endswith("x end")
    assert len(text) < 9000


@pytest.mark.parametrize("kwargs", [None, 7, {"standard_logging_object": 7}, {"standard_logging_object": "text"}])
def test_callbacks_never_raise(make_hook: MakeHook, kwargs: Any) -> None:
    make_hook().take(kwargs)


def test_a_writer_that_cannot_start_does_not_raise(make_hook: MakeHook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading.Thread, "start", lambda _self: 1 / 0)
    log(make_hook(), record())


# ------------------------------------------------------------------------------------------------ the end of a process
_WORKER = """
import asyncio, os, signal, sys, time
sys.path[:0] = [{root!r}, {module!r}]
asyncio.run(asyncio.sleep(0))
async def main():
    import tocsin_litellm
    from tests.events.gateways.samples import record
    {arrange}
    for number in range({count}):
        made = record(litellm_call_id=f"call-{{number}}")
        await tocsin_litellm.hook.async_log_success_event({{"standard_logging_object": made}}, None, None, None)
        {each}
    {then}
asyncio.run(main())
"""


def _run(tmp_path: Path, *, count: int, then: str, each: str = "pass", arrange: str = "pass") -> int:
    root, module = Path(__file__).parents[3], Path(tocsin_litellm.__file__).parent
    code = _WORKER.format(root=str(root), module=str(module), count=count, then=then, each=each, arrange=arrange)
    memory = tmp_path / "memory"
    memory.mkdir(exist_ok=True)
    environment = {**os.environ, "TOCSIN_HOOK_FOLDER": str(tmp_path / "records"), "TOCSIN_HOOK_MEMORY": str(memory)}
    return subprocess.run([sys.executable, "-c", code], env=environment, timeout=PATIENCE).returncode


@pytest.mark.parametrize(
    ("then", "status"),
    [
        pytest.param("pass", 0, id="exit"),
        pytest.param("os.kill(os.getpid(), signal.SIGTERM)", -signal.SIGTERM, id="SIGTERM"),
        pytest.param(
            "tocsin_litellm.hook.start().flush(5); time.sleep(0.3); os.kill(os.getpid(), signal.SIGTERM)",
            -signal.SIGTERM,
            id="SIGTERM when idle",
        ),
    ],
)
def test_nothing_is_lost_when_a_process_ends(tmp_path: Path, folder: Path, then: str, status: int) -> None:
    assert _run(tmp_path, count=500, then=then) == status
    assert len(attempts(folder)) == 500
    (health,) = folder.glob("*.health.json")
    told = json.loads(health.read_bytes())
    assert told["state"] in ("stopping", "stopped")
    assert (told["records"], told["queue_bytes"]) == (500, 0)


def test_after_sigterm_each_record_is_on_disk_before_its_callback_returns(tmp_path: Path, folder: Path) -> None:
    """As under uvicorn: its handler returns, and in the end the signal is raised again with the default handler."""
    arrange = "signal.signal(signal.SIGTERM, lambda *_: None); tocsin_litellm._at_signal(tocsin_litellm.hook)"
    each = "number == 100 and os.kill(os.getpid(), signal.SIGTERM)"
    then = "signal.signal(signal.SIGTERM, signal.SIG_DFL); os.kill(os.getpid(), signal.SIGTERM)"
    assert _run(tmp_path, count=500, arrange=arrange, each=each, then=then) == -signal.SIGTERM
    assert len(attempts(folder)) == 500


_STUCK = (
    "tocsin_litellm.hook.start().flush(5); real = os.write; "
    "tocsin_litellm.os.write = lambda file, data: real(file, data) if b'call-10\"' not in data else time.sleep(99)"
)


def test_the_next_writer_tells_what_a_killed_one_had_in_its_queue(
    tmp_path: Path, folder: Path, make_hook: MakeHook
) -> None:
    then = "os.kill(os.getpid(), signal.SIGKILL)"
    assert _run(tmp_path, count=30, arrange=_STUCK, then=then) == -signal.SIGKILL
    written = lines(folder)
    hook = make_hook()
    log(hook, record())
    until(lambda: notices(folder, "lost"))
    (told,) = notices(folder, "lost")
    assert told["exact"]
    assert told["writer"] == written[0]["writer"]
    assert told["written"] == written[-1]["seq"]
    assert told["offered"] - told["written"] == 30 - sum(line["kind"] == "attempt" for line in written)
    assert not list((tmp_path / "memory").glob(f"*/{told['writer']}"))
    assert len(list(folder.glob("*.health.json"))) == 1


def test_without_shared_memory_a_killed_writer_is_told_as_inexact(
    tmp_path: Path, folder: Path, make_hook: MakeHook
) -> None:
    assert _run(tmp_path, count=30, then="os.kill(os.getpid(), signal.SIGKILL)") == -signal.SIGKILL
    for page in (tmp_path / "memory").glob("*/*"):
        page.unlink()
    log(make_hook(), record())
    until(lambda: notices(folder, "lost"))
    assert not notices(folder, "lost")[0]["exact"]


def test_a_writer_that_ended_well_is_not_told_as_lost(tmp_path: Path, folder: Path, make_hook: MakeHook) -> None:
    assert _run(tmp_path, count=30, then="os.kill(os.getpid(), signal.SIGTERM)") == -signal.SIGTERM
    hook = make_hook()
    log(hook, record())
    hook.close()
    assert not notices(folder, "lost")
    assert len(list(folder.glob("*.health.json"))) == 1


def test_a_writer_that_lives_is_left_alone(make_hook: MakeHook, folder: Path) -> None:
    first, second = make_hook(), make_hook()
    log(first, record())
    assert writer_of(first).flush(PATIENCE)
    log(second, record())
    second.close()
    assert not notices(folder, "lost")
    assert writer_of(first).health_path.exists()


def test_a_forked_child_writes_to_a_file_of_its_own(make_hook: MakeHook, folder: Path) -> None:
    hook = make_hook()
    log(hook, record(litellm_call_id="parent"))
    assert writer_of(hook).flush(PATIENCE)
    child = os.fork()
    if not child:
        hook._forked()
        log(hook, record(litellm_call_id="child"))
        hook.close()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    hook.close()
    written = {line["writer"]: line["record"]["litellm_call_id"] for line in lines(folder) if line["kind"] == "attempt"}
    assert sorted(written.values()) == ["child", "parent"]
    assert not notices(folder, "lost")


def test_a_process_that_ends_waits_for_a_stuck_disk_only_so_long(
    make_hook: MakeHook, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = make_hook()
    writer = writer_of(hook)
    assert writer.flush(PATIENCE)
    disk.room = 0
    writer._patience = 0.3
    hook.hurry()
    for _ in range(100):
        log(hook, record())
    assert writer._patience <= 0
    disk.room = 10**9


def test_settings_are_read_when_the_first_record_comes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    hook = Hook()
    monkeypatch.setenv("TOCSIN_HOOK_FOLDER", str(tmp_path / "late"))
    monkeypatch.setenv("TOCSIN_HOOK_MEMORY", str(tmp_path))
    log(hook, record())
    hook.close()
    assert attempts(tmp_path / "late") == [record()]
    assert Settings().folder != tmp_path / "late"


class _Server:
    """The part of uvicorn's that the hook looks at."""

    def __init__(self) -> None:
        self.server_state = type("State", (), {"tasks": set()})()

    def handle_exit(self, number: int, frame: Any) -> None:
        """What uvicorn installs."""


def test_a_server_that_stops_waits_for_records_that_come_after_the_answer(make_hook: MakeHook, folder: Path) -> None:
    hook, server = make_hook(), _Server()

    async def serve() -> None:
        async def request() -> None:
            await asyncio.sleep(0.2)  # the client has its answer, and then
            asyncio.get_running_loop().call_later(0.2, log, hook, record(litellm_call_id="late"))

        task = asyncio.create_task(request())
        server.server_state.tasks.add(task)
        task.add_done_callback(server.server_state.tasks.discard)
        tocsin_litellm._hold(server.handle_exit, hook)
        await asyncio.sleep(0)
        while server.server_state.tasks:
            await asyncio.sleep(0.01)

    asyncio.run(serve())
    assert [attempt["litellm_call_id"] for attempt in attempts(folder)] == ["late"]


def test_any_other_handler_is_left_alone(make_hook: MakeHook) -> None:
    tocsin_litellm._hold(signal.SIG_DFL, make_hook())
    tocsin_litellm._hold(lambda *_: None, make_hook())
