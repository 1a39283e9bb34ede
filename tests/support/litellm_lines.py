"""Small LiteLLM records, made to measure for a test."""

from __future__ import annotations

import hashlib
import json
from typing import Any


def record(
    time: float,
    call: str,
    *,
    user: str | None = "alice",
    team: str | None = "research",
    model: str = "gpt-4o",
    key: str = "key-of-alice",
    address: str = "192.0.2.10",
    failed: tuple[str, str] | None = None,
    prompt: str = "What is the capital of France?",
    answer: str = "Paris.",
    **more: Any,
) -> dict[str, Any]:
    """A record as LiteLLM writes it; `failed` is the exception's class and the normalised error."""
    error = {"error_class": "", "error_code": "", "normalized_error": "", "llm_provider": ""}
    if failed:
        error |= {"error_class": failed[0], "normalized_error": failed[1], "error_code": failed[1][:3]}
    return {
        "id": f"id-{call}",
        "litellm_call_id": call,
        "call_type": "acompletion",
        "status": "failure" if failed else "success",
        "startTime": time - 0.5,
        "endTime": time,
        "completionStartTime": time - 0.3,
        "model": model,
        "model_group": model,
        "model_id": "deployment-1",
        "custom_llm_provider": "openai",
        "stream": None if failed else False,
        "prompt_tokens": 0 if failed else 12,
        "completion_tokens": 0 if failed else 5,
        "response_cost": 0 if failed else 0.0001,
        "requester_ip_address": address,
        "metadata": {
            "user_api_key_hash": hashlib.sha256(key.encode()).hexdigest(),
            "user_api_key_alias": None if user is None else f"{user}-key",
            "user_api_key_user_id": user,
            "user_api_key_team_id": team,
        },
        "error_information": error,
        "messages": [{"role": "user", "content": prompt}],
        "response": {} if failed else {"choices": [{"finish_reason": "stop", "message": {"content": answer}}]},
        **more,
    }


def refused(time: float, call: str, *, key: str, address: str = "198.51.100.7") -> dict[str, Any]:
    """A request whose key the gateway does not know."""
    return record(
        time, call, user=None, team=None, key=key, address=address, failed=("HTTPException", "401_AUTHENTICATION_ERROR")
    )


def blocked(time: float, call: str, **more: Any) -> dict[str, Any]:
    """A request that a guardrail blocked."""
    guardrail = {"guardrail_name": "pii", "guardrail_status": "guardrail_intervened"}
    error = ("GuardrailRaisedException", "400_CONTENT_FILTER")
    return record(time, call, failed=error, guardrail_information=[guardrail], **more)


def line(record: dict[str, Any]) -> bytes:
    """The record as a line of a log."""
    return json.dumps(record, separators=(",", ":")).encode() + b"\n"
