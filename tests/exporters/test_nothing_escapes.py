"""Whatever stands in a log: no turn raises, every line is counted once, and the state can be saved and taken back."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from events.gateways import LiteLLM
from events.gateways.unwrapping import Unwrapping
from exporters.exporter import Exporter
from exporters.sources.file import FileTail
from runtime.state_file import StateFolder, decode
from spec.vocabulary import READING_STEPS, REJECTIONS
from tests.support.engines import make_engine
from tests.support.litellm_lines import record

HUGE = {
    "0": 0,
    "-1": -1,
    "2**53": 2**53,
    "2**53+1": 2**53 + 1,
    "2**63": 2**63,
    "2**64": 2**64,
    "10**18": 10**18,
    "10**401": 10**401,
    "-(10**401)": -(10**401),
}
numbers = st.one_of(
    st.integers(),
    st.floats(),
    st.sampled_from(sorted(HUGE)).map(HUGE.get),
    st.sampled_from(
        [-0.0, 1e-320, 1e15, 1e18, 1e308, -1e308, float("nan"), float("inf"), -62135596800.0, 253402300799]
    ),
)
words = st.one_of(
    st.text(max_size=20),
    st.sampled_from(["", "1", "1e400", "nan", "0001-01-01", "9999-12-31T23:59:59.999999+00:00", "\ud800", "x" * 300]),
    st.sampled_from(
        ["success", "failure", "attempt", "lost", "dropped", "beat", "queue_full", "w1", "guardrail_intervened"]
    ),
)
values = st.recursive(
    st.none() | st.booleans() | numbers | words,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=4),
    max_leaves=10,
)
FIELDS = sorted(record(0.0, "a"))
OF_METADATA = [
    "user_api_key_hash",
    "user_api_key_user_id",
    "user_api_key_team_id",
    "usage_object",
    "mcp_tool_call_metadata",
]


@st.composite
def records(draw: st.DrawFn) -> dict[str, Any]:
    made = record(draw(st.sampled_from([time.time(), 1_795_000_000.0])), draw(words))
    for name in draw(st.sets(st.sampled_from(["startTime", "endTime", "prompt_tokens", "response_cost"]), max_size=2)):
        made[name] = draw(numbers)
    for name in draw(st.lists(st.sampled_from(FIELDS), max_size=4)):
        made[name] = draw(values)
    if isinstance(made["metadata"], dict):
        for name in draw(st.lists(st.sampled_from(OF_METADATA), max_size=2)):
            made["metadata"][name] = draw(values)
    return made


envelopes = st.fixed_dictionaries(
    {"v": st.just(1) | values, "writer": st.just("w1") | values, "seq": numbers | values, "kind": words},
    optional={"record": records() | values, "status": values},
)
notices = st.fixed_dictionaries(
    {
        "v": st.just(1),
        "writer": st.sampled_from(["w1", "w2"]),
        "seq": st.integers(0, 2**53) | numbers,
        "kind": st.sampled_from(["lost", "dropped", "beat"]),
        "notice": st.fixed_dictionaries(
            {},
            optional={
                "writer": st.sampled_from(["w1", "w2"]),
                "written": numbers | values,
                "offered": numbers | values,
                "exact": values,
                "reasons": st.dictionaries(words, numbers, max_size=4) | values,
            },
        ),
    }
)


def as_line(value: object) -> bytes:
    return json.dumps(value).encode()


@st.composite
def a_line(draw: st.DrawFn) -> bytes:
    match draw(st.sampled_from(["record", "record", "envelope", "notice", "value", "bytes"])):
        case "record":
            return as_line(draw(records()))
        case "envelope":
            return as_line(draw(envelopes))
        case "notice":
            return as_line(draw(notices))
        case "value":
            return as_line(draw(values))
    return draw(st.binary(max_size=60)).replace(b"\n", b" ")


lines = st.lists(a_line(), min_size=1, max_size=12)


class Log:
    def __init__(self, folder: Path) -> None:
        self.path = folder / "gw.jsonl"
        self.path.touch()
        self.engine = make_engine(content=True)
        self.folder = StateFolder(folder / "state")
        tail = FileTail("gw", [str(self.path)], start_at="beginning")
        self.exporter = Exporter(self.engine.memory, {"gw": tail}, self.folder, now=time.time())

    def counts(self) -> dict[str, float]:
        health = self.exporter._state.health
        return {
            "read": health.value("tocsin_records_read_total", ("gw",))
            + health.value("tocsin_records_duplicate_total", ("gw",)),
            "rejected": sum(health.value("tocsin_records_rejected_total", ("gw", why)) for why in REJECTIONS),
            "quarantined": sum(
                health.value("tocsin_records_quarantined_total", ("gw", step)) for step in READING_STEPS
            ),
            "failures": health.value("tocsin_reading_failures_total", ("gw",)),
            "reloads": health.value("tocsin_state_reloads_total"),
            "unsaved": health.value("tocsin_snapshot_failures_total"),
        }


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Log]:
    made = Log(tmp_path_factory.mktemp("log"))
    yield made
    made.exporter.close()


ALONE = LiteLLM(frozenset(("time", "outcome")), content=False)


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(lines=lines)
def test_nothing_escapes_a_turn_and_every_line_counts_once(log: Log, lines: list[bytes]) -> None:
    data = b"".join(line + b"\n" for line in lines)
    plain = ALONE.decode(data, source="gw")
    others = len(plain.notes.lines) if plain.notes else 0
    assert plain.size + len(plain.rejects) + others == sum(bool(line.strip()) for line in lines)
    expected = Unwrapping(ALONE).decode(data, source="gw")
    before = log.counts()
    with log.path.open("ab") as file:
        file.write(data)
    for _ in range(100):
        if not log.exporter.poll():
            break
    after = log.counts()
    assert {name: after[name] - before[name] for name in after} == {
        "read": expected.size,
        "rejected": len(expected.rejects),
        "quarantined": 0,
        "failures": 0,
        "reloads": 0,
        "unsaved": 0,
    }
    log.exporter.scrape()
    again = log.engine.state.anew()
    again.load(decode((log.folder.path).read_bytes())["state"])
    assert again.health.value("tocsin_records_read_total", ("gw",)) == log.engine.state.health.value(
        "tocsin_records_read_total", ("gw",)
    )
    assert log.counts()["unsaved"] == before["unsaved"]
