"""What a severity spec must and should keep to: one small class for each rule, listed here.

Those about what alerts mean are in `alerts.checks`, which has the whole list.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from dataclasses import replace

from spec.checks.addresses import AddressesAreWhole, AddressesLeadSomewhere
from spec.checks.base import Check, Issue
from spec.checks.fields import IdentitiesMakeSense
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
from spec.errors import Path, Place, place_of
from spec.model import Spec

__all__ = ["Check", "Issue", "checks", "run"]


def checks(today: datetime.date) -> tuple[Check, ...]:
    """The checks of this room, in the order of their ids."""
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
        IdentitiesMakeSense(),
        AddressesLeadSomewhere(),
        AddressesAreWhole(),
    )


def run(chosen: Iterable[Check], spec: Spec, *, places: Mapping[Path, Place] | None = None) -> tuple[Issue, ...]:
    """What the `chosen` checks say, errors first; with the position in the file when `places` is given.

    When references dangle, only they are reported: everything else follows them.
    """
    found: list[Issue] = []
    for check in chosen:
        for issue in check.check(spec):
            place = place_of(issue.path, places) if places else None
            found.append(replace(issue, check=check.id, severity=check.severity, place=place))
        if isinstance(check, ReferencesResolve) and found:
            break
    return tuple(sorted(found, key=lambda issue: issue.severity != "error"))
