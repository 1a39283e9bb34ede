"""Overlays whose hours lie where a test needs them, whatever the hour and the day of its run."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any, Final

_HOUR: Final = 3600
_DAY: Final = 24 * _HOUR
_WEEK: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def _offhours(**calendar: Any) -> dict[str, Any]:
    return {"calendars": {"of-the-test": calendar}, "settings": {"offhours_calendar": "of-the-test"}}


def closed_now(now: float | None = None) -> dict[str, Any]:
    """An overlay with which it is off hours now, and for two days more."""
    moment = datetime.fromtimestamp(time.time() if now is None else now, UTC) + timedelta(days=3)
    return _offhours(timezone="UTC", days=[_WEEK[moment.weekday()]], **{"from": "00:00", "to": "24:00"})


def open_by_day(midnight: float) -> dict[str, Any]:
    """An overlay for a day that begins at `midnight`, a whole hour in seconds since 1970: open from 8 to 20.

    Raises:
        ValueError: it is no whole hour, and no time zone of whole hours has its midnight there.
    """
    hours, rest = divmod(midnight % _DAY, _HOUR)
    if rest:
        raise ValueError(f"{midnight} is no whole hour")
    behind = round(hours if hours <= 12 else hours - 24)  # POSIX counts hours behind UTC
    return _offhours(timezone=f"Etc/GMT{behind:+d}", days=list(_WEEK), **{"from": "08:00", "to": "20:00"})


def last_whole_day(now: float | None = None) -> float:
    """The whole hour at which a day has to begin so that it is over now."""
    now = time.time() if now is None else now
    return now // _HOUR * _HOUR - _DAY
