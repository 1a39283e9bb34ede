"""Numbers as coordinates of SVG drawings. Those of a report carry no text: words stay HTML, so they wrap."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

WIDTH: Final = 600
HEIGHT: Final = 100
_LEAST_MARK: Final = 2.0
"""Units of the width that a moment takes, so that it is seen."""
_NEAR: Final = 0.2
"""A threshold is drawn when the values come as near to it as this; else it would flatten them."""


@dataclass(frozen=True, slots=True)
class Frame:
    """Where times and values lie in a drawing; the margins are left free. Values are from 0 to `top`."""

    width: float
    height: float
    span: tuple[float, float]
    top: float
    left: float = 0.0
    right: float = 0.0
    above: float = 0.0
    below: float = 0.0

    def x(self, time: float) -> float:
        """A time, at most at the edges of the `span`."""
        begin, end = self.span
        part = (time - begin) / (end - begin) if end > begin else 0.0
        return self.left + (self.width - self.left - self.right) * min(1.0, max(0.0, part))

    def y(self, value: float) -> float:
        """A value; upwards is less."""
        return self.height - self.below - (self.height - self.above - self.below) * value / self.top


@dataclass(frozen=True, slots=True)
class Area:
    """A course as an SVG path, and where its threshold lies (None: far above)."""

    path: str
    threshold: float | None


def area(course: Mapping[float, float], width: float, span: tuple[float, float], threshold: float | None) -> Area:
    """The values of `course`, each for `width` seconds, over the `span` of time."""
    greatest = max(course.values(), default=0.0)
    shown = threshold if threshold is not None and greatest >= _NEAR * threshold else None
    frame = Frame(WIDTH, HEIGHT, span, 1.08 * max(greatest, shown or 0.0) or 1.0)
    parts: list[str] = []
    last_right: float | None = None
    for begin, value in sorted(course.items()):
        left, right = frame.x(begin), max(frame.x(begin + width), frame.x(begin) + 1.0)
        if last_right is None or left > last_right + 0.01:
            if last_right is not None:
                parts.append(f"V{HEIGHT}Z")
            parts.append(f"M{left:.1f} {HEIGHT}")
        parts.append(f"V{frame.y(value):.1f}H{right:.1f}")
        last_right = right
    if parts:
        parts.append(f"V{HEIGHT}Z")
    return Area("".join(parts), None if shown is None else round(frame.y(shown), 1))


def bar(begin: float, end: float, span: tuple[float, float]) -> tuple[float, float]:
    """Left edge and width of a stretch of time."""
    frame = Frame(WIDTH, HEIGHT, span, 1.0)
    left, right = frame.x(begin), frame.x(end)
    wide = max(right - left, _LEAST_MARK)
    return round(min(left, WIDTH - wide), 1), round(wide, 1)
