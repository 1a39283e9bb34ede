"""What the guardrails did, from ``guardrail_information``.

"Blocked" is not one field: the record's own ``guardrail_status`` says success for some blocked and for most masked
requests, and ``guardrail_intervened`` is also said by a guardrail that only logs.
"""

from __future__ import annotations

from collections.abc import Sequence

from exporters.gateways.litellm.record import Guardrail
from spec.vocabulary import VERDICTS

_GRAVITY = {verdict: gravity for gravity, verdict in enumerate(VERDICTS)}


def graver(one: str, other: str) -> str:
    """The graver of two verdicts."""
    return one if _GRAVITY[one] >= _GRAVITY[other] else other


def verdict_of(guardrail: Guardrail) -> str:
    """What one guardrail did: a word of spec.vocabulary.VERDICTS; ``none`` if it did not run."""
    match guardrail.guardrail_status:
        case "guardrail_intervened":
            return "would_block" if _only_logs(guardrail.guardrail_mode) else "block"
        case "guardrail_flagged":
            return "would_block"
        case "guardrail_failed_to_respond":
            return "error"
    if guardrail.masked_entity_count:
        return "mask"
    return "pass" if guardrail.guardrail_status == "success" else "none"


def stage_of_block(guardrails: Sequence[Guardrail] | None) -> str:
    """Where the request was blocked: ``pre_call`` (no provider was asked), ``later``, or "" when it was not."""
    stage = ""
    for guardrail in guardrails or ():
        if guardrail.guardrail_status == "guardrail_intervened" and not _only_logs(guardrail.guardrail_mode):
            if guardrail.guardrail_mode == "pre_call":
                return "pre_call"
            stage = "later"
    return stage


def _only_logs(mode: object) -> bool:
    """The mode is a word, a list of them, or an object with a default."""
    stated = mode.get("default") if isinstance(mode, dict) else mode
    modes = stated if isinstance(stated, list) else [stated]
    return bool(modes) and all(mode == "logging_only" for mode in modes)
