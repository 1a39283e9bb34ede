"""One meaning, one colour, on every panel: names of Grafana's palette, which follow its light and dark themes.

Green is well, red is harm done or something broken, blue is stopped or held back, yellow to orange is for people to
judge, grey is nothing known. Only names that nobody knows beforehand (models, providers) take what Grafana's palette
gives them. No panel says by colour alone what its numbers and words do not say.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from generators.grafana.form import Steps

WELL: Final = "green"
HARM: Final = "red"
STOPPED: Final = "blue"
WATCH: Final = "orange"
UNKNOWN: Final = "#8e8e96"
PLAIN: Final = "super-light-blue"
LINE: Final = "light-blue"

CALM: Final[Steps] = ((None, PLAIN),)
"""Numbers that are neither good nor bad by themselves."""
FILLING: Final[Steps] = ((None, LINE), (0.8, WATCH), (0.95, HARM))
"""Shares of something that must not run out."""


def up_to(limit: float | None, calm: str = LINE, over: str = WATCH) -> Steps:
    """Calm below the threshold of an alert."""
    return ((None, calm), (limit, over)) if limit is not None else ((None, calm),)


SEVERITIES: Final[Mapping[str, str]] = {"critical": "red", "high": "orange", "medium": "yellow", "low": "blue"}
OUTCOMES: Final[Mapping[str, str]] = {"success": PLAIN, "failure": HARM}
VERDICTS: Final[Mapping[str, str]] = {
    "block": STOPPED,
    "mask": "super-light-blue",
    "would_block": "yellow",
    "error": HARM,
    "pass": WELL,
    "none": UNKNOWN,
}
DETECTORS: Final[Mapping[str, str]] = {
    "canary_token": "dark-orange",
    "sensitive_output": "light-orange",
    "tool_misuse": "super-light-orange",
    "jailbreak": "dark-purple",
    "prompt_injection": "light-purple",
    "indirect_injection": "super-light-purple",
    "system_prompt_extraction": "light-blue",
}
"""What left the model is orange; what was tried on it is purple and blue."""
ERRORS: Final[Mapping[str, str]] = {
    "provider_5xx": "dark-red",
    "timeout": "red",
    "network": "semi-dark-red",
    "rate_limit_provider": "light-red",
    "provider_auth": "super-light-red",
    "provider_policy": "dark-purple",
    "auth": "dark-orange",
    "permission": "orange",
    "rate_limit_caller": "light-orange",
    "quota": "super-light-orange",
    "invalid_request": "dark-yellow",
    "model_not_found": "yellow",
    "context_length": "light-yellow",
    "guardrail_block": STOPPED,
    "cancelled": UNKNOWN,
    "other": "#5f6068",
}
"""Red: the provider's side. Orange and yellow: the caller's. Blue: a guardrail did its work."""
DIRECTIONS: Final[Mapping[str, str]] = {
    "input": "blue",
    "output": "purple",
    "cached": "super-light-blue",
    "reasoning": "super-light-purple",
}
