"""Cases of techniques that compare a value as it is now: at the limit it fires, barely below it does not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from alerts.cases import (
    INSTANCES,
    LONG,
    Case,
    Clock,
    Feed,
    Member,
    has_groups,
    last_sample,
    on_instances,
    steady,
    title,
)
from alerts.expression import Series
from alerts.rule import AlertRule


@dataclass(frozen=True, slots=True)
class Group:
    """A member, and what each of its series reads."""

    member: Member
    parts: tuple[tuple[Series, float], ...]


def cases(rule: AlertRule, clock: Clock, over: Group, under: Sequence[Group]) -> Iterator[Case]:
    """The alert at its limit, and just below it in the same case where groups can be told apart."""
    together = has_groups(rule)
    last = last_sample(clock, rule.hold)
    checks: list[tuple[float, Sequence[Member]]] = [(rule.hold + clock.slack, [over.member])]
    if rule.hold:
        checks.insert(0, (rule.hold - clock.evaluation, []))
    if rule.lookback <= LONG:
        checks += end(clock, last, rule, over.member)
    groups = [over, *under] if together else [over]
    yield Case(rule, f"{title(rule)} fires", list(_feeds(rule, groups, clock, last)), checks)
    for place, group in enumerate(() if together else under, start=1):
        feeds = list(_feeds(rule, [group], clock, last))
        yield Case(rule, f"{title(rule)} is silent {place}", feeds, [(rule.hold + clock.slack, [])])


def latch(rule: AlertRule, clock: Clock, over: Group) -> Case | None:
    """The end of a long look-back."""
    if rule.lookback <= LONG:
        return None
    last = last_sample(clock, rule.hold)
    feeds = list(_feeds(rule, [over], clock, last))
    return Case(rule, f"{title(rule)} ends", feeds, end(clock, last, rule, over.member))


def end(clock: Clock, last: float, rule: AlertRule, member: Member) -> list[tuple[float, Sequence[Member]]]:
    """After the last sample: still up within the look-back and what it is kept for, over when these have passed."""
    lasts = rule.lookback + rule.keep
    over: tuple[float, Sequence[Member]] = (last + lasts + 2 * clock.slack, [])
    return [(last + lasts - clock.evaluation, [member]), over] if lasts else [over]


def _feeds(rule: AlertRule, groups: Iterable[Group], clock: Clock, last: float) -> Iterator[Feed]:
    for group in groups:
        for series, value in group.parts:
            yield from on_instances(series, group.member.labels, value, clock, last)
        if group.member.answered is not None:
            twin = Series(rule.answered, (), rule.labels, rule.series.aggregate)
            yield steady(twin, group.member.labels, INSTANCES[0], group.member.answered, clock, last)
