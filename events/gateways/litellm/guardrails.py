"""What the guardrails did, from ``guardrail_information`` and whatever else of a record says it.

"Blocked" is not one field: the record's own ``guardrail_status`` says success for some blocked and for most masked
requests, and ``guardrail_intervened`` is also said by a guardrail that only logs. Some integrations write no entry at
all, so the exception that ended the request counts too. docs/gateways/litellm.md lists every integration.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import Enum
from typing import Final

from events.gateways.litellm.error_class import BROKEN, GUARDRAIL_ERRORS, HTTP_ERRORS, http_status
from events.gateways.litellm.record import ErrorInformation, Guardrail

_WORDS: Final = {
    "block": ("guardrail_intervened", "blocked", "block", "intervened", "denied", "deny", "rejected", "reject"),
    "error": ("guardrail_failed_to_respond", "failure", "failed", "error", "timeout"),
    "would_block": ("guardrail_flagged", "flagged", "would_block"),
    "mask": ("masked", "mask", "redacted", "anonymized"),
    "pass": ("success", "passed", "pass", "allowed", "allow"),
    "none": ("not_run", "skipped"),
}
"""LiteLLM's own words, the older ones that it still maps to these, and those that people write in their guardrails."""
_VERDICTS: Final = {word: verdict for verdict, words in _WORDS.items() for word in words}
_LONGEST: Final = max(map(len, _VERDICTS))

_TECHNICAL: Final = frozenset((401, 407, 408, 425, 429, 502, 503, 504))
"""Statuses that guardrails pass on from the service they ask: a wrong key, a timeout, a limit, an outage."""
_BLOCKED: Final = re.compile(
    r"violated? .{0,60}(?:policy|threshold|guardrail)|policy violation|blocked by|blocked due to|content blocked"
    r"|(?:request|response|prompt|message|tool call) (?:was |is )?(?:blocked|rejected)|rejected message"
    r"|prompt injection attack|judge rejected|guardrail: .{0,60} crossed severity|guardrail raised an exception"
    r"|blocked entity detected|detector failed: \d+ violation"
)
"""What LiteLLM's guardrails say when they block."""
_BROKEN: Final = re.compile(
    r"(?:api|is|backend) unreachable|(?:service|guardrail|temporarily) (?:is )?(?:temporarily )?unavailable"
    r"|(?:upstream policy evaluation|security scan|sanitization|api request) (?:failed|timeout)|throttle retries"
    r"|guardrail (?:failed to respond|could not evaluate|error:|is misconfigured)|error in \w+ guardrail"
    r"|returned (?:invalid json|an? (?:invalid|unexpected|unrecognized) \w+|http [45]\d\d)|; cannot verify"
    r"|api error:|cannot be checked|could not parse"
)
"""What they say when they cannot judge, and stop the request to be safe."""
_MAY_BLOCK: Final = ("violat", "block", "reject", "injection", "guardrail", "detector")
_MAY_BREAK: Final = (
    *("unreachable", "unavailable", "fail", "guardrail", "throttle", "returned", "cannot", "api error", "parse"),
    "timeout",
)
"""Parts of every such sentence: most messages have none, and are not searched."""
_READ: Final = 4_096  # characters of a message that are looked at
_BEGINNING: Final = 200  # and those where LiteLLM's own sentence stands, before anything that quotes a prompt


class Ended(Enum):
    """What a failure says about guardrails."""

    NO = "a guardrail did not end it, as far as it says"
    REFUSED = "the gateway itself refused: a guardrail that 'failed to respond' is the one that refused"
    BLOCKED = "a guardrail blocked, whatever the entries say"
    BROKEN = "a guardrail could not judge, and stopped the request to be safe"


def listed(stated: list[Guardrail] | Guardrail | None) -> Sequence[Guardrail]:
    """``guardrail_information`` as a list: before LiteLLM 1.80 it is one object."""
    if stated is None:
        return ()
    return stated if isinstance(stated, list) else (stated,)


