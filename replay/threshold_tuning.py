"""Which alerts to demote, and which thresholds to choose, so that a log stays within the page budget.

A proposal is told from the worst value of each group and day, so it is an estimate: a second replay confirms it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_FLOOR, Decimal
from typing import Final

import yaml

from alerts import AlertInstance
from alerts.incidents import incidents
from alerts.wording import readable
from replay.shifts import Shift, Shifts, duties
from spec import Spec, names

Changes = Mapping[str, float | None]
"""The new value of alerts by name; None: they are demoted, and page nobody."""

_ROUND: Final = 3
"""Digits of a value that is no whole number."""
_WHOLE: Final = 2.0**53
"""From here on there is not a number for every whole one."""


@dataclass(frozen=True, slots=True)
class Change:
    """What is proposed for one alert; `value` None: to demote it.

    A hit is a group on a day, with its worst value over the alert's threshold. `hidden` of `hits` would page nobody any
    more, `answered` of them were answered by the model at least in part (None: the signal does not tell); `groups` are
    how many of `all_groups` would never page. `peaks` are the values of all hits, ascending.
    """

    alert: str
    before: float
    value: float | None
    hits: int
    hidden: int
    answered: int | None
    groups: int
    all_groups: int
    peaks: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Proposal:
    """Changes that keep to the budget; `left` are alerts that page beyond it and are not to be hidden by a program."""

    changes: tuple[Change, ...]
    left: tuple[str, ...]


def propose(instances: Sequence[AlertInstance], spec: Spec, until: float = math.inf) -> Proposal:
    """The smallest thresholds with which every shift up to `until` stays within the budget.

    The alert with the most pages in shifts over the budget gives way first, then the less severe and less certain one.
    One whose every hit would be hidden is demoted instead. One that means "a single hit is enough", is about something
    missing, or has a high confidence, is left alone; so is one of the highest severity before its last hit is hidden.
    """
    shifts = Shifts(spec)
    changes: dict[str, float | None] = {}
    fixed = {instance.rule.family for instance in instances if not _adjustable(instance)}
    while blame := _blame(now := changed(instances, changes), spec, shifts, until):
        able = [name for name in blame if name not in fixed and changes.get(name, 0.0) is not None]
        if not able:
            break
        name = min(able, key=lambda name: (-len(blame[name]), *_worth(spec, name)))
        value = _next(name, blame[name], now)
        if value is None and spec.severities[spec.alerts[name].severity].order == 1:
            fixed.add(name)
        else:
            changes[name] = value
    for name in list(changes):
        _ease(name, changes, instances, spec, shifts, until)
    left = _blame(changed(instances, changes), spec, shifts, until)
    return Proposal(tuple(_described(changes, instances)), tuple(sorted(left)))


def _worth(spec: Spec, name: str) -> tuple[int, int, str]:
    """What of two alerts gives way first: the less severe, then the less certain one."""
    alert = spec.alerts[name]
    return -spec.severities[alert.severity].order, ("low", "medium", "high").index(alert.confidence), name


def changed(instances: Sequence[AlertInstance], changes: Changes) -> list[AlertInstance]:
    """The alert instances that would be left with `changes`, as far as the worst values of each day tell."""
    singles = [
        piece
        for instance in instances
        if instance.rule.name != names.STORM
        for piece in (
            [instance] if instance.rule.name not in changes else _pieces(instance, changes[instance.rule.name])
        )
    ]
    storms = [
        instance
        for instance in instances
        if instance.rule.name == names.STORM
        and (
            instance.rule.family not in changes
            or sum(single.rule.family == instance.rule.family and _meet(single, instance) for single in singles)
            >= instance.rule.value
        )
    ]
    return singles + storms


def _pieces(instance: AlertInstance, value: float | None) -> Iterator[AlertInstance]:
    """An alert instance under another threshold; one that lasted for days may fall into several."""
    if value is None:
        return
    hits = sorted((time, peak) for peak, time in instance.daily_worst.values() if peak >= value)
    lasts = instance.rule.lookback
    run: list[tuple[float, float]] = []
    for hit in hits:
        if run and hit[0] - run[-1][0] > lasts:
            yield _piece(instance, run, lasts)
            run = []
        run.append(hit)
    if run:
        yield _piece(instance, run, lasts)


def _piece(instance: AlertInstance, hits: Sequence[tuple[float, float]], lasts: float) -> AlertInstance:
    daily_worst = {day: peak for day, peak in instance.daily_worst.items() if (peak[1], peak[0]) in hits}
    begin = max(instance.fired_at, hits[0][0])
    end = max(hits[-1][0] + lasts, begin + 1.0)
    if instance.resolved_at is not None:
        end = min(end, max(instance.resolved_at, begin + 1.0))
    return replace(
        instance, fired_at=begin, resolved_at=end, value=max(value for _, value in hits), daily_worst=daily_worst
    )  # fmt: skip


def _meet(one: AlertInstance, other: AlertInstance) -> bool:
    return one.fired_at < _end(other) and other.fired_at < _end(one)


def _end(instance: AlertInstance) -> float:
    return math.inf if instance.resolved_at is None else instance.resolved_at


def _adjustable(instance: AlertInstance) -> bool:
    """Whether a program may say that a hit of this alert is not worth a page."""
    alert = instance.rule.alert
    return bool(alert.when.LIMIT) and alert.confidence != "high" and instance.rule.op in (">=", ">")


@dataclass(frozen=True, slots=True)
class _Blamed:
    """An alert instance that is part of a page in a shift with `excess` pages beyond the budget."""

    instance: AlertInstance
    duty: tuple[str, Shift]
    excess: int


def _blame(instances: Sequence[AlertInstance], spec: Spec, shifts: Shifts, until: float) -> dict[str, list[_Blamed]]:
    """The alerts that make pages in shifts over the budget, with those alert instances."""
    out: dict[str, list[_Blamed]] = {}
    for duty, pages in duties(incidents(instances, spec), shifts, until).items():
        excess = len(pages) - spec.settings.page_budget_per_shift
        if excess > 0:
            for _, incident in pages:
                for family, instance in {instance.rule.family: instance for instance in incident.instances}.items():
                    out.setdefault(family, []).append(_Blamed(instance, duty, excess))
    return out


def _next(name: str, blamed: Sequence[_Blamed], instances: Sequence[AlertInstance]) -> float | None:
    """A value that hides some of what is blamed; None when it would hide every hit of the alert.

    It hides at most half of the alert's own pages of a shift, so that alerts which share a shift give way in turn.
    """
    singles = [instance for instance in instances if instance.rule.name == name]
    every = [peak for instance in singles for peak, _ in instance.daily_worst.values()]
    shifts: dict[tuple[str, Shift], list[float]] = {}
    excess: dict[tuple[str, Shift], int] = {}
    for one in blamed:
        excess[one.duty] = one.excess
        if one.instance.rule.name == name:
            shifts.setdefault(one.duty, []).append(_worst(one.instance))
        else:  # a storm: it goes when its single alerts do
            shifts.setdefault(one.duty, []).extend(
                _worst(single) for single in singles if _meet(single, one.instance)
            )  # fmt: skip
    least = [
        sorted(peaks)[max(1, min(excess[duty], len(peaks) // 2)) - 1] for duty, peaks in shifts.items() if peaks
    ]  # fmt: skip
    value = above(max(least), whole=all(peak.is_integer() for peak in every)) if least else math.inf
    return value if any(peak >= value for peak in every) else None


def _worst(instance: AlertInstance) -> float:
    return max((peak for peak, _ in instance.daily_worst.values()), default=instance.value)


def above(peak: float, *, whole: bool) -> float:
    """A value that a person would write, above `peak`: the next whole number, or one with three digits."""
    if (whole and peak < _WHOLE) or peak <= 0:
        return float(math.floor(peak) + 1)
    exact = Decimal(repr(peak))  # as a person writes it: 0.95, not the binary number a little below
    unit = Decimal(1).scaleb(exact.adjusted() - _ROUND + 1)
    return float(exact.quantize(unit, ROUND_FLOOR) + unit)


def _ease(
    name: str,
    changes: dict[str, float | None],
    instances: Sequence[AlertInstance],
    spec: Spec,
    shifts: Shifts,
    until: float,
) -> None:
    """Lower a proposed value as far as the others allow, or take it back."""
    mine = [instance for instance in instances if instance.rule.name == name]
    peaks = sorted({peak for instance in mine for peak, _ in instance.daily_worst.values()})
    whole = all(peak.is_integer() for peak in peaks)
    goal = set(_blame(changed(instances, changes), spec, shifts, until))
    chosen = changes[name]
    values = [mine[0].rule.value if mine else 0.0, *(above(peak, whole=whole) for peak in peaks)]
    values = [value for value in values if chosen is None or value < chosen]
    low, high = 0, len(values)
    while low < high:  # hiding more never makes more pages, as good as always; a replay has the last word
        middle = (low + high) // 2
        tried = {**changes, name: values[middle]}
        if set(_blame(changed(instances, tried), spec, shifts, until)) <= goal:
            high = middle
        else:
            low = middle + 1
    if low == 0 and values:
        del changes[name]
    elif low < len(values) and any(peak >= values[low] for peak in peaks):
        changes[name] = values[low]


def _described(changes: Changes, instances: Sequence[AlertInstance]) -> Iterator[Change]:
    for name, value in sorted(changes.items()):
        mine = [instance for instance in instances if instance.rule.name == name]
        hits = [(peak, instance) for instance in mine for peak, _ in instance.daily_worst.values()]
        hidden = [instance for peak, instance in hits if value is None or peak < value]
        kept = {_group(instance) for peak, instance in hits if value is not None and peak >= value}
        groups = {_group(instance) for _, instance in hits}
        tells = any(instance.answered is not None for instance in mine)
        yield Change(
            name,
            mine[0].rule.value if mine else 0.0,
            value,
            len(hits),
            len(hidden),
            sum(bool(instance.answered) for instance in hidden) if tells else None,
            len(groups - kept),
            len(groups),
            tuple(sorted(peak for peak, _ in hits)),
        )


def _group(instance: AlertInstance) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(instance.labels.items()))


def words(change: Change) -> str:
    """What a change means, in a sentence or two."""
    hits = f"{change.hidden:,} of {_counted(change.hits, 'hit')} would no longer page (a hit is one group on one day)"
    never = f"{change.groups:,} of {_counted(change.all_groups, 'group')} would never page"
    if change.value is None:
        what = f"to chat instead of paging (maturity: incubating). {hits}; {never}"
    else:
        before, value = readable(change.before), readable(change.value)
        what = f"alert at {value} instead of {before}. {hits}; {never}"
    if change.answered:
        what += f"; the model answered in {change.answered:,} of these hits"
    return f"{what}."


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}" + ("" if count == 1 else "s")


_HONEST: Final = (
    "A log cannot tell an attack from a false alarm. Check the hits that this would hide before you use it: "
    "similar ones will stay hidden."
)


def overlay(proposal: Proposal, spec: Spec) -> str:
    """The proposal as an overlay over the spec: YAML that `tocsin check` and `--spec` take."""
    budget = f"{spec.settings.page_budget_per_shift} pages a shift"
    lines = [f"# Proposed by tocsin replay --propose, so that a recorded log stays within {budget}.", "#"]
    if proposal.changes:
        lines.append(f"# {_HONEST}")
    elif not proposal.left:
        lines.append("# Already within budget; no changes needed.")
    if proposal.left:
        lines += [f"# Still over the budget, and left unchanged: {', '.join(proposal.left)}."]
    if not proposal.changes:
        return "\n".join([*lines, "# So nothing is proposed.", "alerts: {}", ""])
    lines.append("alerts:")
    for change in proposal.changes:
        entry: dict[str, object] = {"maturity": "incubating"}
        if change.value is not None:
            key = spec.alerts[change.alert].when.LIMIT
            entry = {"when": {key: int(change.value) if change.value.is_integer() else change.value}}
        body = yaml.safe_dump({change.alert: entry}, default_flow_style=None, sort_keys=False, width=1000)
        lines += [f"  # {words(change)}", *(f"  {line}" for line in body.splitlines())]
    return "\n".join([*lines, ""])


def honest() -> str:
    """The warning of every proposal."""
    return _HONEST
