"""The hook inside a real LiteLLM proxy: no request that was answered is without its record."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from events.batch import FeedNotes
from exporters.signals.sequence_gaps import PATIENCE, SequenceGaps
from tests.events.gateways.samples import decode, rows
from tests.recordings.backend import Backend
from tests.support.hooked_proxy import KINDS, Asked, HookedProxy, crowd, lines_of, missing
from tests.support.litellm_versions import need

pytestmark = [pytest.mark.stack, pytest.mark.slow]
soak = pytest.mark.skipif(os.environ.get("TOCSIN_SOAK") != "1", reason="takes ten minutes: set TOCSIN_SOAK=1")


@pytest.fixture(scope="module")
def backend() -> Iterator[Backend]:
    need()
    with Backend() as provider:
        yield provider


def _numbers_follow(proxy: HookedProxy) -> None:
    lines = sorted(lines_of(proxy.records), key=lambda line: (line["writer"], line["seq"]))
    for before, line in pairwise(lines):
        if line["writer"] == before["writer"]:
            assert line["seq"] == before["seq"] + 1


def _under_load(proxy: HookedProxy, backend: Backend, *, after: int, kill: bool, most: int) -> Asked:
    """End the proxy in the middle of a crowd, which then asks no more."""
    enough, stop = threading.Event(), threading.Event()

    def end() -> None:
        assert enough.wait(600)
        if kill:
            proxy.kill()
        else:
            proxy.stop()
        stop.set()

    thread = threading.Thread(target=end)
    thread.start()
    seen = iter(range(most))
    asked = crowd(
        proxy, backend, count=most, stop=stop, seed=2, after=lambda _: enough.set() if next(seen) >= after else None
    )
    enough.set()
    thread.join()
    return asked


@pytest.mark.timeout(300)
def test_everything_that_was_answered_is_on_record_also_when_the_proxy_stops_under_load(
    tmp_path: Path, backend: Backend
) -> None:
    with HookedProxy(tmp_path, backend.address) as proxy:
        calm = crowd(proxy, backend, count=60, kinds=["chat", "refused"])
        asked = _under_load(proxy, backend, after=150, kill=False, most=1000)
    assert sum(asked.count().values()) >= 100
    assert set(asked.count()) == set(KINDS) - {"disconnect"}
    assert missing(calm, proxy.records) == missing(asked, proxy.records) == []
    _numbers_follow(proxy)
    batch = decode(b"".join(path.read_bytes() for path in proxy.records.glob("*.jsonl")))
    assert batch.rejects == []
    refused = {row["key"]: row["source_range"] for row in rows(batch) if row["error_class"] == "auth"}
    keys = [hashlib.sha256(f"sk-{call}".encode()).hexdigest() for call in calm.answered["refused"]]
    assert keys
    assert [refused[key] for key in keys] == ["127.0.0.0/24"] * len(keys)  # the end may cut off those under load
    assert {told["state"] for told in proxy.health()} <= {"stopping", "stopped"}


@soak
@pytest.mark.timeout(1800)
def test_four_workers_lose_nothing(tmp_path: Path, backend: Backend) -> None:
    with HookedProxy(tmp_path, backend.address, workers=4) as proxy:
        calm = crowd(proxy, backend, count=1000)
        asked = _under_load(proxy, backend, after=300, kill=False, most=3000)
    print(f"\nanswered: {calm.count()}, until SIGTERM: {asked.count()}")
    assert missing(calm, proxy.records) == []
    assert missing(asked, proxy.records) == []
    _numbers_follow(proxy)


@soak
@pytest.mark.timeout(1800)
def test_what_kill_9_costs_is_at_most_the_queue_and_told_as_a_gap(tmp_path: Path, backend: Backend) -> None:
    with HookedProxy(tmp_path, backend.address, workers=4) as proxy:
        asked = _under_load(proxy, backend, after=500, kill=True, most=3000)
    with HookedProxy(tmp_path, backend.address, workers=4) as proxy:
        pass
    told = [line["notice"] for line in lines_of(proxy.records) if line["kind"] == "lost"]
    writers = SequenceGaps(["log"])
    for path in sorted(proxy.records.glob("*.jsonl")):
        notes = decode(path.read_bytes()).notes
        assert isinstance(notes, FeedNotes)
        writers.take("log", notes, 0.0)
    writers.settle("log", PATIENCE, idle=True)
    gone = len(missing(asked, proxy.records))
    print(f"\nanswered: {asked.count()}, of them without a record: {gone}; told as lost: {writers.lost['log']} {told}")
    assert all(notice["exact"] for notice in told)
    assert writers.lost["log"] == sum(notice["offered"] - notice["written"] for notice in told)
    assert gone <= writers.lost["log"] + 50, "more than the queue, and what LiteLLM had not yet handed over"
