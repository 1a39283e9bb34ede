"""Lines that are broken, odd or hostile: none stops the exporter, hides its neighbours or makes up a number."""

from __future__ import annotations

import json
import math
import time
from typing import Any

import pytest

from events import bounds
from events.batch import NUMBER_COLUMNS, Reject
from events.gateways.names import LONGEST
from events.gateways.openai_content import BUDGET
from spec.vocabulary import REJECTIONS
from tests.events.gateways.samples import DATA, as_lines, decode, record, rows

GOOD = as_lines(record(id="before")), as_lines(record(id="after"))
SECRET = "correct horse battery staple"


def between(line: bytes) -> Any:
    """The batch of a line between two good ones, of which nothing may change."""
    batch = decode(GOOD[0] + line + b"\n" + GOOD[1])
    alone = [rows(decode(good))[0] for good in GOOD]
    assert [rows(batch)[0], rows(batch)[-1]] == alone
    return batch


def rejected(line: bytes) -> Reject:
    batch = between(line)
    assert batch.size == 2
    (reject,) = batch.rejects
    assert reject.line == 1
    assert reject.reason in REJECTIONS
    assert SECRET not in reject.detail
    return reject  # type: ignore[no-any-return]


def accepted(line: bytes | dict[str, Any], **dropped: int) -> dict[str, Any]:
    """The row of a line that is an attempt; `dropped` are the fields left out, with ``__`` for dots."""
    batch = between(line if isinstance(line, bytes) else as_lines(line)[:-1])
    assert (batch.size, batch.rejects) == (3, [])
    assert batch.dropped_fields == {name.replace("__", "."): count for name, count in dropped.items()}
    json.dumps(batch.record(1), allow_nan=False)
    return rows(batch)[1]


def text_of(row: dict[str, Any]) -> list[str]:
    return [text for channel, text in row["texts"] if channel == "user"]


ONE = as_lines(record(messages=[{"role": "user", "content": SECRET}]))[:-1]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"2026-11-23 08:27:05 INFO correct horse battery staple", "not_json"),
        (b"\0\0\0\0\0\0", "not_json"),
        (b"{", "not_json"),
        (b"}", "not_json"),
        (ONE[: len(ONE) // 2], "not_json"),
        (ONE[:-1], "not_json"),
        (ONE[len(ONE) // 2 :], "not_json"),
        (ONE + ONE, "not_json"),
        (ONE + b",", "not_json"),
        (ONE.replace(b":", b"=", 1), "not_json"),
        (b"\xff\xfe\x00 correct horse battery staple", "invalid_utf8"),
        (ONE[:40] + b"\xc3", "invalid_utf8"),
        (b"[" * 100_000, "too_deep"),
        (b'"correct horse battery staple"', "not_an_object"),
        (b"[" + ONE + b"]", "not_an_object"),
        (b"null", "not_an_object"),
        (b"17", "not_an_object"),
        (b"{}", "missing_field"),
        (as_lines({"status": None})[:-1], "missing_field"),
        (as_lines({"status": 200})[:-1], "wrong_type"),
        (as_lines({"status": [SECRET]})[:-1], "wrong_type"),
        (as_lines({"status": SECRET})[:-1], "invalid_value"),
        (as_lines({"status": "success"})[:-1], "missing_field"),
        (as_lines(record(startTime=-5.0, endTime=0.0))[:-1], "invalid_value"),
        (as_lines(record(startTime=math.nan, endTime=1e300))[:-1], "invalid_value"),
    ],
)
def test_what_is_no_attempt_is_rejected_for_a_reason(line: bytes, reason: str) -> None:
    assert rejected(line).reason == reason


def test_blank_lines_are_nothing() -> None:
    for blank in (b"", b"   ", b"\t\r"):
        batch = between(blank)
        assert (batch.size, batch.rejects) == (2, [])


def test_no_data_is_an_empty_batch() -> None:
    for data in (b"", b"\n", b"\n\n"):
        batch = decode(data)
        assert (batch.size, batch.rejects, rows(batch)) == (0, [], [])


def test_windows_line_ends_and_a_missing_last_newline_change_nothing() -> None:
    data = GOOD[0] + GOOD[1]
    columns = [name for name in rows(decode(data))[0] if name != "raw"]
    for other in (data.replace(b"\n", b"\r\n"), data[:-1]):
        ours = [{name: row[name] for name in columns} for row in rows(decode(other))]
        assert ours == [{name: row[name] for name in columns} for row in rows(decode(data))]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (b'{"status":"success","startTime":1795000000,"x":', b'{"status":"failure","startTime":1795000000}'),
        (b'{"status":"success","startTime":1795000000', b',"endTime":1795000001}'),
        (b'{"status":"success","startTime":1795000000,"x":{"y":1}', b"}"),
        (b'{"status":"success","x":[', b'],"startTime":1795000000}'),
    ],
)
@pytest.mark.parametrize("others", [b"", GOOD[0][:-1] + GOOD[1], GOOD[0][:-1] + b" " + GOOD[1] + GOOD[0]])
def test_half_a_line_never_swallows_the_next(first: bytes, second: bytes, others: bytes) -> None:
    """Also when the number of objects is right, because another line holds two of them."""
    data = others + first + b"\n" + second + b"\n"
    batch = decode(data)
    alone = [decode(line + b"\n") for line in data.splitlines()]
    assert rows(batch) == [row for one in alone for row in rows(one)]
    assert [reject.reason for reject in batch.rejects] == [reject.reason for one in alone for reject in one.rejects]
    assert batch.size + len(batch.rejects) == len(data.splitlines())


