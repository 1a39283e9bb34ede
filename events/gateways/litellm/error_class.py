"""Why an attempt through LiteLLM failed, from the exception that its record names.

LiteLLM's ``normalized_error`` starts with an HTTP status and calls most guardrail blocks an invalid request; the
exception's class and whether a guardrail stepped in tell them apart.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

GUARDRAIL_ERRORS: Final = frozenset(
    (
        "BlockedPiiEntityError",
        "GuardrailInterventionNormalStringError",
        "GuardrailRaisedException",
        "ModifyResponseException",
        "NomaBlockedMessage",
        "OvalixGuardrailBlockedException",
        "RejectedRequestError",
    )
)
"""Exceptions that nothing but a guardrail raises, to block."""
HTTP_ERRORS: Final = frozenset(("HTTPException", "StreamingCallbackError"))
"""Exceptions that guardrails raise to block, and others of the gateway too."""
_NETWORK: Final = frozenset(
    (
        *("APIConnectionError", "ReadError", "ConnectError", "RemoteProtocolError", "WriteError", "CloseError"),
        *("LocalProtocolError", "ProtocolError", "NetworkError", "ClientConnectorError", "ServerDisconnectedError"),
        *("ClientOSError", "ClientPayloadError", "ConnectionError", "ConnectionResetError", "ConnectionRefusedError"),
    )
)
_TIMEOUTS: Final = frozenset(
    ("APITimeoutError", "ConnectTimeout", "PoolTimeout", "ReadTimeout", "Timeout", "TimeoutError", "WriteTimeout")
)
_CANCELLED: Final = frozenset(
    (
        *("CancelledError", "ClientDisconnect", "ClientDisconnectedError", "GeneratorExit"),
        "_ClientDisconnectedBeforeFirstChunk",
    )
)
_GATEWAY: Final = (
    GUARDRAIL_ERRORS
    | HTTP_ERRORS
    | {
        *(
            "AccessGroupNotFoundError",
            "BudgetExceededError",
            "KeyProjectBindingError",
            "ModelAccessDeniedHTTPException",
        ),
        *("MCPServerURLCredentialsError", "MockTestingParamsDisabledError", "PTUShareExceededError"),
        *("RateLimitUnverifiableError", "RequestEntityTooLarge", "TeamNotFoundError"),
        *("ModelAccessDeniedProxyException", "OrganizationNotFoundError"),
    }
)
"""Exceptions of the gateway itself; so is every one whose name begins with Proxy."""
_STATUS: Final = {
    "APIError": 500,
    "APIResponseValidationError": 502,
    "AuthenticationError": 401,
    "BadGatewayError": 502,
    "BadRequestError": 400,
    "CallerCredentialAuthenticationError": 401,
    "CallerCredentialRateLimitError": 429,
    "EndpointNotSupportedByModelError": 400,
    "ImageFetchError": 400,
    "InternalServerError": 500,
    "InvalidRequestError": 400,
    "JSONSchemaValidationError": 502,
    "LiteLLMUnknownProvider": 400,
    "MalformedRequestFieldError": 400,
    "MidStreamFallbackError": 503,
    "ModelAccessDeniedHTTPException": 403,
    "ModelAccessDeniedProxyException": 403,
    "NotFoundError": 404,
    "PaymentRequiredError": 402,
    "PermissionDeniedError": 403,
    "PTUShareExceededError": 429,
    "ProxyModelNotFoundError": 404,
    "ProxyRateLimitError": 429,
    "RateLimitError": 429,
    "RequestEntityTooLarge": 413,
    "RouterRateLimitError": 429,
    "RouterRateLimitErrorBasic": 429,
    "ServiceUnavailableError": 503,
    "UnprocessableEntityError": 422,
    "UnsupportedEndpointError": 400,
    "UnsupportedParamsError": 400,
    "VectorStoreSearchError": 400,
}
"""The status that an exception has where the record says none."""
_BY_WORD: Final = {
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
_BY_NAME: Final = {
    "BudgetExceededError": "quota",
    "ContentPolicyViolationError": "provider_policy",
    "ContextWindowExceededError": "context_length",
    "ProxyModelNotFoundError": "model_not_found",
    **dict.fromkeys(GUARDRAIL_ERRORS, "guardrail_block"),
    **dict.fromkeys(_NETWORK, "network"),
    **dict.fromkeys(_CANCELLED, "cancelled"),
    **dict.fromkeys(_TIMEOUTS, "timeout"),
}
_BY_CODE: Final = {
    code: error
    for error, codes in {
        "provider_policy": (
            *("contentpolicyviolation", "contentfilter", "contentfiltered", "contentblocked", "contentmoderation"),
            *("imagecontentpolicyviolation", "moderationblocked", "policyviolation", "usagepolicyviolation"),
            *("responsibleaipolicyviolation", "datainspectionfailed", "sensitivecontentdetected", "safety"),
            *("inputtextsensitivecontentdetected", "outputtextsensitivecontentdetected", "prohibitedcontent"),
            *("inputimagesensitivecontentdetected", "outputimagesensitivecontentdetected", "guardrailintervened"),
            *("blocklist", "spii", "imagesafety", "cyberpolicyviolation", "safetyviolation", "sexualcontent"),
        ),
        "context_length": ("contextlengthexceeded", "contextwindowexceeded", "stringabovemaxlength"),
        "model_not_found": ("modelnotfound", "deploymentnotfound", "modelnotsupported", "notfounderror"),
        "rate_limit_provider": (
            *("ratelimitexceeded", "ratelimiterror", "insufficientquota", "billinghardlimitreached"),
            *("toomanyrequests", "resourceexhausted", "throttlingexception", "quotaexceeded"),
        ),
        "provider_auth": (
            *("invalidapikey", "incorrectapikeyprovided", "authenticationerror", "permissionerror"),
            *("accountdeactivated", "accessdeniedexception", "permissiondenied", "unauthenticated"),
        ),
        "timeout": ("timeout", "requesttimeout", "timeouterror", "deadlineexceeded"),
        "provider_5xx": (
            *("servererror", "internalservererror", "internalerror", "apierror", "overloadederror"),
            *("serviceunavailable", "serviceunavailableexception", "unavailable", "engineoverloaded"),
        ),
        "invalid_request": (
            *("invalidrequesterror", "invalidvalue", "invalidargument", "unsupportedparameter", "unsupportedvalue"),
            *("validationexception", "missingrequiredparameter", "invalidprompt", "invalidtype", "unknownparameter"),
        ),
    }.items()
    for code in codes
}
"""What providers call an error, in small letters alone: where they say their policy, LiteLLM itself sees a bad request;
of the others only where no status is known."""
_NO_LETTER: Final = re.compile("[^a-z0-9]")
_POLICY_SAID: Final = re.compile(
    r"violating our usage policy|(?:as a result of|by) (?:our|the) safety system"
    r"|filtered due to the prompt triggering|responsibleaipolicyviolation|content_policy_violation"
    r"|output blocked by content filtering policy|the response was blocked\.|content exists risk"
    r"|the model produced invalid content|data_inspection_failed"
)
"""What providers say when they refuse by their policy; older versions of LiteLLM know some of it, newer ones most."""
_MAY_SAY: Final = ("polic", "safety", "filter", "blocked", "risk", "invalid content", "inspection")
BROKEN: Final = "broken"
_STOPPED: Final = ("pre_call", "later")
_AT_THE_DOOR: Final = frozenset(("", "AssertionError", "Exception", "HTTPException", "ProxyException", "ValueError"))
_UNCLEAR: Final = frozenset(
    ("APIError", "BadRequestError", "InvalidRequestError", "PermissionDeniedError", "Exception")
)
_READ: Final = 4_096  # characters of a message that are looked at
_REFUSED: Final = frozenset((None, 400, 403, 422))
_PROVIDER_REFUSALS: Final = frozenset(("AuthenticationError", "CallerCredentialAuthenticationError"))
_BY_STATUS: Final = {
    402: "rate_limit_provider",
    404: "model_not_found",
    408: "timeout",
    499: "cancelled",
    504: "timeout",
}


REFUSALS: Final = frozenset(("No connected db.", "No api key passed in."))
"""Messages of a proxy without a database about an unknown or missing key; it answers 400 and 500 (LiteLLM 1.108.7)."""


def lost_refusal(call_type: str | None, name: str, code: str, message: str | None) -> bool:
    """Whether a failure of a caller whom nobody knows is the refusal of a key, of which the code is lost.

    LiteLLM before 1.89 without a database logs it so, mostly without its message too. There the call type is the path
    of the request, as nothing else of it had been read.
    """
    if code or name not in _AT_THE_DOOR or not (call_type and call_type.startswith("/")):
        return False
    return "budget" not in (message or "")[:_READ].lower()


class Failure(NamedTuple):
    """What a record says about its failure.

    `name` is the exception's class, `normalized` the status and word, `code` what the exception calls its code,
    `category` and `limit` the kind of rate limit. `known` is whether the gateway had accepted the caller's credential.
    `refused`: its message is one of `REFUSALS`. `stopped` is the stage at which a guardrail blocked: ``pre_call``,
    ``later``, `BROKEN` if one could not judge, or "" for none. `unprovided`: no provider is named. `policy`:
    `names_policy` of its message.
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
    policy: bool = False

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


