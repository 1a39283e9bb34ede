"""The overview dashboard: what is wrong now, then the layers from the attack down to the machine, and Tocsin itself."""

from __future__ import annotations

from typing import Final

from generators.grafana.boards import status_panels
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
    about="What fires, what attackers try, what got through, by layer, and whether Tocsin itself works.",
    rows=(
        ("Now", status_panels.PANELS),
        ("Model behaviour: attacks and their outcome", model.PANELS),
        ("Control effectiveness: guardrails, and what they did not check", control.PANELS),
        ("Application: who uses the models, for what", application.PANELS),
        ("Platform: models and providers", platform.PANELS),
        ("Tocsin itself: is this dashboard complete and current?", health.PANELS),
        (
            "Infrastructure and platform, as other exporters see them: machines, GPUs, model servers, Kubernetes, "
            "database",
            (external.FOUND, *infrastructure.PANELS, *serving.PANELS),
        ),
    ),
)
