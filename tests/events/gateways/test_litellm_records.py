"""What the adapter makes of one record, where the samples have none of that kind."""

from __future__ import annotations

import json
from typing import Any

import pytest

from events.batch import ALL_COLUMNS, SIDE_TABLES
from events.gateways import LiteLLM, UnknownGatewayError, gateway
from events.gateways.litellm.error_class import Failure, classify
from tests.events.gateways.samples import DATA, SAMPLES, as_lines, decode, lines, record, rows


def row_of(made: dict[str, Any], **options: Any) -> dict[str, Any]:
    (row,) = rows(decode([made], **options))
    return row


def guardrail(status: str, mode: object = "pre_call", **more: Any) -> dict[str, Any]:
    return {"guardrail_name": "g", "guardrail_status": status, "guardrail_mode": mode, **more}


def failure(name: str, normalized: str | None = None, **error: Any) -> dict[str, Any]:
    made = record("failure")
    made["error_information"] |= {"error_class": name, "normalized_error": normalized, **error}
    return made


def no_database(name: str, normalized: str, message: str) -> dict[str, Any]:
    """A proxy without a database, asked with a key that is not its master key."""
    return failure(name, normalized, error_message=message, llm_provider="")


@pytest.mark.parametrize("mode", ["logging_only", ["logging_only"], {"default": "logging_only"}])
def test_a_guardrail_that_only_logs_would_have_blocked(mode: object) -> None:
    row = row_of(record(guardrail_information=[guardrail("guardrail_intervened", mode)]))
    assert (row["verdict"], row["outcome"], row["guardrails"]) == ("would_block", "success", [("g", "would_block")])


@pytest.mark.parametrize(
    "mode", ["pre_call", "during_call", ["logging_only", "post_call"], {"default": "pre_call"}, None]
)
def test_any_other_guardrail_that_intervened_blocked(mode: object) -> None:
    assert row_of(record(guardrail_information=[guardrail("guardrail_intervened", mode)]))["verdict"] == "block"


def test_a_guardrail_that_only_logs_does_not_turn_an_error_into_a_block() -> None:
    made = failure("HTTPException", "400_INVALID_REQUEST")
    row = row_of(made | {"guardrail_information": [guardrail("guardrail_intervened", "logging_only")]})
    assert (row["error_class"], row["verdict"]) == ("invalid_request", "would_block")


def test_the_gravest_guardrail_counts() -> None:
    row = row_of(
        record(
            guardrail_information=[
                guardrail("success"),
                guardrail("success", masked_entity_count={"email": 1}),
                guardrail("guardrail_intervened", "logging_only"),
                guardrail("success"),
            ]
        )
    )
    assert row["verdict"] == "would_block"
    assert [verdict for _name, verdict in row["guardrails"]] == ["pass", "mask", "would_block", "pass"]


def test_the_end_user_is_never_the_actor() -> None:
    made = record(end_user="victim", metadata__user_api_key_end_user_id="victim", metadata__user_api_key_user_id=None)
    made["user"] = "victim"
    made["model_parameters"] = {"user": "victim"}
    made["metadata"]["requester_metadata"] = {"user_api_key_user_id": "victim"}
    assert row_of(made)["actor"] == "key:" + "ab" * 32


def test_an_address_is_not_trusted_unless_the_deployment_says_so() -> None:
    made = record()
    assert decode([made]).source_trusted is False
    assert decode([made]).record(0)["llm.source_ip_trusted"] is False
    trusting = decode([made], trust_client_address=True)
    assert trusting.source_trusted is True
    assert trusting.record(0)["llm.source_ip_trusted"] is True
    assert row_of(made)["source_range"] == "198.51.100.0/24"


@pytest.mark.parametrize("shared", ["alias-1", "ab" * 32])
def test_a_shared_key_has_no_actor(shared: str) -> None:
    mine, other = record(), record(metadata__user_api_key_alias="other", metadata__user_api_key_hash="cd" * 32)
    batch = decode([mine, other], shared_keys=frozenset([shared]))
    assert batch.objects("actor") == [None, "user-1"]
    assert batch.objects("key") == ["ab" * 32, "cd" * 32]
    assert "llm.actor" not in batch.record(0)


