"""Example courses of a ratio."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import ceil
from typing import Any, Final

from alerts.cases import Case, Clock, Member, down, labels_of, up
from alerts.expression import Series
from alerts.rule import AlertRule
from alerts.techniques import level
from alerts.techniques.level import Group

_MEASURED: Final = {"technique": "ratio", "numerator": "slow_attempts", "denominator": "attempts_by_model"}
EXAMPLES: Final[tuple[Mapping[str, Any], ...]] = (
    {"when": _MEASURED | {"min_denominator": 6, "value": 0.5}},
    {"when": _MEASURED | {"min_denominator": 3, "value": 0.4, "op": "<"}, "for": "2m"},
    {"when": _MEASURED | {"min_denominator": 2, "min_numerator": 4, "value": 0.5}, "keep_firing_for": "3m"},
)


def cases(rule: AlertRule, clock: Clock, whole: Series, least: float, least_part: float) -> Iterator[Case]:
    """At the value it fires; just below it, and with too little of the whole or of the part, it does not."""
    many, few = ceil(least) * 100, ceil(least) - 1
    limit = rule.value * many
    outside = {">=": up(limit) - 1, ">": down(limit), "<=": down(limit) + 1, "<": up(limit)}
    extreme = few if rule.op in (">=", ">") else 0
    under = [_group(rule, "under", outside[rule.op], whole, many), _group(rule, "few", extreme, whole, few)]
    if least_part > 1 and rule.op in (">=", ">"):
        under.append(_group(rule, "rare", ceil(least_part) - 1, whole, ceil(least)))
    return level.cases(rule, clock, _over(rule, whole, least, least_part), under)


def latch(rule: AlertRule, clock: Clock, whole: Series, least: float, least_part: float) -> Case | None:
    """The end of a long look-back."""
    return level.latch(rule, clock, _over(rule, whole, least, least_part))


def _over(rule: AlertRule, whole: Series, least: float, least_part: float) -> Group:
    under = ceil(least)
    if rule.op in ("<", "<="):
        under = max(under, ceil((least_part + 1) / rule.value))
    part = max(rule.value * under, least_part)
    barely = {">=": up(part), ">": down(part) + 1, "<=": down(part), "<": up(part) - 1}[rule.op]
    return _group(rule, "over", barely, whole, under)


def _group(rule: AlertRule, name: str, part: float, whole: Series, of: float) -> Group:
    member = Member(labels_of(rule, name), part / of if of else part)
    return Group(member, ((rule.series, part), (whole, of)))
