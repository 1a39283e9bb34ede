"""Error classes: LiteLLM's exceptions, providers' codes, and what they say where neither tells."""

from __future__ import annotations

import ast
from typing import Any

import pytest

from tests.events.gateways.samples import decode, record, rows
from tests.support.litellm_versions import VERSIONS, need

UNCLASSED = {
    "MockException",  # LiteLLM's own tests raise it
    "ModelNotMappedError",  # no price is known; never ends a request
    "OpenAIError",  # says nothing but where it comes from
    "SensitiveDataRouteException",  # goes to another model
}
NO_EXCEPTIONS = {"RateLimitErrorCategory", "RateLimitType", "_SupportsTrunc"}


def row_of(made: dict[str, Any]) -> dict[str, Any]:
    (row,) = rows(decode([made]))
    return row


def failure(name: str, code: Any = "", message: str = "", provider: str = "openai", **more: Any) -> dict[str, Any]:
    """A failure of a LiteLLM that writes no normalised error."""
    error = {"error_class": name, "error_code": code, "error_message": message, "llm_provider": provider}
    return record("failure", error_information=error, **more)


@pytest.mark.parametrize(
    "code",
    [
        *("content_policy_violation", "content_filter", "contentFilter", "ContentFilter", "moderation_blocked"),
        *("ResponsibleAIPolicyViolation", "data_inspection_failed", "DataInspectionFailed", "PROHIBITED_CONTENT"),
        *("SensitiveContentDetected", "content-blocked", "image_content_policy_violation", "SAFETY"),
    ],
)
@pytest.mark.parametrize("normalized", ["400_INVALID_REQUEST", None])
def test_a_refusal_by_the_providers_policy_is_known_by_its_code(code: str, normalized: str | None) -> None:
    made = failure("BadRequestError", code)
    made["error_information"]["normalized_error"] = normalized
    row = row_of(made)
    assert (row["error_class"], row["verdict"], row["settled"]) == ("provider_policy", "block", False)


@pytest.mark.parametrize(
    "message",
    [
        "litellm.BadRequestError: OpenAIException - Your request was rejected as a result of our safety system.",
        "Your request was rejected by our safety system.",
        "Invalid prompt: your prompt was flagged as potentially violating our usage policy.",
        "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.",
        "AnthropicException - Output blocked by content filtering policy",
        "DeepseekException - Content Exists Risk",
    ],
)
def test_a_refusal_by_the_providers_policy_is_known_by_what_it_says(message: str) -> None:
    row = row_of(failure("BadRequestError", "400", message))
    assert (row["error_class"], row["verdict"]) == ("provider_policy", "block")


@pytest.mark.parametrize(
    ("name", "code"), [("RateLimitError", "429"), ("AuthenticationError", "401"), ("Timeout", "408")]
)
def test_what_an_error_of_another_sort_quotes_is_no_policy(name: str, code: str) -> None:
    row = row_of(failure(name, code, "rejected by our safety system"))
    assert (row["error_class"] == "provider_policy", row["verdict"]) == (False, "none")


@pytest.mark.parametrize(
    ("name", "code", "error"),
    [
        ("BadRequestError", "context_length_exceeded", "context_length"),
        ("BadRequestError", "invalid_request_error", "invalid_request"),
        ("APIStatusError", "insufficient_quota", "rate_limit_provider"),
        ("APIStatusError", "model_not_found", "model_not_found"),
        ("Exception", "server_error", "provider_5xx"),
        ("Exception", "invalid_api_key", "provider_auth"),
        ("Exception", "overloaded_error", "provider_5xx"),
        ("Exception", "529", "provider_5xx"),
        ("Exception", 529.0, "provider_5xx"),
        ("Exception", "never heard of", "other"),
        ("RateLimitError", "server_error", "rate_limit_provider"),
        ("PaymentRequiredError", "", "rate_limit_provider"),
        ("CallerCredentialAuthenticationError", "401", "provider_auth"),
        ("ReadTimeout", "", "timeout"),
    ],
)
def test_codes_that_are_words(name: str, code: Any, error: str) -> None:
    assert row_of(failure(name, code))["error_class"] == error


def test_a_code_of_the_gateway_itself_says_nothing_of_a_provider() -> None:
    assert row_of(failure("ProxyException", "invalid_api_key", provider=""))["error_class"] == "other"


@pytest.mark.parametrize("version", VERSIONS)
def test_every_exception_of_litellm_has_an_error_class(version: str) -> None:
    (path,) = need(version).glob("lib/*/site-packages/litellm/exceptions.py")
    names = {node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.ClassDef)} - NO_EXCEPTIONS
    assert len(names) > 20
    unclassed = {name for name in names if row_of(failure(name))["error_class"] == "other"}
    assert unclassed <= UNCLASSED
