"""The payload's structure, as far as a column or a detector needs it, and what each column needs of it."""

from __future__ import annotations

import re
from typing import Any, Final, Literal

import msgspec

from events.gateways.litellm.plain import PLAIN_PATHS
from events.gateways.names import short
from events.gateways.openai_content import STOP_PATHS, TOOL_PATHS, AnyResponse, Content, Messages


class TokenDetails(msgspec.Struct, gc=False):
    """``prompt_tokens_details``, ``completion_tokens_details`` and what the Responses API calls the same."""

    cached_tokens: float | None = None
    reasoning_tokens: float | None = None


class Usage(msgspec.Struct, gc=False):
    """``usage_object``: the tokens as the provider counted them, under the names of its API."""

    prompt_tokens: float | None = None
    completion_tokens: float | None = None
    input_tokens: float | None = None
    output_tokens: float | None = None
    prompt_tokens_details: TokenDetails | None = None
    completion_tokens_details: TokenDetails | None = None
    input_tokens_details: TokenDetails | None = None
    output_tokens_details: TokenDetails | None = None
    cache_read_input_tokens: float | None = None
    prompt_cache_hit_tokens: float | None = None


class McpToolCall(msgspec.Struct, gc=False):
    """``mcp_tool_call_metadata``: a tool call that went through the gateway."""

    name: str | None = None
    namespaced_tool_name: str | None = None
    arguments: Any = None


class RequesterMetadata(msgspec.Struct, gc=False):
    """``requester_metadata``: what the client sent as metadata of its request."""

    session_id: Any = None


class Metadata(msgspec.Struct, gc=False):
    """``metadata``: who called."""

    user_api_key_hash: str | None = None
    user_api_key_alias: str | None = None
    user_api_key_team_id: str | None = None
    user_api_key_org_id: str | None = None
    user_api_key_user_id: str | None = None
    user_api_key_end_user_id: Any = None
    usage_object: Usage | None = None
    mcp_tool_call_metadata: McpToolCall | None = None
    requester_metadata: RequesterMetadata | None = None


_GENERATED_ID = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def session_of(trace: object, stated: object) -> str | None:
    """The conversation that the client named.

    LiteLLM writes it as `trace` (``trace_id``). If there is none, it generates an id for each call, which groups
    nothing. So an id that looks generated counts only if the client's metadata has `stated` the same.
    """
    if not isinstance(trace, str) or (trace != stated and _GENERATED_ID.fullmatch(trace)):
        return None
    return short(trace)


class ErrorInformation(msgspec.Struct, gc=False):
    """``error_information``: empty strings on success."""

    error_class: str | None = None
    error_code: str | int | float | None = None
    error_message: str | None = None
    llm_provider: str | None = None
    error_rate_limit_category: str | None = None
    error_rate_limit_type: str | None = None
    normalized_error: str | None = None


class Guardrail(msgspec.Struct, gc=False):
    """One entry of ``guardrail_information``; the mode is a word, a list of them or an object with a default."""

    guardrail_name: str | None = None
    guardrail_status: str | None = None
    guardrail_mode: Any = None
    masked_entity_count: Any = None


class StatusFields(msgspec.Struct, gc=False):
    """``status_fields``: LiteLLM's own sum of what the guardrails did."""

    guardrail_status: str | None = None


class Parameters(msgspec.Struct, gc=False):
    """``model_parameters``: the APIs that have their system prompt outside of the messages."""

    system: Content = None
    instructions: Content = None


class Record(msgspec.Struct, gc=False):
    """The payload, as far as any column or detector needs it."""

    status: Literal["success", "failure"]
    start_time: float | None = msgspec.field(name="startTime", default=None)
    end_time: float | None = msgspec.field(name="endTime", default=None)
    completion_start_time: float | None = msgspec.field(name="completionStartTime", default=None)
    id: str | None = None
    request_id: None = None
    """Rows of SpendLogs have it; they are read another way."""
    litellm_call_id: str | None = None
    trace_id: Any = None
    end_user: Any = None
    call_type: str | None = None
    stream: bool | None = None
    custom_llm_provider: str | None = None
    model: str | None = None
    model_group: str | None = None
    model_id: str | None = None
    requester_ip_address: str | None = None
    prompt_tokens: float | None = None
    completion_tokens: float | None = None
    total_tokens: float | None = None
    response_cost: float | None = None
    metadata: Metadata | None = None
    error_information: ErrorInformation | None = None
    guardrail_information: list[Guardrail] | Guardrail | None = None
    """Before LiteLLM 1.80 one object instead of a list."""
    status_fields: StatusFields | None = None
    messages: Messages = None
    response: AnyResponse = None
    model_parameters: Parameters | None = None


_ERROR = frozenset(
    (
        "call_type",
        "error_information",
        "guardrail_information.guardrail_status",
        "guardrail_information.guardrail_mode",
        "status_fields.guardrail_status",
        "metadata.user_api_key_alias",
        "metadata.user_api_key_hash",
        "metadata.user_api_key_user_id",
    )
)
_USAGE = "metadata.usage_object"
_TOKENS = frozenset(
    (
        *("prompt_tokens", "completion_tokens", "total_tokens"),
        *(f"{_USAGE}.{name}" for name in ("prompt_tokens", "completion_tokens", "input_tokens", "output_tokens")),
    )
)
_STOP = frozenset(f"response.{path}" for path in STOP_PATHS)
COLUMN_PATHS: Final[dict[str, frozenset[str]]] = {
    **PLAIN_PATHS,
    "time": frozenset(),
    "duration": frozenset(),
    "time_to_first_chunk": frozenset(("completionStartTime", "stream")),
    "input_tokens": _TOKENS,
    "output_tokens": _TOKENS,
    "cached_tokens": frozenset(
        (
            *(f"{_USAGE}.{side}_tokens_details.cached_tokens" for side in ("prompt", "input")),
            *(f"{_USAGE}.cache_read_input_tokens", f"{_USAGE}.prompt_cache_hit_tokens"),
        )
    ),
    "reasoning_tokens": frozenset(
        f"{_USAGE}.{side}_tokens_details.reasoning_tokens" for side in ("completion", "output")
    ),
    "event_id": frozenset(("id", "litellm_call_id", "model_id", "metadata.user_api_key_hash")),
    "call_id": frozenset(("id", "litellm_call_id", "model_id", "metadata.user_api_key_hash")),
    "operation": frozenset(("call_type",)),
    "stream": frozenset(("stream",)),
    "outcome": frozenset(),
    "error_class": _ERROR,
    "verdict": _ERROR | _STOP | {"guardrail_information"},
    "settled": _ERROR,
    "actor": _ERROR | {"metadata.user_api_key_team_id"},
    "key": frozenset(("metadata.user_api_key_hash",)),
    "end_user": _ERROR | {"end_user", "metadata.user_api_key_end_user_id"},
    "session": _ERROR | {"trace_id", "metadata.requester_metadata.session_id"},
    "tool_calls": frozenset(f"response.{path}" for path in TOOL_PATHS)
    | {"call_type", "metadata.mcp_tool_call_metadata.name", "metadata.mcp_tool_call_metadata.namespaced_tool_name"},
    "guardrails": _ERROR | {"guardrail_information"},
}
"""What of a record each column is made of; the fields about time and status are always read."""
CONTENT_PATHS = frozenset(("messages", "response", "model_parameters", "metadata.mcp_tool_call_metadata"))
"""What the texts are made of."""
ALWAYS_PATHS = frozenset(("startTime", "endTime", "request_id"))
"""What is always read, beside the status: without it a record is no attempt."""
