"""Rows of LiteLLM's table of costs (SpendLogs) as records: from a dump, an answer of ``/spend/logs``, or a CSV export.

A row has who, what, when, tokens and cost in columns of its own, and the rest in ``metadata``. Prompts and answers are
there only if the proxy stores them (``store_prompts_in_spend_logs``). Rows of older versions have no call id.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final, TypeVar

import msgspec

from events.batch import Reject
from events.gateways.decode import Decoded
from events.gateways.lenient import UnreadableError, parse
from events.gateways.litellm.envelope import FeedDecoder

S = TypeVar("S", bound=msgspec.Struct)

Header = tuple[str, tuple[str, ...]]
"""Of a CSV file: the separator and the columns."""

FORM: Final = "spend_logs"
CSV: Final = "csv"
"""How the two forms are counted beside the wrappers."""

_CALLER: Final = {
    "user_api_key_hash": "api_key",
    "user_api_key_user_id": "user",
    "user_api_key_team_id": "team_id",
    "user_api_key_org_id": "organization_id",
}
_SAME: Final = (
    *("litellm_call_id", "call_type", "model", "model_group", "model_id", "custom_llm_provider", "end_user"),
    *("prompt_tokens", "completion_tokens", "total_tokens", "startTime", "endTime", "completionStartTime"),
    "requester_ip_address",
)
_OF_METADATA: Final = ("error_information", "guardrail_information", "status_fields")
_BOOLEANS: Final = {"true": True, "false": False, "t": True, "f": False}
_EMPTY: Final[tuple[Any, ...]] = ("", "{}", "[]", "null", "\\N", None, {}, [])
_SEPARATORS: Final = (",", ";", "\t")
_LONGEST: Final = 1 << 26  # characters of a field; a line is bounded before it comes here
csv.field_size_limit(max(csv.field_size_limit(), _LONGEST))


def is_row(value: Mapping[str, Any]) -> bool:
    """Whether an object is a row. LiteLLM's log records have an ``id`` and no ``request_id``."""
    return bool(value.get("request_id")) and "id" not in value and ("spend" in value or "api_key" in value)


def record_of_row(row: Mapping[str, Any], dropped: Counter[str]) -> dict[str, Any]:
    """A row as LiteLLM's log would have it. What is damaged is left out and counted in `dropped` by column."""
    metadata = _object(row, "metadata", dropped)
    caller = {field: row[column] for field, column in _CALLER.items() if row.get(column) not in _EMPTY}
    record: dict[str, Any] = {name: row[name] for name in _SAME if row.get(name) not in _EMPTY}
    record |= {name: metadata[name] for name in _OF_METADATA if metadata.get(name) not in _EMPTY}
    record |= {
        "id": row.get("request_id"),
        "status": _status(row, metadata),
        "response_cost": row.get("spend"),
        "trace_id": row.get("session_id"),
        "stream": None,
        "cache_hit": _boolean(row.get("cache_hit")),
        "metadata": {**metadata, **caller},
    }
    asked = _object(row, "proxy_server_request", dropped)
    inner = asked.get("body")
    body: dict[str, Any] = inner if isinstance(inner, dict) else asked
    record["messages"] = _value(row, "messages", dropped) or _first(body, ("messages", "input", "prompt", "contents"))
    record["response"] = _value(row, "response", dropped)
    record["model_parameters"] = {name: body[name] for name in ("tools", "system", "instructions") if name in body}
    return record


class SpendLogsDecoder(FeedDecoder[S]):
    """Decodes log records, rows, and rows as CSV after a header that names the columns."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.header: Header | None = None

    def _rescue(self, number: int, line: bytes, decoded: Decoded[S]) -> S | None:
        first = line.lstrip(b"\xef\xbb\xbf \t")[:1]
        if first != b"{" and (b"request_id" in line or self.header is not None):
            text = line.decode("utf-8-sig", "replace").rstrip("\r")
            if (header := header_of(text)) is not None:
                self.header = header
                decoded.noted().lines.append(number)
                return None
            if self.header is not None:
                return self._row(number, text, self.header, decoded)
        return super()._rescue(number, line, decoded)

    def _row(self, number: int, text: str, header: Header, decoded: Decoded[S]) -> S | None:
        row = row_of(text, header)
        if row is None:
            decoded.rejects.append(Reject(number, "incomplete", f"CSV: not {len(header[1])} fields, as in the header"))
            return None
        found = self._fitted(number, row, Counter(), decoded)
        decoded.forms[CSV] += found is not None
        return found

    def _fitted(self, number: int, value: dict[str, Any], left_out: Counter[str], decoded: Decoded[S]) -> S | None:
        if "request_id" not in value:
            return super()._fitted(number, value, left_out, decoded)
        if not is_row(value):
            plain = {name: inner for name, inner in value.items() if name != "request_id"}
            return super()._fitted(number, plain, left_out, decoded)
        found = super()._fitted(number, record_of_row(value, left_out), left_out, decoded)
        decoded.forms[FORM] += found is not None
        return found


def header_of(text: str) -> Header | None:
    """What a header of SpendLogs as CSV says; None if a line is none."""
    for separator in _SEPARATORS:
        columns = _fields(text, separator) if separator in text else None
        if columns and "request_id" in columns and "startTime" in columns:
            return separator, tuple(columns)
    return None


def row_of(text: str, header: Header) -> dict[str, Any] | None:
    """A line of CSV as a row; None if it has not as many fields as the header."""
    separator, columns = header
    fields = _fields(text, separator)
    if fields is None or len(fields) != len(columns):
        return None
    return {name: value for name, value in zip(columns, fields, strict=True) if value not in _EMPTY}


def _fields(text: str, separator: str) -> list[str] | None:
    try:
        rows = list(csv.reader([text], delimiter=separator, strict=True))
    except csv.Error:
        return None
    return rows[0] if len(rows) == 1 else None


def _status(row: Mapping[str, Any], metadata: Mapping[str, Any]) -> Any:
    """Rows of older versions say it in ``metadata`` alone, or not at all."""
    said = row.get("status") or metadata.get("status")
    if said:
        return said
    error = metadata.get("error_information")
    return "failure" if isinstance(error, dict) and any(error.values()) else "success"


def _boolean(value: Any) -> bool | None:
    return value if isinstance(value, bool) else _BOOLEANS.get(value.lower()) if isinstance(value, str) else None


def _value(row: Mapping[str, Any], name: str, dropped: Counter[str]) -> Any:
    """A column of JSON, which may be the text of it; None if it is empty."""
    value = row.get(name)
    if isinstance(value, str) and value[:1] in ("{", "[", '"'):
        try:
            value = parse(value.encode("utf-8", "replace"), Counter())
        except UnreadableError:
            dropped[name] += 1
            return None
    return None if value in _EMPTY else value


def _object(row: Mapping[str, Any], name: str, dropped: Counter[str]) -> dict[str, Any]:
    value = _value(row, name, dropped)
    if value is not None and not isinstance(value, dict):
        dropped[name] += 1
    return value if isinstance(value, dict) else {}


def _first(body: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    return next((body[name] for name in names if body.get(name)), None)
