"""Numbers as coordinates of small SVG drawings, which carry no text: words stay HTML, so they wrap and can be read."""

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
class Area:
    """A course as an SVG path, and where its threshold lies (None: far above)."""

    path: str
    threshold: float | None


def area(course: Mapping[float, float], width: float, span: tuple[float, float], threshold: float | None) -> Area:
    """The values of `course`, each for `width` seconds, over the `span` of time."""
    greatest = max(course.values(), default=0.0)
    shown = threshold if threshold is not None and greatest >= _NEAR * threshold else None
    top = 1.08 * max(greatest, shown or 0.0) or 1.0
    parts: list[str] = []
    last_right: float | None = None
    for begin, value in sorted(course.items()):
        left, right = across(begin, span), max(across(begin + width, span), across(begin, span) + 1.0)
        if last_right is None or left > last_right + 0.01:
            if last_right is not None:
                parts.append(f"V{HEIGHT}Z")
            parts.append(f"M{left:.1f} {HEIGHT}")
        parts.append(f"V{HEIGHT - HEIGHT * value / top:.1f}H{right:.1f}")
        last_right = right
    if parts:
        parts.append(f"V{HEIGHT}Z")
    return Area("".join(parts), None if shown is None else round(HEIGHT - HEIGHT * shown / top, 1))


def across(time: float, span: tuple[float, float]) -> float:
    """Where a time lies, from 0 to `WIDTH`."""
    begin, end = span
    part = (time - begin) / (end - begin) if end > begin else 0.0
    return WIDTH * min(1.0, max(0.0, part))


def bar(begin: float, end: float, span: tuple[float, float]) -> tuple[float, float]:
    """Left edge and width of a stretch of time."""
    left, right = across(begin, span), across(end, span)
    wide = max(right - left, _LEAST_MARK)
    return round(min(left, WIDTH - wide), 1), round(wide, 1)
