"""What is compared: each feature is a question about the records of some cases, answered for a version and a way."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from tests.versions.cases import CASES, Attempt, Case
from tests.versions.crowd import HOOK, WAYS, Seen
from tests.versions.loading import COPIED, PACKAGE, SHIMMED
from tests.versions.provider import ANSWER, MARK

Json = dict[str, Any]
Question = Callable[[Seen, str], list[str]]
"""What is wrong in what one version gave one way; nothing when all is right."""


@dataclass(frozen=True, slots=True)
class Feature:
    """A row of the table. `ways`: the ways it is asked for."""

    name: str
    title: str
    question: Question
    ways: tuple[str, ...] = WAYS


def _attempts(case: Case, rows: list[Json]) -> list[str]:
    """Whether the attempts are those that were made, belong to one request, and mean what happened."""
    found = [(row["outcome"], row["error_class"], row["verdict"]) for row in rows]
    wrong = []
    left = list(found)
    for wanted in case.attempts:
        match = next((one for one in left if _fits(wanted, one)), None)
        if match is None:
            wrong.append(
                f"{case.name}: no attempt {wanted.outcome} {wanted.error} {wanted.verdict or ''} among {found}"
            )
        else:
            left.remove(match)
    if left and not case.more:
        wrong.append(f"{case.name}: {len(left)} attempts too many: {left}")
    if not rows and not case.attempts:
        wrong.append(f"{case.name}: no record")
    if case.group.startswith("guard-") and sum(row["verdict"] == "block" for row in rows) > 1:
        wrong.append(f"{case.name}: one block counts as several")
    if len({row["call_id"] for row in rows}) > 1:
        wrong.append(f"{case.name}: one request counts as {len({row['call_id'] for row in rows})}")
    return wrong


def _fits(wanted: Attempt, found: tuple[str, str, str]) -> bool:
    outcome, error, verdict = found
    return outcome == wanted.outcome and wanted.error in (None, error) and verdict == (wanted.verdict or verdict)


def _actor(case: Case, rows: list[Json]) -> list[str]:
    return [f"{case.name}: actor {row['actor']}, not {case.actor}" for row in rows if row["actor"] != case.actor]


def _content(case: Case, rows: list[Json]) -> list[str]:
    """Whether the words of the request and of the answer are among the texts, and the tool among those called."""
    wrong = []
    for row in rows:
        said = any((found := MARK.search(text)) and found[1] == case.name for _channel, text in row["texts"])
        if case.said and not said:
            wrong.append(f"{case.name}: the prompt is not among its {len(row['texts'])} texts")
    answers = [text for row in rows for channel, text in row["texts"] if channel == "output"]
    if case.answered and not any(ANSWER in text for text in answers):
        wrong.append(f"{case.name}: the answer is not among the texts")
    if case.tool and not any(case.tool in row["tool_calls"] for row in rows):
        wrong.append(f"{case.name}: the tool that was called is not known")
    return wrong


def _of_group(group: str) -> Question:
    cases = [case for case in CASES if case.group == group]
    assert cases, group

    def ask(seen: Seen, way: str) -> list[str]:
        wrong: list[str] = []
        for case in cases:
            rows = seen.rows(way, case.name)
            wrong += _attempts(case, rows) + _actor(case, rows) + _content(case, rows)
        return wrong

    return ask


def _addresses(cases: Iterable[Case]) -> Question:
    asked = [*cases]

    def ask(seen: Seen, way: str) -> list[str]:
        rows = [(case.name, row) for case in asked for row in seen.rows(way, case.name)]
        return [f"{name}: no address" for name, row in rows if row["source_range"] != "127.0.0.0/24"]

    return ask


def _of_nobody(seen: Seen, way: str) -> list[str]:
    return [f"a record of no request: {row['outcome']} {row['error_class']}" for row in seen.attempts[way].get("", [])]


def _damage(seen: Seen, way: str) -> list[str]:
    dropped = [f"{count} x {field} not understood" for field, count in seen.fields_dropped[way].items()]
    return [f"a line rejected: {reason}" for reason in seen.damaged[way]] + dropped


def _answered(seen: Seen, _way: str) -> list[str]:
    """Whether every request got its answer: a gateway that is stalled does not answer in time."""
    expected_to_break = {"broken-stream"}
    cases = [case for case in CASES if case.group not in expected_to_break]
    return [f"{case.name}: no answer" for case in cases if not seen.statuses.get(case.name)]


def _loading(how: str) -> Question:
    return lambda seen, _way: [seen.loaded[how]] if seen.loaded[how] else []


_GROUPS: Final = {
    "chat": "chat completions",
    "stream": "streams",
    "tools": "tool calls, also in streams",
    "responses": "Responses API",
    "messages": "Anthropic's messages",
    "embeddings": "embeddings",
    "completions": "text completions",
    "images": "images",
    "long": "a prompt of 180 KB",
    "customer": "end user and tags of the client",
    "fallback": "a fallback is one request of two attempts",
    "disconnect": "a client that hangs up",
    "broken-stream": "a stream that the provider breaks off",
    "provider-401": "provider answers 401",
    "provider-403": "provider answers 403",
    "provider-404": "provider answers 404",
    "provider-408": "provider answers 408",
    "provider-429": "provider answers 429",
    "provider-500": "provider answers 500",
    "provider-503": "provider answers 503",
    "provider-context": "context window exceeded",
    "provider-policy": "refusal by the provider's policy",
    "timeout": "timeout",
    "connection": "provider not reachable",
    "budget": "budget exceeded",
    "limit": "rate limit of a key",
    "wrong-key": "wrong key, custom auth",
    "same-id": "wrong keys under one call id",
    "no-key": "no key, custom auth",
    "wrong-key-no-database": "wrong key, no database",
    "no-key-no-database": "no key, no database",
    "master-key": "master key",
    "guard-none": "guardrail that lets pass and returns None",
    "guard-data": "guardrail that lets pass and returns data",
    "guard-mask": "guardrail that masks",
    "guard-pre-http": "pre_call guardrail raises HTTPException",
    "guard-pre-raised": "pre_call guardrail raises GuardrailRaisedException",
    "guard-pre-value": "pre_call guardrail raises ValueError",
    "guard-pre-exception": "pre_call guardrail raises Exception",
    "guard-during-http": "during_call guardrail raises HTTPException",
    "guard-during-raised": "during_call guardrail raises GuardrailRaisedException",
    "guard-during-value": "during_call guardrail raises ValueError",
    "guard-during-exception": "during_call guardrail raises Exception",
    "guard-post-http": "post_call guardrail raises HTTPException",
    "guard-post-raised": "post_call guardrail raises GuardrailRaisedException",
    "guard-post-value": "post_call guardrail raises ValueError",
    "guard-post-exception": "post_call guardrail raises Exception",
}
assert {*_GROUPS} == {case.group for case in CASES}

FEATURES: Final = (
    Feature("load-package", "hook named as installed package", _loading(PACKAGE), (HOOK,)),
    Feature("load-shim", "hook by a file of one line beside config.yaml", _loading(SHIMMED), (HOOK,)),
    Feature("load-copy", "hook as a copied file beside config.yaml", _loading(COPIED), (HOOK,)),
    *(Feature(group, title, _of_group(group)) for group, title in _GROUPS.items()),
    Feature("address", "client address of accepted calls", _addresses(case for case in CASES if case.let_in)),
    Feature("address-refused", "client address of refused keys", _addresses(case for case in CASES if case.refused)),
    Feature(
        "address-budget",
        "client address of a caller without budget",
        _addresses(case for case in CASES if case.group == "budget"),
    ),
    Feature("nobody", "no record without a request", _of_nobody),
    Feature("damage", "no field or line that is not understood", _damage),
    Feature("answered", "every request is answered: the gateway does not stall", _answered, (HOOK,)),
)
