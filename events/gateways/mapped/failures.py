"""How an attempt ended, from what a mapping finds: its outcome, and why it failed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

OTHER: Final = "other"

BLOCKED: Final = frozenset(("guardrail_block", "provider_policy"))
"""Error classes that are a guardrail's verdict, ours or the provider's."""

_BY_STATUS: Final = {
    0: "cancelled",  # proxies write it when the client hung up before the answer
    401: "auth",
    402: "quota",
    403: "permission",
    404: "model_not_found",
    408: "timeout",
    413: "context_length",
    429: "rate_limit_caller",
    499: "cancelled",
    504: "timeout",
}
STATUS_CLASSES: Final = frozenset((*_BY_STATUS.values(), "invalid_request", "provider_5xx"))
"""Every class that an HTTP status alone can lead to."""


def class_of_status(status: int | None, own: Mapping[str, str]) -> str:
    """The error class of an HTTP status, ``none`` for a good one; `own` are those that a mapping states."""
    if status is None:
        return "none"
    if (stated := own.get(str(status))) is not None:
        return stated
    if (known := _BY_STATUS.get(status)) is not None:
        return known
    if 400 <= status < 500:
        return "invalid_request"
    return "provider_5xx" if 500 <= status < 600 else "none"


def endings(
    outcomes: Sequence[str | None],
    classes: Sequence[str | None],
    statuses: Sequence[int | None],
    own: Mapping[str, str],
) -> tuple[list[str], list[str]]:
    """Outcome and error class of each attempt.

    A stated outcome decides; without one, an error class or a bad status is a failure, and anything else a success. A
    stated class comes before that of the status.
    """
    if outcomes.count("success") == len(outcomes):
        return ["success"] * len(outcomes), ["none"] * len(outcomes)
    ended: list[str] = []
    failed: list[str] = []
    for outcome, stated, status in zip(outcomes, classes, statuses, strict=True):
        error = stated if stated not in (None, "none") else class_of_status(status, own)
        result = outcome or ("success" if error in (None, "none") else "failure")
        ended.append(result)
        failed.append("none" if result == "success" else (OTHER if error in (None, "none") else str(error)))
    return ended, failed
