"""Guardrails as people write them: each does what the words ``guard=STAGE-DEED`` in a prompt say.

LiteLLM imports this file from beside its configuration, in its own environment.
"""

from __future__ import annotations

import json
import re
from typing import Any

import litellm  # type: ignore[import-not-found]
from fastapi import HTTPException  # type: ignore[import-not-found]
from litellm.exceptions import GuardrailRaisedException  # type: ignore[import-not-found]
from litellm.integrations.custom_batch_logger import CustomBatchLogger  # type: ignore[import-not-found]
from litellm.integrations.custom_guardrail import (  # type: ignore[import-not-found]
    CustomGuardrail,
    log_guardrail_information,
)

_ASKED = re.compile(r"guard=(\w+)-(\w+)")


def _deed(stage: str, data: Any) -> str:
    found = _ASKED.search(json.dumps([data.get(name) for name in ("messages", "input", "prompt")], default=str))
    return found[2] if found and found[1] == stage else ""


def _raise(name: str, deed: str) -> None:
    said = f"Violated the guardrail {name}"
    match deed:
        case "http":
            raise HTTPException(status_code=400, detail={"error": said})
        case "raised":
            raise GuardrailRaisedException(guardrail_name=name, message=said)
        case "value":
            raise ValueError(said)
        case "exception":
            raise Exception(said)


async def _flush() -> None:
    """Let every callback that gathers records post them now."""
    known = [*litellm.callbacks, *litellm._async_success_callback, *litellm._async_failure_callback]
    for callback in {id(one): one for one in known if isinstance(one, CustomBatchLogger)}.values():
        await callback.flush_queue()


class Before(CustomGuardrail):  # type: ignore[misc]
    """Mode pre_call."""

    @log_guardrail_information  # type: ignore[untyped-decorator]
    async def async_pre_call_hook(self, user_api_key_dict: Any, cache: Any, data: Any, call_type: Any) -> Any:
        """May hand back the request, changed or not."""
        deed = _deed("pre", data)
        _raise(self.guardrail_name, deed)
        if deed == "flush" and self.guardrail_name == "before-1":
            await _flush()
        if deed == "mask":
            for message in data["messages"]:
                message["content"] = message["content"].replace("PRIVATE", "[hidden]")
        return data if deed in ("data", "mask") else None


class Beside(CustomGuardrail):  # type: ignore[misc]
    """Mode during_call."""

    @log_guardrail_information  # type: ignore[untyped-decorator]
    async def async_moderation_hook(self, data: Any, user_api_key_dict: Any, call_type: Any) -> Any:
        """Can only refuse."""
        _raise(self.guardrail_name, _deed("during", data))


class After(CustomGuardrail):  # type: ignore[misc]
    """Mode post_call."""

    @log_guardrail_information  # type: ignore[untyped-decorator]
    async def async_post_call_success_hook(self, data: Any, user_api_key_dict: Any, response: Any) -> Any:
        """May change the answer."""
        deed = _deed("post", data)
        _raise(self.guardrail_name, deed)
        if deed == "mask":
            message = response.choices[0].message
            message.content = message.content.replace("answer", "[hidden]")
        return response if deed in ("data", "mask") else None