def test_a_known_key_without_a_user_is_the_actor() -> None:
    made = record(metadata__user_api_key_user_id=None)
    assert row_of(made)["actor"] == "key:" + "ab" * 32
    assert row_of(made | {"metadata": {}})["actor"] is None


@pytest.mark.parametrize("known", [False, True])
def test_a_refused_credential_is_nobody_even_if_it_was_somebodys(known: bool) -> None:
    made = failure("ProxyException", "401_AUTHENTICATION_FAILED", llm_provider="")
    made["metadata"] |= {} if known else {"user_api_key_user_id": None, "user_api_key_alias": None}
    row = row_of(made)
    assert (row["error_class"], row["actor"], row["settled"]) == ("auth", None, True)
    assert row["key"] == "ab" * 32


def test_a_blocked_key_of_which_only_the_hash_is_told_is_nobody() -> None:
    made = failure("HTTPException", "403_PERMISSION_DENIED", llm_provider="")
    unknown = {"user_api_key_hash": "ab" * 32, "user_api_key_user_id": None}
    assert row_of(made | {"metadata": unknown})["actor"] is None
    assert row_of(made)["actor"] == "user-1"


@pytest.mark.parametrize("key", ["sk-" + "x" * 61, "sk-xyz", "xxxx-of-another-form"])
def test_a_key_in_clear_goes_no_further(key: str) -> None:
    row = row_of(record(metadata__user_api_key_hash=key, metadata__user_api_key_user_id=None))
    assert len(row["key"]) == 64
    assert key not in json.dumps([row["key"], row["actor"]])
    if key.startswith("sk-"):
        assert "sk-" not in json.dumps(decode([record(metadata__user_api_key_hash=key)]).record(0))


def test_the_call_id_of_another_key_is_another_request() -> None:
    one, two = record(), record(id="chatcmpl-2", metadata__user_api_key_hash="cd" * 32)
    first, second = decode([one, two]).ids("call_id")
    assert first != second


def test_without_any_call_id_each_attempt_is_a_request() -> None:
    made = [record(litellm_call_id=None, id=None, startTime=1_795_000_000.0 + second) for second in range(3)]
    batch = decode(made)
    assert len(set(batch.ids("call_id"))) == 3


@pytest.mark.parametrize(
    ("change", "new"),
    [
        ({"litellm_call_id": "other"}, True),
        ({"id": "other"}, False),
        ({"litellm_call_id": None}, True),
        ({"status": "failure"}, True),
        ({"model_id": "other"}, True),
        ({"startTime": 1_795_000_000.5}, True),
        ({"endTime": 1_795_000_009.0}, False),
        ({"messages": []}, False),
    ],
)
def test_what_makes_an_attempt_another_one(change: dict[str, Any], new: bool) -> None:
    first, second = decode([record(), record(**change)]).ids("event_id")
    assert bool(first != second) is new


def test_a_call_that_two_callbacks_log_under_two_ids_is_one_attempt() -> None:
    data = (DATA / "cases" / "11-double-callback.jsonl").read_bytes()
    assert len({*decode(data).ids("event_id")}) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"call_type": "acompletion"},
        {"endTime": 1_795_000_009.0, "completionStartTime": None},  # a stream, logged before and at its end
        {"stream": True},
        {"startTime": "2026-11-18T11:06:40.123457Z"},
        {"startTime": 1_795_000_000.123457},
        {"startTime": "1795000000.1234570"},
        {"model_id": ""},
    ],
)
def test_what_two_callbacks_write_in_their_own_ways_is_one_attempt(change: dict[str, Any]) -> None:
    first = record(startTime=1_795_000_000.1234572, model_id=None)
    again = {**first, "id": "other", **change}
    assert len({*decode([first, again]).ids("event_id")}) == 1


def test_fallbacks_and_retries_of_a_call_stay_attempts_of_one_request() -> None:
    first = record("failure", startTime=1_795_000_000.1, model_id="m1")
    retry = {**first, "startTime": 1_795_000_000.4}
    fallback = record("success", litellm_call_id=first["litellm_call_id"], startTime=1_795_000_000.4, model_id="m2")
    fallback["metadata"]["user_api_key_hash"] = first["metadata"]["user_api_key_hash"]
    batch = decode([first, retry, fallback])
    assert (len({*batch.ids("event_id")}), len({*batch.ids("call_id")})) == (3, 1)