def test_a_number_that_counts_lines_is_right_after_broken_ones() -> None:
    batch = decode(b"\nbroken\n" + GOOD[0] + b"\n{}\n" + GOOD[1])
    assert [(reject.line, reject.reason) for reject in batch.rejects] == [(1, "not_json"), (4, "missing_field")]
    assert [*batch.raw] == [GOOD[0][:-1], GOOD[1][:-1]]


def test_a_line_of_ten_megabytes_is_read_in_time() -> None:
    prompt = "a" * 5_000_000 + SECRET + "b" * 5_000_000
    row = accepted(record(messages=[{"role": "user", "content": prompt}, {"role": "user", "content": "short"}]))
    assert row["input_chars"] == len(prompt) + 5
    assert sum(map(len, text_of(row))) <= BUDGET + 100  # and the answer
    batch = decode([record(messages=[{"role": "user", "content": prompt}])])
    assert batch.skipped == [(0, "user", len(prompt) + len("Bonjour") - BUDGET)]


@pytest.mark.parametrize(
    "line",
    [
        b"{" * 10_000_000,
        b'{"status":"success","x":' + b"[1," * 500_000,
        b'{"status":"success","x":' + b"[" * 500_000 + b"]" * 500_000 + b"}",
        b'{"status":"' + b'\\"' * 5_000_000,
        b'"' * 10_000_000,
        b"1" * 10_000_000,
        b'{"startTime":' + b"9" * 1_000_000 + b',"status":"success"}',
    ],
)
def test_hostile_lines_take_no_long(line: bytes) -> None:
    began = time.process_time()
    batch = decode(line + b"\n")
    assert batch.size + len(batch.rejects) == 1
    assert time.process_time() - began < 5  # seconds; a quadratic reader would take minutes


