"""The flat record of one attempt: OpenTelemetry GenAI (semantic conventions 1.41.1) and ECS names, else ``llm.*``.

Every gateway's record has these. What is unknown is absent. Prompts, answers, error messages and the arguments of tools
are not in it: they may hold what nobody else should read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from events.batch import EventBatch
from events.bounds import count, known
from events.gateways import timestamps
from events.gateways.address import address_of

SCHEMA_VERSION: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedNames:
    """What a batch does not hold of an attempt: names as its log has them, shortened, and the HTTP status."""

    call: str | None = None
    user: str | None = None
    key_alias: str | None = None
    session: str | None = None
    end_user: str | None = None
    client_address: str | None = None
    status: int | None = None


def flat_record(
    batch: EventBatch, raw: bytes, names: LoggedNames, own: Mapping[str, object] | None = None
) -> dict[str, object]:
    """The record of the only attempt in `batch`, which has all columns and content; `raw` is its line.

    `own` are fields that only this gateway logs, or logs better.
    """

    def number(name: str) -> float | None:
        return known(float(batch.numbers(name)[0]))

    def word(name: str) -> object:
        return batch.objects(name)[0]

    ended, duration = float(batch.numbers("time")[0]), number("duration")
    started = timestamps.rfc3339(ended if duration is None else ended - duration)
    error, key, address = word("error_class"), word("key"), address_of(names.client_address)
    record = {
        "@timestamp": started,
        "event.start": started,
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
        "llm.call.id": names.call,
        "gen_ai.operation.name": word("operation"),
        "gen_ai.provider.name": word("provider"),
        "gen_ai.request.model": word("model"),
        "gen_ai.request.stream": word("stream"),
        "gen_ai.response.time_to_first_chunk": number("time_to_first_chunk"),
        "gen_ai.usage.input_tokens": count(number("input_tokens")),
        "gen_ai.usage.output_tokens": count(number("output_tokens")),
        "gen_ai.usage.cache_read.input_tokens": count(number("cached_tokens")),
        "gen_ai.usage.reasoning.output_tokens": count(number("reasoning_tokens")),
        "gen_ai.conversation.id": names.session,
        "llm.cost.usd": number("cost_usd"),
        "llm.actor": word("actor"),
        "user.id": names.user,
        "group.id": word("tenant"),
        "llm.key.hash": key,
        "llm.key.alias": names.key_alias,
        "llm.key.known": None if key is None else error != "auth",
        "llm.end_user.id": names.end_user,
        "source.ip": None if address is None else str(address),
        "llm.source_range": word("source_range"),
        "llm.source_ip_trusted": None if address is None else batch.source_trusted,
        "http.response.status_code": names.status,
        "llm.error.class": None if error == "none" else error,
        "llm.tools.called": [name for _row, name in batch.tool_calls],
        "llm.guardrail.action": None if word("verdict") == "none" else word("verdict"),
        "llm.guardrail.results": [{"name": name, "action": verdict} for _row, name, verdict in batch.guardrails],
        **_content(batch),
        **(own or {}),
    }
    return {name: value for name, value in record.items() if value not in (None, "", [])}


def _content(batch: EventBatch) -> dict[str, object]:
    chars = {"llm.content.input_chars": batch.input_chars, "llm.content.output_chars": batch.output_chars}
    counted = {name: count(float(column[0])) for name, column in chars.items() if column is not None}
    return {"llm.content.present": any(number is not None for number in counted.values()), **counted}
