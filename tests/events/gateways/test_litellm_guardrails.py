"""Verdicts: the words, shapes and exceptions by which LiteLLM and people's own guardrails say what they did."""

from __future__ import annotations

from typing import Any

import pytest

from tests.events.gateways.samples import DATA, decode, record, rows

WORDS = [
    *((word, "block") for word in ("guardrail_intervened", "blocked", "Blocked", " BLOCK ", "denied", "rejected")),
    *((word, "error") for word in ("guardrail_failed_to_respond", "failure", "FAILED", "error", "timeout")),
    *((word, "would_block") for word in ("guardrail_flagged", "flagged")),
    *((word, "mask") for word in ("masked", "redacted", "anonymized")),
    *((word, "pass") for word in ("success", "passed", "allowed")),
    ("not_run", "none"),
]


def case(name: str) -> list[dict[str, Any]]:
    """The attempts of a file of cases."""
    return rows(decode((DATA / "cases" / f"{name}.jsonl").read_bytes()))


def row_of(made: dict[str, Any]) -> dict[str, Any]:
    (row,) = rows(decode([made]))
    return row


def said(status: object, **more: Any) -> list[dict[str, Any]]:
    return [{"guardrail_name": "g", "guardrail_status": status, **more}]


def refused(message: str = "no", code: str = "400", name: str = "HTTPException", provider: str = "") -> dict[str, Any]:
    error = {"error_class": name, "error_code": code, "error_message": message, "llm_provider": provider}
    return {"error_information": error}


def test_one_object_instead_of_a_list_loses_no_verdict() -> None:
    assert [row["verdict"] for row in case("01-guardrail-dict")] == ["block", "block", "mask"]


def test_the_words_of_custom_guardrails_are_read() -> None:
    assert [row["verdict"] for row in case("02-guardrail-legacy-status")] == ["block", "error", "block"]


@pytest.mark.parametrize(("word", "verdict"), WORDS)
@pytest.mark.parametrize("wrapped", [True, False])
def test_status_words(word: str, verdict: str, wrapped: bool) -> None:
    (told,) = said(word)
    assert row_of(record(guardrail_information=[told] if wrapped else told))["verdict"] == verdict


@pytest.mark.parametrize("word", ["perhaps", "blocked" * 40, "no block"])
def test_a_word_that_nobody_knows_gives_no_verdict_and_is_counted(word: str) -> None:
    batch = decode([record(guardrail_information=said(word)), record(guardrail_information=said("not_run"))])
    assert batch.dropped_fields == {"guardrail_information.guardrail_status": 1}
    assert batch.objects("verdict") == ["none", "none"]


@pytest.mark.parametrize("word", [["blocked"], {"status": "blocked"}, 7, True])
def test_a_status_that_is_no_word_is_counted(word: object) -> None:
    batch = decode([record(guardrail_information=said(word))])
    assert batch.dropped_fields == {"guardrail_information.guardrail_status": 1}


@pytest.mark.parametrize("entries", [None, [], said("not_run"), said("success"), said("perhaps"), {}])
@pytest.mark.parametrize(
    ("sum_of_all", "verdict"), [("guardrail_intervened", "block"), ("guardrail_flagged", "would_block")]
)
def test_litellms_own_sum_counts_where_the_entries_do_not_say_it(
    entries: object, sum_of_all: str, verdict: str
) -> None:
    made = record(guardrail_information=entries, status_fields={"guardrail_status": sum_of_all})
    assert row_of(made)["verdict"] == verdict


@pytest.mark.parametrize(
    ("entries", "verdict"),
    [
        (said("guardrail_intervened", guardrail_mode="logging_only"), "would_block"),
        (said("guardrail_flagged"), "would_block"),
        (said("success", masked_entity_count={"EMAIL": 1}), "mask"),
    ],
)
def test_litellms_own_sum_does_not_overrule_an_entry(entries: object, verdict: str) -> None:
    made = record(guardrail_information=entries, status_fields={"guardrail_status": "guardrail_intervened"})
    assert row_of(made)["verdict"] == verdict


