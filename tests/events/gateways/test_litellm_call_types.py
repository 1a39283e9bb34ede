"""The table of call types says what is read: each row is held against records of its calls."""

from __future__ import annotations

import json
from typing import Any

import pytest

from events.gateways.litellm.call_types import LABELS, OTHER, TABLE, CallType, entry_of, expects, label_of
from tests.events.gateways.samples import decode, record, rows
from tests.versions import call_types as page

ASKED, ANSWERED = "what was asked", "what was answered"
PLACEHOLDER = "default-message-value"
CHAT = [{"role": "user", "content": ASKED}]
BODY = [{"role": "user", "content": json.dumps({"model": "m", "messages": CHAT})}]
CALL = {"type": "function_call", "name": "f", "arguments": '{"a": 1}'}
MESSAGE = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": ANSWERED}]}
OF_CHAT = {"choices": [{"message": {"content": ANSWERED, "tool_calls": [{"function": CALL}]}}]}
OF_RESPONSES = {"object": "response", "output": [MESSAGE, CALL]}
OF_TOOL = {"content": [{"type": "text", "text": ANSWERED}], "isError": False}
MCP = {"metadata__mcp_tool_call_metadata": {"name": "f", "arguments": {"a": 1}}}
EVENT = {"results": [{"type": "response.done", "response": OF_RESPONSES}], "usage": {}}

ASKS: dict[str, Any] = {
    "text_completion": ASKED,
    "embedding": [ASKED],
    "moderation": ASKED,
    "rerank": ASKED,
    "search": ASKED,
    "speech": ASKED,
    "image_generation": ASKED,
    "pass_through_endpoint": BODY,
    "passthrough-image-generation": [{"role": "user", "content": json.dumps({"prompt": ASKED})}],
    "decisions": [{"role": "user", "content": json.dumps({"model": "m", "input": ASKED})}],
    "ocr": "https://a.example/scan.pdf",
    "transcription": "9f86d081884c7d659a2feaa0c55ad015",
}
"""How a prompt is logged; a chat's if it is not here, and a placeholder where the table says that there is none."""
ANSWERS: dict[str, Any] = {
    "completion": OF_CHAT,
    "text_completion": {"choices": [{"text": ANSWERED}]},
    "responses": OF_RESPONSES,
    "compact_responses": {"output": [MESSAGE, CALL, {"type": "compaction", "encrypted_content": "AAAA"}]},
    "realtime": EVENT,
    "generate_content": {
        "candidates": [
            {"content": {"parts": [{"text": ANSWERED}, {"functionCall": {"name": "f", "args": {"a": 1}}}]}},
        ]
    },
    "pass_through_endpoint": {"response": json.dumps(OF_RESPONSES)},
    "llm_passthrough_route": {"response": OF_RESPONSES},
    "passthrough-image-generation": {"data": [{"b64_json": "AAAA"}]},
    "call_mcp_tool": OF_TOOL,
    "list_mcp_tools": [{"name": "f", "description": ANSWERED}],
    "send_message": {"result": {"kind": "message", "role": "agent", "parts": [{"kind": "text", "text": ANSWERED}]}},
    "get_responses": OF_RESPONSES,
    "delete_responses": {"id": "r", "object": "response", "deleted": True},
    "create_interaction": {"outputs": [{"type": "text", "text": ANSWERED}, CALL]},
    "query": OF_CHAT,
    "embedding": {"data": [{"object": "embedding", "embedding": [0.5]}]},
    "rerank": {"results": [{"index": 0, "document": {"text": ANSWERED}}]},
    "search": {"object": "search", "results": [{"title": "", "url": "https://a.example", "snippet": ANSWERED}]},
    "vector_store_search": {
        "object": "vector_store.search_results.page",
        "data": [{"content": [{"type": "text", "text": ANSWERED}]}],
    },
    "vector_store_file_content": {
        "object": "vector_store.file_content.page",
        "data": [{"type": "text", "text": ANSWERED}],
    },
    "ocr": {"object": "ocr", "pages": [{"markdown": ANSWERED}]},
    "transcription": {"text": ANSWERED},
    "speech": {"object": "binary", "content_type": "audio/mpeg", "num_bytes": 5},
    "image_generation": {"created": 1, "data": [{"url": "https://a.example/a.png"}]},
    "image_variation": {"created": 1, "data": [{"url": "https://a.example/a.png"}]},
    "create_video": {"id": "v", "object": "video", "status": "queued", "seconds": "4", "size": "720x1280"},
    "video_content": {"id": "v", "object": "video", "status": "completed"},
    "decisions": {"model": "m", "answers": {"q": {"type": "text", "value": ANSWERED}}},
    "run_code": {"stdout": ANSWERED, "exit_code": 0},
    "create_sandbox": {"id": "s", "status": "running"},
    "add_message": {"data": [{"role": "assistant", "content": [{"type": "text", "text": {"value": ANSWERED}}]}, CALL]},
    "create_assistants": {"id": "a", "object": "assistant", "name": "b", "instructions": "be kind to all"},
    "create_file": {"id": "f", "object": "file", "filename": "a b.txt", "purpose": "batch"},
    "file_content": {"object": "binary", "content_type": "text/plain", "num_bytes": 5},
    "file_delete": {"id": "f", "object": "file", "deleted": True},
}


