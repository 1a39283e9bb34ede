"""Grafana dashboards: the overview, and one for each category of signals."""

from __future__ import annotations

from typing import Final

from generators.grafana.boards import content, error, overview, performance, security, temporal, volumetric
from generators.grafana.dashboard import Board, render
from spec import Spec

BOARDS: Final[tuple[Board, ...]] = (
    overview.BOARD,
    volumetric.BOARD,
    temporal.BOARD,
    content.BOARD,
    error.BOARD,
    performance.BOARD,
    security.BOARD,
)
"""In the order of the links at the top of each."""


def generate(spec: Spec) -> dict[str, str]:
    """A file for each dashboard."""
    return {board.path: render(spec, board, BOARDS) for board in BOARDS}
