"""Lines of the hook: records in an envelope, and notices about what was lost."""

from __future__ import annotations

import json
import zlib
from collections.abc import Hashable, Sequence
from typing import Any

from events.batch import ALL_COLUMNS
from events.gateways import LiteLLM
from tests.fuzz.engine import Target
from tests.fuzz.invariants import NOW, batch_holds, engine_holds
from tests.fuzz.mutate import json_lines
from tests.fuzz.targets.adapter import answer_of
from tests.support.engines import feed, make_engine
from tests.support.litellm_lines import record, refused

_ADAPTER = LiteLLM(ALL_COLUMNS, False)
_WHOLE = 12  # one input in so many is counted by an engine of its own


def seeds() -> Sequence[bytes]:
    """A writer's life: its start, records, drops, a gap, a dead neighbour, its end."""

    def said(kind: str, seq: int, writer: str = "8f0c", **notice: Any) -> dict[str, Any]:
        return {"v": 1, "writer": writer, "seq": seq, "kind": kind, "notice": notice}

    def attempt(seq: int, **more: Any) -> dict[str, Any]:
        made = record(NOW - 60 + seq, f"call-{seq}")
        return {"v": 1, "writer": "8f0c", "seq": seq, "kind": "attempt", "record": made, **more}

    lines = [
        said("start", 1, pid=7, host="gw", content="full", version=1),
        attempt(2),
        attempt(3, restored=["requester_ip_address"], shortened=True),
        said("beat", 4, dropped=0, queue_bytes=0),
        said("dropped", 9, records=4, reasons={"queue_full": 3, "unencodable": 1, "new": 2}),
        said("lost", 10, writer="aa", written=3, offered=7, exact=True) | {"writer": "8f0c"},
        said("lost", 11),
        said("stop", 12),
        attempt(20) | {"record": refused(NOW, "c", key="k")},
    ]
    lines[5]["notice"]["writer"] = "dead"
    each = [json.dumps(line).encode() for line in lines]
    return [
        *each,
        b"\n".join(each),
        b"\n".join(each[1:3]),
        b"\n".join([each[1], json.dumps(record(NOW, "p")).encode()]),
    ]


def one(data: bytes) -> Hashable:
    """Decode some lines; now and then count them, wait until gaps are believed, and save."""
    batch = _ADAPTER.decode(data, source="gw")
    batch_holds(batch, data)
    if zlib.crc32(data) % _WHOLE == 0:
        engine = make_engine(content=True)
        feed(engine, "gw", [data], now=NOW)
        engine.state.sequence_gaps.settle("gw", NOW + 1_000, idle=True)
        feed(engine, "gw", [data], now=NOW + 1_000)
        engine_holds(engine)
        for total in (engine.state.sequence_gaps.lost["gw"], engine.state.sequence_gaps.gaps["gw"]):
            assert 0 <= total < 2**63
    runs = batch.notes.runs if batch.notes else []
    return answer_of(batch), min(len(runs), 4)


TARGET = Target(
    "envelope",
    one,
    seeds,
    inputs=8_000,
    steps=(300_000, 30),  # the first number: an engine is made now and then
    shape=json_lines,
    tokens=(b'{"v":1,', b'"seq":', b'"notice":'),
)