def test_litellms_own_sum_makes_the_failure_of_a_request_a_block() -> None:
    made = record("failure", guardrail_information=None, status_fields={"guardrail_status": "guardrail_intervened"})
    row = row_of(made | refused())
    assert (row["error_class"], row["verdict"]) == ("guardrail_block", "block")


@pytest.mark.parametrize("counts", [{}, {"EMAIL": 0}, None, 0])
def test_nothing_masked_is_no_mask(counts: object) -> None:
    assert row_of(record(guardrail_information=said("success", masked_entity_count=counts)))["verdict"] == "pass"


@pytest.mark.parametrize(
    ("mode", "failed", "verdict"),
    [("pre_call", False, "mask"), ("post_call", False, "block"), ("pre_call", True, "block")],
)
def test_who_masked_before_the_call_and_intervened_has_changed_the_request(
    mode: str, failed: bool, verdict: str
) -> None:
    told = said("guardrail_intervened", guardrail_mode=mode, masked_entity_count={"EMAIL": 1})
    made = record("failure", guardrail_information=told, **refused()) if failed else record(guardrail_information=told)
    assert row_of(made)["verdict"] == verdict


@pytest.mark.parametrize("code", ["401", "407", "408", "429", "503"])
def test_a_status_that_is_no_judgement_is_none(code: str) -> None:
    row = row_of(record("failure", guardrail_information=said("guardrail_failed_to_respond"), **refused(code=code)))
    assert row["verdict"] == "error"
    assert row["error_class"] != "guardrail_block"


@pytest.mark.parametrize("code", [400, "400", 400.0, "451"])
def test_the_gateways_own_4xx_makes_a_failed_guardrail_a_block(code: Any) -> None:
    row = row_of(record("failure", guardrail_information=said("guardrail_failed_to_respond"), **refused(code=code)))
    assert (row["verdict"], row["error_class"]) == ("block", "guardrail_block")


BROKEN = [
    "{'error': 'XecGuard API unreachable (block_on_error=True): timed out'}",
    "{'error': 'Microsoft Purview DLP: upstream policy evaluation failed'}",
    "{'error': {'message': 'Security scan failed - request blocked for safety'}}",
    "{'error': 'Pillar Security Guardrail Unavailable'}",
    "Alice guardrail is unavailable and this request cannot be checked",
    "Vigil Guard backend unreachable; request blocked by fail_closed policy.",
    "{'error': 'OpenAI Moderation API request failed'}",
]


@pytest.mark.parametrize("message", BROKEN)
@pytest.mark.parametrize("name", ["HTTPException", "GuardrailRaisedException"])
@pytest.mark.parametrize("status", ["guardrail_failed_to_respond", "guardrail_intervened"])
def test_a_guardrail_that_stops_a_request_because_it_cannot_judge_is_an_outage(
    message: str, name: str, status: str
) -> None:
    row = row_of(record("failure", guardrail_information=said(status), **refused(message, name=name)))
    assert (row["verdict"], row["error_class"] == "guardrail_block") == ("error", False)


@pytest.mark.parametrize(
    "message",
    [
        "Violated guardrail policy: the prompt was 'API unreachable'",
        "Blocked by G: API unreachable",
        f"{'x' * 300} API unreachable, blocked by G",
    ],
)
@pytest.mark.parametrize("name", ["HTTPException", "GuardrailRaisedException"])
def test_a_prompt_that_a_block_quotes_makes_no_outage_of_it(message: str, name: str) -> None:
    row = row_of(
        record("failure", guardrail_information=said("guardrail_failed_to_respond"), **refused(message, name=name))
    )
    assert row["verdict"] == "block"


@pytest.mark.parametrize("name", ["HTTPException", "ValueError", "StreamingCallbackError"])
def test_what_a_provider_says_is_no_guardrails_word(name: str) -> None:
    row = row_of(record("failure", guardrail_information=None, **refused("Blocked by G", name=name, provider="openai")))
    assert (row["verdict"], row["error_class"] == "guardrail_block") == ("none", False)


def test_a_guardrail_named_like_a_label_is_one_name() -> None:
    name = 'x",verdict="pass'
    batch = decode([record(guardrail_information=[{"guardrail_name": name, "guardrail_status": "blocked"}])])
    assert batch.guardrails == [(0, name, "block")]
