"""What the technique `trend` asks for in `when`."""

from __future__ import annotations

from typing import ClassVar

from spec.duration import Duration
from spec.model import Condition, Entry, Op


class Trend(Entry, Condition, frozen=True, tag="trend", tag_field="technique"):
    """The signal will cross `value` within `ahead`, if it goes on as it did in the last `window`.

    The forecast is a straight line (least squares) through the values at each evaluation within `window`. With fewer
    than `min_samples` values the alert is silent, so a new group is not judged on its first steps. A group that has
    gone is judged until fewer than `min_samples` of its values are left.
    """

    TUNABLE: ClassVar[tuple[str, ...]] = ("value", "ahead", "window")
    LIMIT: ClassVar[str] = "value"

    signal: str
    """The signal that is forecast."""
    value: float
    """The limit that the forecast is compared with."""
    ahead: Duration
    """How far to look ahead."""
    window: Duration
    """How far back the line reaches."""
    min_samples: int = 20
    """With fewer values there is no forecast."""
    op: Op = ">="
    """How the forecast has to compare with `value`."""

    @property
    def comparison(self) -> tuple[Op, float]:
        """That of the forecast."""
        return self.op, self.value
