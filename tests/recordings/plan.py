"""What a recording plays: calls at seconds of the day, and what the provider says to each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

CHAT = "/v1/chat/completions"
EMBEDDINGS = "/v1/embeddings"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What the provider says to one attempt, `seconds` after it was asked; a stream begins after `first` seconds."""

    text: str = ""
    tool_calls: tuple[tuple[str, str], ...] = ()
    """Names of tools, and their arguments as JSON text."""
    finish: str = "stop"
    input_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    """Part of `output_tokens` that nobody sees."""
    first: float = 0.3
    seconds: float = 1.0
    status: int = 200
    error: tuple[str, str] = ("", "")
    """Code and message, unless `status` is 200."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request of somebody to the gateway, `at` seconds after midnight."""

    at: float
    key: str
    address: str
    user_agent: str
    body: Json
    path: str = CHAT
    replies: tuple[Reply, ...] = field(default=(Reply(),))
    """One for each attempt that the gateway makes, a fallback included."""
    over_limit: int = 0
    """Unless 0, the key may send this many requests a minute, and has."""


def question(path: str, body: Json) -> str:
    """What a request asks, as the backend recognises it: the gateway may rewrite the rest."""
    if path.endswith("/embeddings"):
        asked = body.get("input", "")
        return "\n".join(map(str, asked)) if isinstance(asked, list) else str(asked)
    messages = body.get("messages") or [{}]
    last = messages[-1] if isinstance(messages, list) else {}
    content = last.get("content") if isinstance(last, dict) else None
    if isinstance(content, list):
        content = "".join(str(part.get("text", "")) for part in content)
    return f"{len(messages)} {content or ''}"


def tokens(text: str) -> int:
    """About as many tokens as a model counts in `text`."""
    return max(1, len(text.encode()) // 4)
