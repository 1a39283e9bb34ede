"""The captured samples, records made for one test, and what an adapter made of them in a form that can be compared."""

from __future__ import annotations

import copy
import gzip
import json
import math
from collections import Counter
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from events.batch import ALL_COLUMNS, ID_COLUMNS, NUMBER_COLUMNS, OBJECT_COLUMNS, EventBatch
from events.gateways import LiteLLM

DATA = Path(__file__).parents[2] / "data" / "litellm"
SAMPLES = ("slp", "slp-redacted")


@cache
def lines(sample: str) -> tuple[bytes, ...]:
    """The lines of a sample, each with its newline."""
    return tuple(gzip.decompress((DATA / f"{sample}.jsonl.gz").read_bytes()).splitlines(keepends=True))


@cache
def records(sample: str) -> tuple[dict[str, Any], ...]:
    """The same as plain objects, read by the standard library."""
    return tuple(map(json.loads, lines(sample)))


def adapter(**options: Any) -> LiteLLM:
    """One that reads everything."""
    return LiteLLM(ALL_COLUMNS, True, **options)


def decode(data: bytes | Iterable[dict[str, Any]], **options: Any) -> EventBatch:
    """Bytes, or records as lines, read by an adapter that reads everything."""
    return adapter(**options).decode(data if isinstance(data, bytes) else as_lines(*data), source="test")


def as_lines(*made: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(record, separators=(",", ":")).encode() + b"\n" for record in made)


def record(status: str = "success", **changes: Any) -> dict[str, Any]:
    """A plain record; `changes` with two underscores go one level down: ``metadata__user_api_key_hash``."""
    made = copy.deepcopy(_FAILURE if status == "failure" else _SUCCESS)
    for name, value in changes.items():
        outer, _, inner = name.partition("__")
        if inner:
            made[outer][inner] = value
        else:
            made[outer] = value
    return made


def rows(batch: EventBatch) -> list[dict[str, Any]]:
    """Each attempt: every column, its texts, tool calls, guardrails and raw bytes; unknown is None."""
    columns: dict[str, list[Any]] = {name: _plain(batch.numbers(name)) for name in NUMBER_COLUMNS}
    columns |= {name: list(batch.objects(name)) for name in OBJECT_COLUMNS}
    columns |= {name: batch.ids(name).tolist() for name in ID_COLUMNS}
    assert batch.input_chars is not None and batch.output_chars is not None and batch.has_content is not None
    columns["input_chars"], columns["output_chars"] = _plain(batch.input_chars), _plain(batch.output_chars)
    columns["has_content"] = batch.has_content.tolist()
    columns["raw"] = [batch.raw[row] for row in range(batch.size)]
    assert all(len(column) == batch.size for column in columns.values())
    found: list[dict[str, Any]] = [{name: column[row] for name, column in columns.items()} for row in range(batch.size)]
    for row in found:
        row |= {"texts": [], "tool_calls": [], "guardrails": []}
    for text in batch.texts:
        found[text.row]["texts"].append((text.channel, text.text))
    for place, name in batch.tool_calls:
        found[place]["tool_calls"].append(name)
    for place, name, verdict in batch.guardrails:
        found[place]["guardrails"].append((name, verdict))
    return found


def golden_row(row: dict[str, Any]) -> dict[str, Any]:
    """A row as a golden shows it: texts are counted, ids are hexadecimal, what is unknown or empty is left out."""
    shown = {name: value for name, value in row.items() if name not in ("raw", "texts") and value not in (None, [])}
    shown |= {name: f"{row[name]:016x}" for name in ("event_id", "call_id")}
    shown |= {name: round(row[name], 6) for name in ("time", "duration", "time_to_first_chunk") if name in shown}
    return shown | {"texts": dict(Counter(channel for channel, _text in row["texts"]))}


def _plain(column: Any) -> list[Any]:
    assert column.dtype == np.float64
    return [None if math.isnan(value) else value for value in column.tolist()]


_SUCCESS: dict[str, Any] = {
    "id": "chatcmpl-1",
    "litellm_call_id": "call-1",
    "trace_id": "session-1",
    "call_type": "acompletion",
    "stream": None,
    "status": "success",
    "custom_llm_provider": "openai",
    "startTime": 1_795_000_000.0,
    "endTime": 1_795_000_002.0,
    "completionStartTime": 1_795_000_002.0,
    "model": "openai/gpt",
    "model_group": "gpt",
    "model_id": "m1",
    "metadata": {
        "user_api_key_hash": "ab" * 32,
        "user_api_key_alias": "alias-1",
        "user_api_key_team_id": "team-1",
        "user_api_key_org_id": "org-1",
        "user_api_key_user_id": "user-1",
        "usage_object": {"prompt_tokens_details": {"cached_tokens": 3}, "completion_tokens_details": None},
    },
    "response_cost": 0.25,
    "prompt_tokens": 11,
    "completion_tokens": 7,
    "end_user": "end-1",
    "requester_ip_address": "198.51.100.23",
    "user_agent": "curl/8.9",
    "messages": [{"role": "user", "content": "Good morning"}],
    "response": {"id": "chatcmpl-1", "choices": [{"finish_reason": "stop", "message": {"content": "Bonjour"}}]},
    "model_parameters": {},
    "error_information": {"error_class": "", "error_code": "", "llm_provider": ""},
    "guardrail_information": None,
}
_FAILURE = _SUCCESS | {
    "id": "call-1",
    "status": "failure",
    "response": {},
    "response_cost": 0.0,
    "prompt_tokens": 0,
    "completion_tokens": 0,
    "error_information": {
        "error_class": "InternalServerError",
        "error_code": "server_error",
        "llm_provider": "openai",
        "normalized_error": "500_PROVIDER_INTERNAL_ERROR",
        "error_rate_limit_category": None,
        "error_rate_limit_type": None,
    },
}
