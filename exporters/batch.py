"""The event batch: many attempts as typed columns, with the raw bytes they came from.

One entry per attempt, in order of arrival. Unknown is absent: ``None`` in an object column, NaN in a number column,
never 0 or "". Nothing on the hot path builds an object per line; a gateway's adapter makes the flat record of one
attempt (OpenTelemetry GenAI and ECS names) where a sink or a person needs it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

NUMBER_COLUMNS = (
    "time",  # end of the attempt, Unix seconds: when it became known; windows run on it
    "duration",  # seconds
    "time_to_first_chunk",  # seconds, streams only
    "input_tokens",
    "output_tokens",
    "cached_tokens",
    "reasoning_tokens",
    "cost_usd",
)
"""Columns of float64, NaN where unknown."""

OBJECT_COLUMNS = (
    "event_id",  # int, 64 bits of the attempt's identity: the de-duplication key
    "call_id",  # int, 64 bits of the request's identity; the attempts of one request share it
    "tenant",  # str | None: team, else organisation
    "model",  # str | None: the model asked for
    "provider",  # str | None
    "operation",  # str: spec.vocabulary.OPERATIONS
    "stream",  # bool | None
    "outcome",  # str: spec.vocabulary.OUTCOMES
    "error_class",  # str: spec.vocabulary.ERROR_CLASSES
    "verdict",  # str: spec.vocabulary.VERDICTS
    "settled",  # bool: no other attempt of the same request can follow (success, or refused before a provider)
    "actor",  # str | None: authenticated user, else known key; None for refused credentials and shared keys
    "key",  # str | None: hash of the presented key, known or not
    "source_range",  # str | None: /24 or /48 of the client's address
)
"""Columns of Python objects, one per attempt."""


@dataclass(frozen=True, slots=True)
class Reject:
    """A record that could not be read.

    `reason` is one of spec.vocabulary.REJECTIONS; `line` counts from 0 in the batch's raw bytes; `detail` never quotes
    content.
    """

    line: int
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Text:
    """One piece of an attempt's content, for the detectors.

    `row` is the attempt's place in the batch; `channel` is ``user``, ``system``, ``assistant`` (earlier turns in the
    request), ``tool`` (tool results and documents in the request) or ``output`` (the model's answer).
    """

    row: int
    channel: str
    text: str


@dataclass(slots=True)
class EventBatch:
    """Attempts of one source as columns.

    `columns` has only those that were asked for; `raw[i]` are the bytes of attempt i. `input_chars` and
    `output_chars` are NaN for attempts without content.
    """

    source: str
    gateway: str
    size: int
    columns: dict[str, Sequence[Any] | Floats] = field(default_factory=dict)
    texts: list[Text] = field(default_factory=list)
    input_chars: Floats | None = None
    output_chars: Floats | None = None
    has_content: npt.NDArray[np.bool_] | None = None
    tool_calls: list[tuple[int, str]] = field(default_factory=list)  # (row, tool name): made by the model
    guardrails: list[tuple[int, str, str]] = field(default_factory=list)  # (row, guardrail name, verdict)
    rejects: list[Reject] = field(default_factory=list)
    dropped_fields: dict[str, int] = field(default_factory=dict)  # field -> values of a wrong type, left out
    raw: Sequence[bytes] = ()
    records: Sequence[Any] = ()

    def numbers(self, name: str) -> Floats:
        """A number column."""
        return self.columns[name]  # type: ignore[return-value]

    def objects(self, name: str) -> Sequence[Any]:
        """An object column."""
        return self.columns[name]  # type: ignore[return-value]
