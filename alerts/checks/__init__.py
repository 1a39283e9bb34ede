"""Every check of the severity spec: those of the spec itself, and those about what its alerts mean."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence

from alerts.backends import Backend
from alerts.checks.alerts import (
    AlertNamesValid,
    FewAlertsPage,
    FoldNeedsGroups,
    ForgeableNeverHigh,
    IncidentsHaveOneOwner,
    LatchOutlastsEscalation,
    NoThresholdOnCounters,
    SummaryNamesLabels,
)
from alerts.checks.backends import AlertsCompile
from alerts.techniques import CHECKS
from spec import checks as of_spec
from spec.checks.base import Check, Issue
from spec.errors import Path, Place
from spec.model import Spec


def checks(today: datetime.date, backends: Sequence[Backend] = ()) -> tuple[Check, ...]:
    """Every check, in the order of its id; with `backends`, also that they can express every alert."""
    own: tuple[Check, ...] = (
        AlertNamesValid(),
        FewAlertsPage(),
        FoldNeedsGroups(),
        ForgeableNeverHigh(),
        IncidentsHaveOneOwner(),
        LatchOutlastsEscalation(),
        NoThresholdOnCounters(),
        SummaryNamesLabels(),
        *CHECKS,
        *((AlertsCompile(backends),) if backends else ()),
    )
    return tuple(sorted((*of_spec.checks(today), *own), key=lambda check: check.id))


def run_checks(
    spec: Spec,
    *,
    today: datetime.date,
    places: Mapping[Path, Place] | None = None,
    backends: Sequence[Backend] = (),
) -> tuple[Issue, ...]:
    """What every check says, errors first; with the position in the file when `places` (`load_with_places`) is given.

    When references dangle, only they are reported: everything else follows them.
    """
    return of_spec.run(checks(today, backends), spec, places=places)
