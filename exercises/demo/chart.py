"""Line charts as SVG that stands in an HTML page: numbers in, geometry out; the page's template draws it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from alerts.wording import compact
from exercises.demo.numbers import SPAN, Panel, Points
from replay.html.chart import Frame

WIDTH: Final = 480
HEIGHT: Final = 150
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 8, 10, 22
_GRID_LINES: Final = 2
_LEAST_SPAN: Final = 60.0


@dataclass(frozen=True, slots=True)
class Line:
    """One line: its name, its last value, the number of its colour from 1 on, and its points as SVG wants them."""

    name: str
    last: str
    colour: int
    points: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart ready to be drawn; `grid` has the height of each grid line and what it says."""

    title: str
    unit: str
    lines: tuple[Line, ...]
    grid: tuple[tuple[float, str], ...]
    query: str
    span: str
    """How far it reaches back, in words."""
    width: int = WIDTH
    height: int = HEIGHT
    left: int = _LEFT
    right: int = WIDTH - _RIGHT
    bottom: int = HEIGHT - _BOTTOM


def chart(panel: Panel, lines: Mapping[str, Points], now: float) -> Chart:
    """A panel's lines, from their first point on but at most the last `SPAN` seconds."""
    begins = min((points[0][0] for points in lines.values() if points), default=now)
    span = min(max(now - begins, _LEAST_SPAN), SPAN)
    top = _ceiling(max((value for points in lines.values() for _, value in points), default=0.0))
    frame = Frame(WIDTH, HEIGHT, (now - span, now), top, left=_LEFT, right=_RIGHT, above=_TOP, below=_BOTTOM)
    drawn = tuple(
        Line(
            name=name or "(none)",
            last=compact(points[-1][1]) if points else "",
            colour=place,
            points=" ".join(
                f"{frame.x(at):.1f},{frame.y(value):.1f}"
                for at, value in points
                if at >= now - span and math.isfinite(value)
            ),
        )
        for place, (name, points) in enumerate(lines.items(), start=1)
    )
    steps = [top * step / _GRID_LINES for step in range(_GRID_LINES + 1)]
    grid = tuple((round(frame.y(value), 1), compact(value)) for value in steps)
    length = f"{span / 60:.0f} min" if span >= 2 * _LEAST_SPAN else f"{span:.0f} s"
    return Chart(panel.title, panel.unit, drawn, grid, panel.promql, length)


def _ceiling(value: float) -> float:
    """The next number above that is 1, 2 or 5 with zeros; at least 1."""
    if not math.isfinite(value) or value <= 1:
        return 1.0
    size = 10.0 ** math.floor(math.log10(value))
    return next(size * step for step in (1, 2, 5, 10) if value <= size * step * (1 + 1e-9))
