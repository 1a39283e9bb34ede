"""LiteLLM's table of costs: rows as JSON, as an answer of the API, and as CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from typing import Any

import pytest

from events.batch import ALL_COLUMNS, EventBatch
from events.gateways import gateway
from events.gateways.litellm.spend_logs import is_row
from events.wrappers.looks import looks_like
from tests.events.gateways.samples import DATA, as_lines, record, rows

CASE = [json.loads(line) for line in (DATA / "cases" / "18-spend-logs.jsonl").read_bytes().splitlines()]
ROW = CASE[0]
Form = Callable[[list[dict[str, Any]]], bytes]


def read(data: bytes) -> EventBatch:
    return gateway("litellm", ALL_COLUMNS, content=True).decode(data, source="test")


def row_of(**changes: Any) -> dict[str, Any]:
    (row,) = rows(read(as_lines({**ROW, **changes})))
    return row


def as_csv(
    made: list[dict[str, Any]], separator: str = ",", end: str = "\n", quoting: int = csv.QUOTE_MINIMAL
) -> bytes:
    text = io.StringIO()
    names = sorted({name for row in made for name in row})
    writer = csv.DictWriter(text, names, delimiter=separator, lineterminator=end, quoting=quoting)  # type: ignore[arg-type]
    writer.writeheader()
    for row in made:
        plain = {name: json.dumps(value) if isinstance(value, dict | list) else value for name, value in row.items()}
        writer.writerow(plain)
    return text.getvalue().encode()


FORMS: dict[str, Form] = {
    "lines": lambda made: as_lines(*made),
    "an array": lambda made: json.dumps(made).encode() + b"\n",
    "an array over lines": lambda made: json.dumps(made, indent=2).encode() + b"\n",
    "a page of the API": lambda made: (
        json.dumps({"data": made, "total": len(made), "page": 1, "page_size": 50, "total_pages": 1}).encode() + b"\n"
    ),
    "CSV": as_csv,
    "CSV with semicolons": lambda made: as_csv(made, separator=";"),
    "CSV with tabs": lambda made: as_csv(made, separator="\t"),
    "CSV of Windows": lambda made: b"\xef\xbb\xbf" + as_csv(made, end="\r\n", quoting=csv.QUOTE_ALL),
}


@pytest.mark.parametrize("form", FORMS)
def test_rows_are_read_whole_in_every_form(form: str) -> None:
    batch = read(FORMS[form](CASE))
    assert (batch.rejects, dict(batch.dropped_fields), batch.wrapped["spend_logs"]) == ([], {}, 2)
    good, bad = rows(batch)
    assert {name: good[name] for name in ("actor", "tenant", "model", "provider", "cost_usd", "outcome")} == {
        "actor": "u-ann",
        "tenant": "team-a",
        "model": "gpt-4o",
        "provider": "openai",
        "cost_usd": 0.5,
        "outcome": "success",
    }
    assert (good["key"], good["input_tokens"], good["output_tokens"]) == (ROW["api_key"], 31, 13)
    assert (good["time"], round(good["duration"], 3)) == (1_755_754_585.0, 0.448)
    assert (bad["actor"], bad["error_class"], bad["verdict"]) == ("u-ann", "guardrail_block", "block")
    assert bad["guardrails"] == [("bedrock-pii", "block")]


@pytest.mark.parametrize("form", FORMS)
def test_a_rows_flat_record_says_the_same_in_every_form(form: str) -> None:
    wanted = read(FORMS["lines"](CASE))
    batch = read(FORMS[form](CASE))
    for place in range(2):
        found, want = batch.record(place), wanted.record(place)
        assert {**found, "llm.raw_sha256": ""} == {**want, "llm.raw_sha256": ""}
    assert batch.record(0)["llm.key.alias"] == "k"


def test_rows_and_log_records_stand_in_one_file() -> None:
    batch = read(as_lines(record(), ROW, record("failure"), CASE[1]))
    assert [row["outcome"] for row in rows(batch)] == ["success", "success", "failure", "failure"]
    assert batch.wrapped == {"spend_logs": 2}


def test_a_row_and_the_log_record_of_one_attempt_are_one() -> None:
    """Newer rows have the call id."""
    slp = record(
        litellm_call_id="c",
        id="chatcmpl-1",
        startTime=1_755_754_584.552455,
        model_id="m",
        metadata__user_api_key_hash=ROW["api_key"],
    )
    first, second = read(as_lines(slp, {**ROW, "litellm_call_id": "c"})).ids("event_id")
    assert first == second


def test_a_log_record_with_a_request_id_is_no_row() -> None:
    made = record() | {"request_id": "r-1"}
    batch = read(as_lines(made))
    assert (batch.size, dict(batch.dropped_fields), dict(batch.wrapped)) == (1, {}, {})
    assert rows(batch)[0] | {"raw": b""} == rows(read(as_lines(record())))[0] | {"raw": b""}
    assert not is_row(made)


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({"status": None, "metadata": {"status": "failure"}}, "failure"),
        ({"status": "", "metadata": '{"status": "success"}'}, "success"),
        ({"status": None, "metadata": {}}, "success"),
        ({"status": None, "metadata": {"error_information": {"error_class": "Timeout"}}}, "failure"),
        ({"status": None, "metadata": {"error_information": {"error_class": "", "error_code": ""}}}, "success"),
    ],
)
def test_older_rows_say_in_metadata_how_they_ended(changes: dict[str, Any], outcome: str) -> None:
    assert row_of(**changes)["outcome"] == outcome


def test_a_refused_key_is_nobody() -> None:
    error = {"error_class": "ProxyException", "error_code": "401", "llm_provider": "", "normalized_error": "401_X"}
    row = row_of(status="failure", user="", team_id=None, metadata=json.dumps({"error_information": error}))
    assert (row["error_class"], row["actor"], row["key"]) == ("auth", None, ROW["api_key"])


@pytest.mark.parametrize(
    "stored",
    [
        {"messages": [{"role": "user", "content": "hello"}]},
        {"messages": '[{"role": "user", "content": "hello"}]'},
        {"messages": "{}", "proxy_server_request": {"messages": [{"role": "user", "content": "hello"}]}},
        {"messages": {}, "proxy_server_request": '{"messages": [{"role": "user", "content": "hello"}]}'},
        {"proxy_server_request": {"body": {"messages": [{"role": "user", "content": "hello"}]}}},
        {"proxy_server_request": {"input": "hello", "model": "m"}},
    ],
)
@pytest.mark.parametrize("answer", [{"choices": [{"message": {"content": "hi"}}]}])
def test_content_is_read_where_the_proxy_stores_it(stored: dict[str, Any], answer: dict[str, Any]) -> None:
    for response in (answer, json.dumps(answer)):
        texts = row_of(**stored, response=response)["texts"]
        assert texts == [("user", "hello"), ("output", "hi")]


def test_a_row_without_content_says_so() -> None:
    row = row_of()
    assert (row["texts"], row["has_content"]) == ([], False)


@pytest.mark.parametrize(
    ("changes", "dropped"),
    [
        ({"metadata": '{"status": "succ'}, {"metadata": 1}),
        ({"metadata": [1]}, {"metadata": 1}),
        ({"messages": "[{"}, {"messages": 1}),
        ({"spend": "much"}, {"response_cost": 1}),
        ({"user": 7}, {"metadata.user_api_key_user_id": 1}),
        ({"spend": "0.25", "prompt_tokens": "31"}, {}),
    ],
)
def test_what_is_damaged_in_a_row_is_left_out_and_counted(changes: dict[str, Any], dropped: dict[str, int]) -> None:
    batch = read(as_lines({**ROW, **changes}))
    assert (batch.size, batch.rejects, dict(batch.dropped_fields)) == (1, [], dropped)


def test_csv_goes_on_in_the_next_chunk() -> None:
    header, first, second = as_csv(CASE).splitlines(keepends=True)
    adapter = gateway("litellm", ALL_COLUMNS, content=True)
    sizes = [adapter.decode(part, source="test").size for part in (header, first, second)]
    assert sizes == [0, 1, 1]


@pytest.mark.parametrize("line", [b"a,b\n", b'"never closed\n', b"text\n"])
def test_a_line_of_csv_that_is_no_row_is_rejected_alone(line: bytes) -> None:
    header, first, second = as_csv(CASE).splitlines(keepends=True)
    batch = read(header + first + line + second)
    assert (batch.size, [reject.line for reject in batch.rejects]) == (2, [2])


def test_without_a_header_csv_is_no_row() -> None:
    _header, first, _second = as_csv(CASE).splitlines(keepends=True)
    batch = read(first)
    assert (batch.size, [reject.reason for reject in batch.rejects]) == (0, ["not_json"])


def test_other_csv_and_sums_by_day_are_named_with_a_hint() -> None:
    assert "SpendLogs" in looks_like(b"time,user,cost").hint
    summary = json.dumps({"startTime": "2026-11-01", "spend": 1.5, "users": {"u": 1.5}, "models": {"m": 1.5}}).encode()
    assert "summary" in looks_like(summary).what
    assert read(summary + b"\n").size == 0
    assert "json_logs" in looks_like(b'{"message": "ok", "level": "INFO", "timestamp": "2026-11-01T00:00:00"}').what
