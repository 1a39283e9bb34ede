"""Tokens of an attempt, where the record's own counts do not tell them.

LiteLLM fills in 0 for what it does not know: calls of the Responses API and pass-through calls in some versions have
``prompt_tokens`` and ``completion_tokens`` 0 beside their ``total_tokens``. The provider's own count may know better.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from events.batch import Floats
from events.gateways.litellm.record import Usage

_LONGEST: Final = 32  # characters of a number in text


def number_in(value: object) -> float | None:
    """The number that stands in a text; None if it is none."""
    if not isinstance(value, str) or len(value) > _LONGEST or "_" in value:
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def fill_in(given: Floats, answered: Floats, total: Floats, usages: Sequence[Usage | None]) -> None:
    """Put in place what `given` and `answered`, the tokens of prompts and answers, lack of `total`.

    A side that is 0 or unknown is taken from `usages`, else it is the rest of the total. When neither side is known,
    both become NaN: they are unknown, not 0.
    """
    has_given, has_answered = given > 0, answered > 0
    known = np.where(has_given, given, 0.0) + np.where(has_answered, answered, 0.0)
    short = ~(has_given & has_answered) & (known < total)
    for row in np.flatnonzero(short).tolist():
        given[row], answered[row] = _sides(float(given[row]), float(answered[row]), float(total[row]), usages[row])


def cached_in(usage: Usage) -> float:
    """Tokens of the prompt that were read from a cache, under whatever name; NaN if it does not say."""
    for details in (usage.prompt_tokens_details, usage.input_tokens_details):
        if details is not None and details.cached_tokens:
            return details.cached_tokens
    for stated in (usage.cache_read_input_tokens, usage.prompt_cache_hit_tokens):
        if stated:
            return stated
    none = usage.prompt_tokens_details or usage.input_tokens_details
    return math.nan if none is None or none.cached_tokens is None else none.cached_tokens


def reasoning_in(usage: Usage) -> float:
    """Tokens of the answer that the model spent on reasoning; NaN if it does not say."""
    for details in (usage.completion_tokens_details, usage.output_tokens_details):
        if details is not None and details.reasoning_tokens is not None:
            return details.reasoning_tokens
    return math.nan


def _sides(given: float, answered: float, total: float, usage: Usage | None) -> tuple[float, float]:
    if usage is not None:
        given = given if given > 0 else usage.prompt_tokens or usage.input_tokens or given
        answered = answered if answered > 0 else usage.completion_tokens or usage.output_tokens or answered
    if not given > 0 and not answered > 0:
        return math.nan, math.nan
    if not given > 0 and total > answered:
        given = total - answered
    if not answered > 0 and total > given:
        answered = total - given
    return given, answered
