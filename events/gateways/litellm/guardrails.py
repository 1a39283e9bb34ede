"""What the guardrails did, from ``guardrail_information``.

"Blocked" is not one field: the record's own ``guardrail_status`` says success for some blocked and for most masked
requests, and ``guardrail_intervened`` is also said by a guardrail that only logs.
"""

from __future__ import annotations

from collections.abc import Sequence

from events.gateways.litellm.error_class import http_status
from events.gateways.litellm.record import ErrorInformation, Guardrail

_INTERVENED = frozenset(("guardrail_intervened", "blocked"))
_FAILED = frozenset(("guardrail_failed_to_respond", "failure"))
"""The first is LiteLLM's word, the second that of older versions and of guardrails that people write themselves."""


def listed(value: list[Guardrail] | Guardrail | None) -> Sequence[Guardrail]:
    """``guardrail_information`` as a list: before LiteLLM 1.80 it is one object."""
    if value is None:
        return ()
    return value if isinstance(value, list) else (value,)


def ended_by_gateway(error: ErrorInformation | None) -> bool:
    """Whether the gateway itself, no provider, ended the request with a status of 4xx."""
    if error is None or error.error_class != "HTTPException" or error.llm_provider:
        return False
    code = error.error_code
    status = code if isinstance(code, int) else http_status(error.normalized_error or "", code or "")
    return status is not None and 400 <= status < 500


def verdict_of(guardrail: Guardrail, *, refused: bool = False) -> str:
    """What one guardrail did: a word of spec.vocabulary.VERDICTS; ``none`` if it did not run.

    `refused`: `ended_by_gateway`. Then a guardrail that "failed to respond" is the one that refused: LiteLLM says so of
    every exception but its own.
    """
    if _intervened(guardrail, refused):
        return "would_block" if _only_logs(guardrail.guardrail_mode) else "block"
    if guardrail.guardrail_status in _FAILED:
        return "error"
    if guardrail.guardrail_status == "guardrail_flagged":
        return "would_block"
    if guardrail.masked_entity_count:
        return "mask"
    return "pass" if guardrail.guardrail_status == "success" else "none"


def stage_of_block(guardrails: Sequence[Guardrail], *, refused: bool = False) -> str:
    """Where the request was blocked: ``pre_call`` (no provider was asked), ``later``, or "" when it was not.

    `refused` as for `verdict_of`.
    """
    stage = ""
    for guardrail in guardrails:
        if _intervened(guardrail, refused) and not _only_logs(guardrail.guardrail_mode):
            if guardrail.guardrail_mode == "pre_call":
                return "pre_call"
            stage = "later"
    return stage


def _intervened(guardrail: Guardrail, refused: bool) -> bool:
    status = guardrail.guardrail_status
    return status in _INTERVENED or (refused and status in _FAILED)


def _only_logs(mode: object) -> bool:
    """The mode is a word, a list of them, or an object with a default."""
    stated = mode.get("default") if isinstance(mode, dict) else mode
    modes = stated if isinstance(stated, list) else [stated]
    return bool(modes) and all(mode == "logging_only" for mode in modes)
