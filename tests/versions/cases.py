"""The crowd: what is asked, and what Tocsin has to read of it.

A case is one request (or a few that are the same), with its name in its words, so that its records can be told.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

Json = dict[str, Any]

ALICE: Final = "sk-of-alice"
BOB: Final = "sk-of-bob"
CAROL: Final = "sk-of-carol"
_CAROLS_HASH: Final = hashlib.sha256(CAROL.encode()).hexdigest()
"""Custom auth that raises tells LiteLLM nothing else of her."""
GATEWAYS_OWN: Final = ""
"""Instead of a key: the gateway's master key."""
BLOCKED: Final = "guardrail_block"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """What has to be read of one attempt; of a field that is None anything may be read."""

    outcome: str = "success"
    error: str | None = "none"
    verdict: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One request.

    `group` is the row of the table it belongs to. `attempts` are those that must be there; with `more`, others may be
    there too, as one request can end in more than one way. `keyless`: no key is sent. `said`: the words of the prompt
    must be among the texts; `answered`: those of the answer too. `hang_up`: the client leaves after the first bytes.
    """

    name: str
    group: str
    path: str
    body: Json
    key: str = ALICE
    keyless: bool = False
    actor: str | None = "alice"
    attempts: tuple[Attempt, ...] = (Attempt(),)
    more: bool = False
    said: bool = True
    answered: bool = True
    tool: str = ""
    hang_up: bool = False
    headers: dict[str, str] = field(default_factory=dict)
    custom_auth: bool = True
    """Asked of the proxy that knows keys by custom auth; else of the one that knows its master key alone."""

    @property
    def refused(self) -> bool:
        """Whether the caller's credential is refused."""
        return any(attempt.error == "auth" for attempt in self.attempts)

    @property
    def let_in(self) -> bool:
        """Whether the caller got past the door."""
        return not self.refused and self.group != "budget"


_CHAT: Final = "/v1/chat/completions"
_TOOL: Final = {
    "type": "function",
    "function": {"name": "read_file", "parameters": {"type": "object", "properties": {}}},
}
_LONG: Final = "A long report has many lines. " * 6_000
_PASS: Final = (Attempt(verdict="pass"),)


def _chat(name: str, group: str, *, model: str = "answers", text: str = "", stream: bool = False, **rest: Any) -> Case:
    body: Json = {"model": model, "messages": _words(name, text), **rest.pop("body", {})}
    if stream:
        body["stream"] = True
    return Case(name=name, group=group, path=_CHAT, body=body, **rest)


def _words(name: str, text: str = "") -> list[Json]:
    return [{"role": "user", "content": f"case={name} {text or 'What is on the menu today?'}"}]


def _failed(error: str | None, verdict: str | None = None) -> dict[str, Any]:
    return {"attempts": (Attempt(outcome="failure", error=error, verdict=verdict),), "answered": False}


def _ordinary() -> Iterator[Case]:
    for number in range(12):
        yield _chat(f"chat-{number}", "chat")
    for number in range(8):
        yield _chat(f"stream-{number}", "stream", stream=True)
    for number in range(5):
        yield _chat(
            f"tools-{number}",
            "tools",
            body={"tools": [_TOOL]},
            stream=number % 2 == 1,
            tool="read_file",
            answered=False,
        )
    for number in range(4):
        name = f"responses-{number}"
        body = {"model": "answers", "input": f"case={name} What is on the menu today?", "stream": number % 2 == 1}
        yield Case(name=name, group="responses", path="/v1/responses", body=body)
    for number in range(4):
        name = f"messages-{number}"
        body = {"model": "answers", "max_tokens": 64, "messages": _words(name), "stream": number % 2 == 1}
        yield Case(name=name, group="messages", path="/v1/messages", body=body)
    for number in range(4):
        name = f"embeddings-{number}"
        body = {"model": "vectors", "input": f"case={name} some words"}
        yield Case(name=name, group="embeddings", path="/v1/embeddings", body=body, answered=False)
    for number in range(3):
        name = f"completions-{number}"
        body = {"model": "older", "prompt": f"case={name} Once upon a time", "max_tokens": 16}
        yield Case(name=name, group="completions", path="/v1/completions", body=body)
    for number in range(2):
        name = f"images-{number}"
        body = {"model": "pictures", "prompt": f"case={name} a lighthouse", "n": 1}
        yield Case(name=name, group="images", path="/v1/images/generations", body=body, answered=False)
    for number in range(2):
        yield _chat(f"long-{number}", "long", text=_LONG)
    for number in range(2):
        yield _chat(f"customer-{number}", "customer", body={"user": "customer-17", "metadata": {"tags": ["shop"]}})


