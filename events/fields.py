"""What a log can have: each field in words, which column shows it, and what to change where it is missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import numpy as np

from events.batch import EventBatch

_ALWAYS: Final = ("time", "call_id", "outcome")
"""What every attempt has."""
_WORDLESS: Final = frozenset(("embeddings", "moderation", "rerank"))
"""Operations that answer with numbers."""
_ABSENT: Final = {"verdict": "none", "operation": "other"}
"""What a column says where nothing is known; others say None."""


@dataclass(frozen=True, slots=True)
class LogField:
    """`column` is the batch's, or ``prompt`` and ``answer``; `advice` says what to log when it is missing.

    `of` says which attempts have it in a good log: all, those that succeeded, those of them that gave words, or only
    some, so that nothing is missing where it is not. `instead` is a column that says as much: whoever uses a shared key
    has no account.
    """

    column: str
    title: str
    advice: str
    core: bool = True
    of: Literal["all", "successes", "answers", "some"] = "all"
    instead: str = ""

    @property
    def word(self) -> str:
        """The title as a label's value: ``client_address``."""
        return self.title.replace(" ", "_")


FIELDS: Final = (
    LogField("time", "time", "log when each request ended"),
    LogField("call_id", "request id", "log an id of the request, so that retries count once"),
    LogField(
        "actor", "account", "log the authenticated user, or a hash of the key", of="successes", instead="end_user"
    ),
    LogField("key", "key", "log a hash of the presented key, also of a refused one", core=False),
    LogField("session", "session", "log the id of the conversation that the client sends", core=False, of="some"),
    LogField(
        "end_user",
        "end user of a shared key",
        "declare keys that many people share (`shared_keys`), and log the end user that the application names",
        core=False,
        of="some",
    ),
    LogField("tenant", "tenant", "log the team or organisation of the key", core=False, of="successes"),
    LogField("source_range", "client address", "log the client's address as your own proxy sees it"),
    LogField("model", "model", "log the model that was asked for", of="successes"),
    LogField("provider", "provider", "log which provider or backend answered", core=False, of="successes"),
    LogField("operation", "operation", "log the route, such as /v1/chat/completions", core=False, of="some"),
    LogField("outcome", "outcome", "log the HTTP status of the answer"),
    LogField("error_class", "reason of failure", "log the HTTP status, and why a request failed", of="some"),
    LogField("verdict", "guardrail verdict", "log what each guardrail decided", of="some"),
    LogField("duration", "duration", "log how long the request took", of="successes"),
    LogField("time_to_first_chunk", "time to first chunk", "log it for streams", core=False, of="some"),
    LogField("input_tokens", "input tokens", "log the usage that the provider returns", of="successes"),
    LogField("output_tokens", "output tokens", "log the provider's usage, for streams too", of="answers"),
    LogField("cost_usd", "cost", "log the cost in US dollars", core=False, of="successes"),
    LogField("prompt", "prompt", "log the prompt; without it no content rule looks at requests"),
    LogField("answer", "answer", "log the answer; without it no content rule looks at answers", of="answers"),
    LogField("tool_calls", "tool calls", "log the tools that the model called", core=False, of="some"),
    LogField("guardrails", "guardrail names", "log the name of each guardrail with its verdict", core=False, of="some"),
)
BY_COLUMN: Final = {each.column: each for each in FIELDS}
MISSABLE: Final = {each.column: each.word for each in FIELDS if each.of != "some" and each.column not in _ALWAYS}
"""Fields that a record can lack, and the words for them in a metric."""


@dataclass(slots=True)
class Counts:
    """By field: attempts that have it (`known`), that should (`due`), and of these those without (`lacking`)."""

    known: Counter[str] = field(default_factory=Counter)
    due: Counter[str] = field(default_factory=Counter)
    lacking: Counter[str] = field(default_factory=Counter)

    def add(self, other: Counts) -> None:
        """Take other attempts in."""
        self.known.update(other.known)
        self.due.update(other.due)
        self.lacking.update(other.lacking)


def counts_of(batch: EventBatch, wanted: Container[str] = BY_COLUMN) -> Counts:
    """The attempts of a batch by field, of those `wanted` that it was asked for. Some nanoseconds a value."""
    counts = Counts()
    if not batch.size:
        return counts
    failed = [row for row, outcome in enumerate(batch.columns.get("outcome", ())) if outcome != "success"]
    operations = batch.columns.get("operation", ())
    wordless: set[int] = set()
    if not _WORDLESS.isdisjoint(operations):
        wordless = {row for row, operation in enumerate(operations) if operation in _WORDLESS}
    excused_of = {"successes": failed, "answers": sorted(wordless.union(failed)) if wordless else failed}
    for each in FIELDS:
        column = _column(batch, each.column)
        if column is None or each.column not in wanted:
            continue
        absent = _ABSENT.get(each.column)
        missing = _missing_numbers(column) if isinstance(column, np.ndarray) else _missing_words(column, absent)
        excused = excused_of.get(each.of, [])
        counts.known[each.column] = batch.size - missing
        counts.due[each.column] = batch.size - len(excused)
        lacking = missing - (_missing_of(column, excused, absent) if missing else 0)
        if lacking and (other := _column(batch, each.instead)) is not None:
            named = {row for row, value in enumerate(other) if value is not None and column[row] == absent}
            lacking -= len(named.difference(excused))
        counts.lacking[each.column] = lacking
    for name, table in (("tool_calls", batch.tool_calls), ("guardrails", batch.guardrails)):
        if name in wanted:
            counts.known[name] = len({row for row, *_ in table})
    return counts


def _column(batch: EventBatch, name: str) -> Any:
    chars = {"prompt": batch.input_chars, "answer": batch.output_chars}
    return chars[name] if name in chars else batch.columns.get(name)


def _missing_numbers(column: Any) -> int:
    return int(np.count_nonzero(np.isnan(column))) if column.dtype.kind == "f" else 0


def _missing_words(column: Sequence[str | None], absent: str | None) -> int:
    if absent is not None:
        return column.count(absent)
    return 0 if all(column) else len(column) - len(list(filter(None, column)))  # thrice as fast as to count None


def _missing_of(column: Any, rows: list[int], absent: str | None) -> int:
    if isinstance(column, np.ndarray):
        return _missing_numbers(column[rows])
    return sum(column[row] == absent for row in rows)
