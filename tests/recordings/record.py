"""Records a day of an LLM gateway: `.venv/bin/python -m tests.recordings.record`.

Plays the plans of `benign` and `attacks` against a real LiteLLM proxy in a few minutes, moves each record to its time
of the day, and writes `benign-day.jsonl.gz`, `attacks/*.jsonl.gz` and `recording.json`. See README.md.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import json
import random
import re
import signal
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import requests

from exercises import recording
from tests.recordings import attacks, benign, company, days
from tests.recordings.backend import Backend
from tests.recordings.plan import Call, Json
from tests.recordings.proxy import Proxy
from tests.support.litellm_versions import PINNED

HERE = Path(__file__).parent
SEED = 20261117
MIDNIGHT = datetime(2026, 11, 17, tzinfo=ZoneInfo("Europe/Paris")).timestamp()
"""A Tuesday, by the clock of the default business hours."""
_HOST = "gateway.example.com"
_PLACES = (
    (re.compile(r'[^\s"\\]*/site-packages/'), "SITE-PACKAGES/"),
    (re.compile(r'[^\s"\\]*/lib/python3\.\d+/'), "PYLIB/"),
)
"""Folders of the recording machine in stack traces."""


class Incomplete(Exception):
    """The gateway did not log what it was asked."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Record, and say what was recorded."""
    parser = argparse.ArgumentParser(description="Record a day of a LiteLLM proxy.")
    parser.add_argument("--out", type=Path, default=HERE, help="folder of the recordings")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--workers", type=int, default=32, help="requests at the same time")
    parser.add_argument("--days", action="store_true", help="record only `days`, and leave the rest as it is")
    parser.add_argument("--share", type=float, default=1.0, help="part of the benign day to play, for a quick look")
    options = parser.parse_args(arguments)

    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))  # so that the proxy ends with its recorder
    ordinary = benign.plan(options.seed)[:: round(1 / options.share)]
    with (
        tempfile.TemporaryDirectory(prefix="recording-") as folder,
        Backend() as backend,
        Proxy(Path(folder), backend.address, company.keys()) as proxy,
    ):
        player = Player(backend, proxy, options.workers)
        if options.days:
            index: Json = json.loads((HERE / "recording.json").read_text())
            index["days"] = _days(player, options.out, options.seed)
            (options.out / "recording.json").write_text(json.dumps(index, indent=1) + "\n")
            return 0
        index = {
            "litellm": PINNED,
            "seed": options.seed,
            "midnight": MIDNIGHT,
            "date": datetime.fromtimestamp(MIDNIGHT, ZoneInfo("Europe/Paris")).date().isoformat(),
            "timezone": "Europe/Paris",
            "canaries": [attacks.CANARY],
            "shared_keys": [account.alias for account in company.SHARED],
            "benign": {"file": "benign-day.jsonl.gz"}
            | _write(options.out / "benign-day.jsonl.gz", player.play(ordinary)),
            "attacks": {},
        }
        for number, attack in enumerate(attacks.ATTACKS):
            calls = list(attack.plan(random.Random(options.seed + number + 1)))
            file = f"attacks/{attack.name}.jsonl.gz"
            index["attacks"][attack.name] = {
                "help": attack.help,
                "file": file,
                "alerts": attack.alerts,
                "also": attack.also,
                "group": dict(zip(("label", "value"), attack.group, strict=True)),
            } | _write(options.out / file, player.play(calls))
        index["days"] = _days(player, options.out, options.seed)
    (options.out / "recording.json").write_text(json.dumps(index, indent=1) + "\n")
    return 0


def _days(player: Player, out: Path, seed: int) -> Json:
    """Record the days with attacks inside; what the index says of them."""
    index: Json = {}
    for number, day in enumerate(days.DAYS):
        lines = [line for calls in day.plan(random.Random(seed + 100 + number)) for line in player.play(calls)]
        file = f"days/{day.name}.jsonl.gz"
        index[day.name] = {
            "help": day.help,
            "file": file,
            "pages": [asdict(page) for page in day.pages],
            "also": day.also,
        } | _write(out / file, sorted(lines, key=recording.end_time))
    return index


