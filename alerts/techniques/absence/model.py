"""What the technique `absence` asks for in `when`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from spec.duration import Duration
from spec.model import Condition, Entry, Op


class Absence(Entry, Condition, frozen=True, tag="absence", tag_field="technique"):
    """A heartbeat is missing or bad: it is below `below`, or it is a Unix time older than `older_than`.

    With `while_counter`, only while that counter, which somebody else keeps, grew by `min_increase` or more within
    `older_than`: so that silence alone never alerts. A heartbeat with groups needs a counter by the same field, and one
    that has gone altogether is not missed.
    """

    SIGNALS: ClassVar[tuple[str, ...]] = ("signal", "while_counter")
    ESTIMATED: ClassVar[tuple[str, ...]] = ("while_counter",)
    RENAMED: ClassVar[Mapping[str, str]] = {"busy": "while_counter", "busy_at_least": "min_increase"}
    TUNABLE: ClassVar[tuple[str, ...]] = ("older_than", "min_increase")

    signal: str
    """The heartbeat: a gauge or a counter of a health or external metric."""
    below: float = 0.0
    older_than: Duration = Duration(0)
    while_counter: str = ""
    min_increase: float = 0.0

    @property
    def comparison(self) -> tuple[Op, float]:
        """Too old, or too low."""
        return (">", float(self.older_than)) if self.older_than else ("<", self.below)

    @property
    def ages(self) -> bool:
        """Whether its age is what counts."""
        return bool(self.older_than)
