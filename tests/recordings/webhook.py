"""How many records LiteLLM's webhook loses: a real proxy posts to Tocsin's HTTP source, and writes a log beside it.

    python -m tests.recordings.webhook [--rate 20] [--seconds 60]

The log is written inside the proxy before its callback returns, so it says what there was to post. Each case starts a
proxy of its own; all of them take a quarter of an hour. docs/gateways/http.md has the figures.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from exporters.sources.http import HttpSource
from exporters.sources.spool import Spool
from tests.recordings import company
from tests.recordings.backend import Backend
from tests.recordings.proxy import Proxy
from tests.support.litellm_versions import PINNED

TOKEN = "token-of-the-webhook"
FLUSH = 5.0  # seconds; LiteLLM's own default


@dataclass(frozen=True)
class Case:
    """A way of posting.

    `busy` are the seconds after the start in which the source answers 503, `delay` those that each answer takes;
    `refuse` is how many posts get a 503 before any is taken; `flush` are the seconds between two posts; `terminate`:
    SIGTERM right after the last request.
    """

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    busy: tuple[float, float] = (0.0, 0.0)
    delay: float = 0.0
    refuse: int = 0
    flush: float = FLUSH
    terminate: bool = False


RETRIES = {"max_retries": 3, "retry_delay": 1.0, "timeout": 5}
CASES = (
    Case("json_array"),
    Case("ndjson", {"log_format": "ndjson"}),
    Case("single", {"log_format": "single"}),
    Case("json_array, posts every second", flush=1.0),
    Case("json_array, each answer takes 2 s", delay=2.0),
    Case("503 for 6 s, no retries", busy=(20, 26)),
    Case("503 for 6 s, max_retries 3", RETRIES, busy=(20, 26)),
    Case("503 for 20 s, max_retries 3", RETRIES, busy=(20, 40)),
    Case("SIGTERM right after the last request", terminate=True),
)


class SourceOfCase(HttpSource):
    """The source itself, slower or refusing as the case wants it."""

    case: Case
    begun: float
    refusals = 0
    counting = threading.Lock()

    def keep(self, lines: bytes) -> str:
        time.sleep(self.case.delay)
        with self.counting:
            self.refusals += 1
            if self.refusals <= self.case.refuse:
                return "full"
        first, last = self.case.busy
        return "full" if first <= time.monotonic() - self.begun < last else super().keep(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the cases, and print a table."""
    parser = argparse.ArgumentParser(description="Measure what LiteLLM's webhook loses.")
    parser.add_argument("--rate", type=float, default=20.0, help="requests a second")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--only", default="", help="cases whose name contains this")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))  # so that the proxy ends with it
    print(f"LiteLLM {PINNED}, {options.rate:g} requests a second for {options.seconds:g} s")
    print("| case | records | lost | share | arrived twice | posts |\n|---|---|---|---|---|---|")
    for case in CASES:
        if options.only in case.name:
            print(run(case, options.rate, options.seconds).row(case.name), flush=True)
    return 0


@dataclass(frozen=True)
class Outcome:
    """What the proxy logged and what arrived, as attempts, and how many posts got which answer."""

    logged: list[tuple[str, ...]]
    arrived: list[tuple[str, ...]]
    answers: dict[str, int]

    @property
    def lost(self) -> int:
        """Attempts that never arrived."""
        return len(set(self.logged) - set(self.arrived))

    def row(self, name: str) -> str:
        """A row of the table."""
        records, twice = len(set(self.logged)), len(self.arrived) - len(set(self.arrived))
        posts = ", ".join(f"{count} x {code}" for code, count in self.answers.items())
        return f"| {name} | {records} | {self.lost} | {self.lost / records:.1%} | {twice} | {posts} |"


def run(case: Case, rate: float, seconds: float, *, quiet: float = 18.0) -> Outcome:
    """Play a case; it is over when nothing has arrived for `quiet` seconds: longer than flushes and retries take."""
    with tempfile.TemporaryDirectory(prefix="webhook-") as name, Backend() as backend:
        folder = Path(name)
        spool = Spool(folder / "spool", limit=1 << 30)
        SourceOfCase.case, SourceOfCase.begun = case, float("inf")
        source = SourceOfCase("posts", ("127.0.0.1", 0), (TOKEN.encode(),), spool)
        settings = {
            "endpoint": "http://{}:{}/records".format(*source.address),
            "headers": {"Authorization": f"Bearer {TOKEN}"},
            **case.settings,
        }
        os.environ["DEFAULT_FLUSH_INTERVAL_SECONDS"] = str(int(case.flush))
        with Proxy(folder, backend.address, company.keys(), webhook=settings) as proxy:
            source.begun = time.monotonic()
            send(proxy.address, rate, seconds)
            if not case.terminate:
                settle(lambda: source.status().spool_bytes, quiet)
        logged = [name_of(line) for line in proxy.log.read_bytes().splitlines()]
        chunks = (bytes(chunk.data) for chunk in source.read(1 << 40, now=0.0))
        arrived = [name_of(line) for chunk in chunks for line in chunk.splitlines()]
        status = source.status()
        source.close()
    return Outcome(logged, arrived, {code: count for code, count in status.answers.items() if count})


def name_of(line: bytes) -> tuple[str, ...]:
    """What tells attempts apart."""
    record = json.loads(line)
    return tuple(str(record[part]) for part in ("litellm_call_id", "id", "status", "model_id", "startTime"))


def send(address: str, rate: float, seconds: float) -> None:
    """Ask at a steady rate, until all is answered."""
    key = next(account.key for account in company.ACCOUNTS)
    local = threading.local()

    def ask(number: int) -> None:
        if not hasattr(local, "session"):
            local.session = requests.Session()
        body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": f"What is {number} times seven?"}]}
        headers = {"Authorization": f"Bearer {key}"}
        local.session.post(f"{address}/v1/chat/completions", json=body, headers=headers, timeout=120)

    with ThreadPoolExecutor(64) as pool:
        begun = time.monotonic()
        for number in range(int(rate * seconds)):
            time.sleep(max(0.0, begun + number / rate - time.monotonic()))
            pool.submit(ask, number)


def settle(size: Callable[[], int | None], quiet: float) -> None:
    """Wait until nothing has arrived for `quiet` seconds."""
    before, since = size(), time.monotonic()
    while time.monotonic() - since < quiet:
        time.sleep(0.5)
        if size() != before:
            before, since = size(), time.monotonic()


if __name__ == "__main__":
    raise SystemExit(main())