def test_without_a_call_id_another_id_is_another_attempt() -> None:
    first, second = decode([record(litellm_call_id=None), record(litellm_call_id=None, id="b")]).ids("event_id")
    assert first != second


@pytest.mark.parametrize("column", sorted(ALL_COLUMNS))
@pytest.mark.parametrize("content", [False, True])
def test_one_column_alone_says_the_same(column: str, content: bool) -> None:
    data = b"".join(line for sample in SAMPLES for line in lines(sample))
    whole = decode(data)
    batch = LiteLLM(frozenset([column]), content).decode(data, source="test")
    assert set(batch.columns) == {column} - set(SIDE_TABLES)
    if column in SIDE_TABLES:
        assert getattr(batch, column) == getattr(whole, column)
    else:
        assert list(map(repr, batch.columns[column])) == list(map(repr, whole.columns[column]))
    assert batch.texts == (whole.texts if content else [])


def test_a_column_or_gateway_that_does_not_exist_is_named() -> None:
    with pytest.raises(ValueError, match="no such column: colour"):
        LiteLLM(frozenset(["colour"]), False)
    with pytest.raises(UnknownGatewayError, match="did you mean 'litellm'"):
        gateway("litelm", ALL_COLUMNS, content=True)
    assert gateway("litellm", ALL_COLUMNS, content=True).name == LiteLLM.name


@pytest.mark.parametrize(
    ("call_type", "operation"),
    [
        ("completion", "chat"),
        ("acompletion", "chat"),
        ("anthropic_messages", "chat"),
        ("aembedding", "embeddings"),
        ("aresponses", "responses"),
        ("_aresponses_websocket", "responses"),
        ("atranscription", "audio"),
        ("arerank", "rerank"),
        ("call_mcp_tool", "tool"),
        ("surprise", "other"),
        (None, "other"),
    ],
)
def test_operations(call_type: str | None, operation: str) -> None:
    assert row_of(record(call_type=call_type))["operation"] == operation


@pytest.mark.parametrize(
    ("made", "error", "settled"),
    [
        (failure("BudgetExceededError", "429_BUDGET_EXCEEDED", llm_provider=""), "quota", True),
        (failure("ProxyException", "400_BUDGET_EXCEEDED", llm_provider=""), "quota", True),
        (failure("RateLimitError", "429_NO_HEALTHY_DEPLOYMENTS"), "rate_limit_provider", False),
        (failure("ProxyException", "401_MODEL_ACCESS_DENIED", llm_provider=""), "permission", True),
        (failure("PermissionDeniedError", "403_PERMISSION_DENIED"), "provider_auth", False),
        (failure("AuthenticationError", "401_AUTHENTICATION_FAILED"), "provider_auth", False),
        (failure("APIConnectionError", "500_PROVIDER_CONNECTION_ERROR"), "network", False),
        (failure("Timeout", None, error_code="408"), "timeout", False),
        (failure("Timeout", None, error_code=""), "timeout", False),
        (failure("CancelledError", "499_CLIENT_CLOSED"), "cancelled", False),
        (failure("RateLimitError", None, error_code=429), "rate_limit_provider", False),
        (failure("SomethingNew", None, error_code=""), "other", False),
        (failure("SomethingNew", "502_BAD_GATEWAY"), "provider_5xx", False),
        (failure("SomethingNew", "418_TEAPOT"), "invalid_request", False),
        (record("failure", error_information=None), "other", False),
        (no_database("ProxyException", "400_INVALID_REQUEST", "No connected db."), "auth", True),
        (no_database("Exception", "UNCLASSIFIED", "No api key passed in."), "auth", True),
        (no_database("ProxyException", "400_INVALID_REQUEST", "No connected db. Try again."), "invalid_request", True),
        (
            failure("BadRequestError", "400_INVALID_REQUEST", error_message="No connected db."),
            "invalid_request",
            False,
        ),
    ],
)
def test_errors_that_the_samples_lack(made: dict[str, Any], error: str, settled: bool) -> None:
    row = row_of(made)
    assert (row["error_class"], row["settled"]) == (error, settled)


