"""What the technique `ratio` asks for in `when`."""

from __future__ import annotations

from typing import ClassVar

from spec.model import Condition, Entry, Op


class Ratio(Entry, Condition, frozen=True, tag="ratio", tag_field="technique"):
    """One signal's share of another, both by the same field, with floors on both."""

    SIGNALS: ClassVar[tuple[str, ...]] = ("numerator", "denominator")
    TUNABLE: ClassVar[tuple[str, ...]] = ("value", "min_denominator", "min_numerator")
    LIMIT: ClassVar[str] = "value"
    ONE_MOMENT: ClassVar[bool] = True

    numerator: str
    """The signal of which the share is taken."""
    denominator: str
    """The signal that it is a share of."""
    min_denominator: float
    """Below this the share does not count: one of two proves nothing."""
    min_numerator: float = 0.0
    """With less than this of the part the share does not count either."""
    op: Op = ">="
    """How the share has to compare with `value`."""
    value: float = 0.0
    """The share from which on it alerts: 0.5 is half."""

    @property
    def comparison(self) -> tuple[Op, float]:
        """That of the share."""
        return self.op, self.value

    @property
    def least_whole(self) -> float:
        """The least denominator."""
        return self.min_denominator
