"""What the technique `rule` asks for in `when`."""

from __future__ import annotations

from typing import ClassVar

from spec.model import Condition, Entry, Op


class Rule(Entry, Condition, frozen=True, tag="rule", tag_field="technique"):
    """One hit of a detection is enough."""

    COUNTS_GROUPS: ClassVar[bool] = True

    signal: str
    """The signal of which one hit is enough."""

    @property
    def comparison(self) -> tuple[Op, float]:
        """One hit, or more."""
        return ">=", 1.0