def lost(name: str, **changes: Any) -> dict[str, Any]:
    """A key that nobody has, as LiteLLM before 1.89 without a database logs it."""
    told = {"error_class": name, "error_code": "", "error_message": "", "llm_provider": ""}
    nobody = {f"metadata__user_api_key_{part}": None for part in ("user_id", "alias", "team_id")}
    return record("failure", **{"call_type": "/v1/chat/completions", "error_information": told, **nobody, **changes})


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/responses", "/embeddings", "/v1/messages"])
@pytest.mark.parametrize("name", ["ProxyException", "Exception", "AssertionError", ""])
@pytest.mark.parametrize("message", ["", None, "Authentication Error, LiteLLM Virtual Key expected."])
def test_a_refused_key_whose_code_is_lost_is_no_account(path: str, name: str, message: str | None) -> None:
    made = lost(name, call_type=path)
    made["error_information"]["error_message"] = message
    row = row_of(made)
    assert (row["error_class"], row["actor"], row["settled"]) == ("auth", None, True)
    assert row["key"] is not None


def test_a_code_that_is_lost_with_a_budget_is_no_refused_key() -> None:
    assert row_of(lost("BudgetExceededError"))["error_class"] == "quota"
    made = lost("ProxyException")
    made["error_information"]["error_message"] = "ExceededBudget: over budget"
    assert row_of(made)["error_class"] != "auth"


@pytest.mark.parametrize(
    "changes",
    [
        {"call_type": "acompletion"},
        {"call_type": None},
        {"metadata__user_api_key_user_id": "alice"},
        {"metadata__user_api_key_alias": "alices-laptop"},
    ],
)
def test_a_lost_message_of_somebody_who_was_let_in_is_no_refusal(changes: dict[str, Any]) -> None:
    assert row_of(lost("ProxyException", **changes))["error_class"] == "other"


@pytest.mark.parametrize(("mode", "settled"), [("pre_call", True), ("during_call", False), ("post_call", False)])
@pytest.mark.parametrize("status", [400, 403, 422])
def test_a_guardrail_that_raises_an_http_exception_has_blocked_and_not_failed(
    mode: str, settled: bool, status: int
) -> None:
    told = {"guardrail_name": "g", "guardrail_mode": mode, "guardrail_status": "guardrail_failed_to_respond"}
    made = failure("HTTPException", None, llm_provider="", error_code=str(status))
    row = row_of(made | {"guardrail_information": [told]})
    flat = decode([made | {"guardrail_information": [told]}]).record(0)
    assert [result["action"] for result in flat["llm.guardrail.results"]] == ["block"]  # type: ignore[attr-defined]
    assert (row["error_class"], row["verdict"], row["settled"]) == ("guardrail_block", "block", settled)
    assert row["guardrails"] == [("g", "block")]


@pytest.mark.parametrize(
    ("made", "error"),
    [
        (failure("HTTPException", None, llm_provider="", error_code="500"), "other"),
        (failure("InternalServerError", "500_PROVIDER_INTERNAL_ERROR"), "provider_5xx"),
        (failure("HTTPException", None, llm_provider="openai", error_code="400"), "invalid_request"),
    ],
)
def test_a_guardrail_that_did_not_answer_is_still_an_outage(made: dict[str, Any], error: str) -> None:
    told = {"guardrail_name": "g", "guardrail_mode": "pre_call", "guardrail_status": "guardrail_failed_to_respond"}
    row = row_of(made | {"guardrail_information": [told]})
    assert (row["error_class"], row["verdict"]) == (error, "error")


@pytest.mark.parametrize(
    ("status", "made", "verdict"),
    [
        ("success", record(), "pass"),
        ("guardrail_intervened", record(), "block"),
        ("blocked", record(), "block"),
        ("failure", record(), "error"),
        ("failure", failure("HTTPException", None, llm_provider="", error_code="400"), "block"),
    ],
)
def test_one_guardrail_as_an_object_says_the_same_as_a_list_of_it(
    status: str, made: dict[str, Any], verdict: str
) -> None:
    told = {"guardrail_name": "g", "guardrail_mode": "pre_call", "guardrail_status": status}
    batches = [decode([made | {"guardrail_information": shape}]) for shape in (told, [told])]
    old, new = (rows(batch)[0] for batch in batches)
    assert (old["verdict"], old["guardrails"]) == (verdict, [("g", verdict)])
    assert {**old, "raw": b""} == {**new, "raw": b""}
    assert [batch.dropped_fields for batch in batches] == [{}, {}]
    results = [batch.record(0)["llm.guardrail.results"] for batch in batches]
    assert results[0] == results[1]