@pytest.mark.parametrize("entry", TABLE, ids=lambda entry: entry.names[0])
def test_a_row_is_true(entry: CallType) -> None:
    first = entry.names[0]
    usual = CHAT if entry.prompt == "read" else PLACEHOLDER
    more: dict[str, Any] = MCP if first == "call_mcp_tool" else {}
    for name in entry.names:
        asked = ASKS.get(name, ASKS.get(first, usual))
        answer = ANSWERS.get(name, ANSWERS[first])
        batch = decode([record(call_type=f"a{name}", messages=asked, response=answer, **more)])
        (row,) = rows(batch)
        prompts = [text for channel, text in row["texts"] if channel == "user"]
        answers = {channel: text for channel, text in row["texts"] if text == ANSWERED}
        assert prompts == ([ASKED] if entry.prompt == "read" else [asked] if first in ("ocr", "transcription") else [])
        assert bool(answers) is (entry.answer == "read")
        assert ("tool" in answers and "output" not in answers) is (entry.tool and entry.answer == "read")
        assert row["tool_calls"] == (["f"] if entry.tool_calls == "read" else [])
        assert batch.unread_content == []


def test_no_call_type_stands_twice() -> None:
    names = [name for entry in TABLE for name in entry.names]
    assert len(names) == len({*names}) == len(LABELS) - 1


@pytest.mark.parametrize(
    ("call_type", "label"),
    [
        ("completion", "completion"),
        ("acompletion", "completion"),
        ("a_add_message", "add_message"),
        ("_arealtime", "realtime"),
        ("_aresponses_websocket", "responses_websocket"),
        ("anthropic_messages", "anthropic_messages"),
        ("aanthropic_messages", "anthropic_messages"),
        ("asend_message_streaming", "send_message_streaming"),
        ("", OTHER),
        (None, OTHER),
        ("a", OTHER),
        ("x" * 5_000, OTHER),
    ],
)
def test_a_call_type_counts_by_the_name_in_the_table(call_type: str | None, label: str) -> None:
    assert label_of(call_type) == label
    assert (entry_of(call_type) is None) is (label == OTHER)


def test_content_is_expected_where_the_table_does_not_say_that_there_is_none() -> None:
    assert expects("acompletion", "prompt") and expects("never_heard_of", "answer") and expects("arun_code", "prompt")
    assert not expects("afile_list", "answer") and not expects("aembedding", "answer")


def test_the_page_has_the_table() -> None:
    text = page.PAGE.read_text(encoding="utf-8")
    assert page.written(text) == text, "run `python -m tests.versions.call_types`"
