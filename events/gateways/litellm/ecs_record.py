"""The flat record of one attempt: OpenTelemetry GenAI (semantic conventions 1.41.1) and ECS names, else ``llm.*``.

What is unknown is absent. Prompts, answers, error messages and the arguments of tools are not in it: they may hold what
nobody else should read.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import Any

from events.batch import EventBatch
from events.bounds import count, finite, known
from events.gateways import timestamps
from events.gateways.address import address_of
from events.gateways.lenient import parse
from events.gateways.litellm.error_class import http_status
from events.gateways.litellm.guardrails import ended_by_gateway, listed, verdict_of
from events.gateways.litellm.record import Guardrail, Record, session_of
from events.gateways.names import short

SCHEMA_VERSION = 1


def flat_record(batch: EventBatch, raw: bytes) -> dict[str, object]:
    """The record of `raw`, whose only attempt is in `batch` with all columns and content.

    Raises:
        LookupError: `raw` is no attempt.
    """
    if batch.size != 1:
        raise LookupError("these bytes are no attempt")
    plain = parse(raw, Counter())
    if plain.get("status") is None:  # in the hook's envelope
        plain = plain["record"]
    record = {
        **_event(batch, raw),
        **_call(batch, plain),
        **_people(batch, plain),
        **_outcome(batch, plain),
        **_tools_and_guardrails(batch, plain),
        **_content(batch),
    }
    return {name: value for name, value in record.items() if value not in (None, "", [])}


def _event(batch: EventBatch, raw: bytes) -> dict[str, object]:
    ended, duration, start = float(batch.numbers("time")[0]), _number(batch, "duration"), batch.records[0].start_time
    started = ended if duration is None else start
    refused = batch.objects("error_class")[0] in ("auth", "permission") and batch.objects("settled")[0]
    return {
        "@timestamp": timestamps.rfc3339(started),
        "event.start": timestamps.rfc3339(started),
        "event.end": timestamps.rfc3339(ended),
        "event.duration": None if duration is None else round(duration * 1e9),
        "event.id": f"{batch.ids('event_id')[0]:016x}",
        "event.dataset": f"{batch.gateway}.attempt",
        "event.outcome": batch.objects("outcome")[0],
        "llm.schema_version": SCHEMA_VERSION,
        "llm.source": batch.gateway,
        "llm.raw_sha256": hashlib.sha256(raw).hexdigest(),
        "llm.record_kind": "auth_refusal" if refused else "attempt",
        "llm.settled": batch.objects("settled")[0],
    }


def _call(batch: EventBatch, plain: dict[str, Any]) -> dict[str, object]:
    record: Record = batch.records[0]
    response = _object(plain, "response")
    parameters = _object(plain, "model_parameters")
    finish = [_text(choice, "finish_reason") for choice in _objects(response.get("choices"))]
    cache_hit = plain.get("cache_hit")
    return {
        "llm.call.id": short(record.litellm_call_id or record.id),
        "gen_ai.operation.name": batch.objects("operation")[0],
        "url.path": _text(_object(plain, "metadata"), "user_api_key_request_route"),
        "gen_ai.provider.name": batch.objects("provider")[0],
        "gen_ai.request.model": batch.objects("model")[0],
        "gen_ai.request.stream": batch.objects("stream")[0],
        "gen_ai.request.max_tokens": count(parameters.get("max_tokens")),
        "gen_ai.response.id": _text(response, "id"),
        "gen_ai.response.model": _text(response, "model"),
        "gen_ai.response.finish_reasons": [reason for reason in finish if reason],
        "gen_ai.response.time_to_first_chunk": _number(batch, "time_to_first_chunk"),
        "gen_ai.usage.input_tokens": count(_number(batch, "input_tokens")),
        "gen_ai.usage.output_tokens": count(_number(batch, "output_tokens")),
        "gen_ai.usage.cache_read.input_tokens": count(_number(batch, "cached_tokens")),
        "gen_ai.usage.reasoning.output_tokens": count(_number(batch, "reasoning_tokens")),
        "gen_ai.conversation.id": _session(plain),
        "llm.cost.usd": _number(batch, "cost_usd"),
        "llm.cache.hit": cache_hit if isinstance(cache_hit, bool) else None,
    }


def _people(batch: EventBatch, plain: dict[str, Any]) -> dict[str, object]:
    metadata = _object(plain, "metadata")
    address = address_of(_text(plain, "requester_ip_address"))
    key = batch.objects("key")[0]
    return {
        "llm.actor": batch.objects("actor")[0],
        "user.id": _text(metadata, "user_api_key_user_id"),
        "user.email": _text(metadata, "user_api_key_user_email"),
        "group.id": _text(metadata, "user_api_key_team_id"),
        "organization.id": _text(metadata, "user_api_key_org_id"),
        "llm.key.hash": key,
        "llm.key.alias": _text(metadata, "user_api_key_alias"),
        "llm.key.known": None if key is None else batch.objects("error_class")[0] != "auth",
        "llm.end_user.id": _text(plain, "end_user") or _text(metadata, "user_api_key_end_user_id"),
        "source.ip": None if address is None else str(address),
        "llm.source_range": batch.objects("source_range")[0],
        "llm.source_ip_trusted": None if address is None else batch.source_trusted,
        "user_agent.original": _text(plain, "user_agent"),
    }


def _outcome(batch: EventBatch, plain: dict[str, Any]) -> dict[str, object]:
    error = _object(plain, "error_information")
    error_class = batch.objects("error_class")[0]
    if error_class == "none":
        return {}
    return {
        "error.type": _text(error, "error_class"),
        "http.response.status_code": http_status(
            _text(error, "normalized_error") or "", str(error.get("error_code") or "")
        ),
        "llm.error.class": error_class,
    }


def _tools_and_guardrails(batch: EventBatch, plain: dict[str, Any]) -> dict[str, object]:
    offered = _object(plain, "model_parameters").get("tools")
    tools = [_text(_object(tool, "function"), "name") or _text(tool, "name") for tool in _objects(offered)]
    record: Record = batch.records[0]
    told = plain.get("guardrail_information")
    found = _objects([told] if isinstance(told, dict) else told)
    refused = ended_by_gateway(record.error_information)
    pairs = zip(listed(record.guardrail_information), found, strict=False)
    results = [_guardrail(read, told, refused) for read, told in pairs]
    verdict = batch.objects("verdict")[0]
    return {
        "llm.tools.offered": [name for name in tools if name],
        "llm.tools.called": [name for _row, name in batch.tool_calls],
        "llm.guardrail.action": None if verdict == "none" else verdict,
        "llm.guardrail.results": results,
    }


def _guardrail(guardrail: Guardrail, plain: dict[str, Any], refused: bool) -> dict[str, object]:
    """One result; what matched stays out, as it quotes the prompt."""
    mode = plain.get("guardrail_mode")
    result = {
        "name": short(guardrail.guardrail_name),
        "provider": _text(plain, "guardrail_provider"),
        "stage": short(mode) if isinstance(mode, str) else None,
        "action": verdict_of(guardrail, refused=refused),
        "rule": _text(plain, "detection_method"),
        "score": finite(plain.get("risk_score")),
        "duration": finite(plain.get("duration")),
    }
    return {name: value for name, value in result.items() if value not in (None, "")}


def _content(batch: EventBatch) -> dict[str, object]:
    chars = {"llm.content.input_chars": batch.input_chars, "llm.content.output_chars": batch.output_chars}
    counted = {name: count(float(column[0])) for name, column in chars.items() if column is not None}
    return {"llm.content.present": any(number is not None for number in counted.values()), **counted}


def _session(plain: dict[str, Any]) -> str | None:
    metadata = _object(plain, "metadata")
    return session_of(plain.get("trace_id"), _object(metadata, "requester_metadata").get("session_id"))


def _number(batch: EventBatch, column: str) -> float | None:
    return known(float(batch.numbers(column)[0]))


def _text(value: dict[str, Any], name: str) -> str | None:
    found = value.get(name)
    return short(found) if isinstance(found, str) else None


def _object(value: dict[str, Any], name: str) -> dict[str, Any]:
    found = value.get(name)
    return found if isinstance(found, dict) else {}


def _objects(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
