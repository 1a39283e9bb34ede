"""What the hook costs the gateway: ``python -m bench.hook`` without LiteLLM, ``--proxy`` inside a real one."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from bench.lines import fat_lines
from bench.measure import Figure
from exporters.hooks.litellm.tocsin_litellm import Hook, Settings

RECORDS = 3_000
FLOOD_SECONDS = 3.0
REQUESTS = 300
"""Requests to each proxy in a round."""


def hook(folder: Path, rounds: int) -> Iterator[Figure]:
    """What a callback costs, against one that writes its line before it returns; and how much it takes."""
    records = [json.loads(line) for line in fat_lines(RECORDS, 3)]
    ours: list[float] = []
    theirs: list[float] = []
    medians = []
    for place in range(rounds):
        made = Hook(Settings(folder=folder / f"hook-{place}", memory=folder))
        writer = made.start()
        log = folder / f"plain-{place}.jsonl"
        mine, plain = [], []
        for record in records:
            payload = {"standard_logging_object": record}
            mine.append(_seconds(made.take, payload))
            plain.append(_seconds(_write_at_once, log, payload))
        assert writer.flush(30) and not any(writer.dropped.values())
        made.close()
        ours += mine
        theirs += plain
        medians.append(statistics.median(plain) / statistics.median(mine))
    yield Figure.of(
        "hook_vs_write_at_once", medians, "times faster", ">= 1", "a callback that writes before it returns"
    )
    yield Figure.of("hook_p50_us", [1e6 * _quantile(ours, 0.5)], "µs", "<= 100", "the callback, one record of 4 KB")
    yield Figure.of("hook_p99_us", [1e6 * _quantile(ours, 0.99)], "µs", "<= 1000", "the same")
    yield Figure.of(
        "hook_records_per_s",
        [_flood(folder, records)],
        "1/s",
        ">= 5000",
        "one worker, until the first record is dropped",
    )


def _seconds(work: Callable[..., object], *arguments: Any) -> float:
    begun = time.perf_counter()
    work(*arguments)
    return time.perf_counter() - begun


def _write_at_once(log: Path, kwargs: dict[str, Any]) -> None:
    """The shortest callback that does the same: no queue, no numbers."""
    payload = dict(kwargs["standard_logging_object"])
    payload.pop("model_map_information", None)
    line = json.dumps(payload, separators=(",", ":"), default=str).encode() + b"\n"
    file = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(file, line)
    finally:
        os.close(file)


def _flood(folder: Path, records: Sequence[dict[str, Any]]) -> float:
    """Records per second that the hook takes from a loop that does nothing else, until it drops one."""
    made = Hook(Settings(folder=folder / "flood", memory=folder))
    writer = made.start()
    begun, taken = time.perf_counter(), 0
    while time.perf_counter() < begun + FLOOD_SECONDS and not writer.dropped["queue_full"]:
        made.take({"standard_logging_object": records[taken % len(records)]})
        taken += 1
    seconds = time.perf_counter() - begun
    made.close()
    return taken / seconds


def _quantile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def proxies(folder: Path, rounds: int) -> Iterator[Figure]:
    """Seconds of a request through a real LiteLLM proxy with the hook, and through one without, in turn."""
    from tests.recordings.backend import Backend
    from tests.support.hooked_proxy import HookedProxy, crowd

    seconds: dict[bool, list[float]] = {True: [], False: []}
    with (
        Backend() as backend,
        HookedProxy(folder / "with", backend.address) as hooked,
        HookedProxy(folder / "without", backend.address, callback=None) as bare,
    ):
        for place in range(rounds + 1):
            for _ in range(REQUESTS // 10):
                for proxy, kept in ((hooked, True), (bare, False)):
                    asked = crowd(proxy, backend, count=10, at_once=1, kinds=["chat"], seed=place)
                    if place:  # the first round warms up
                        seconds[kept] += asked.seconds
    for name, share in (("p50", 0.5), ("p99", 0.99)):
        mine, theirs = (1000 * _quantile(seconds[kept], share) for kept in (True, False))
        yield Figure.of(f"request_{name}_ms_with_hook", [mine], "ms", "<= 1000", f"without the hook {theirs:.2f} ms")
        yield Figure.of(f"request_{name}_ms_added", [mine - theirs], "ms", "<= 1", "the difference of both")


def main(arguments: list[str] | None = None) -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="python -m bench.hook", description=__doc__)
    parser.add_argument("--proxy", action="store_true", help="inside a real LiteLLM proxy, which takes some minutes")
    parser.add_argument("--rounds", type=int, default=3, help="how often everything is done (default: 3)")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as name:
        for figure in (proxies if options.proxy else hook)(Path(name), options.rounds):
            print(f"{figure.name:24} {figure.value:10.2f} {figure.unit:13} {figure.goal:9} {figure.reference}")


if __name__ == "__main__":
    main()
