"""What a severity spec must and should keep to: one small class for each rule, listed here."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import replace

from spec.checks.alerts import (
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
from spec.checks.base import Check, Issue
from spec.checks.frameworks import FrameworkIdsExist
from spec.checks.metrics import (
    CategoriesAreCovered,
    FieldsKnowTheVocabulary,
    LabelsAreBounded,
    MeasuresFitTheirKind,
    NamesAreUnique,
    NamesFollowConventions,
    OffendersAreCapped,
    SeriesFitTheBudget,
    SignalsAreUsed,
    WindowsAreSensible,
    WordsAreKnown,
)
from spec.checks.people import (
    CalendarsReadable,
    EscalationFitsSla,
    EscalationTimesIncrease,
    GraveAlertsPage,
    NeverMeansNever,
    PagingHoursKept,
    SecretsByReference,
)
from spec.checks.prose import ReviewNotOverdue, RunbookComplete, RunbookNamesExist
from spec.checks.references import ReferencesResolve
from spec.checks.techniques import AbsenceIsOfHeartbeats, BaselinesAreSound
from spec.errors import Path, Place, place_of
from spec.model import Spec

__all__ = ["Check", "Issue", "checks", "run_checks"]


def checks(today: datetime.date) -> tuple[Check, ...]:
    """Every check, in the order of its id."""
    return (
        ReferencesResolve(),
        FrameworkIdsExist(),
        EscalationTimesIncrease(),
        GraveAlertsPage(),
        NeverMeansNever(),
        PagingHoursKept(),
        EscalationFitsSla(),
        SecretsByReference(),
        CalendarsReadable(),
        RatiosHaveAFloor(),
        LatchOutlastsEscalation(),
        ThresholdsPositive(),
        NoThresholdOnCounters(),
        SummaryNamesLabels(),
        AlertNamesValid(),
        FoldNeedsGroups(),
        FewAlertsPage(),
        IncidentsHaveOneOwner(),
        RunbookComplete(),
        RunbookNamesExist(),
        ReviewNotOverdue(today),
        OffendersAreCapped(),
        LabelsAreBounded(),
        SeriesFitTheBudget(),
        NamesFollowConventions(),
        NamesAreUnique(),
        SignalsAreUsed(),
        CategoriesAreCovered(),
        WordsAreKnown(),
        FieldsKnowTheVocabulary(),
        WindowsAreSensible(),
        MeasuresFitTheirKind(),
        BaselinesAreSound(),
        AbsenceIsOfHeartbeats(),
    )


def run_checks(spec: Spec, *, today: datetime.date, places: Mapping[Path, Place] | None = None) -> tuple[Issue, ...]:
    """What every check says, errors first; with the position in the file when `places` (from `load_sourced`) is given.

    When references dangle, only they are reported: everything else follows them.
    """
    found: list[Issue] = []
    for check in checks(today):
        for issue in check.check(spec):
            place = place_of(issue.path, places) if places else None
            found.append(replace(issue, check=check.id, severity=check.severity, place=place))
        if isinstance(check, ReferencesResolve) and found:
            break
    return tuple(sorted(found, key=lambda issue: issue.severity != "error"))
