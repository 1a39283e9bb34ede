"""What guardrails did, compared: the worst of two verdicts."""

from __future__ import annotations

from typing import Final

from spec.vocabulary import VERDICTS

_SEVERITY: Final = {verdict: place for place, verdict in enumerate(VERDICTS)}


def worst(one: str, other: str) -> str:
    """The more severe of two verdicts."""
    return one if _SEVERITY[one] >= _SEVERITY[other] else other
