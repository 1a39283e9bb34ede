"""Outside of the mode ``full`` no content is written, in whatever envelope it comes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporters.hooks.litellm.tocsin_litellm import PLACEHOLDER, Content, write_up
from tests.events.gateways.samples import decode, record, rows

SECRET = "the confidential sentence about Mrs Miller"
MODES = ("redacted", "hashed", "off")


def written(given_: dict[str, Any], mode: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(write_up(given_, Content(mode, b"k" * 32), 4 << 20).line)
    return found


def _message(**fields: Any) -> list[dict[str, Any]]:
    return [{"role": "user", **fields}]


def _answer(**message: Any) -> dict[str, Any]:
    return {"choices": [{"finish_reason": "stop", "message": {"role": "assistant", **message}}]}


S = SECRET
ENVELOPES: dict[str, dict[str, Any]] = {
    # messages
    "text": {"messages": S},
    "content": {"messages": _message(content=S)},
    "parts": {"messages": _message(content=[{"type": "text", "text": S}])},
    "a part that is a text": {"messages": _message(content=[S])},
    "an object as content": {"messages": _message(content={"name": S, "id": S, "rows": [{"name": S}]})},
    "names of an object": {"messages": _message(content={S: 1, "inner": {S: {S: S}}})},
    "a structured result": {"messages": _message(content=[{"type": "json", "json": {"name": "Miller", "id": S}}])},
    "a result of a tool": {"messages": [{"role": "tool", "tool_call_id": "c1", "content": S, "name": "find"}]},
    "a tool result in parts": {"messages": _message(content=[{"type": "tool_result", "content": [{"text": S}]}])},
    "a name that is a sentence": {"messages": _message(content="x", name=S)},
    "a role that is a sentence": {"messages": [{"role": S, "content": "x"}]},
    "an unknown field": {"messages": _message(content="x", later={"name": S, "list": [S]})},
    "messages in an object": {"messages": {"messages": _message(content=S), "name": S}},
    "an object under id": {"messages": _message(content="x", id={"text": S})},
    "an image": {"messages": _message(content=[{"type": "image_url", "image_url": {"url": S}}])},
    "prompts": {"messages": [S, [S]]},
    "Gemini's form": {"messages": {"contents": [{"role": "user", "parts": [{"text": S}]}]}},
    # answers
    "answer": {"response": _answer(content=S)},
    "a plain answer": {"response": S},
    "reasoning": {"response": _answer(content="", reasoning_content=S, thinking_blocks=[{"thinking": S}])},
    "audio": {"response": _answer(audio={"id": "a", "transcript": S})},
    "refusal": {"response": _answer(refusal=S)},
    "a function": {"response": _answer(tool_calls=[{"function": {"name": "f", "arguments": S}}])},
    "arguments as an object": {"response": _answer(tool_calls=[{"function": {"name": "f", "arguments": {S: S}}}])},
    "a custom call": {"response": _answer(tool_calls=[{"type": "custom", "custom": {"name": "f", "input": S}}])},
    "a custom call's object": (
        {"response": _answer(tool_calls=[{"type": "custom", "custom": {"name": "f", "input": [S]}}])}
    ),
    "an old function call": {"response": _answer(function_call={"name": "f", "arguments": S})},
    "custom_tool_call": {"response": {"output": [{"type": "custom_tool_call", "name": "f", "input": S}]}},
    "local_shell_call": {"response": {"output": [{"type": "local_shell_call", "action": {"command": [S]}}]}},
    "shell_call": {"response": {"output": [{"type": "shell_call", "action": {"commands": [S]}, "status": S}]}},
    "apply_patch_call": {"response": {"output": [{"type": "apply_patch_call", "operation": {"diff": S}}]}},
    "code_interpreter_call": {"response": {"output": [{"type": "code_interpreter_call", "code": S}]}},
    "computer_call": {"response": {"output": [{"type": "computer_call", "action": {"type": "type", "text": S}}]}},
    "mcp_call": {"response": {"output": [{"type": "mcp_call", "name": "f", "arguments": S, "output": S}]}},
    "web_search_call": {"response": {"output": [{"type": "web_search_call", "action": {"query": S}}]}},
    "a summary": {"response": {"output": [{"type": "reasoning", "summary": [{"type": "summary_text", "text": S}]}]}},
    "realtime": (
        {"response": {"results": [{"type": "done", "response": {"output": [{"content": [{"transcript": S}]}]}}]}}
    ),
    "search results": {"response": {"results": [{"title": S, "name": S, "snippet": S, "id": S}]}},
    "a vector store": {"response": {"data": [{"content": [{"text": S}], "filename": S}]}},
    "OCR": {"response": {"pages": [{"markdown": S, "index": 0}]}},
    "pass-through text": {"response": {"response": S}},
    "pass-through object": {"response": {"response": {"candidates": [{"content": {"parts": [{"text": S}]}}]}}},
    "completions": {"response": {"choices": [{"text": S, "logprobs": {"tokens": [S]}}]}},
    # guardrails
    "guardrails as a list": {"guardrail_information": [{"guardrail_name": "g", "guardrail_response": S}]},
    "a guardrail as an object": {"guardrail_information": {"guardrail_name": "g", "guardrail_response": S}},
    "what a guardrail was given": {"guardrail_information": {"guardrail_name": "g", "guardrail_request": {"m": S}}},
    "a match": {"guardrail_information": [{"guardrail_name": "g", "match_details": [{"snippet": S}]}]},
    "entities named by their text": (
        {"guardrail_information": [{"guardrail_name": "g", "masked_entity_count": {S * 2: 1}}]}
    ),
    "a sentence as status": {"guardrail_information": {"guardrail_status": S, "guardrail_provider": S}},
    "a sentence as an error's class": {"error_information": {"error_class": S, "error_code": S, "llm_provider": S}},
    "a status that is a list": {"guardrail_information": {"guardrail_name": "g", "guardrail_status": [S]}},
    "a mode that is an object": (
        {"guardrail_information": {"guardrail_name": "g", "guardrail_mode": {"tags": {"t": S * 2}}}}
    ),
    # everything else
    "error": {"error_information": {"error_class": "E", "error_message": S, "traceback": S}},
    "an error's class": {"error_information": {"error_class": {"text": S}, "error_code": [S]}},
    "error_str": {"error_str": S},
    "an error that is a text": {"error_information": S},
    "metadata": {"metadata": {"requester_metadata": S, "headers": {"x": S}, "tags": [S]}},
    "an object as a name": {"metadata": {"user_api_key_alias": {"text": S}, "user_api_key_user_id": [S]}},
    "metadata that is a text": {"metadata": S},
    "usage": {"metadata": {"usage_object": {"text": S * 2, "inner": {"text": S * 2}}}},
    "cost": {"cost_breakdown": {"text": S * 2}, "status_fields": {"text": S * 2}},
    "tags": {"request_tags": [S]},
    "tools": {"model_parameters": {"tools": [{"type": "function", "function": {"name": "f", "description": S}}]}},
    "custom tools": {"model_parameters": {"tools": [{"type": "custom", "custom": {"name": "f", "description": S}}]}},
    "instructions": {"model_parameters": {"instructions": S, "system": [{"text": S}], "tools": S}},
    "a call of MCP": {"metadata": {"mcp_tool_call_metadata": {"name": "f", "arguments": {"x": S}, "result": S}}},
    "an object as an id": {"id": {"text": S}, "trace_id": [S], "model": {"text": S}, "end_user": [S]},
    "parameters of an address": {"api_base": f"https://example.org/v1?key={S}"},
    "a later field": {"something_new": S, "prompt": S, "input": [S], "tool_results": {"x": S}},
    "hidden": {"hidden_params": {"additional_headers": {"x": S}}},
}  # fmt: skip


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ENVELOPES)
def test_no_envelope_carries_content(name: str, mode: str) -> None:
    assert SECRET in json.dumps(ENVELOPES[name])
    found = written(record() | ENVELOPES[name], mode)
    assert "confidential" not in json.dumps(found)
    assert found["litellm_call_id"] == record()["litellm_call_id"]


@pytest.mark.parametrize("mode", MODES)
@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(
    part=st.sampled_from(("messages", "response", "guardrail_information", "error_information", "metadata", "id")),
    value=st.recursive(
        st.just(SECRET),
        lambda inner: st.one_of(
            st.lists(inner, min_size=1, max_size=3),
            st.dictionaries(
                st.sampled_from(
                    ("content", "choices", "message", "output", "function", "custom", "results", "response", "parts",
                     "name", "id", "role", "type", "status", "model", "text", "input", "arguments", "summary", "later",
                     "error_class", "guardrail_name", "user_api_key_alias", "usage_object", "tool_calls", SECRET)
                ),
                inner, min_size=1, max_size=3,
            ),
        ),
        max_leaves=8,
    ),
)  # fmt: skip
def test_no_nesting_carries_content(mode: str, part: str, value: Any) -> None:
    if part in ("messages", "response"):
        assert "confidential" not in json.dumps(written(record() | {part: value}, mode))
    elif not isinstance(value, str):
        # A text of that length may be a name; one in an object or a list is none.
        found = written(record() | {part: [[value]]}, mode)
        assert "confidential" not in json.dumps(found)


@pytest.mark.parametrize("mode", MODES)
def test_a_block_that_comes_as_one_object_stays_a_block(mode: str) -> None:
    told = {"guardrail_name": "g", "guardrail_status": "guardrail_intervened", "guardrail_mode": "pre_call"}
    found = written(record(guardrail_information=told), mode)
    assert found["guardrail_information"] == [told]
    (row,) = rows(decode(json.dumps(found).encode() + b"\n"))
    assert row["verdict"] == "block"


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("call", "name"),
    [
        ({"type": "function", "function": {"name": "pay", "arguments": "{}"}}, "pay"),
        ({"type": "custom", "custom": {"name": "pay", "input": "x"}}, "pay"),
    ],
)
def test_which_tool_was_called_is_kept(mode: str, call: dict[str, Any], name: str) -> None:
    found = written(record(response=_answer(tool_calls=[call])), mode)
    (kept,) = found["response"]["choices"][0]["message"]["tool_calls"]
    assert kept[call["type"]]["name"] == name


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("sort", ["custom_tool_call", "local_shell_call", "shell_call", "apply_patch_call", "mcp_call"])
def test_which_sort_of_call_it_was_is_kept(mode: str, sort: str) -> None:
    found = written(record(response={"output": [{"type": sort, "name": "tool", "call_id": "c1"}]}), mode)
    assert found["response"]["output"] == [{"type": sort, "name": "tool", "call_id": "c1"}]


def test_the_shape_of_a_conversation_is_kept() -> None:
    found = written(record(messages=_message(content=[{"type": "text", "text": "hello"}])), "hashed")
    (part,) = found["messages"][0]["content"]
    assert (part["type"], part["text"], part["text_chars"]) == ("text", PLACEHOLDER, 5)
    assert found["messages"][0]["role"] == "user"
