"""Work is bounded by the bytes of a record, whatever its shape: counted in lines of Python that run, not in seconds."""

from __future__ import annotations

import json
import sys
from types import FrameType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events.batch import ALL_COLUMNS, EventBatch
from events.gateways import LiteLLM
from events.gateways.columnar import MOST_ENTRIES
from events.gateways.fitting import MISFITS
from tests.events.gateways.samples import record, rows

ADAPTER = LiteLLM(ALL_COLUMNS, True)
PER_BYTE = 8
"""Lines of Python for each byte of a record at most. The tightest element is two bytes long."""
PER_LINE = 200
"""Lines of Python for each record, however short."""


def steps(data: bytes) -> tuple[int, EventBatch]:
    """How many lines of Python run to decode `data`, and the batch."""
    count = 0

    def line(_frame: FrameType, event: str, _argument: object) -> Any:
        nonlocal count
        count += event == "line"
        return line

    before = sys.gettrace()
    sys.settrace(lambda frame, event, argument: line)
    try:
        batch = ADAPTER.decode(data, source="test")
    finally:
        sys.settrace(before)
    return count, batch


PLACES: dict[str, Any] = {
    "messages": lambda flood: {"messages": flood},
    "parts": lambda flood: {"messages": [{"role": "user", "content": flood}]},
    "output of a message": lambda flood: {"messages": [{"role": "tool", "output": flood}]},
    "content of a part": lambda flood: {"messages": [{"role": "user", "content": [{"type": "x", "content": flood}]}]},
    "choices": lambda flood: {"response": {"choices": flood}},
    "tool_calls": lambda flood: {"response": {"choices": [{"message": {"tool_calls": flood}}]}},
    "arguments": lambda flood: {"response": {"choices": [{"message": {"function_call": {"arguments": flood}}}]}},
    "response": lambda flood: {"response": flood},
    "response.output": lambda flood: {"response": {"output": flood}},
    "response.content": lambda flood: {"response": {"content": flood}},
    "response.results": lambda flood: {"response": {"results": flood}},
    "response.response": lambda flood: {"response": {"response": flood}},
    "response.data": lambda flood: {"response": {"data": flood}},
    "candidates": lambda flood: {"response": {"candidates": [{"content": {"parts": flood}}]}},
    "unknown answer": lambda flood: {"response": {"unheard_of": flood}},
    "unknown prompt": lambda flood: {"messages": [{"role": "user", "unheard_of": flood}]},
    "parts of Gemini": lambda flood: {"messages": [{"role": "user", "parts": flood}]},
    "result of a tool": lambda flood: {"call_type": "call_mcp_tool", "response": {"content": flood}},
    "thinking_blocks": lambda flood: {"response": {"choices": [{"message": {"thinking_blocks": flood}}]}},
    "summary": lambda flood: {"response": {"output": [{"type": "reasoning", "summary": flood}]}},
    "body": lambda flood: {
        "call_type": "pass_through_endpoint",
        "messages": [{"role": "user", "content": json.dumps({"messages": flood}, separators=(",", ":"))}],
    },
    "body of a stream": lambda flood: {
        "response": {"response": f"data: {json.dumps({'choices': flood}, separators=(',', ':'))}\n\n"}
    },
    "events": lambda flood: {"response": {"results": [{"type": "response.x", "delta": flood}, *flood]}},
    "guardrail_information": lambda flood: {"guardrail_information": flood},
    "guardrail_mode": lambda flood: {"guardrail_information": [{"guardrail_mode": flood}]},
    "metadata": lambda flood: {"metadata": flood},
    "usage": lambda flood: {"metadata": {"usage_object": {"prompt_tokens_details": flood}}},
    "mcp": lambda flood: {"metadata": {"mcp_tool_call_metadata": {"name": flood, "arguments": flood}}},
    "error_information": lambda flood: {"error_information": {"error_code": flood, "error_class": flood}},
    "model_parameters": lambda flood: {"model_parameters": {"system": flood, "tools": flood}},
    "tags": lambda flood: {"request_tags": flood},
    "times": lambda flood: {"startTime": flood},
    "tokens": lambda flood: {"prompt_tokens": flood, "response_cost": flood},
}
NAMES = [
    "role",
    "content",
    "output",
    "type",
    "text",
    "name",
    "source",
    "data",
    "input",
    "arguments",
    "function",
    "finish_reason",
    "message",
    "tool_calls",
    "function_call",
    "reasoning_content",
    "delta",
    "parts",
    "functionCall",
    "results",
    "response",
    "item",
    "index",
    "summary",
    "custom",
    "guardrail_name",
    "guardrail_status",
    "guardrail_mode",
    "masked_entity_count",
    "reason",
    "k",
]
scalars = st.sampled_from(
    [None, True, 0, -1, 1.5, 10**20, 10**400, 1e308, float("nan"), float("inf"), "", "a", "text", "\ud800", "x" * 300]
)
elements = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=8,
)


def hostile(place: str, flood: object, **more: object) -> bytes:
    return json.dumps(record(**{**PLACES[place](flood), **more}), separators=(",", ":")).encode() + b"\n"


