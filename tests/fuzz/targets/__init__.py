"""The readers of bytes from outside, each with what it must keep to. A new one is declared in `TARGETS`."""

from __future__ import annotations

from typing import Final

from tests.fuzz.engine import Target
from tests.fuzz.targets import (
    adapter,
    bodies,
    config,
    envelope,
    heads,
    health,
    hook,
    overlays,
    refusals,
    rules,
    state,
    wrappers,
)

TARGETS: Final[dict[str, Target]] = {
    target.name: target
    for target in (
        adapter.TARGET,
        wrappers.TARGET,
        envelope.TARGET,
        bodies.TARGET,
        heads.TARGET,
        state.TARGET,
        overlays.TARGET,
        rules.TARGET,
        rules.PATTERNS,
        config.TARGET,
        hook.TARGET,
        refusals.TARGET,
        health.TARGET,
    )
}
