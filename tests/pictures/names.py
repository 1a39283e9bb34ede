"""Which pictures the documentation has, and of what."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parents[2] / "docs" / "images"


@dataclass(frozen=True, slots=True)
class Picture:
    """One file of `FOLDER`, either of a dashboard or of a page."""

    name: str
    dashboard: str = ""
    """The name of its file in ``dashboards/``."""
    page: str = ""
    """``demo`` or ``report``."""
    height: int = 0
    """How much of it is shown at most, in pixels; 0 for all."""


PICTURES: Final = (
    Picture("demo.png", page="demo"),
    Picture("overview.png", "tocsin-overview", height=1000),
    *(
        Picture(f"dashboard-{topic}.png", f"tocsin-{topic}")
        for topic in ("volumetric", "temporal", "content", "error", "performance", "security")
    ),
    Picture("replay-report.png", page="report", height=1400),
)
