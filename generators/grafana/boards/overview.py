"""The overview dashboard: what is wrong now, then the layers from the attack down to the machine, and Tocsin itself."""

from __future__ import annotations

from typing import Final

from generators.grafana.boards import status
from generators.grafana.boards.layers import (
    application,
    control,
    external,
    health,
    infrastructure,
    model,
    platform,
    serving,
)
from generators.grafana.dashboard import Board
from generators.links import DASHBOARD_UID

BOARD: Final = Board(
    uid=DASHBOARD_UID,
    name="LLM security overview",
    about="What fires, what attackers try and what got through, by the five layers, and whether Tocsin itself is well.",
    rows=(
        ("Now", status.PANELS),
        ("Model behaviour: attacks, and what became of them", model.PANELS),
        ("Control effectiveness: guardrails, and what they did not see", control.PANELS),
        ("Application: who uses the models, and for what", application.PANELS),
        ("Platform: models and providers", platform.PANELS),
        ("Tocsin itself: is this complete and recent?", health.PANELS),
        (
            "Infrastructure and platform, as other exporters see them: machines, GPUs, model servers, Kubernetes, "
            "database",
            (external.FOUND, *infrastructure.PANELS, *serving.PANELS),
        ),
    ),
)
