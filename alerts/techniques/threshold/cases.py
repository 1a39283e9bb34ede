"""Example courses of a threshold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from alerts.cases import Case, Clock, Member, labels_of, small_step
from alerts.rule import AlertRule
from alerts.techniques import level
from alerts.techniques.level import Group

EXAMPLES: Final[tuple[Mapping[str, Any], ...]] = (
    {"when": {"technique": "threshold", "signal": "attempts_by_model", "value": 6}},
    {"when": {"technique": "threshold", "signal": "attempts_by_model", "op": ">", "value": 3}, "for": "2m"},
    {"when": {"technique": "threshold", "signal": "spend_by_actor", "value": 9}, "one_shot": True, "severity": "low"},
    {"when": {"technique": "threshold", "signal": "exporter_up", "op": "<", "value": 1}, "for": "1m"},
)


def cases(rule: AlertRule, clock: Clock) -> Iterator[Case]:
    """At the value it fires, a small step before it does not."""
    return level.cases(rule, clock, _over(rule), [_under(rule)])


def latch(rule: AlertRule, clock: Clock) -> Case | None:
    """The end of a long look-back."""
    return level.latch(rule, clock, _over(rule))


def _over(rule: AlertRule) -> Group:
    step = small_step(rule.value)
    value = {">=": rule.value, "<=": rule.value, ">": rule.value + step, "<": rule.value - step}[rule.op]
    return _group(rule, "over", value, 1.0 if rule.answered else None)


def _under(rule: AlertRule) -> Group:
    step = small_step(rule.value)
    value = {">=": rule.value - step, "<=": rule.value + step, ">": rule.value, "<": rule.value}[rule.op]
    return _group(rule, "under", value, None)


def _group(rule: AlertRule, name: str, value: float, answered: float | None) -> Group:
    return Group(Member(labels_of(rule, name), value, answered), ((rule.series, value),))