class Player:
    """Sends calls to the gateway, and takes the lines that it logs about them."""

    def __init__(self, backend: Backend, proxy: Proxy, workers: int) -> None:
        self._backend = backend
        self._proxy = proxy
        self._workers = workers
        self._local = threading.local()
        self._read = 0

    def play(self, calls: Sequence[Call]) -> list[bytes]:
        """The lines about these calls, at the times of the plan.

        Raises:
            Incomplete: a call has no line, or a line no call.
        """
        self._backend.expect(calls)
        limited = _limited(calls)
        held = {id(call) for before, beyond in limited.values() for call in (*before, *beyond)}
        sent: list[tuple[Call, str | None]] = []
        for key, (before, beyond) in limited.items():
            # The gateway counts by its own clock, so what counts together is sent together. And it is sent first: the
            # memory of a busy gateway is short, and then it lets everybody through.
            self._proxy.limit({key: len(before)})
            sent += self._send(before)
            sent += self._send(beyond)
            self._proxy.limit({})
        sent += self._send([call for call in calls if id(call) not in held])
        return _at_planned_times(self._lines(len(calls)), sent)

    def _send(self, calls: Sequence[Call]) -> list[tuple[Call, str | None]]:
        with ThreadPoolExecutor(self._workers) as pool:
            return list(zip(calls, pool.map(self._ask, calls), strict=True))

    def _ask(self, call: Call) -> str | None:
        """The gateway's id of the call. It tells none to those whom it does not let in."""
        if not hasattr(self._local, "session"):
            self._local.session = requests.Session()
        headers = {
            "Authorization": f"Bearer {call.key}",
            "X-Forwarded-For": call.address,
            "User-Agent": call.user_agent,
            "Host": _HOST,
        }
        session: requests.Session = self._local.session
        answer = session.post(self._proxy.address + call.path, json=call.body, headers=headers, timeout=120)
        identity: str | None = answer.headers.get("x-litellm-call-id")
        return identity

    def _lines(self, calls: int) -> list[bytes]:
        """The lines since the last time, once no more come."""
        before = -1
        lines: list[bytes] = []
        while len(lines) != before or len(lines) < calls:
            before = len(lines)
            time.sleep(2)
            lines = self._proxy.log.read_bytes().splitlines(keepends=True)[self._read :]
            if len(lines) == before and len(lines) < calls:
                raise Incomplete(f"{calls} calls gave {len(lines)} lines")
        self._read += len(lines)
        return lines


def _limited(calls: Sequence[Call]) -> dict[str, tuple[list[Call], list[Call]]]:
    """For each key that goes beyond its limit: the calls that use the limit up, and those that are refused."""
    beyond: dict[str, list[Call]] = defaultdict(list)
    for call in calls:
        if call.over_limit:
            beyond[call.key].append(call)
    return {
        key: (
            [call for call in calls if call.key == key and not call.over_limit and len(call.replies) == 1][
                : refused[0].over_limit
            ],
            refused,
        )
        for key, refused in beyond.items()
    }


def _at_planned_times(lines: Iterable[bytes], sent: Iterable[tuple[Call, str | None]]) -> list[bytes]:
    starts: dict[str, float] = {}
    refused: dict[tuple[str, str], deque[float]] = defaultdict(deque)
    for call, identity in sent:
        if identity is None:
            refused[hashlib.sha256(call.key.encode()).hexdigest(), call.address].append(MIDNIGHT + call.at)
        else:
            starts[identity] = MIDNIGHT + call.at
    own = []
    seen = set()
    for line in lines:
        text = line.decode()
        for place, name in _PLACES:
            text = place.sub(name, text)
        own.append(text.encode())
        record = json.loads(line)
        seen.add(record["litellm_call_id"])
        if record["litellm_call_id"] not in starts:
            waiting = refused[record["metadata"]["user_api_key_hash"], record["requester_ip_address"]]
            if not waiting:
                raise Incomplete("a line belongs to no call")
            starts[record["litellm_call_id"]] = waiting.popleft()
    silent = len(starts.keys() - seen) + sum(map(len, refused.values()))
    if silent:
        raise Incomplete(f"{silent} calls have no line")
    return recording.restamp(own, starts)


def _write(path: Path, lines: Sequence[bytes]) -> Json:
    """Write the lines, and count what is in them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    packed = io.BytesIO()
    with gzip.GzipFile(filename="", fileobj=packed, mode="wb", compresslevel=9, mtime=0) as file:
        file.writelines(lines)
    path.write_bytes(packed.getvalue())
    records = [json.loads(line) for line in lines]
    counts: Json = {
        "attempts": len(records),
        "requests": len({record["litellm_call_id"] for record in records}),
        "answered": sum(record["status"] == "success" for record in records),
        "errors": dict(
            sorted(
                Counter(r["error_information"]["normalized_error"] for r in records if r["status"] != "success").items()
            )
        ),
    }
    print(f"{path.name}: {counts}, {len(packed.getvalue())} bytes", file=sys.stderr)
    return counts


if __name__ == "__main__":
    sys.exit(main())
