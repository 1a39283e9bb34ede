"""What a record means: one adapter per gateway, from its raw lines to an event batch.

An adapter is listed in GATEWAYS and nowhere else.
"""

from __future__ import annotations

import difflib
from typing import Final, Protocol

from events.batch import EventBatch, Raw
from events.gateways.litellm import LiteLLM
from runtime.errors import TocsinError

__all__ = ["GATEWAYS", "Gateway", "LiteLLM", "UnknownGatewayError", "gateway"]


class Gateway(Protocol):
    """Reads the records of one gateway; the arguments of its constructor are those of `gateway`."""

    name: str

    def __init__(
        self,
        columns: frozenset[str],
        content: bool,
        shared_keys: frozenset[str] = frozenset(),
        trust_client_address: bool = False,
    ) -> None: ...

    def decode(self, data: Raw, *, source: str, seed: int = 0) -> EventBatch:
        r"""The attempts in `data`, which is whole lines, each ending in ``b"\n"``; `source` names where they come from.

        The ids depend on `seed`, a number of 64 bits: nobody who does not know it can choose what meets in them.
        Never raises on what `data` holds: every line that is not blank is an attempt, one of the batch's rejects, or
        one of the lines in its notes.
        """
        ...


GATEWAYS: Final[dict[str, type[Gateway]]] = {adapter.name: adapter for adapter in (LiteLLM,)}
"""Every adapter by its name."""


class UnknownGatewayError(TocsinError):
    """No adapter has this name; the text names the nearest one."""


def gateway(
    name: str,
    columns: frozenset[str],
    *,
    content: bool,
    shared_keys: frozenset[str] = frozenset(),
    trust_client_address: bool = False,
) -> Gateway:
    """The adapter of the gateway called `name`, reading no more than `columns` and, if asked, content.

    Raises:
        UnknownGatewayError: there is no such gateway.
        ValueError: there is no such column.
    """
    if name not in GATEWAYS:
        near = difflib.get_close_matches(name, GATEWAYS, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"known are: {', '.join(sorted(GATEWAYS))}"
        raise UnknownGatewayError(f"unknown gateway {name!r}; {hint}")
    return GATEWAYS[name](columns, content, shared_keys, trust_client_address)
