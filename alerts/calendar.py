"""Whether a time lies outside the hours of a calendar; daylight saving follows the calendar's time zone."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from spec.model import Calendar

_STEP = 300.0  # seconds that are decided together; calendars begin and end at such a step
_REMEMBERED = 4096
_FEW = 64
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class OffHours:
    """Words of the label ``offhours`` by time. Hours that end before they begin go over midnight.

    Raises:
        zoneinfo.ZoneInfoNotFoundError: there is no such time zone.
    """

    def __init__(self, calendar: Calendar) -> None:
        self._zone = ZoneInfo(calendar.timezone)
        self._days = frozenset(calendar.days)
        self._begin, self._end = _minutes(calendar.from_), _minutes(calendar.to)
        self._known: dict[int, str] = {}

    def words(self, times: npt.NDArray[np.float64]) -> list[str]:
        """``"true"`` outside the hours, else ``"false"``, for each of `times` (Unix seconds)."""
        if len(self._known) > _REMEMBERED:
            self._known.clear()
        steps = np.floor(times / _STEP).astype(np.int64)
        first, last = int(steps.min()), int(steps.max())
        word = self._word(first)
        if last - first < _FEW and all(self._word(step) == word for step in range(first + 1, last + 1)):
            return [word] * len(steps)
        return [self._word(step) for step in steps.tolist()]

    def _word(self, step: int) -> str:
        return self._known.get(step) or self._decide(step)

    def _decide(self, step: int) -> str:
        moment = datetime.fromtimestamp(step * _STEP, self._zone)
        minute, day = moment.hour * 60 + moment.minute, _DAYS[moment.weekday()]
        if self._begin <= self._end:
            inside = day in self._days and self._begin <= minute < self._end
        elif minute >= self._begin:
            inside = day in self._days
        else:
            inside = minute < self._end and _DAYS[moment.weekday() - 1] in self._days
        word = self._known[step] = "false" if inside else "true"
        return word


def _minutes(clock: str) -> int:
    hours, _, minutes = clock.partition(":")
    return int(hours) * 60 + int(minutes)
