"""A model provider for the crowd: an OpenAI API on the loopback that does what a request's case says."""

from __future__ import annotations

import http.server
import json
import re
import time
from collections import Counter
from typing import Any, Final

from exercises.loopback import ThreadedServer

Json = dict[str, Any]

MARK: Final = re.compile(r"case=([a-z0-9-]+)")
"""In the words of a request: which case it is."""
ANSWER: Final = "An answer of some words"
SLOW_SECONDS: Final = 3.0
"""Longer than the gateway waits for its model ``slow``."""

_ERRORS: Final = {
    "provider-401": (401, "invalid_api_key", "Incorrect API key provided."),
    "provider-403": (403, "permission_denied", "Your project has no access to this model."),
    "provider-404": (404, "model_not_found", "The model does not exist."),
    "provider-408": (408, "timeout", "The request took too long."),
    "provider-429": (429, "rate_limit_exceeded", "Rate limit reached for requests."),
    "provider-500": (500, "server_error", "The server had an error."),
    "provider-503": (503, "overloaded", "The server is overloaded."),
    "provider-policy": (400, "content_policy_violation", "Your request was rejected by our safety system."),
    "provider-context": (
        400,
        "context_length_exceeded",
        "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.",
    ),
}
_USAGE: Final = {"prompt_tokens": 20, "completion_tokens": 9, "total_tokens": 29}
_TOOL: Final = {"id": "call_1", "type": "function", "function": {"name": "read_file", "arguments": '{"path": "a.txt"}'}}


def error_of(case: str) -> tuple[int, str, str] | None:
    """Status, code and message that the provider gives to a case, or None when it answers."""
    return next((error for name, error in _ERRORS.items() if case.startswith(name)), None)


class Provider(ThreadedServer):
    """Serves on a free port of the loopback while it is open."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        """How often each case came here."""
        provider = self

        class Handler(_Handler):
            asked = provider.asked

        super().__init__(Handler)
        self.address = f"{self.url}/v1"


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    asked: Counter[str]

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        data = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        found = MARK.search(data.decode("utf-8", "replace"))
        case = found[1] if found else ""
        self.asked[case] += 1
        body: Json = json.loads(data or b"{}")
        try:
            self._answer(case, body, self.path.partition("?")[0])
        except OSError:
            self.close_connection = True  # the gateway stopped waiting

    def _answer(self, case: str, body: Json, path: str) -> None:
        model = str(body.get("model"))
        error = error_of(case)
        if case.startswith("fallback") and model == "gpt-4.1":
            error = _ERRORS["provider-500"]
        if error is not None:
            status, code, message = error
            kind = "server_error" if status >= 500 else "invalid_request_error"
            self._send({"error": {"message": message, "type": kind, "param": None, "code": code}}, status)
            return
        if case.startswith("timeout"):
            time.sleep(SLOW_SECONDS)
        if path.endswith("/embeddings"):
            vector = {"object": "embedding", "index": 0, "embedding": [0.125] * 8}
            self._send({"object": "list", "model": model, "data": [vector], "usage": _USAGE})
        elif path.endswith("/images/generations"):
            self._send({"created": int(time.time()), "data": [{"url": "http://127.0.0.1/picture.png"}]})
        elif path.endswith("/responses"):
            self._responses(model, stream=bool(body.get("stream")))
        elif path.endswith("/chat/completions"):
            self._chat(case, model, stream=bool(body.get("stream")))
        else:
            choice = {"index": 0, "text": ANSWER, "finish_reason": "stop", "logprobs": None}
            self._send(_head("text_completion", model) | {"choices": [choice], "usage": _USAGE})

    def _send(self, body: Json, status: int = 200) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _chat(self, case: str, model: str, *, stream: bool) -> None:
        tools = case.startswith("tools")
        message: Json = {"role": "assistant", "content": None if tools else ANSWER}
        finish = "tool_calls" if tools else "stop"
        if not stream:
            choice = {
                "index": 0,
                "message": message | ({"tool_calls": [_TOOL]} if tools else {}),
                "finish_reason": finish,
            }
            self._send(_head("chat.completion", model) | {"choices": [choice], "usage": _USAGE})
            return
        head = _head("chat.completion.chunk", model)
        deltas: list[Json] = [{"role": "assistant", "content": ""}]
        deltas += (
            [{"tool_calls": [{"index": 0, **_TOOL}]}] if tools else [{"content": f"{word} "} for word in ANSWER.split()]
        )
        if case.startswith("disconnect"):
            deltas += [{"content": "and more "}] * 40
        chunks: list[Json] = [
            head | {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas
        ]
        chunks += [head | {"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]}]
        chunks += [head | {"choices": [], "usage": _USAGE}]
        self._stream(
            [json.dumps(chunk) for chunk in chunks] + ["[DONE]"],
            pause=0.05 if case.startswith("disconnect") else 0.0,
            most=3 if case.startswith("broken") else None,
        )

    def _responses(self, model: str, *, stream: bool) -> None:
        text = {"type": "output_text", "text": ANSWER, "annotations": []}
        output = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [text]}
        whole: Json = {
            "id": f"resp_{time.time_ns():x}",
            "object": "response",
            "created_at": int(time.time()),
            "status": "completed",
            "model": model,
            "output": [output],
            **dict.fromkeys(("error", "incomplete_details", "instructions", "max_output_tokens"), None),
            **dict.fromkeys(("previous_response_id", "reasoning", "user"), None),
            "metadata": {},
            "parallel_tool_calls": True,
            "temperature": 1.0,
            "top_p": 1.0,
            "tool_choice": "auto",
            "truncation": "disabled",
            "tools": [],
            "text": {"format": {"type": "text"}},
            "usage": {
                "input_tokens": 20,
                "input_tokens_details": {"cached_tokens": 0},
                "output_tokens": 9,
                "output_tokens_details": {"reasoning_tokens": 0},
                "total_tokens": 29,
            },
        }
        if not stream:
            self._send(whole)
            return
        begun = whole | {"status": "in_progress", "output": [], "usage": None}
        place = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
        events: list[Json] = [
            {"type": "response.created", "response": begun},
            {"type": "response.output_item.added", "output_index": 0, "item": output | {"content": []}},
            {"type": "response.content_part.added", **place, "part": text | {"text": ""}},
            {"type": "response.output_text.delta", **place, "delta": ANSWER},
            {"type": "response.output_text.done", **place, "text": ANSWER},
            {"type": "response.content_part.done", **place, "part": text},
            {"type": "response.output_item.done", "output_index": 0, "item": output},
            {"type": "response.completed", "response": whole},
        ]
        self._stream([json.dumps({"sequence_number": number, **event}) for number, event in enumerate(events)])

    def _stream(self, events: list[str], *, pause: float = 0.0, most: int | None = None) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for event in events[:most]:
            data = f"data: {event}\n\n".encode()
            self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
            time.sleep(pause)
        if most is None:
            self.wfile.write(b"0\r\n\r\n")
        else:
            self.close_connection = True  # in the middle of the answer


def _head(kind: str, model: str) -> Json:
    return {"id": f"cmpl-{time.time_ns():x}", "object": kind, "created": int(time.time()), "model": model}
