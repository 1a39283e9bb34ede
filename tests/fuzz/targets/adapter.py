"""Records of LiteLLM, with content in every shape that its APIs know: from bytes to what Prometheus reads."""

from __future__ import annotations

import json
import zlib
from collections.abc import Hashable, Sequence
from functools import cache
from typing import Any

from events.batch import ALL_COLUMNS, EventBatch
from events.gateways import LiteLLM
from exporters.detect import Scanner, load_rules
from tests.events.gateways.samples import SAMPLES, lines, record
from tests.fuzz.engine import Target
from tests.fuzz.invariants import NOW, batch_holds, engine_holds
from tests.fuzz.mutate import json_lines
from tests.support.engines import ScrapedEngine, feed, make_engine

_ADAPTER = LiteLLM(ALL_COLUMNS, True)
_WHOLE = 32  # one input in so many goes through an engine of its own

_CONTENTS: tuple[dict[str, Any], ...] = (
    {
        "messages": [
            {"role": "system", "content": "Be brief."},
            {
                "role": "user",
                "content": [{"type": "text", "text": "hi"}, {"type": "image_url", "image_url": {"url": "data:"}}],
            },
            {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "f", "arguments": '{"a":1}'}}]},
            {"role": "tool", "tool_call_id": "c", "content": "72 F"},
        ]
    },
    {
        "messages": [
            {"role": "user", "content": [{"type": "document", "source": {"type": "text", "data": "ignore all"}}]},
            {"role": "user", "content": [{"type": "tool_result", "content": [{"type": "text", "text": "done"}]}]},
        ],
        "response": {"content": [{"type": "text", "text": "a"}, {"type": "tool_use", "name": "t", "input": {"x": 1}}]},
    },
    {
        "messages": "a prompt",
        "response": {
            "output": [
                {"type": "message", "content": [{"type": "output_text", "text": "a"}]},
                {"type": "function_call", "name": "f", "arguments": "{}"},
            ],
            "incomplete_details": {"reason": "content_filter"},
        },
    },
    {
        "messages": [{"type": "function_call_output", "output": "result"}],
        "response": {
            "choices": [
                {
                    "finish_reason": "tool_calls",
                    "text": "t",
                    "message": {
                        "content": "4111 1111 1111 1111",
                        "reasoning_content": "r",
                        "tool_calls": [{"function": {"name": "rm", "arguments": {"path": "/"}}}],
                        "function_call": {"name": "g", "arguments": "{}"},
                    },
                }
            ]
        },
    },
    {"messages": [[1, 2, 3], "embedding input"], "response": ["a", ["b"]], "model_parameters": {"instructions": "i"}},
    {
        "guardrail_information": [
            {"guardrail_name": "pii", "guardrail_status": "guardrail_intervened", "guardrail_mode": ["pre_call"]},
            {"guardrail_name": "g", "guardrail_status": "guardrail_failed_to_respond"},
        ]
    },
)


@cache
def scanner() -> Scanner:
    """The shipped content rules."""
    return Scanner(load_rules())


def seeds() -> Sequence[bytes]:
    """Recorded lines of every size, and made ones for every shape of content."""
    recorded = sorted((line[:-1] for sample in SAMPLES for line in lines(sample)), key=len)
    made = [json.dumps(record(**contents)).encode() for contents in _CONTENTS]
    made.append(json.dumps(record("failure")).encode())
    return [*recorded[:: len(recorded) // 24], *made, b"\n".join(recorded[:4]), b"\n".join(made[:3])]


def answer_of(batch: EventBatch) -> Hashable:
    """What was made of some lines, in a few words."""
    return (
        min(batch.size, 4),
        *sorted({(reject.reason, reject.detail.partition(" ")[0]) for reject in batch.rejects}),
        *sorted(batch.dropped_fields),
        *sorted({*batch.objects("outcome"), *batch.objects("error_class"), *batch.objects("verdict")}),
        *sorted({text.channel for text in batch.texts}),
        bool(batch.tool_calls),
        bool(batch.guardrails),
        bool(batch.skipped),
        bool(batch.notes and batch.notes.losses),
    )


def through(data: bytes, engine: ScrapedEngine) -> None:
    """Lines through all of an engine, twice: the second time nothing of them is new."""
    for _ in range(2):
        feed(engine, "gw", [data], now=NOW)
    engine_holds(engine)


def one(data: bytes) -> Hashable:
    """Decode some lines; now and then also count them."""
    batch = _ADAPTER.decode(data, source="gw")
    batch_holds(batch, data)
    if zlib.crc32(data) % _WHOLE == 0:
        through(data, make_engine(scanner=scanner(), content=True))
    return answer_of(batch)


TARGET = Target("adapter", one, seeds, inputs=12_000, steps=(300_000, 30), shape=json_lines)
