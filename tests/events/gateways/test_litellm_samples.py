"""What the adapter makes of the captured samples."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from typing import Any

import pytest

from events.gateways.litellm.adapter import PLACEHOLDERS
from spec.vocabulary import ERROR_CLASSES, OPERATIONS, OUTCOMES, VERDICTS
from tests.events.gateways.samples import DATA, SAMPLES, decode, golden_row, lines, records, rows

BLOCKS = {"slp": 40, "slp-redacted": 10}

FLAT = {
    "slp": {
        "a stream that calls a tool": 0,
        "the failed attempt of a fallback": 10,
        "the other attempt of the same fallback": 13,
    },
    "slp-redacted": {"a stream without its text": 15},
}
"""Lines whose flat records are goldens, beside the first of each pair of error class and verdict."""


def was_blocked(record: dict[str, Any]) -> bool:
    """The rule that the captures were judged by, from the record alone."""
    choices = record["response"].get("choices", []) if isinstance(record["response"], dict) else []
    return (
        any(
            guardrail["guardrail_status"] == "guardrail_intervened" and guardrail["guardrail_mode"] != "logging_only"
            for guardrail in record["guardrail_information"] or []
        )
        or record["error_information"]["error_class"] in ("GuardrailRaisedException", "ContentPolicyViolationError")
        or any(choice.get("finish_reason") == "content_filter" for choice in choices)
    )


@pytest.mark.parametrize("sample", SAMPLES)
def test_every_line_is_an_attempt(sample: str) -> None:
    batch = decode(b"".join(lines(sample)))
    assert (batch.size, batch.rejects, batch.dropped_fields) == (len(lines(sample)), [], {})
    assert set(batch.objects("error_class")) <= set(ERROR_CLASSES)
    assert set(batch.objects("verdict")) <= set(VERDICTS)
    assert set(batch.objects("outcome")) == set(OUTCOMES)
    assert set(batch.objects("operation")) <= set(OPERATIONS) - {"other"}


@pytest.mark.parametrize("sample", SAMPLES)
def test_every_block_is_found_and_no_other(sample: str) -> None:
    found = [verdict == "block" for verdict in decode(b"".join(lines(sample))).objects("verdict")]
    assert found == [was_blocked(record) for record in records(sample)]
    assert sum(found) == BLOCKS[sample]


def test_what_was_masked_was_answered() -> None:
    batch = decode(b"".join(lines("slp")))
    masked = [
        not was_blocked(record) and any(g["masked_entity_count"] for g in record["guardrail_information"] or [])
        for record in records("slp")
    ]
    assert [verdict == "mask" for verdict in batch.objects("verdict")] == masked
    assert sum(masked) == 11


def test_a_guardrail_that_did_not_answer_is_an_error_and_no_block() -> None:
    batch = decode(b"".join(lines("slp")))
    (row,) = (row for row, verdict in enumerate(batch.objects("verdict")) if verdict == "error")
    assert batch.objects("error_class")[row] == "network"
    assert sum(verdict == "error" for _row, _name, verdict in batch.guardrails) == 1


@pytest.mark.parametrize("backwards", [False, True])
def test_a_fallback_is_one_request_of_two_attempts_in_either_order(backwards: bool) -> None:
    order = -1 if backwards else 1
    batch = decode(b"".join(lines("slp")[::order]))
    truth = Counter(record["litellm_call_id"] for record in records("slp"))
    attempts = defaultdict(list)
    for row, call in enumerate(batch.ids("call_id")):
        attempts[call].append(row)
    assert len(attempts) == len(truth) == 253
    pairs = [rows for rows in attempts.values() if len(rows) == 2]
    assert len(pairs) == 5
    for pair in pairs:
        assert len({batch.ids("event_id")[row] for row in pair}) == 2
        assert {(batch.objects("outcome")[row], batch.objects("settled")[row]) for row in pair} == {
            ("failure", False),
            ("success", True),
        }
    assert {batch.objects("outcome")[pair[0]] for pair in pairs} == {"failure", "success"}  # both orders occur


def test_a_record_that_stands_twice_is_one_attempt() -> None:
    batch = decode(b"".join(lines("slp-redacted")))
    events = batch.ids("event_id")
    assert lines("slp-redacted")[15] == lines("slp-redacted")[45]
    assert events[15] == events[45]
    assert len(set(events)) == len(events) - 1


def test_every_attempt_has_an_id_of_its_own() -> None:
    events = decode(b"".join(lines("slp"))).ids("event_id")
    assert len(set(events)) == len(events)


def test_the_redacted_sample_has_no_content() -> None:
    batch = decode(b"".join(lines("slp-redacted")))
    assert batch.has_content is not None
    assert not batch.has_content.any()
    assert batch.texts == []
    assert batch.tool_calls  # names of tools are left in


def test_only_what_has_text_has_content() -> None:
    batch = decode(b"".join(lines("slp")))
    assert batch.has_content is not None
    told = []
    for record in records("slp"):
        text = json.dumps([record["messages"], record["response"].get("choices")])
        told.append(
            '"content": "' in text and not all(word in text for word in PLACEHOLDERS) and "default-mess" not in text
        )
    assert batch.has_content.tolist() == told


@pytest.mark.parametrize("sample", SAMPLES)
def test_refused_credentials_make_no_actor(sample: str) -> None:
    batch = decode(b"".join(lines(sample)))
    errors = [record["error_information"] for record in records(sample)]
    refused = [e["error_class"] == "HTTPException" and e.get("error_code") in ("401", "403") for e in errors]
    assert [actor is None for actor in batch.objects("actor")] == refused
    assert sum(refused) == {"slp": 21, "slp-redacted": 3}[sample]
    keys = {key for key, no in zip(batch.objects("key"), refused, strict=True) if no}
    assert keys - {None}  # what was presented is known: many of them from one range are an attack


@pytest.mark.parametrize("sample", SAMPLES)
def test_no_actor_is_the_end_user(sample: str) -> None:
    users = {record["metadata"]["user_api_key_user_id"] for record in records(sample)}
    ends = {record["end_user"] for record in records(sample)} - {None, ""}
    actors = set(decode(b"".join(lines(sample))).objects("actor"))
    assert ends
    assert actors <= users | {None}
    assert not actors & ends


TABLE = {
    # raw class, normalised error: error class, settled
    ("", None): {("none", True)},
    ("AuthenticationError", "401_AUTHENTICATION_FAILED"): {("provider_auth", False)},
    ("BadRequestError", "400_INVALID_REQUEST"): {("invalid_request", False)},
    ("ContentPolicyViolationError", "400_CONTENT_POLICY_VIOLATION"): {("provider_policy", False)},
    ("ContextWindowExceededError", "400_CONTEXT_WINDOW_EXCEEDED"): {("context_length", False)},
    ("GuardrailRaisedException", "400_CONTENT_POLICY_VIOLATION"): {("guardrail_block", False)},
    # before the provider was asked, and after
    ("HTTPException", "400_INVALID_REQUEST"): {("guardrail_block", True), ("guardrail_block", False)},
    ("HTTPException", "401_AUTHENTICATION_FAILED"): {("auth", True)},
    ("HTTPException", "403_PERMISSION_DENIED"): {("permission", True)},
    ("InternalServerError", "500_PROVIDER_INTERNAL_ERROR"): {("provider_5xx", False)},
    ("NotFoundError", "404_RESOURCE_NOT_FOUND"): {("model_not_found", False)},
    ("ProxyException", "400_INVALID_REQUEST"): {("invalid_request", True)},
    ("ProxyMissingRequiredParamError", "400_MISSING_REQUIRED_PARAMETER"): {("invalid_request", True)},
    ("ProxyModelNotFoundError", "400_INVALID_REQUEST"): {("model_not_found", True)},
    ("ProxyRateLimitError", "429_RATE_LIMIT_EXCEEDED"): {("rate_limit_caller", True)},
    ("RateLimitError", "429_RATE_LIMIT_EXCEEDED"): {("rate_limit_provider", False)},
    ("ReadError", "500_PROVIDER_CONNECTION_ERROR"): {("network", False)},
    ("ServiceUnavailableError", "503_PROVIDER_OVERLOADED"): {("provider_5xx", False)},
    ("Timeout", "408_UPSTREAM_TIMEOUT"): {("timeout", False)},
}


def test_every_error_of_the_samples_has_its_class() -> None:
    found = defaultdict(set)
    for sample in SAMPLES:
        batch = decode(b"".join(lines(sample)))
        for record, *ours in zip(records(sample), batch.objects("error_class"), batch.objects("settled"), strict=True):
            error = record["error_information"]
            found[error["error_class"] or "", error.get("normalized_error")].add(tuple(ours))
    assert dict(found) == TABLE


def test_unknown_is_absent_after_a_failure() -> None:
    batch = decode(b"".join(lines("slp")))
    failed = [row for row, outcome in enumerate(batch.objects("outcome")) if outcome == "failure"]
    for column in ("input_tokens", "output_tokens", "cost_usd"):
        assert not (batch.numbers(column)[failed] == 0).any()
    assert {batch.objects("stream")[row] for row in failed} == {None}
    assert {batch.objects("stream")[row] for row in range(batch.size) if row not in failed} == {True, False}


def test_only_streams_have_a_first_chunk() -> None:
    batch = decode(b"".join(lines("slp")))
    streams = [stream is True for stream in batch.objects("stream")]
    assert (batch.numbers("time_to_first_chunk") > 0).tolist() == streams
    assert (batch.numbers("duration") > 0).all()


SAME = {
    "event.outcome": "outcome",
    "llm.settled": "settled",
    "gen_ai.operation.name": "operation",
    "gen_ai.provider.name": "provider",
    "gen_ai.request.model": "model",
    "gen_ai.request.stream": "stream",
    "gen_ai.response.time_to_first_chunk": "time_to_first_chunk",
    "gen_ai.usage.input_tokens": "input_tokens",
    "gen_ai.usage.output_tokens": "output_tokens",
    "gen_ai.usage.cache_read.input_tokens": "cached_tokens",
    "gen_ai.usage.reasoning.output_tokens": "reasoning_tokens",
    "llm.cost.usd": "cost_usd",
    "llm.actor": "actor",
    "llm.key.hash": "key",
    "llm.source_range": "source_range",
    "llm.content.input_chars": "input_chars",
    "llm.content.output_chars": "output_chars",
    "llm.content.present": "has_content",
}
"""Fields of the flat record that are a column."""


@pytest.mark.parametrize("sample", SAMPLES)
def test_the_flat_record_says_what_the_columns_say(sample: str) -> None:
    batch = decode(b"".join(lines(sample)))
    for number, row in enumerate(rows(batch)):
        flat = batch.record(number)
        assert {name: flat.get(name) for name in SAME} == {name: row[column] for name, column in SAME.items()}
        assert flat["event.id"] == f"{row['event_id']:016x}"
        assert flat["event.duration"] == round(row["duration"] * 1e9)
        assert flat.get("llm.error.class", "none") == row["error_class"]
        assert flat.get("llm.guardrail.action", "none") == row["verdict"]
        assert flat.get("llm.tools.called", []) == row["tool_calls"]
        results = flat.get("llm.guardrail.results", [])
        assert isinstance(results, list)
        assert [(result["name"], result["action"]) for result in results] == row["guardrails"]
        assert flat.get("group.id") or flat.get("organization.id") == row["tenant"]
        assert flat["llm.raw_sha256"] == hashlib.sha256(batch.raw[number]).hexdigest()


@pytest.mark.parametrize("sample", SAMPLES)
def test_the_flat_record_holds_no_content(sample: str) -> None:
    batch = decode(b"".join(lines(sample)))
    for number, record in enumerate(records(sample)):
        flat = json.dumps(batch.record(number))
        for channel, text in rows(decode(lines(sample)[number]))[0]["texts"]:
            said = text.partition(" ")[2] if channel == "tool_call" else text
            assert len(said) < 12 or json.dumps(said)[1:-1] not in flat
        if len(error := record.get("error_str") or "") > 12:
            assert json.dumps(error)[1:-1] not in flat


@pytest.mark.parametrize("sample", SAMPLES)
def test_columns_golden(sample: str, update_goldens: bool) -> None:
    shown = [json.dumps(golden_row(row)) + "\n" for row in rows(decode(b"".join(lines(sample))))]
    golden = DATA / f"{sample}.golden.jsonl"
    if update_goldens:
        golden.write_text("".join(shown))
    told = golden.read_text().splitlines()
    assert len(told) == len(shown)
    for number, (ours, line) in enumerate(zip(shown, told, strict=True)):
        assert json.loads(ours) == json.loads(line), f"line {number} of {sample}"


def test_flat_golden(update_goldens: bool) -> None:
    shown = {}
    for sample in SAMPLES:
        batch = decode(b"".join(lines(sample)))
        chosen = dict(FLAT[sample])
        for row, pair in enumerate(zip(batch.objects("error_class"), batch.objects("verdict"), strict=True)):
            chosen.setdefault("error {}, verdict {}".format(*pair), row)
        for name, row in chosen.items():
            shown[f"{sample} line {row}: {name}"] = batch.record(row)
    golden = DATA / "flat.golden.json"
    if update_goldens:
        golden.write_text(json.dumps(shown, indent=1) + "\n")
    assert json.loads(json.dumps(shown)) == json.loads(golden.read_text())