@pytest.mark.parametrize("depth", [70, 500, 900, 990, 1_500, 20_000])
def test_deep_nesting_costs_only_what_is_nested(depth: int) -> None:
    deep = b'{"extra":' + b'{"a":[' * (depth // 2) + b"]}" * (depth // 2) + b"," + ONE[1:]
    batch = between(deep)
    assert batch.rejects == []
    (row,) = rows(batch)[1:2]
    assert text_of(row) == [SECRET]
    assert row["actor"] == "user-1"
    json.dumps(batch.record(1))


@pytest.mark.parametrize("depth", [70, 900, 20_000])
def test_deeply_nested_content_does_not_raise(depth: int) -> None:
    nested = b"[" * depth + b'"x"' + b"]" * depth
    for place in (
        b'"messages":%s',
        b'"messages":[{"role":"user","content":%s}]',
        b'"messages":[{"role":"user","content":[{"type":"tool_result","content":%s}]}]',
        b'"response":%s',
        b'"response":{"choices":[{"message":{"tool_calls":[{"function":{"name":"f","arguments":%s}}]}}]}',
        b'"metadata":{"mcp_tool_call_metadata":{"name":"f","arguments":%s}}',
        b'"guardrail_information":[{"guardrail_mode":%s,"masked_entity_count":%s}]',
    ):
        value = place.replace(b"%s", nested)
        batch = between(b'{"status":"success","startTime":1795000000,"endTime":1795000001,' + value + b"}")
        assert (batch.size, batch.rejects) == (3, [])
        json.dumps(batch.record(1))


def test_bytes_that_are_no_utf8_cost_only_themselves() -> None:
    row = accepted(ONE.replace(b"horse", b"h\xffrse"), encoding=1)
    assert text_of(row) == ["correct h\ufffdrse battery staple"]


def test_invalid_bytes_in_a_field_that_nobody_reads_change_nothing() -> None:
    assert text_of(accepted(b'{"nobody":"\xff\xfe",' + ONE[1:])) == [SECRET]


@pytest.mark.parametrize("around", [b"\0" * 4096 + b"%s", b"%s" + b"\0" * 4096, b"\xef\xbb\xbf%s", b"  %s \r"])
def test_what_a_crash_or_an_editor_puts_around_a_line_is_no_loss(around: bytes) -> None:
    assert text_of(accepted(around.replace(b"%s", ONE))) == [SECRET]


def test_nul_and_control_characters_in_a_text_are_text() -> None:
    assert text_of(accepted(ONE.replace(b"horse", b"\0\x01\x1b"))) == ["correct \0\x01\x1b battery staple"]
    assert text_of(accepted(ONE.replace(b"horse", b"\\u0000"))) == ["correct \0 battery staple"]


def test_half_a_surrogate_pair_can_still_be_printed() -> None:
    row = accepted(ONE.replace(b"horse", b"\\ud83d"))
    assert text_of(row) == ["correct \ufffd battery staple"]
    assert text_of(accepted(ONE.replace(b"horse", b"\\ud83d\\ude00"))) == ["correct \U0001f600 battery staple"]


def test_values_of_a_wrong_type_cost_only_their_field() -> None:
    made = record(
        id=5,
        call_type=["acompletion"],
        stream="yes",
        custom_llm_provider={},
        prompt_tokens="eleven",
        completion_tokens=[7],
        response_cost="free",
        requester_ip_address=3232235777,
        guardrail_information="guardrail_intervened",
        messages=[{"role": 7, "content": SECRET}, 5, None, ["also"], {"content": {"text": "and this"}}],
        metadata__user_api_key_team_id=17,
        metadata__usage_object="none",
        error_information="none",
    )
    row = accepted(
        made,
        id=1,
        call_type=1,
        stream=1,
        custom_llm_provider=1,
        prompt_tokens=1,
        completion_tokens=1,
        response_cost=1,
        requester_ip_address=1,
        guardrail_information=1,
        messages__role=1,
        metadata__user_api_key_team_id=1,
        metadata__usage_object=1,
        error_information=1,
    )
    assert row["actor"] == "user-1"
    assert row["tenant"] == "org-1"
    assert row["provider"] is None
    assert row["input_tokens"] is row["output_tokens"] is row["cost_usd"] is row["cached_tokens"] is None
    assert text_of(row) == [SECRET, "also", "and this"]


@pytest.mark.parametrize("value", [5, "x", [], True, {"a": 1}, None])
def test_any_field_may_have_any_type(value: object) -> None:
    for name in record():
        if name == "status":
            continue
        batch = between(as_lines(record() | {name: value})[:-1])
        assert (batch.size, batch.rejects) == (3, [])
        assert set(batch.dropped_fields) <= {name}
        json.dumps(batch.record(1), allow_nan=False)


@pytest.mark.parametrize(
    "written", [1.795e9 + 0.5, "1795000000.5", "2026-11-18T11:06:40.5Z", "2026-11-18T11:06:40.500"]
)
def test_times_as_other_versions_may_write_them(written: object) -> None:
    row = accepted(record(startTime=written, endTime=written))
    assert row["time"] == 1_795_000_000.5


@pytest.mark.parametrize("absurd", [0, -1.0, 1e13, 253_402_300_799, 1e308, -math.inf, math.inf, math.nan])
def test_one_absurd_time_leaves_the_other(absurd: float) -> None:
    row = accepted(record(endTime=absurd), endTime=1)
    assert (row["time"], row["duration"]) == (1_795_000_000.0, None)
    row = accepted(record(startTime=absurd), startTime=1)
    assert (row["time"], row["duration"]) == (1_795_000_002.0, None)


@pytest.mark.parametrize("absurd", ["yesterday", "", "9" * 100, "nan", "1e999", "0001-01-01T00:00:00+23:59"])
def test_text_that_is_no_time_is_left_out(absurd: str) -> None:
    assert accepted(record(endTime=absurd), endTime=1)["time"] == 1_795_000_000.0


@pytest.mark.parametrize("far", [1.0, 253_402_300_798.9999])
def test_times_far_away_are_taken_as_they_are(far: float) -> None:
    assert accepted(record(startTime=far, endTime=far))["time"] == far


def test_a_time_that_goes_backwards_has_no_duration() -> None:
    row = accepted(record(startTime=1_795_000_003.0), endTime=1)
    assert (row["time"], row["duration"]) == (1_795_000_002.0, None)
    row = accepted(record(stream=True, completionStartTime=1_794_999_999.0), completionStartTime=1)
    assert row["time_to_first_chunk"] is None


def test_attempts_stay_in_order_of_arrival() -> None:
    made = [record(endTime=1_795_000_000.0 + second) for second in (9, 3, 7)]
    assert [row["time"] - 1_795_000_000.0 for row in rows(decode(made))] == [9, 3, 7]


@pytest.mark.parametrize("wrong", [-1, -1e-9, 1e16, 10**400, math.inf, -math.inf, math.nan])
def test_impossible_numbers_are_left_out_and_counted(wrong: float) -> None:
    details = {
        "prompt_tokens_details": {"cached_tokens": wrong},
        "completion_tokens_details": {"reasoning_tokens": wrong},
    }
    made = record(prompt_tokens=wrong, completion_tokens=wrong, response_cost=wrong, metadata__usage_object=details)
    batch = between(as_lines(made)[:-1])
    assert batch.rejects == []
    row = rows(batch)[1]
    assert [row[name] for name in NUMBER_COLUMNS[3:]] == [None] * 5
    assert set(batch.dropped_fields.values()) == {1}
    assert len(batch.dropped_fields) == 5
    assert batch.out_of_range == batch.dropped_fields


@pytest.mark.parametrize("wrong", ["twelve", True, [1], {"a": 1}, "1_000", "9" * 33])
def test_what_is_no_number_is_left_out_as_a_wrong_type(wrong: object) -> None:
    batch = decode([record(prompt_tokens=wrong, response_cost=wrong)])
    assert batch.dropped_fields == {"prompt_tokens": 1, "response_cost": 1}
    assert batch.out_of_range == {}


@pytest.mark.parametrize(
    ("field", "column", "most"),
    [
        ("prompt_tokens", "input_tokens", bounds.TOKENS),
        ("completion_tokens", "output_tokens", bounds.TOKENS),
        ("response_cost", "cost_usd", bounds.COST_USD),
    ],
)
def test_a_number_up_to_its_limit_is_believed_and_one_beyond_is_counted(field: str, column: str, most: float) -> None:
    batch = decode([record() | {field: value} for value in (most, math.nextafter(most, math.inf), 1e15)])
    assert [row[column] for row in rows(batch)] == [most, None, None]
    assert batch.out_of_range == {field: 2}
    assert 0.03 + most - most == pytest.approx(0.03)  # what the largest does to a sum


def test_a_duration_of_years_is_not_believed() -> None:
    batch = decode([record(startTime=1_795_000_000.0 - bounds.SECONDS, endTime=1_795_000_001.0)])
    assert rows(batch)[0]["duration"] is None
    assert batch.out_of_range == {"startTime": 1}


@pytest.mark.parametrize("huge", ["1" * 401, "-" + "1" * 401, "9" * 5_000, "1e400", "-1e400", "NaN", "1" * 20, "true"])
def test_no_number_keeps_a_record_from_being_described(huge: str) -> None:
    made = record(
        model_parameters={"max_tokens": "@"},
        guardrail_information=[
            {"guardrail_name": "g", "guardrail_status": "success", "risk_score": "@", "duration": "@"}
        ],
        messages="@",
        prompt_tokens="@",
        metadata__usage_object={"prompt_tokens_details": {"cached_tokens": "@"}},
    )
    batch = decode(as_lines(made).replace(b'"@"', huge.encode()))
    flat = batch.record(0)
    json.dumps(flat, allow_nan=False)
    assert "gen_ai.request.max_tokens" not in flat


NASTY = ['"', "'", "\\", "a\nb", "a\rb", 'x"} 1\nup 0', "\u2028", "\0", "{{.Name}}", "é" * 90, "\U0001f600", " "]


@pytest.mark.parametrize("name", NASTY)
def test_odd_names_are_kept_as_they_are(name: str) -> None:
    row = accepted(
        record(
            model_group=name,
            custom_llm_provider=name,
            metadata__user_api_key_team_id=name,
            metadata__user_api_key_user_id=name,
            guardrail_information=[{"guardrail_name": name, "guardrail_status": "success"}],
            response={"choices": [{"message": {"tool_calls": [{"function": {"name": name, "arguments": "{}"}}]}}]},
        )
    )
    assert {row["model"], row["provider"], row["tenant"], row["actor"]} == {name}
    assert row["guardrails"] == [(name, "pass")]
    assert row["tool_calls"] == [name]


def test_long_names_are_short_and_still_different() -> None:
    def made(end: str) -> dict[str, Any]:
        name = "n" * 10_000 + end
        return record(
            model_group=name,
            call_type=name,
            custom_llm_provider=name,
            litellm_call_id=name,
            requester_ip_address=name,
            metadata__user_api_key_team_id=name,
            metadata__user_api_key_user_id=name,
            metadata__user_api_key_hash=name,
            guardrail_information=[{"guardrail_name": name, "guardrail_status": "success"}],
            response={"choices": [{"message": {"tool_calls": [{"function": {"name": name, "arguments": "{}"}}]}}]},
        )

    batch = decode([made("1"), made("2")])
    one, two = rows(batch)
    for column in ("model", "provider", "tenant", "actor", "key"):
        assert one[column] != two[column]
        assert len(one[column]) <= LONGEST
    assert (one["operation"], one["source_range"]) == ("other", None)
    assert len(one["tool_calls"][0]) <= LONGEST
    assert len(one["guardrails"][0][0]) <= LONGEST
    assert len(json.dumps(batch.record(0))) < 5_000
    assert batch.record(0)["llm.call.id"] != batch.record(1)["llm.call.id"]


def test_long_words_of_an_error_fill_no_memory() -> None:
    made = record("failure")
    for index in range(50):
        made["error_information"]["error_code"] = f"{index}" * 10_000
        made["error_information"]["error_class"] = f"{index}" * 10_000
        assert rows(decode([made]))[0]["error_class"] == "provider_5xx"


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("192.0.2.77", "192.0.2.0/24"),
        ("192.0.2.77:1234", "192.0.2.0/24"),
        ("203.0.113.9, 192.0.2.77", "192.0.2.0/24"),
        ("::ffff:192.0.2.77", "192.0.2.0/24"),
        ("2001:db8:1:2::3", "2001:db8:1::/48"),
        ("[2001:db8:1:2::3]:443", "2001:db8:1::/48"),
        ("fe80::1%eth0", "fe80::/48"),
        ("192.0.2", None),
        ("192.0.2.256", None),
        ("192.0.2.1\0", None),
        ("\ud83d", None),
        ("testclient", None),
        ("", None),
        (None, None),
    ],
)
def test_addresses_become_ranges(address: str | None, expected: str | None) -> None:
    assert accepted(record(requester_ip_address=address))["source_range"] == expected


