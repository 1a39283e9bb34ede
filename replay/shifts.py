"""Shifts on call, and the pages that fall into each."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from alerts.incidents import Incident, Page
from spec import Spec

_DAY: Final = 86_400
_MONDAY: Final = datetime(1970, 1, 5)


@dataclass(frozen=True, slots=True, order=True)
class Shift:
    """A shift on call, in Unix seconds."""

    begin: float
    end: float


class Shifts:
    """Shifts of `settings.shift` in the time zone of the off-hours calendar.

    Those of a day at most begin at its midnight, longer ones on a Monday. Clocks on the wall count, so a shift may be
    an hour longer or shorter twice a year.
    """

    def __init__(self, spec: Spec) -> None:
        self.zone = ZoneInfo(spec.calendars[spec.settings.offhours_calendar].timezone)
        self._length = max(1.0, float(spec.settings.shift))

    def of(self, time: float) -> Shift:
        """The shift at `time`, in Unix seconds."""
        wall = datetime.fromtimestamp(time, self.zone).replace(tzinfo=None)
        if self._length <= _DAY:
            midnight = wall.replace(hour=0, minute=0, second=0, microsecond=0)
            number = math.floor((wall - midnight).total_seconds() / self._length)
            begin = midnight + timedelta(seconds=number * self._length)
            end = min(begin + timedelta(seconds=self._length), midnight + timedelta(days=1))
        else:
            days = max(1, math.floor(self._length / _DAY))
            begin = _MONDAY + timedelta(days=(wall - _MONDAY).days // days * days)
            end = begin + timedelta(days=days)
        return Shift(self._at(begin), self._at(end))

    def between(self, start: float, end: float) -> Iterator[Shift]:
        """The shifts from the one at `start` to the one at `end`."""
        shift = self.of(start)
        while shift.begin <= end:
            yield shift
            following = self.of(shift.end)
            if following.begin <= shift.begin:  # an hour that the clocks show twice
                following = self.of(shift.end + 3600.0)
            shift = following

    def _at(self, wall: datetime) -> float:
        return wall.replace(tzinfo=self.zone).timestamp()


Duties = Mapping[tuple[str, Shift], Sequence[tuple[Page, Incident]]]
"""The pages of each channel in each shift that has any, by time."""


def duties(found: Iterable[Incident], shifts: Shifts, until: float = math.inf) -> Duties:
    """The pages that come in any case up to `until`, by who is on call."""
    out: dict[tuple[str, Shift], list[tuple[Page, Incident]]] = {}
    pages = sorted(
        ((page, incident) for incident in found for page in incident.pages if page.at <= until),
        key=lambda entry: (entry[0].at, entry[0].channel),
    )
    for page, incident in pages:
        out.setdefault((page.channel, shifts.of(page.at)), []).append((page, incident))
    return out
