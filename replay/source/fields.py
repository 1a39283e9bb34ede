"""What a log can have: each field in words, which column shows it, and what to change where it is missing."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from events.batch import EventBatch

_Known = Callable[[EventBatch], int]


@dataclass(frozen=True, slots=True)
class LogField:
    """`column` is the batch's, or ``prompt`` and ``answer``; `advice` says what to log when it is missing."""

    column: str
    title: str
    advice: str
    core: bool = True


FIELDS: Final = (
    LogField("time", "time", "log when each request ended"),
    LogField("call_id", "request id", "log an id of the request, so that retries count once"),
    LogField("actor", "account", "log the user that the gateway has authenticated, or a hash of the key"),
    LogField("key", "key", "log a hash of the presented key, also of a refused one", core=False),
    LogField("session", "session", "log the id of the conversation that the client sends", core=False),
    LogField("tenant", "tenant", "log the team or organisation of the key", core=False),
    LogField("source_range", "client address", "log the client's address as your own proxy sees it"),
    LogField("model", "model", "log the model that was asked for"),
    LogField("provider", "provider", "log which provider or backend answered", core=False),
    LogField("operation", "operation", "log the route, such as /v1/chat/completions", core=False),
    LogField("outcome", "outcome", "log the HTTP status of the answer"),
    LogField("error_class", "reason of failure", "log the HTTP status, and why a request failed"),
    LogField("verdict", "guardrail verdict", "log what each guardrail decided"),
    LogField("duration", "duration", "log how long the request took"),
    LogField("time_to_first_chunk", "time to first chunk", "log it for streams", core=False),
    LogField("input_tokens", "input tokens", "log the usage that the provider returns"),
    LogField("output_tokens", "output tokens", "log the usage that the provider returns, for streams too"),
    LogField("cost_usd", "cost", "log the cost in US dollars", core=False),
    LogField("prompt", "prompt", "log the prompt; without it no content rule looks at requests"),
    LogField("answer", "answer", "log the answer; without it no content rule looks at answers"),
    LogField("tool_calls", "tool calls", "log the tools that the model called", core=False),
    LogField("guardrails", "guardrail names", "log the name of each guardrail with its verdict", core=False),
)
BY_COLUMN: Final = {field.column: field for field in FIELDS}


def known_rows(batch: EventBatch) -> dict[str, int]:
    """In how many attempts of a batch, which has all columns and content, each field is known."""
    found = {field.column: _known(batch, field.column) for field in FIELDS}
    for column, table in (("tool_calls", batch.tool_calls), ("guardrails", batch.guardrails)):
        found[column] = len({row for row, *_ in table})
    return found


def _known(batch: EventBatch, column: str) -> int:
    chars = {"prompt": batch.input_chars, "answer": batch.output_chars}
    if column in chars:
        counted = chars[column]
        return 0 if counted is None else int(np.count_nonzero(~np.isnan(counted)))
    values: Any = batch.columns.get(column, ())
    if column in ("time", "call_id", "outcome", "error_class"):
        return len(values)  # always said, once the gateway says it at all
    if column in ("verdict", "operation"):
        return sum(value not in ("none", "other") for value in values)
    return sum(value is not None and not (isinstance(value, float) and math.isnan(value)) for value in values)
