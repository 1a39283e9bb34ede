"""What the technique `threshold` asks for in `when`."""

from __future__ import annotations

from typing import ClassVar

from spec.model import Condition, Entry, Op


class Threshold(Entry, Condition, frozen=True, tag="threshold", tag_field="technique"):
    """The signal compares with a value."""

    TUNABLE: ClassVar[tuple[str, ...]] = ("value",)
    LIMIT: ClassVar[str] = "value"
    COUNTS_GROUPS: ClassVar[bool] = True

    signal: str
    """The signal that is compared."""
    op: Op = ">="
    """How the signal has to compare with `value`."""
    value: float = 1.0
    """From here on it alerts."""

    @property
    def comparison(self) -> tuple[Op, float]:
        """As it is written."""
        return self.op, self.value
