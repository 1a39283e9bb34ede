"""Another clock, time zone and locale for a process of its own, and what it starts: libfaketime, from its package.

The clock runs on from a moment. Programs in Go, so the real servers, see none of it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final


@dataclass(frozen=True, slots=True)
class Moment:
    """When and where a process believes to be."""

    name: str
    utc: str
    """Its clock begins here: ISO 8601."""
    zone: str
    """The machine's time zone."""
    locale: str = "C.UTF-8"


MOMENTS: Final = (
    Moment("a weekday morning", "2026-12-02T10:30:00+00:00", "Europe/Paris"),
    Moment("a Sunday night as clocks go forward", "2027-03-28T00:58:00+00:00", "America/Sao_Paulo", "tr_TR.UTF-8"),
    Moment("two minutes before a leap day ends", "2028-02-29T23:58:00+00:00", "Pacific/Kiritimati", "C"),
)


def at(moment: Moment, library: Path, environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment, by default that of this process, with the clock of a moment. `library` is libfaketime's path.

    It is told as a distance from the true time, so that all processes that are started agree.
    """
    base = dict(os.environ if environment is None else environment)
    distance = datetime.fromisoformat(moment.utc).timestamp() - time.time()
    return base | {
        "TZ": moment.zone,
        "LC_ALL": moment.locale,
        "LANG": moment.locale,
        "LD_PRELOAD": str(library),
        "FAKETIME": f"{distance:+.0f}s",
    }