def names_policy(name: str, message: str | None) -> bool:
    """Whether a provider's error, an exception called `name`, says that its policy refused."""
    if not message or name not in _UNCLEAR:
        return False
    text = message[:_READ].lower()
    return any(part in text for part in _MAY_SAY) and _POLICY_SAID.search(text) is not None


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
    if failure.name in _BY_NAME and not (failure.name in GUARDRAIL_ERRORS and failure.stopped == BROKEN):
        return _BY_NAME[failure.name]
    if failure.stopped in _STOPPED and (failure.at_gateway or failure.unprovided) and status not in (401, 429):
        return "guardrail_block"
    if failure.stopped == BROKEN and failure.name in GUARDRAIL_ERRORS:
        return "other"
    said = _BY_CODE.get(_NO_LETTER.sub("", failure.code.lower()))
    if word == "CONTENT_POLICY_VIOLATION" or said == "provider_policy" or (failure.policy and status in _REFUSED):
        return "guardrail_block" if failure.at_gateway else "provider_policy"
    if failure.limit == "budget":
        return "quota"
    if word in _BY_WORD:
        return _BY_WORD[word]
    if said and not failure.at_gateway and (status is None or (status == 400 and not failure.normalized)):
        return said
    if status is None:
        return "other"
    if status == 401:
        # A provider refuses the gateway's own credential only after the gateway has accepted the caller's.
        refused_by_provider = failure.known and failure.name in _PROVIDER_REFUSALS
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