def test_how_an_answer_is_formatted_is_no_text_and_no_damage() -> None:
    said = {"type": "message", "content": [{"type": "output_text", "text": "Bonjour"}]}
    made = record(response={"output": [said], "text": {"format": {"type": "text"}, "verbosity": "medium"}})
    batch = decode([made])
    assert batch.dropped_fields == {}
    assert [text.text for text in batch.texts if text.channel == "output"] == ["Bonjour"]
    assert [text.text for text in decode([record(response={"text": "Guten Tag"})]).texts][-1] == "Guten Tag"


@pytest.mark.parametrize("name", ["ValueError", "Exception", "MyOwnError"])
def test_a_block_by_any_exception_is_a_block_where_no_provider_is_named(name: str) -> None:
    told = {"guardrail_name": "g", "guardrail_mode": "pre_call", "guardrail_status": "guardrail_intervened"}
    row = row_of(failure(name, None, llm_provider="", error_code="") | {"guardrail_information": [told]})
    assert (row["error_class"], row["verdict"], row["settled"]) == ("guardrail_block", "block", True)


@pytest.mark.parametrize("stage", ["pre_call", "later"])
def test_a_refused_or_limited_caller_is_not_a_block_though_a_guardrail_ran(stage: str) -> None:
    assert classify(Failure("HTTPException", "401_X", "", "", "", False, False, stage, True))[0] == "auth"
    limited = Failure("ProxyRateLimitError", "429_X", "", "litellm_rate_limit", "", True, False, stage, True)
    assert classify(limited)[0] == "rate_limit_caller"


def test_the_arguments_of_a_tool_call_are_text_and_not_in_the_flat_record() -> None:
    arguments = '{"path": "/etc/shadow", "because": "curiosity"}'
    calls = [
        {"function": {"name": "read_file", "arguments": arguments}},
        {"function": {"name": "run", "arguments": {"command": ["rm", "-rf"]}}},
        {"function": {"name": "no_arguments", "arguments": ""}},
        {"function": {"name": "hidden", "arguments": "redacted-by-litellm"}},
    ]
    made = record(response={"choices": [{"message": {"content": None, "tool_calls": calls}}]}, messages=None)
    batch = decode([made])
    (row,) = rows(batch)
    assert row["texts"] == [("tool_call", f"read_file {arguments}"), ("tool_call", 'run {"command":["rm","-rf"]}')]
    assert row["tool_calls"] == ["read_file", "run", "no_arguments", "hidden"]
    assert row["output_chars"] == sum(len(text) for _channel, text in row["texts"])
    flat = json.dumps(batch.record(0))
    assert "read_file" in flat
    assert "shadow" not in flat
    assert "-rf" not in flat


def test_a_tool_call_through_the_gateway_is_one_of_the_models() -> None:
    call = {"name": "query", "namespaced_tool_name": "db-query", "arguments": {"sql": "drop table"}}
    batch = decode([record(), record(metadata__mcp_tool_call_metadata=call)])
    assert batch.tool_calls == [(1, "db-query")]
    assert rows(batch)[1]["texts"][-1] == ("tool_call", 'db-query {"sql":"drop table"}')
    assert "drop" not in json.dumps(batch.record(1))


def test_the_raw_bytes_are_those_of_the_line() -> None:
    data = as_lines(record(id="a"), record(id="b"))
    batch = decode(memoryview(bytearray(data)).tobytes())
    assert [*batch.raw] == data.splitlines()


def test_a_buffer_may_be_used_again() -> None:
    buffer = bytearray(as_lines(record(messages=[{"role": "user", "content": "first"}])))
    batch = LiteLLM(ALL_COLUMNS, True).decode(memoryview(buffer), source="test")
    before = [batch.texts[0].text, batch.objects("actor")[0], batch.objects("model")[0]]
    buffer[:] = b"x" * len(buffer)
    assert [batch.texts[0].text, batch.objects("actor")[0], batch.objects("model")[0]] == before
