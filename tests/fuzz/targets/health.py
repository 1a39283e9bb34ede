"""What the hook's writers say of themselves in small files, which anybody may write who may write to the folder."""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Hashable, Sequence
from pathlib import Path

from events.gateways.litellm import HOOK
from events.hook import DROPS
from exporters.sources.hook_health import LARGEST, LOOK_EVERY, REFUSALS, STATES, HookHealth
from tests.fuzz.engine import Target
from tests.fuzz.invariants import NOW
from tests.fuzz.mutate import bytes_changed, plant, written

_MOST = 1 << 53


def _said(**changes: object) -> bytes:
    health = {
        "v": 1,
        "writer": "8f0c",
        "state": "running",
        "pid": 7,
        "host": "gw",
        "started": NOW - 100,
        "updated": NOW - 1,
        "records": 40,
        "offered": 42,
        "written": 42,
        "dropped": {"queue_full": 1, "unencodable": 0, "error": 0},
        "queue_bytes": 0,
        "trouble": "",
        **changes,
    }
    return json.dumps(health).ljust(1023).encode() + b"\n"


def seeds() -> Sequence[bytes]:
    """Each state, trouble, a reason that is new, and a file that is too large."""
    return [
        _said(),
        _said(state="stopping", queue_bytes=9),
        _said(state="stopped"),
        _said(trouble="No space left on device", dropped={"queue_full": 5, "new": 2}),
        _said(records=None),
        _said(updated=0),
        b"",
        b" " * (LARGEST + 1),
    ]


def shape(rng: random.Random, data: bytes) -> bytes:
    """Another value in one place."""
    try:
        return written(plant(rng, json.loads(data)))
    except (ValueError, RecursionError):
        return bytes_changed(rng, data)


def one(data: bytes) -> Hashable:
    """Look at a file after a good one, twice, and a long time later."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "litellm-8f0c.health.json"
        health = HookHealth("gw", [f"{name}/*.jsonl"], HOOK)
        seen = []
        for step, content in enumerate((_said(), data, data, _said(updated=NOW, records=41))):
            path.write_bytes(content)
            health.look(NOW + step * (LOOK_EVERY + (100 if step == 2 else 0)))
            assert health.reports is not None and len(health.reports) == 1
            (report,) = health.reports
            assert report.state in STATES and set(report.dropped) <= set(DROPS)
            for number in (report.records or 0, report.queue_bytes, *report.dropped.values()):
                assert 0 <= number <= 2 * _MOST, "beyond what adds up exactly"
            assert 0 <= report.age < 10_000
            assert (report.records or 40) >= 40, "a number went back"
            seen.append(report.state)
        assert set(health.refused) == set(REFUSALS)
        return tuple(seen), tuple(sorted(reason for reason, count in health.refused.items() if count))


TARGET = Target("health", one, seeds, inputs=800, steps=(5_000, 4), shape=shape)