def test_every_cut_of_a_line_leaves_its_neighbours() -> None:
    after = rows(decode(GOOD[1]))
    for end in range(1, len(GOOD[0]) - 1):
        batch = decode(GOOD[0][:end] + b"\n" + GOOD[1])
        assert rows(batch) == after
        assert [reject.line for reject in batch.rejects] == [0]


def test_times_are_read_in_every_form_and_refused_in_others() -> None:
    batch = decode((DATA / "cases" / "17-times.jsonl").read_bytes())
    assert batch.numbers("time").round(6).tolist() == [
        *(1_755_754_585.552455, 1_755_754_585.552, 1_755_754_585.552455, 1_755_754_585.552455),
        *(1_755_754_585.552, 1_755_754_584.5),
    ]
    assert [(reject.line, reject.reason, reject.detail.partition(": ")[2]) for reject in batch.rejects] == [
        (4, "invalid_value", "no times that can be; expected Unix seconds"),
        (6, "invalid_value", "no times that can be read; expected Unix seconds or ISO 8601"),
    ]


@pytest.mark.parametrize("wrong", ["Thu Aug 21 05:36:24 2025", "yesterday", "", [1], {"t": 1}])
def test_one_time_that_cannot_be_read_is_left_out_as_a_wrong_type(wrong: object) -> None:
    batch = decode([record(endTime=wrong)])
    assert (batch.size, batch.dropped_fields, dict(batch.out_of_range)) == (1, {"endTime": 1}, {})


def test_without_any_time_a_record_misses_them() -> None:
    (reject,) = decode([record(startTime=None, endTime=None)]).rejects
    assert (reject.reason, reject.detail) == ("missing_field", "startTime and endTime")
