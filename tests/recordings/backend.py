"""A model provider for the gateway to talk to: the OpenAI API over HTTP, which says what the plan says."""

from __future__ import annotations

import hashlib
import http.server
import json
import struct
import threading
import time
from abc import ABC, abstractmethod
from base64 import b64encode
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator

from exercises.loopback import ThreadedServer
from tests.recordings.plan import Call, Json, Reply, question, tokens

_STREAM_WORDS = 12
"""Words in one chunk of a stream."""
_LONGEST_STREAM = 24
"""Chunks of a stream at most, as more of them show nothing and cost time."""
_DIMENSIONS = 8
"""Numbers in an embedding: the gateway does not log them."""
_DATED = {"gpt-4o-mini": "gpt-4o-mini-2024-07-18", "gpt-4o": "gpt-4o-2024-08-06", "o1": "o1-2024-12-17"}


class Backend(ThreadedServer):
    """Serves on a free port of the loopback while it is open; `expect` says what will be asked."""

    def __init__(self) -> None:
        self._replies: dict[str, deque[Reply]] = defaultdict(deque)
        self._lock = threading.Lock()
        self.unexpected = 0
        """Requests that no plan foresaw; a prompt that the gateway masked is one."""
        backend = self

        class Handler(_Handler):
            def reply_to(self, asked: str) -> Reply:
                return backend.reply_to(asked)

        super().__init__(Handler)
        self.address = self.url

    def expect(self, calls: Iterable[Call]) -> None:
        """Answer these calls, once for each reply of theirs, in this order."""
        with self._lock:
            for call in calls:
                self._replies[question(call.path, call.body)].extend(call.replies)

    def reply_to(self, asked: str) -> Reply:
        """The next reply to a question."""
        with self._lock:
            waiting = self._replies.get(asked)
            if waiting:
                return waiting.popleft()
            self.unexpected += 1
        text = "I have noted this. The personal details were hidden from me, so I answer in general terms."
        return Reply(text=text, input_tokens=tokens(asked), output_tokens=tokens(text))


class _Handler(http.server.BaseHTTPRequestHandler, ABC):
    protocol_version = "HTTP/1.1"

    @abstractmethod
    def reply_to(self, asked: str) -> Reply: ...

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def send_response(self, code: int, message: str | None = None) -> None:
        """No time of the day in a header, as a recording moves to another day."""
        self.send_response_only(code, message)

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        body: Json = json.loads(self.rfile.read(length) or b"{}")
        path = self.path.partition("?")[0]
        reply = self.reply_to(question(path, body))
        model = str(body.get("model") or path.split("/")[3:4] or "gpt-4o")
        model = _DATED.get(model, model)
        if reply.status != 200:
            time.sleep(reply.seconds)
            self._send(_error(reply), reply.status)
        elif path.endswith("/embeddings"):
            time.sleep(reply.seconds)
            self._send(_embeddings(model, body, reply))
        elif body.get("stream"):
            self._stream(model, reply)
        else:
            time.sleep(reply.seconds)
            self._send(_completion(model, reply))

    def _send(self, body: Json, status: int = 200) -> None:
        data = json.dumps(body).encode()
        try:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
        except OSError:
            self.close_connection = True  # the gateway stopped waiting

    def _stream(self, model: str, reply: Reply) -> None:
        time.sleep(reply.first)
        chunks = list(_chunks(model, reply))
        pause = max(0.0, reply.seconds - reply.first) / len(chunks)
        try:
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for chunk in [*(json.dumps(chunk) for chunk in chunks), "[DONE]"]:
                data = f"data: {chunk}\n\n".encode()
                self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
                time.sleep(pause)
            self.wfile.write(b"0\r\n\r\n")
        except OSError:
            self.close_connection = True


def _identity(kind: str) -> str:
    return f"{kind}-{time.time_ns():x}{threading.get_ident() % 0xFFFF:04x}"


def _usage(reply: Reply) -> Json:
    usage: Json = {
        "prompt_tokens": reply.input_tokens,
        "completion_tokens": reply.output_tokens,
        "total_tokens": reply.input_tokens + reply.output_tokens,
    }
    if reply.reasoning_tokens:
        usage["completion_tokens_details"] = {"reasoning_tokens": reply.reasoning_tokens}
    return usage


def _tool_calls(reply: Reply) -> list[Json]:
    return [
        {
            "id": "call_" + hashlib.sha256(f"{name}{arguments}".encode()).hexdigest()[:16],
            "type": "function",
            "function": {"name": name, "arguments": arguments},
        }
        for name, arguments in reply.tool_calls
    ]


def _completion(model: str, reply: Reply) -> Json:
    message: Json = {"role": "assistant", "content": reply.text or None}
    if reply.tool_calls:
        message["tool_calls"] = _tool_calls(reply)
    return {
        "id": _identity("chatcmpl"),
        "object": "chat.completion",
        "created": int(time.time()),
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": reply.finish}],
        "usage": _usage(reply),
    }


def _chunks(model: str, reply: Reply) -> Iterator[Json]:
    head: Json = {
        "id": _identity("chatcmpl"),
        "object": "chat.completion.chunk",
        "created": int(time.time()),
        "model": model,
    }

    def chunk(delta: Json, finish: str | None = None) -> Json:
        return {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}

    yield chunk({"role": "assistant", "content": ""})
    words = reply.text.split(" ") if reply.text else []
    size = max(_STREAM_WORDS, -(-len(words) // _LONGEST_STREAM))
    for start in range(0, len(words), size):
        end = start + size
        yield chunk({"content": " ".join(words[start:end]) + (" " if end < len(words) else "")})
    for index, call in enumerate(_tool_calls(reply)):
        yield chunk({"tool_calls": [{"index": index, **call}]})
    yield chunk({}, reply.finish)
    yield {**head, "choices": [], "usage": _usage(reply)}


def _embeddings(model: str, body: Json, reply: Reply) -> Json:
    asked = body.get("input", "")
    vector: list[float] = [0.125] * _DIMENSIONS
    value: object = vector
    if body.get("encoding_format") == "base64":
        value = b64encode(struct.pack(f"<{_DIMENSIONS}f", *vector)).decode()
    count = len(asked) if isinstance(asked, list) else 1
    return {
        "object": "list",
        "model": model,
        "data": [{"object": "embedding", "index": index, "embedding": value} for index in range(count)],
        "usage": {"prompt_tokens": reply.input_tokens, "total_tokens": reply.input_tokens},
    }


def _error(reply: Reply) -> Json:
    code, message = reply.error
    kind = "server_error" if reply.status >= 500 else "invalid_request_error"
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}
