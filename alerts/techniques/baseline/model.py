"""What the technique `baseline` asks for in `when`."""

from __future__ import annotations

from typing import ClassVar, Literal

from spec.duration import Duration
from spec.model import Condition, Entry, Op


class Baseline(Entry, Condition, frozen=True, tag="baseline", tag_field="technique"):
    """The signal is far above its own history: at least `deviations` standard deviations over its mean, and `floor`.

    The history is sampled each `settings.baseline_step`, is `history` long, and ends before what is judged began: the
    signal's window, the alert's `for` and two steps ago. A group that was over 0 within it counts as 0 while it is
    quiet. So that a flat history does not make everything fire, the deviation counts as at least 20 % of the floor and
    10 % of the mean. With less than `min_history` known, `floor_only` fires from the floor on, `silent` never.
    """

    TUNABLE: ClassVar[tuple[str, ...]] = ("floor", "deviations")
    LIMIT: ClassVar[str] = "floor"

    signal: str
    """The signal that is compared with its own past."""
    floor: float
    deviations: float = 5.0
    history: Duration = Duration(7 * 86400)
    min_history: Duration = Duration(86400)
    cold_start: Literal["floor_only", "silent"] = "silent"
    """What happens while less than `min_history` is known."""

    @property
    def comparison(self) -> tuple[Op, float]:
        """The lowest limit that there can be."""
        return ">=", self.floor
