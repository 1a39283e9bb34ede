"""Every check of the severity spec: those of the spec itself, and those about what its alerts mean."""

from __future__ import annotations

import datetime
from collections.abc import Mapping

from alerts.checks.alerts import (
    AlertNamesValid,
    FewAlertsPage,
    FoldNeedsGroups,
    IncidentsHaveOneOwner,
    LatchOutlastsEscalation,
    NoThresholdOnCounters,
    RatiosHaveAFloor,
    SummaryNamesLabels,
    ThresholdsPositive,
)
from alerts.checks.techniques import AbsenceIsOfHeartbeats, BaselinesAreSound
from spec import checks as of_spec
from spec.checks.base import Check, Issue
from spec.errors import Path, Place
from spec.model import Spec


def checks(today: datetime.date) -> tuple[Check, ...]:
    """Every check, in the order of its id."""
    own: tuple[Check, ...] = (
        AlertNamesValid(),
        FewAlertsPage(),
        FoldNeedsGroups(),
        IncidentsHaveOneOwner(),
        LatchOutlastsEscalation(),
        NoThresholdOnCounters(),
        RatiosHaveAFloor(),
        SummaryNamesLabels(),
        ThresholdsPositive(),
        BaselinesAreSound(),
        AbsenceIsOfHeartbeats(),
    )
    return tuple(sorted((*of_spec.checks(today), *own), key=lambda check: check.id))


def run_checks(spec: Spec, *, today: datetime.date, places: Mapping[Path, Place] | None = None) -> tuple[Issue, ...]:
    """What every check says, errors first; with the position in the file when `places` (`load_sourced`) is given.

    When references dangle, only they are reported: everything else follows them.
    """
    return of_spec.run(checks(today), spec, places=places)
