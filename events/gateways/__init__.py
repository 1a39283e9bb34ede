"""What a record means: one adapter per gateway, from its raw lines to an event batch.

A gateway is a mapping, ``<name>.yaml`` beside this file, which `mapped` reads. One that needs code has a folder instead
and its line in GATEWAYS, and one in HOOKS if Tocsin has code that runs inside it.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final, Protocol

from events.batch import EventBatch, Raw
from events.gateways.litellm import HOOK, LiteLLM
from events.gateways.mapped import MappedGateway, load_mapping
from events.gateways.unwrapping import Adapter, Unwrapping
from events.hook import HookFormat
from events.wrappers import JSON_WRAPPERS
from runtime.errors import TocsinError

__all__ = ["DEFAULT", "GATEWAYS", "HOOKS", "Gateway", "LiteLLM", "UnknownGatewayError", "gateway", "shipped_mapping"]


class Gateway(Protocol):
    """Reads the records of one gateway."""

    name: str

    def decode(self, data: Raw, *, source: str, seed: int = 0) -> EventBatch:
        r"""The attempts in `data`, which is whole lines, each ending in ``b"\n"``; `source` names where they come from.

        The ids depend on `seed`, a number of 64 bits: nobody who does not know it can choose what meets in them.
        Never raises on what `data` holds: every line that is not blank is an attempt, one of the batch's rejects, or
        one of the lines in its notes.
        """
        ...


Factory = Callable[[frozenset[str], bool, frozenset[str], bool], Adapter]
"""Makes an adapter of: columns, content, shared keys, whether client addresses are trusted; see `gateway`."""

_MAPPINGS: Final = {path.stem: path for path in sorted(Path(__file__).parent.glob("*.yaml"))}


def shipped_mapping(name: str) -> Path | None:
    """The file of a gateway that is shipped as a mapping; None if it is code, or unknown."""
    return _MAPPINGS.get(name)


def _mapped(path: Path, columns: frozenset[str], content: bool, shared: frozenset[str], trusted: bool) -> Adapter:
    return MappedGateway(load_mapping(path), columns, content, shared, trusted)


GATEWAYS: Final[dict[str, Factory]] = {
    LiteLLM.name: LiteLLM,
    **{name: partial(_mapped, path) for name, path in _MAPPINGS.items()},
}
"""Every adapter by its name."""
HOOKS: Final[dict[str, HookFormat]] = {LiteLLM.name: HOOK}
"""The gateways that Tocsin has a hook for, and what they declare of it."""
DEFAULT: Final = LiteLLM.name
"""The gateway of logs of which nobody has said anything."""


_WRAPPED: Final = frozenset(path for wrapper in JSON_WRAPPERS for path in wrapper.inner)
"""Where wrappers have the record. A mapping that opens one of these reads the wrapper's fields too."""


class UnknownGatewayError(TocsinError):
    """No adapter has this name; the text names the nearest one."""


def gateway(
    name: str,
    columns: frozenset[str],
    *,
    content: bool,
    shared_keys: frozenset[str] = frozenset(),
    trust_client_address: bool = False,
    mapping: Path | None = None,
) -> Gateway:
    """The adapter of the gateway called `name`, reading no more than `columns` and, if asked, content.

    It reads records in the wrappers of log shippers too.

    `columns` are names of events.batch.ALL_COLUMNS; content is texts, character counts and both side tables.
    `shared_keys` are names or hashes of keys that many people use: they have no actor. `trust_client_address` says that
    a client cannot choose the address that is logged. With a `mapping` file, that is the gateway, whatever its name.

    Raises:
        UnknownGatewayError: there is no such gateway.
        SpecError: the mapping cannot be used.
        ValueError: there is no such column.
    """
    if mapping is not None:
        adapter = MappedGateway(load_mapping(mapping), columns, content, shared_keys, trust_client_address)
        return adapter if adapter.opens(_WRAPPED) else Unwrapping(adapter)
    if name not in GATEWAYS:
        near = difflib.get_close_matches(name, GATEWAYS, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"known are: {', '.join(sorted(GATEWAYS))}"
        raise UnknownGatewayError(f"unknown gateway {name!r}; {hint}. For a log of your own, write a mapping")
    return Unwrapping(GATEWAYS[name](columns, content, shared_keys, trust_client_address))
