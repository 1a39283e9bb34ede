"""Field names of gateways in prose: ``{log:prompt,answer}`` becomes what the log of each gateway calls them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from spec.model import GatewayLog

_PLACEHOLDER: Final = re.compile(r" ?\{log:([^{}]*)\}")


def mentioned(text: str) -> Iterator[str]:
    """The names in the placeholders of a text, in order."""
    for match in _PLACEHOLDER.finditer(text):
        yield from (name.strip() for name in match[1].split(","))


def filled(text: str, gateways: Mapping[str, GatewayLog]) -> str:
    """The text with each placeholder as ``(TITLE: `messages`, `response`)``.

    A gateway that lacks a name is left out for it; a placeholder that no gateway knows leaves nothing.
    """

    def put(match: re.Match[str]) -> str:
        names = [name.strip() for name in match[1].split(",")]
        known = (
            (gateway.title, [gateway.log[name] for name in names if name in gateway.log])
            for gateway in gateways.values()
        )
        said = "; ".join(f"{title}: {', '.join(places)}" for title, places in known if places)
        return f" ({said})" if said else ""

    return _PLACEHOLDER.sub(put, text)