PLAIN = hostile("messages", [{"role": "user", "content": "hello"}])
FIXED = 3 * steps(PLAIN)[0]


def bounded(line: bytes) -> EventBatch:
    count, batch = steps(line)
    assert count <= FIXED + PER_BYTE * len(line), f"{count / len(line):.1f} steps a byte"
    assert batch.size + len(batch.rejects) == 1
    return batch


@settings(max_examples=300)
@given(st.sampled_from(sorted(PLACES)), st.lists(elements, min_size=1, max_size=4), st.integers(50, 400), st.booleans())
def test_work_is_bounded_by_bytes_for_every_shape(place: str, cycle: list[Any], repeat: int, plain: bool) -> None:
    more = {} if plain else {"id": 1}  # a misfit elsewhere: all of the record takes the slow path
    bounded(hostile(place, cycle * repeat, **more))


@settings(max_examples=50)
@given(st.sampled_from(sorted(PLACES)), st.integers(1, 400), st.sampled_from(["[", '{"a":', '[{"content":']))
def test_work_is_bounded_by_bytes_at_every_depth(place: str, depth: int, opening: str) -> None:
    closing = "".join({"[": "]", "{": "}"}[letter] for letter in reversed(opening) if letter in "[{")
    bounded(hostile(place, ["@"]).replace(b'"@"', (opening * depth * 4 + "1" + closing * depth * 4).encode()))


@settings(max_examples=50)
@given(st.sampled_from(sorted(PLACES)), st.integers(100, 2_000), st.booleans())
def test_work_is_bounded_by_bytes_for_many_keys(place: str, count: int, twice: bool) -> None:
    keys = ",".join(f'"k{0 if twice else number}":1' for number in range(count))
    bounded(hostile(place, [{"role": 1}]).replace(b'{"role":1}', b'{"role":1,' + keys.encode() + b"}"))


LINES = [
    b"{}",
    b"x",
    b"1",
    b"[]",
    b'""',
    b"\xff",
    b" ",
    b'{"status":1}',
    b'{"status":"success"}',
    b'{"v":1}',
    b'{"v":1,"writer":"w","seq":-1,"kind":"beat"}',
    b'{"status":"success","endTime":1,"id":1}',
]


@pytest.mark.parametrize("line", LINES)
def test_work_is_bounded_by_lines_and_bytes_for_short_lines(line: bytes) -> None:
    data = (line + b"\n") * 500
    assert steps(data)[0] <= FIXED + 500 * PER_LINE


ATTACK = {"role": "user", "content": "the attack"}


@pytest.mark.parametrize("place", [0, MISFITS, 2 * MISFITS])
@pytest.mark.parametrize("flood", [{"role": 1}, {}, 1, {"content": [{"type": 1}]}, {"role": 1, "content": {"text": 1}}])
def test_a_flood_of_misfits_hides_nothing_that_is_well_typed(flood: object, place: int) -> None:
    messages: list[Any] = [flood] * (2 * MISFITS)
    messages.insert(place, ATTACK)
    made = record("failure", messages=messages)
    made["error_information"] = {"error_class": "HTTPException", "normalized_error": "401_X", "error_code": "401"}
    made["guardrail_information"] = [{"guardrail_name": 1, "guardrail_status": "guardrail_intervened"}]
    batch = ADAPTER.decode(json.dumps(made).encode(), source="test")
    (row,) = rows(batch)
    assert row["error_class"] == "auth"
    assert row["guardrails"] == [("unknown", "block")]
    assert ("user", "the attack") in row["texts"]
    odd = flood == {"role": 1} or (isinstance(flood, dict) and "content" in flood)
    dropped = sum(batch.dropped_fields.values()) - 1  # and the name of the guardrail
    assert bool(dropped) == odd
    assert bool(batch.unread["misfits"]) == odd


def test_what_exceeds_the_cap_is_counted_as_unread() -> None:
    batch = ADAPTER.decode(hostile("messages", [{"role": 1}] * (MISFITS + 7)), source="test")
    assert batch.dropped_fields == {"messages.role": MISFITS}
    assert batch.unread == {"misfits": 7}


def test_tool_calls_and_guardrails_have_a_cap_and_are_counted_beyond_it() -> None:
    calls = [{"function": {"name": "shell", "arguments": "{}"}}] * (MOST_ENTRIES + 3)
    passed = [{"guardrail_name": "g", "guardrail_status": "success"}] * (MOST_ENTRIES + 5)
    blocked = [{"guardrail_name": "g", "guardrail_status": "guardrail_intervened"}]
    made = record(response={"choices": [{"message": {"tool_calls": calls}}]}, guardrail_information=passed + blocked)
    batch = ADAPTER.decode(json.dumps(made).encode(), source="test")
    assert (len(batch.tool_calls), len(batch.guardrails)) == (MOST_ENTRIES, MOST_ENTRIES)
    assert batch.unread == {"tool_calls": 3, "guardrails": 6}
    assert rows(batch)[0]["verdict"] == "block"