def _failures() -> Iterator[Case]:
    for kind, error in (
        ("401", "provider_auth"),
        ("403", "provider_auth"),
        ("404", "model_not_found"),
        ("408", "timeout"),
        ("429", "rate_limit_provider"),
        ("500", "provider_5xx"),
        ("503", "provider_5xx"),
        ("context", "context_length"),
    ):
        yield _chat(f"provider-{kind}", f"provider-{kind}", **_failed(error))
    yield _chat("provider-policy", "provider-policy", **_failed("provider_policy", "block"))
    yield _chat("timeout-0", "timeout", model="slow", **_failed("timeout"))
    yield _chat("refused-connection", "connection", model="down", **_failed("network"))
    yield _chat("broken-0", "broken-stream", stream=True, attempts=(), more=True, answered=False)
    for number in range(4):
        yield _chat(
            f"fallback-{number}",
            "fallback",
            model="fails-first",
            stream=number == 3,
            attempts=(Attempt(outcome="failure", error="provider_5xx"), Attempt()),
        )
    for number in range(3):
        yield _chat(
            f"disconnect-{number}", "disconnect", stream=True, attempts=(), more=True, answered=False, hang_up=True
        )
    yield _chat("budget-0", "budget", key=CAROL, actor=f"key:{_CAROLS_HASH}", **_failed("quota"))
    for number in range(3):
        over = (Attempt(outcome="failure", error="rate_limit_caller"),)
        yield _chat(
            f"limit-{number}",
            "limit",
            key=BOB,
            actor="bob",
            attempts=over if number else (Attempt(),),
            answered=not number,
        )


def _refused() -> Iterator[Case]:
    nobody: dict[str, Any] = {"actor": None, "said": False, **_failed("auth")}
    for number in range(5):
        yield _chat(f"wrong-key-{number}", "wrong-key", key=f"sk-wrong-key-{number}", **nobody)
    for number in range(3):
        shared = {"x-litellm-call-id": "5f0e2f3c-0000-4000-8000-00000000c0de"}
        yield _chat(f"same-id-{number}", "same-id", key=f"sk-same-id-{number}", headers=shared, **nobody)
    yield _chat("no-key-0", "no-key", keyless=True, **nobody)


def _guarded() -> Iterator[Case]:
    for stage in ("pre", "during", "post"):
        for deed in ("http", "raised", "value", "exception"):
            name = f"guard-{stage}-{deed}"
            yield _chat(
                name,
                name,
                text=f"guard={stage}-{deed}",
                attempts=(Attempt(outcome="failure", error=BLOCKED, verdict="block"),),
                more=stage != "pre",
                answered=False,
            )
    for stage in ("pre", "during", "post"):
        yield _chat(f"guard-{stage}-none", "guard-none", text=f"guard={stage}-none", attempts=_PASS)
    for number in range(3):
        yield _chat(f"guard-pre-data-{number}", "guard-data", text="guard=pre-data", attempts=_PASS)
    yield _chat("guard-post-data", "guard-data", text="guard=post-data", attempts=_PASS)
    for stage in ("pre", "post"):
        yield _chat(
            f"guard-{stage}-mask",
            "guard-mask",
            text=f"guard={stage}-mask PRIVATE",
            attempts=(Attempt(),),
            answered=stage == "pre",
        )


def _without_database() -> Iterator[Case]:
    nobody: dict[str, Any] = {"actor": None, "said": False, "custom_auth": False, **_failed("auth")}
    for number in range(5):
        group = "wrong-key-no-database"
        yield _chat(f"stranger-{number}", group, key=f"sk-stranger-{number}", **nobody)
    yield _chat("keyless-0", "no-key-no-database", keyless=True, **nobody)
    for number in range(2):
        yield _chat(f"admin-{number}", "master-key", key=GATEWAYS_OWN, actor="default_user_id", custom_auth=False)


CASES: Final = (*_ordinary(), *_failures(), *_refused(), *_guarded(), *_without_database())
