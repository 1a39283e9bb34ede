"""Prompts, answers and tool calls of records that a mapping reads, in whatever shape they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from events.gateways.fitting import UNFIT, Fitter, Fitting
from events.gateways.openai_content import AnyResponse, Content, Messages

_KINDS: Final[dict[str, Any]] = {"prompt": Messages, "system": Content, "answer": AnyResponse}
_FITTERS: Final = {name: Fitter(kind, path=name) for name, kind in _KINDS.items()}


def shaped(name: str, values: Sequence[Any], dropped: Counter[str], unread: Counter[str]) -> list[Any]:
    """The values of ``prompt``, ``system`` or ``answer`` as the content collector knows them.

    Text, messages, lists of parts and whole answers all fit; what does not is counted and left out.
    """
    fit, found = _FITTERS[name].fit, []
    for value in values:
        if value is None or type(value) is str:
            found.append(value)
            continue
        fitting = Fitting(dropped)
        fitted = fit(value, fitting)
        found.append(None if fitted is UNFIT else fitted)
        if fitting.unread:
            unread["misfits"] += fitting.unread
    return found
