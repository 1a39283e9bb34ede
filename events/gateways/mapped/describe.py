"""The flat record of one attempt that a mapping read: OpenTelemetry GenAI and ECS names, else ``llm.*``.

What is unknown is absent. Prompts, answers and error messages are not in it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Final

from events.batch import EventBatch
from events.bounds import count, known
from events.gateways import timestamps
from events.gateways.address import address_of

SCHEMA_VERSION: Final = 1


def described(batch: EventBatch, raw: bytes, texts: Mapping[str, str | None], status: int | None) -> dict[str, object]:
    """The record of the only attempt in `batch`, which has all columns and content.

    `texts` are the names as the log has them, by the mapping's keys; `status` is that of HTTP.
    """

    def number(name: str) -> float | None:
        return known(float(batch.numbers(name)[0]))

    def word(name: str) -> object:
        return batch.objects(name)[0]

    ended, duration = float(batch.numbers("time")[0]), number("duration")
    started = ended if duration is None else ended - duration
    error, key, address = word("error_class"), word("key"), address_of(texts["client_address"])
    record = {
        "@timestamp": timestamps.rfc3339(started),
        "event.start": timestamps.rfc3339(started),
        "event.end": timestamps.rfc3339(ended),
        "event.duration": None if duration is None else round(duration * 1e9),
        "event.id": f"{batch.ids('event_id')[0]:016x}",
        "event.dataset": f"{batch.gateway}.attempt",
        "event.outcome": word("outcome"),
        "llm.schema_version": SCHEMA_VERSION,
        "llm.source": batch.gateway,
        "llm.raw_sha256": hashlib.sha256(raw).hexdigest(),
        "llm.record_kind": "auth_refusal" if error in ("auth", "permission") and word("settled") else "attempt",
        "llm.settled": word("settled"),
        "llm.call.id": texts["call_id"],
        "gen_ai.operation.name": word("operation"),
        "gen_ai.provider.name": word("provider"),
        "gen_ai.request.model": word("model"),
        "gen_ai.request.stream": word("stream"),
        "gen_ai.response.time_to_first_chunk": number("time_to_first_chunk"),
        "gen_ai.usage.input_tokens": count(number("input_tokens")),
        "gen_ai.usage.output_tokens": count(number("output_tokens")),
        "gen_ai.usage.cache_read.input_tokens": count(number("cached_tokens")),
        "gen_ai.usage.reasoning.output_tokens": count(number("reasoning_tokens")),
        "llm.cost.usd": number("cost_usd"),
        "llm.actor": word("actor"),
        "user.id": texts["user"],
        "group.id": word("tenant"),
        "llm.key.hash": key,
        "llm.key.alias": texts["key_name"],
        "gen_ai.conversation.id": texts["session"],
        "llm.end_user.id": texts["end_user"],
        "llm.key.known": None if key is None else error != "auth",
        "source.ip": None if address is None else str(address),
        "llm.source_range": word("source_range"),
        "llm.source_ip_trusted": None if address is None else batch.source_trusted,
        "http.response.status_code": status,
        "llm.error.class": None if error == "none" else error,
        "llm.tools.called": [name for _row, name in batch.tool_calls],
        "llm.guardrail.action": None if word("verdict") == "none" else word("verdict"),
        "llm.guardrail.results": [{"name": name, "action": verdict} for _row, name, verdict in batch.guardrails],
        **_content(batch),
    }
    return {name: value for name, value in record.items() if value not in (None, "", [])}


def _content(batch: EventBatch) -> dict[str, object]:
    chars = {"llm.content.input_chars": batch.input_chars, "llm.content.output_chars": batch.output_chars}
    counted = {name: count(float(column[0])) for name, column in chars.items() if column is not None}
    return {"llm.content.present": any(number is not None for number in counted.values()), **counted}
