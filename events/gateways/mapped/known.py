"""What a mapping can tell at all: which columns, and which words in them. What it cannot, no signal will ever count."""

from __future__ import annotations

from events.gateways.mapped.failures import BLOCKED, OTHER, STATUS_CLASSES
from events.gateways.mapped.model import Mapping, Words

_NAMES = ("tenant", "model", "provider", "stream", "key", "session", "end_user")


def known_columns(mapping: Mapping) -> frozenset[str]:
    """The columns and side tables of a batch that the mapping fills, and ``content``."""
    words = known_words(mapping)
    has = {
        "time": True,
        "event_id": True,
        "settled": True,
        "duration": bool(mapping.duration or (mapping.start and mapping.end)),
        "time_to_first_chunk": bool(mapping.time_to_first_chunk),
        "call_id": bool(mapping.call_id),
        "operation": bool(mapping.operation),
        "outcome": len(words["outcome"]) > 1,
        "error_class": len(words["error_class"]) > 1,
        "verdict": len(words["verdict"]) > 1,
        "actor": bool(mapping.user or mapping.key),
        "source_range": bool(mapping.client_address),
        "tool_calls": bool(mapping.tool_calls or mapping.answer),
        "guardrails": bool(mapping.guardrails),
        "content": bool(mapping.prompt or mapping.answer or mapping.system),
    }
    plain = ("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens", "cost_usd")
    has |= {name: bool(getattr(mapping, name)) for name in (*plain, *_NAMES)}
    return frozenset(name for name, known in has.items() if known)


def known_words(mapping: Mapping) -> dict[str, frozenset[str]]:
    """The words that each column can have, by the tables of the mapping."""
    classes = {"none"}
    if mapping.status:
        classes |= STATUS_CLASSES | set(mapping.error_by_status.values())
    if mapping.error_class:
        classes |= _results(mapping.error_class)
    stated = _results(mapping.outcome) if mapping.outcome else set()
    fails = "failure" in stated or len(classes) > 1
    verdicts = {"none"}
    for table in (mapping.verdict, mapping.guardrails.verdict if mapping.guardrails else None):
        verdicts |= _results(table) if table else set()
    if classes & BLOCKED or mapping.answer:
        verdicts.add("block")
    return {
        "outcome": frozenset(("success", "failure") if fails else ("success",)),
        "error_class": frozenset(classes | {OTHER}) if fails else frozenset(("none",)),
        "verdict": frozenset(verdicts),
        "operation": frozenset({OTHER} | (_results(mapping.operation) if mapping.operation else set())),
    }


def _results(table: Words) -> set[str]:
    return {*table.words.values(), *table.contains.values(), *((table.otherwise,) if table.otherwise else ())}
