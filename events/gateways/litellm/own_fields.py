"""The flat record of one attempt of LiteLLM: what every gateway's has, and the fields that only LiteLLM logs."""

from __future__ import annotations

from collections import Counter
from typing import Any

from events.batch import EventBatch
from events.bounds import count, finite
from events.gateways.ecs_record import LoggedNames, flat_record
from events.gateways.lenient import parse
from events.gateways.litellm.error_class import http_status
from events.gateways.litellm.guardrails import Ended, ended_by, listed, verdict_of
from events.gateways.litellm.record import Record, session_of
from events.gateways.litellm.spend_logs import Header, is_row, record_of_row, row_of
from events.gateways.names import short


def record_of(batch: EventBatch, raw: bytes, header: Header | None = None) -> dict[str, object]:
    """The record of `raw`, whose only attempt is in `batch` with all columns and content.

    `header` is that of a row of CSV.

    Raises:
        LookupError: `raw` is no attempt.
    """
    if batch.size != 1:
        raise LookupError("these bytes are no attempt")
    row = None if header is None else row_of(raw.decode("utf-8-sig", "replace").rstrip("\r\n"), header)
    plain = parse(raw, Counter()) if row is None else row
    if is_row(plain):
        plain = record_of_row(plain, Counter())
    if plain.get("status") is None:  # in the hook's envelope
        plain = plain["record"]
    failed = batch.objects("error_class")[0] != "none"
    own = {**_own(plain), **(_error(plain) if failed else {}), **_guardrails(batch.records[0], plain)}
    return flat_record(batch, raw, _names(batch.records[0], plain, failed=failed), own)


def _names(record: Record, plain: dict[str, Any], *, failed: bool) -> LoggedNames:
    metadata, error = _object(plain, "metadata"), _object(plain, "error_information")
    return LoggedNames(
        call=short(record.litellm_call_id or record.id),
        user=_text(metadata, "user_api_key_user_id"),
        key_alias=_text(metadata, "user_api_key_alias"),
        session=session_of(plain.get("trace_id"), _object(metadata, "requester_metadata").get("session_id")),
        end_user=_text(plain, "end_user") or _text(metadata, "user_api_key_end_user_id"),
        client_address=_text(plain, "requester_ip_address"),
        status=http_status(_text(error, "normalized_error") or "", str(error.get("error_code") or ""))
        if failed
        else None,
    )


def _own(plain: dict[str, Any]) -> dict[str, object]:
    metadata, response = _object(plain, "metadata"), _object(plain, "response")
    parameters = _object(plain, "model_parameters")
    finish = [_text(choice, "finish_reason") for choice in _objects(response.get("choices"))]
    offered = _objects(parameters.get("tools"))
    tools = [_text(_object(tool, "function"), "name") or _text(tool, "name") for tool in offered]
    cache_hit = plain.get("cache_hit")
    return {
        "url.path": _text(metadata, "user_api_key_request_route"),
        "gen_ai.request.max_tokens": count(parameters.get("max_tokens")),
        "gen_ai.response.id": _text(response, "id"),
        "gen_ai.response.model": _text(response, "model"),
        "gen_ai.response.finish_reasons": [reason for reason in finish if reason],
        "llm.cache.hit": cache_hit if isinstance(cache_hit, bool) else None,
        "user.email": _text(metadata, "user_api_key_user_email"),
        "group.id": _text(metadata, "user_api_key_team_id"),
        "organization.id": _text(metadata, "user_api_key_org_id"),
        "user_agent.original": _text(plain, "user_agent"),
        "llm.tools.offered": [name for name in tools if name],
    }


def _error(plain: dict[str, Any]) -> dict[str, object]:
    return {"error.type": _text(_object(plain, "error_information"), "error_class")}


def _guardrails(record: Record, plain: dict[str, Any]) -> dict[str, object]:
    logged = plain.get("guardrail_information")
    found = _objects([logged] if isinstance(logged, dict) else logged)
    failed = record.status == "failure"
    ended = ended_by(record.error_information) if failed else Ended.NO
    pairs = zip(listed(record.guardrail_information), found, strict=False)
    return {
        "llm.guardrail.results": [
            _guardrail(given, verdict_of(read, failed=failed, ended=ended), short(read.guardrail_name))
            for read, given in pairs
        ]
    }


def _guardrail(plain: dict[str, Any], verdict: str, name: str | None) -> dict[str, object]:
    """One result; what matched stays out, as it quotes the prompt."""
    mode = plain.get("guardrail_mode")
    result = {
        "name": name,
        "provider": _text(plain, "guardrail_provider"),
        "stage": short(mode) if isinstance(mode, str) else None,
        "action": verdict,
        "rule": _text(plain, "detection_method"),
        "score": finite(plain.get("risk_score")),
        "duration": finite(plain.get("duration")),
    }
    return {name: value for name, value in result.items() if value not in (None, "")}


def _text(value: dict[str, Any], name: str) -> str | None:
    found = value.get(name)
    return short(found) if isinstance(found, str) else None


def _object(value: dict[str, Any], name: str) -> dict[str, Any]:
    found = value.get(name)
    return found if isinstance(found, dict) else {}


def _objects(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
