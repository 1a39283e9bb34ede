"""Why an attempt through LiteLLM failed, from the exception that its record names.

LiteLLM's ``normalized_error`` starts with an HTTP status and calls most guardrail blocks an invalid request; the
exception's class and whether a guardrail stepped in tell them apart.
"""

from __future__ import annotations

from typing import NamedTuple

_GUARDRAIL = frozenset(("GuardrailRaisedException", "BlockedPiiEntityError"))
_NETWORK = frozenset(("APIConnectionError", "ReadError", "ConnectError", "RemoteProtocolError", "WriteError"))
_CANCELLED = frozenset(("CancelledError", "ClientDisconnect", "ClientDisconnectedError"))
_GATEWAY = _GUARDRAIL | {"HTTPException", "BudgetExceededError"}
_STATUS = {
    "AuthenticationError": 401,
    "BadRequestError": 400,
    "BadGatewayError": 502,
    "InternalServerError": 500,
    "NotFoundError": 404,
    "PermissionDeniedError": 403,
    "RateLimitError": 429,
    "ServiceUnavailableError": 503,
    "Timeout": 408,
    "UnprocessableEntityError": 422,
    "UnsupportedParamsError": 400,
}
_BY_WORD = {
    "BUDGET_EXCEEDED": "quota",
    "CONTEXT_WINDOW_EXCEEDED": "context_length",
    "INTERNAL_STATE_ERROR": "other",
    "MODEL_ACCESS_DENIED": "permission",
    "NO_HEALTHY_DEPLOYMENTS": "rate_limit_provider",
    "PROVIDER_CONNECTION_ERROR": "network",
    "ROUTER_FALLBACK_FAILURE": "other",
    "ROUTER_NO_FALLBACK": "other",
    "UNSUPPORTED_OPERATION": "other",
    "UPSTREAM_PASSTHROUGH": "provider_5xx",
}
_BY_NAME = {
    "BudgetExceededError": "quota",
    "ContentPolicyViolationError": "provider_policy",
    "ContextWindowExceededError": "context_length",
    "ProxyModelNotFoundError": "model_not_found",
    **dict.fromkeys(_GUARDRAIL, "guardrail_block"),
    **dict.fromkeys(_NETWORK, "network"),
    **dict.fromkeys(_CANCELLED, "cancelled"),
}
_POLICY = frozenset(("content_policy_violation", "content_filter"))
"""What providers call a refusal by their policy, where LiteLLM itself sees a bad request."""
_BY_STATUS = {404: "model_not_found", 408: "timeout", 499: "cancelled", 504: "timeout"}


REFUSALS = frozenset(("No connected db.", "No api key passed in."))
"""Messages of a proxy without a database about an unknown or missing key; it answers 400 and 500 (LiteLLM 1.108.7)."""


def lost_refusal(call_type: str | None, code: str, message: str | None) -> bool:
    """Whether a failure of a caller whom nobody knows is the refusal of a key, of which code and message are lost.

    So does LiteLLM before 1.89 without a database. There the call type is the path of the request, as nothing else of
    it had been read.
    """
    return bool(call_type and call_type.startswith("/") and not code and not message)


class Failure(NamedTuple):
    """What a record says about its failure.

    `name` is the exception's class, `normalized` the status and word, `code` what the exception calls its code,
    `category` and `limit` the kind of rate limit. `known` is whether the gateway had accepted the caller's credential.
    `refused`: its message is one of `REFUSALS`. `stopped` is the stage at which a guardrail blocked: ``pre_call``,
    ``later`` or "" for none. `unprovided`: no provider is named.
    """

    name: str
    normalized: str
    code: str
    category: str
    limit: str
    known: bool
    refused: bool
    stopped: str
    unprovided: bool

    @property
    def at_gateway(self) -> bool:
        """Whether the gateway itself raised it, before or after it asked a provider."""
        return self.name in _GATEWAY or self.name.startswith("Proxy")


def http_status(normalized: str, code: str) -> int | None:
    """The HTTP status in the first three digits of a normalised error, or in an exception's code."""
    for text in (normalized[:3], code):
        if len(text) == 3 and text.isascii() and text.isdigit():
            return int(text)
    return None


def classify(failure: Failure) -> tuple[str, bool]:
    """The error class of spec.vocabulary, and whether the request ended here: no provider was asked."""
    error = _error_class(failure)
    match error:
        case "auth":
            return error, True
        case "guardrail_block":
            return error, failure.stopped == "pre_call"
        case "permission" | "rate_limit_caller" | "quota" | "model_not_found" | "invalid_request":
            return error, failure.at_gateway
    return error, False


def _error_class(failure: Failure) -> str:
    status = http_status(failure.normalized, failure.code) or _STATUS.get(failure.name)
    word = failure.normalized[4:]
    if failure.refused:
        return "auth"
    if failure.name in _BY_NAME:
        return _BY_NAME[failure.name]
    if failure.stopped and (failure.at_gateway or failure.unprovided) and status not in (401, 429):
        return "guardrail_block"
    if word == "CONTENT_POLICY_VIOLATION" or failure.code in _POLICY:
        return "guardrail_block" if failure.at_gateway else "provider_policy"
    if failure.limit == "budget":
        return "quota"
    if word in _BY_WORD:
        return _BY_WORD[word]
    if status is None:
        return "other"
    if status == 401:
        # A provider refuses the gateway's own credential only after the gateway has accepted the caller's.
        refused_by_provider = failure.name == "AuthenticationError" and failure.known
        return "provider_auth" if refused_by_provider else "auth"
    if status == 403:
        return "permission" if failure.at_gateway else "provider_auth"
    if status == 429:
        if failure.category == "litellm_rate_limit" or (failure.at_gateway and failure.category != "vendor_rate_limit"):
            return "rate_limit_caller"
        return "rate_limit_provider"
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if 400 <= status < 500:
        return "invalid_request"
    return "other" if failure.at_gateway else "provider_5xx"