def ended_by(error: ErrorInformation | None) -> Ended:
    """What `error` says about guardrails; NO for what a provider raised.

    LiteLLM before 1.89 says that a guardrail "failed to respond" of every exception but its own, and some guardrails
    write no entry, or "success" when they block.
    """
    if error is None or error.llm_provider:
        return Ended.NO
    code = error.error_code
    status = int(code) if isinstance(code, int | float) else http_status(error.normalized_error or "", code or "")
    judged = error.error_class in GUARDRAIL_ERRORS
    if status in _TECHNICAL and not judged:
        return Ended.NO
    message = (error.error_message or "")[:_READ].lower()
    broken = _found(_BROKEN, _MAY_BREAK, message[:_BEGINNING])
    blocked = _found(_BLOCKED, _MAY_BLOCK, message)
    if broken is not None and (blocked is None or broken < blocked):
        return Ended.BROKEN
    if judged or blocked is not None:
        return Ended.BLOCKED
    refused = error.error_class in HTTP_ERRORS and status is not None and 400 <= status < 500
    return Ended.REFUSED if refused else Ended.NO


def _found(sentence: re.Pattern[str], parts: Sequence[str], message: str) -> int | None:
    """Where a sentence stands in a message of small letters."""
    for part in parts:
        if part in message:
            found = sentence.search(message)
            return None if found is None else found.start()
    return None


def verdict_of(guardrail: Guardrail, *, failed: bool = False, ended: Ended = Ended.NO) -> str:
    """What one guardrail did: a word of spec.vocabulary.VERDICTS; ``none`` if it did not run, or says nothing known.

    `failed`: the attempt failed, `ended` is what its error says. A guardrail before the call that masked something and
    "intervened" has changed the request, which was answered.
    """
    verdict = _judgement(guardrail, ended)
    if verdict == "block" and (failed or guardrail.guardrail_mode not in _BEFORE):
        return verdict
    return "mask" if verdict in ("block", "pass", "none") and _masked(guardrail.masked_entity_count) else verdict


def _judgement(guardrail: Guardrail, ended: Ended) -> str:
    """What a guardrail did, as far as its status and mode say it."""
    verdict = second_witness(guardrail.guardrail_status, ended)
    return "would_block" if verdict == "block" and _only_logs(guardrail.guardrail_mode) else verdict


_BEFORE: Final = ("pre_call", "pre_mcp_call")


def unknown_status(guardrail: Guardrail) -> bool:
    """Whether a guardrail says what it did in a word that nothing is known of."""
    return bool(guardrail.guardrail_status) and _known(guardrail.guardrail_status) is None


def second_witness(status: str | None, ended: Ended) -> str:
    """The verdict that a status alone gives, as ``status_fields.guardrail_status`` is one."""
    verdict = _VERDICTS.get(status or "") or _known(status) or "none"
    if verdict == "error" and ended in (Ended.REFUSED, Ended.BLOCKED):
        return "block"
    return "error" if verdict == "block" and ended is Ended.BROKEN else verdict


def stage_of_block(guardrails: Sequence[Guardrail], witness: str, ended: Ended) -> str:
    """Where a failed request was blocked: ``pre_call`` (no provider was asked), ``later``, or "" when it was not.

    BROKEN when a guardrail could not judge. `witness` is the verdict of `second_witness`.
    """
    verdicts = [_judgement(guardrail, ended) for guardrail in guardrails]
    modes = [
        guardrail.guardrail_mode for guardrail, verdict in zip(guardrails, verdicts, strict=True) if verdict == "block"
    ]
    if modes:
        return "pre_call" if "pre_call" in modes else "later"
    if ended is Ended.BROKEN:
        return BROKEN
    if ended is Ended.BLOCKED or (witness == "block" and "would_block" not in verdicts):
        modes = [guardrail.guardrail_mode for guardrail in guardrails]
        return "pre_call" if modes and all(mode == "pre_call" for mode in modes) else "later"
    return ""


def _known(status: str | None) -> str | None:
    if not status:
        return None
    return _VERDICTS.get(status) or (_VERDICTS.get(status.strip().lower()) if len(status) <= 2 * _LONGEST else None)


def _masked(counts: object) -> bool:
    """``masked_entity_count`` is an object of counts by sort."""
    return any(counts.values()) if isinstance(counts, dict) else bool(counts)


def _only_logs(mode: object) -> bool:
    """The mode is a word, a list of them, or an object with a default."""
    stated = mode.get("default") if isinstance(mode, dict) else mode
    modes = stated if isinstance(stated, list) else [stated]
    return bool(modes) and all(mode == "logging_only" for mode in modes)
