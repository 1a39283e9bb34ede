"""In every mode of the hook, the tools of every envelope are named, no words are written, and none count as missed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from exporters.hooks.litellm.tocsin_litellm import MODES, Content
from tests.events.gateways.samples import decode, record, rows

WORDS = "the words of a secret"
CALL = {"type": "local_shell_call", "action": {"command": [WORDS]}}
ANSWERS: dict[str, Any] = {
    "custom call of a chat": {
        "choices": [{"message": {"tool_calls": [{"type": "custom", "custom": {"name": "f", "input": WORDS}}]}}]
    },
    "item": {"output": [CALL]},
    "realtime": {"results": [{"type": "response.done", "response": {"output": [CALL]}}]},
    "Gemini": {"candidates": [{"content": {"parts": [{"functionCall": {"name": "f", "args": {"a": WORDS}}}]}}]},
    "Bedrock": {
        "output": {"message": {"role": "assistant", "content": [{"toolUse": {"name": "f", "input": {"a": WORDS}}}]}}
    },
    "passed through": {"response": {"output": [CALL]}},
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("envelope", ANSWERS)
def test_tools_are_named_in_every_mode(envelope: str, mode: str) -> None:
    written = Content(mode, b"k" * 16).of(record(response=ANSWERS[envelope]))
    assert (WORDS in json.dumps(written)) is (mode == "full")
    batch = decode([written])
    (row,) = rows(batch)
    assert row["tool_calls"] == (["local_shell_call"] if "local_shell_call" in json.dumps(ANSWERS[envelope]) else ["f"])
    assert batch.unread_content == []


SAID: dict[str, Any] = {
    "unheard of": {"unheard_of": {"words": WORDS}},
    "search": {"object": "search", "results": [{"snippet": WORDS, "title": WORDS, "url": "https://a.example"}]},
    "OCR": {"object": "ocr", "pages": [{"markdown": WORDS}]},
    "agent": {"result": {"artifacts": [{"parts": [{"kind": "text", "text": WORDS}]}]}},
    "passed through": {"response": json.dumps({"generated_text": WORDS})},
    "spoken": {"choices": [{"message": {"content": None, "audio": {"transcript": WORDS}}}]},
    "refusal": {"choices": [{"message": {"content": None, "refusal": WORDS}}]},
}


@pytest.mark.parametrize("mode", [mode for mode in MODES if mode != "full"])
@pytest.mark.parametrize("envelope", SAID)
@pytest.mark.parametrize("side", ["messages", "response"])
def test_what_was_taken_out_is_neither_written_nor_missed(envelope: str, mode: str, side: str) -> None:
    said = SAID[envelope] if side == "response" else [{"role": "user", **SAID[envelope]}]
    changes: dict[str, Any] = {"messages": None, "response": None, side: said}
    written = Content(mode, b"k" * 16).of(record(**changes))
    assert WORDS not in json.dumps(written)
    batch = decode([written])
    assert (batch.texts, batch.unread_content) == ([], [])
