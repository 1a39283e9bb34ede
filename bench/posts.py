"""How fast a source of type http answers: ``python -m bench.posts``, beside a write and sync of the same bytes."""

from __future__ import annotations

import argparse
import contextlib
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

import requests
import yaml

from bench.lines import fat_lines
from exercises.servers import free_port

TOKEN: Final = secrets.token_hex(16)
POSTS: Final = {1: 200, 100: 60, 512: 30}
"""Records in a post, 512 being LiteLLM's most, and how many such posts there are in a round."""
_START_SECONDS: Final = 90.0


@dataclass(frozen=True, slots=True)
class Timed:
    """Milliseconds of posts of one size, and of a write and sync of the same bytes."""

    records: int
    kilobytes: float
    posts: list[float]
    syncs: list[float]

    def row(self) -> str:
        """A row of the table."""
        shown = (
            statistics.median(self.posts),
            _slowest(self.posts),
            statistics.median(self.syncs),
            _slowest(self.syncs),
        )
        return f"| {self.records} | {self.kilobytes:.0f} | " + " | ".join(f"{value:.1f}" for value in shown) + " |"


def measure(folder: Path, rounds: int) -> Iterator[Timed]:
    """Posts by one client, one after the other, to an exporter that counts them meanwhile."""
    lines = fat_lines(rounds * sum(size * count for size, count in POSTS.items()), 11)
    with _exporter(folder) as url, requests.Session() as session, (folder / "synced").open("wb", buffering=0) as file:
        session.headers["Authorization"] = f"Bearer {TOKEN}"
        for size, count in POSTS.items():
            timed = Timed(size, 0.0, [], [])
            total = 0
            for _ in range(rounds * count):
                batch = list(islice(lines, size))
                body = b"[" + b",".join(line.rstrip(b"\n") for line in batch) + b"]"
                begun = time.perf_counter()
                session.post(url, body, timeout=60).raise_for_status()
                timed.posts.append(1000 * (time.perf_counter() - begun))
                begun = time.perf_counter()
                file.write(body)
                os.fdatasync(file.fileno())
                timed.syncs.append(1000 * (time.perf_counter() - begun))
                total += len(body)
            yield Timed(size, total / rounds / count / 1000, timed.posts, timed.syncs)


def _slowest(values: Sequence[float]) -> float:
    """The slowest but one hundredth."""
    return sorted(values)[min(len(values) - 1, int(0.99 * len(values)))]


@contextlib.contextmanager
def _exporter(folder: Path) -> Iterator[str]:
    """A real exporter, and where records are posted to it."""
    port, metrics = free_port(), free_port()
    (folder / "token").write_text(TOKEN)
    source: dict[str, object] = {"gateway": "litellm", "type": "http", "token_file": "token"}
    source |= {"listen": f"127.0.0.1:{port}", "spool_bytes": 1 << 30}
    config = {"listen": f"127.0.0.1:{metrics}", "state_folder": "state", "sources": {"posts": source}}
    (folder / "tocsin.yaml").write_text(yaml.safe_dump(config))
    command = [sys.executable, "-m", "tocsin", "export", "--config", str(folder / "tocsin.yaml")]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + _START_SECONDS
        while not _ready(f"http://127.0.0.1:{metrics}/-/ready"):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("The exporter did not start")
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/records"
    finally:
        process.terminate()
        process.wait(60)


def _ready(url: str) -> bool:
    try:
        return requests.get(url, timeout=2).ok
    except requests.RequestException:
        return False


def main(arguments: list[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.posts", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="how often everything is done (default: 3)")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as name:
        print(f"milliseconds; load average {os.getloadavg()[0]:.1f} at the start, {os.cpu_count()} processors")
        print("| records | kB | post: median | slowest 1 % from | write and sync: median | slowest 1 % from |")
        print("|---|---|---|---|---|---|")
        for timed in measure(Path(name), options.rounds):
            print(timed.row(), flush=True)


if __name__ == "__main__":
    main()
