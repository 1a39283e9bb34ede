"""What a gateway declares about Tocsin's hook in it: what its health files are called, and the words in them.

A hook runs inside a gateway (exporters/hooks). Sources read its health files, and know no gateway; so the gateway's
`HookFormat` is handed to them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import msgspec

from events.bounds import Count, Instant

DROPS: Final = ("queue_full", "unencodable", "error", "other")
"""Why the writers of every hook drop records; what else they may say is ``other``."""
UNREPORTED: Final = ("client_address", "address_of_refused_credentials", "other")
"""Fields that the gateway around a hook does not report; what else it may say is ``other``."""


class HookHealthFile(msgspec.Struct, frozen=True, gc=False):
    """The content of a health file, as far as it is needed. What has a default is not in files of the first hooks.

    A gateway makes its own of it where its hook has another name for a key.
    """

    v: Literal[1]
    writer: str
    state: Literal["running", "stopping", "stopped"]
    updated: Instant
    dropped: dict[str, Count]
    queue_bytes: Count
    trouble: str
    records: Count | None = None
    shed: dict[str, Count] = {}
    content_lost: Count = 0
    hook: str = ""
    gateway_version: str = ""
    unreported: list[str] = []


@dataclass(frozen=True, slots=True)
class HookFormat:
    """The health files of one gateway's hook.

    They are called ``PREFIX-WRITER.health.json``, beside the log. `gateway` is its name for people. `parts` are what
    the hook leaves out of records that are too large; the last one stands for all that are not listed.
    """

    gateway: str
    prefix: str
    parts: tuple[str, ...]
    content: type[HookHealthFile] = HookHealthFile
