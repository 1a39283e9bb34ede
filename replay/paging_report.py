"""Would it have paged? The answer as text for a person who has never seen Tocsin, and as JSON for a program."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from alerts import AlertInstance
from alerts.incidents import Incident, Page, incidents
from alerts.wording import readable
from events.gateways.timestamps import rfc3339
from replay import coverage
from replay.report import COLORS, LEAST_WIDTH, condition, filled
from replay.run import Outcome
from replay.shifts import Duties, Shift, Shifts, duties
from replay.threshold_tuning import Proposal, honest, propose, words
from runtime.text import wrapped
from spec import Spec, names

MOST_SHOWN: Final = 40
"""Incidents that the text describes one by one; JSON has all of them."""
_INDENT: Final = "    "


@dataclass(frozen=True, slots=True)
class Pages:
    """What a log would have paged. `start` and `end` are the first and last step, Unix seconds."""

    outcome: Outcome
    spec: Spec
    start: float
    end: float
    shifts: Shifts
    all_shifts: int
    incidents: tuple[Incident, ...]
    duties: Duties
    proposal: Proposal

    @property
    def budget(self) -> int:
        """Pages that one channel may have in a shift."""
        return self.spec.settings.page_budget_per_shift

    @property
    def count(self) -> int:
        """Pages that come in any case."""
        return sum(map(len, self.duties.values()))

    @property
    def over(self) -> int:
        """Shifts in which a channel has more pages than the budget."""
        return len({shift for (_, shift), pages in self.duties.items() if len(pages) > self.budget})


def pages_of(outcome: Outcome, spec: Spec) -> Pages:
    """Pages, shifts and a proposal out of what a replay found."""
    start, end = outcome.start or 0.0, outcome.end or 0.0
    shifts = Shifts(spec)
    found = incidents(outcome.instances, spec)
    number_of_shifts = sum(1 for _ in shifts.between(start, end)) if outcome.start is not None else 0
    proposal = propose(outcome.instances, spec, end)
    return Pages(outcome, spec, start, end, shifts, number_of_shifts, found, duties(found, shifts, end), proposal)


# ------------------------------------------------------------------------------------------------ JSON
def as_json(pages: Pages) -> str:
    """Everything, as JSON text."""
    return json.dumps(as_data(pages), indent=2)


def as_data(pages: Pages) -> dict[str, Any]:
    """Everything, as plain data; times are RFC 3339 in UTC, durations seconds."""
    outcome, settings = pages.outcome, pages.spec.settings
    known = outcome.start is not None
    return {
        "events": outcome.events,
        "rejected": outcome.rejected,
        "blocked": outcome.blocked,
        "from": rfc3339(pages.start) if known else None,
        "to": rfc3339(pages.end) if known else None,
        "pages": pages.count,
        "budget_per_shift": pages.budget,
        "shift_seconds": float(settings.shift),
        "timezone": str(pages.shifts.zone),
        "shifts": pages.all_shifts,
        "shifts_over_budget": pages.over,
        "duties": [
            {
                "channel": channel,
                "from": rfc3339(shift.begin),
                "to": rfc3339(shift.end),
                "pages": len(entries),
                "over_budget": len(entries) > pages.budget,
            }
            for (channel, shift), entries in _by_time(pages.duties)
        ],
        "incidents": [_incident(incident, pages.end) for incident in pages.incidents],
        "alerts": [
            {
                "alert": row.alert,
                "severity": row.severity,
                "maturity": row.maturity,
                "fired": row.fired,
                "pages": row.pages,
                "if_nobody_acknowledges": row.later,
                "threshold": row.threshold,
                "greatest": row.greatest,
            }
            for row in _rows(pages)
        ],
        "proposal": {
            "changes": [
                {
                    "alert": change.alert,
                    "demote": change.value is None,
                    "value": change.value,
                    "before": change.before,
                    "hits": change.hits,
                    "hidden": change.hidden,
                    "hidden_answered": change.answered,
                    "groups_hidden": change.groups,
                    "groups": change.all_groups,
                    "peaks": list(change.peaks),
                }
                for change in pages.proposal.changes
            ],
            "left_over_budget": list(pages.proposal.left),
        },
        "coverage": coverage.as_data(outcome.covered),
    }


def _incident(incident: Incident, until: float) -> dict[str, Any]:
    return {
        "incident_key": incident.key,
        "severity": incident.severity,
        "owner": incident.owner,
        "from": rfc3339(incident.begin),
        "to": None if incident.end is None else rfc3339(incident.end),
        "alerts": [
            {"alert": instance.rule.name, "labels": instance.labels, "value": instance.value}
            for instance in incident.instances
        ],
        "pages": [{"at": rfc3339(page.at), "channel": page.channel} for page in incident.pages if page.at <= until],
        "if_nobody_acknowledges": [
            {
                "at": rfc3339(page.at),
                "channel": page.channel,
                "tier": page.tier,
                "after_seconds": page.after,
                "unless": page.unless or None,
            }
            for page in incident.later
        ],
    }


# ------------------------------------------------------------------------------------------------ text
def as_text(pages: Pages, *, width: int = 0, color: bool = False) -> str:
    """The answer first, then shifts, pages, alerts and what to change. `width` in characters, 0: as wide as it gets."""
    return "\n".join(_text(pages, max(width, LEAST_WIDTH) if width else 0, color))


def _text(pages: Pages, width: int, color: bool) -> Iterator[str]:
    if pages.outcome.start is None:
        yield from wrapped(answer(pages), width)
    else:
        yield from _found(pages, width, color)
    yield ""
    yield from coverage.lines(pages.outcome.covered, width=width, color=color)


def _found(pages: Pages, width: int, color: bool) -> Iterator[str]:
    outcome = pages.outcome
    yield from wrapped(
        f"{outcome.events:,} attempts, {coverage.records(outcome.rejected)} rejected; {at(pages.start)} to "
        f"{at(pages.end)}, {lasted(pages.end - pages.start)}. {clocks(pages)}",
        width,
    )
    yield ""
    yield from wrapped(answer(pages), width)
    certain = [incident for incident in pages.incidents if any(page.at <= pages.end for page in incident.pages)]
    waiting = [incident for incident in pages.incidents if incident not in certain and incident.later]
    if certain:
        yield from _shifts(pages, width, color)
        yield from _pages("Who would have been paged, and when", certain, pages, width, color)
    if waiting:
        title = "Chat or tickets first; these page only if nobody acknowledges"
        yield from _pages(title, waiting, pages, width, color)
    rows = list(_rows(pages))
    if rows:
        yield from ("", _title("Alerts", color))
        yield from _columns(
            [
                ("alert", "severity", "fired", "pages", "later", "threshold", "greatest"),
                *(
                    (
                        row.alert,
                        row.severity,
                        f"{row.fired:,}",
                        f"{row.pages:,}" if row.maturity == "stable" else "chat only",
                        f"{row.later:,}",
                        row.threshold,
                        readable(row.greatest),
                    )
                    for row in rows
                ),
            ],
            width,
        )
        yield from wrapped(
            "fired: how often it started firing. pages: those that it was part of; alerts of one incident share one. "
            "later: more pages if nobody acknowledges. greatest: the worst value seen.",
            width,
        )
    yield from _proposal(pages, width, color)


def answer(pages: Pages) -> str:
    """The question's answer in a sentence or two."""
    length = lasted(float(pages.spec.settings.shift))
    shifts = f"{pages.all_shifts:,} {_plural('shift', pages.all_shifts)} of {length}"
    if not pages.count:
        when = f" in {shifts}" if pages.outcome.start is not None else ""
        return coverage.silence(pages.outcome.covered, f"Nobody would have been paged{when}")
    with_pages = {shift for _, shift in pages.duties}
    quiet = pages.all_shifts - len(with_pages)
    some = f"{quiet:,} without a page" if quiet else "each with a page"
    text = f"{pages.count:,} {_plural('page', pages.count)} in {shifts}, {some}. "
    budget = f"The budget is {pages.budget} {_plural('page', pages.budget)} a shift"
    if not pages.over:
        return f"{text}{budget}; no shift exceeds it."
    return f"{text}{budget}; {pages.over:,} {'shift exceeds' if pages.over == 1 else 'shifts exceed'} it."


def _shifts(pages: Pages, width: int, color: bool) -> Iterator[str]:
    yield from ("", _title("Shifts with pages", color))
    rows = [("shift", "who", "pages", "")]
    for (channel, shift), entries in _by_time(pages.duties):
        over = f"over the budget of {pages.budget}" if len(entries) > pages.budget else ""
        rows.append((_shift(shift), channel, f"{len(entries):,}", over))
    more = len(rows) - 1 - MOST_SHOWN
    if more > 0:  # the busiest ones, in their order
        busiest = sorted(rows[1:], key=lambda row: -int(row[2].replace(",", "")))[:MOST_SHOWN]
        rows = [rows[0], *(row for row in rows[1:] if row in busiest)]
    yield from _columns(rows, width)
    if more > 0:
        yield f"... and {more:,} with fewer pages; --format json has all of them."


def _pages(title: str, found: Sequence[Incident], pages: Pages, width: int, color: bool) -> Iterator[str]:
    yield ""
    yield from (_title(line, color) for line in wrapped(title, width))
    for incident in found[:MOST_SHOWN]:
        yield from _entry(incident, pages, width, color)
    if len(found) > MOST_SHOWN:
        yield f"... and {len(found) - MOST_SHOWN:,} more; --format json has all of them."


def _entry(incident: Incident, pages: Pages, width: int, color: bool) -> Iterator[str]:
    certain = [page for page in incident.pages if page.at <= pages.end]
    when = certain[0].at if certain else incident.begin
    who = f"pages {', '.join(page.channel for page in certain)}" if certain else "pages nobody yet"
    word = f"\x1b[{COLORS[incident.severity]}m{incident.severity}\x1b[0m" if color else incident.severity
    head = f"{at(when)}  {incident.severity}  {who}"
    yield head.replace(f"  {incident.severity}  ", f"  {word}  ", 1)
    for instance in incident.instances[:3]:
        yield from wrapped(f"{instance.rule.name}: {filled(instance.rule.alert.summary, instance)}", width, _INDENT)
        yield from wrapped(facts(instance), width, _INDENT + "  ")
    if len(incident.instances) > 3:
        yield f"{_INDENT}and {len(incident.instances) - 3} more alerts of the same incident"
    if incident.later:
        yield from wrapped(later_words(incident.later), width, _INDENT)


def facts(instance: AlertInstance) -> str:
    """The worst value of an alert instance, against its threshold."""
    told = f"worst value {readable(instance.value)}, alert at {condition(instance.rule)}"
    if instance.answered is None:
        return told
    return f"{told}; {readable(instance.answered) if instance.answered else 'none'} answered by the model"


def later_words(later: Sequence[Page]) -> str:
    """Who is notified next, and on which condition."""
    tiers: dict[int, list[Page]] = {}
    for page in later:
        tiers.setdefault(page.tier, []).append(page)
    parts = []
    for pages in tiers.values():
        unless = {"acknowledged": "unacknowledged", "contained": "not contained"}
        otherwise = unless.get(pages[0].unless, "still firing")
        parts.append(f"{otherwise} after {lasted(pages[0].after)}: {', '.join(page.channel for page in pages)}")
    return "; ".join(parts)


@dataclass(frozen=True, slots=True)
class _Row:
    alert: str
    severity: str
    maturity: str
    fired: int
    pages: int
    later: int
    threshold: str
    greatest: float


def _rows(pages: Pages) -> Iterator[_Row]:
    """A row for each alert that fired, the most pages first."""
    kinds: dict[tuple[str, str], list[AlertInstance]] = {}
    for instance in pages.outcome.instances:
        kinds.setdefault((instance.rule.name, instance.rule.family), []).append(instance)
    certain, later = dict.fromkeys(kinds, 0), dict.fromkeys(kinds, 0)
    for incident in pages.incidents:
        for kind in {(instance.rule.name, instance.rule.family) for instance in incident.instances}:
            certain[kind] += sum(page.at <= pages.end for page in incident.pages)
            later[kind] += len(incident.later)
    for kind in sorted(kinds, key=lambda kind: (-certain[kind], -later[kind], kind)):
        rule = kinds[kind][0].rule
        worst = min if rule.op in ("<", "<=") else max
        yield _Row(
            kind[0] if kind[0] != names.STORM else f"{kind[0]} ({kind[1]})",
            rule.alert.severity,
            rule.alert.maturity,
            len(kinds[kind]),
            certain[kind],
            later[kind],
            f"{rule.op} {readable(rule.value)}",
            worst(instance.value for instance in kinds[kind]),
        )


def _proposal(pages: Pages, width: int, color: bool) -> Iterator[str]:
    proposal = pages.proposal
    if not proposal.changes and not proposal.left:
        return
    yield from ("", _title("To stay within the budget", color))
    for change in proposal.changes:
        yield from wrapped(f"{change.alert}: {words(change)}", width)
        yield from wrapped(f"worst values of these hits: {_spread(change.peaks)}", width, _INDENT)
    if proposal.left:
        yield from wrapped(
            f"Left as they are, though they page beyond the budget: {', '.join(proposal.left)}. No "
            "program should hide these: find out whether it was an attack, a fault or a test.",
            width,
        )
    if proposal.changes:
        yield from wrapped(honest(), width)
        yield from wrapped(
            "--propose FILE writes this as an overlay; replay again with --spec FILE to confirm it.", width
        )


def _spread(peaks: Sequence[float]) -> str:
    if len(peaks) <= 8:
        return ", ".join(map(readable, peaks))
    middle, high = peaks[len(peaks) // 2], peaks[math.ceil(len(peaks) * 0.9) - 1]
    return (
        f"from {readable(peaks[0])} to {readable(peaks[-1])}, half of them up to {readable(middle)}, nine of ten up to "
        f"{readable(high)}"
    )


# ------------------------------------------------------------------------------------------------ words
def _by_time(found: Duties) -> list[Any]:
    return sorted(found.items(), key=lambda item: (item[0][1], item[0][0]))


def _title(text: str, color: bool) -> str:
    return f"\x1b[1m{text}\x1b[0m" if color else text


def _columns(rows: Sequence[Sequence[str]], width: int) -> Iterator[str]:
    """A table; one that does not fit has its cells under each other."""
    sizes = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    if not width or sum(sizes) + 2 * (len(sizes) - 1) <= width:
        for row in rows:
            yield "  ".join(f"{cell:<{size}}" for cell, size in zip(row, sizes, strict=True)).rstrip()
        return
    for row in rows[1:]:
        yield row[0]
        cells = [f"{name} {cell}".strip() for name, cell in zip(rows[0][1:], row[1:], strict=True) if cell]
        yield from wrapped(", ".join(cells), width, _INDENT)


def clocks(pages: Pages) -> str:
    """Which clock the times are of, and which one the shifts follow."""
    zone = str(pages.shifts.zone)
    return "Times are in UTC." if zone == "UTC" else f"Times are in UTC; shifts follow the clocks of {zone}."


def at(seconds: float) -> str:
    """``Tue 2026-11-17 09:10:15``, in UTC."""
    return f"{_moment(seconds):%a %Y-%m-%d %H:%M:%S}"


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _shift(shift: Shift) -> str:
    begin, end = _moment(shift.begin), _moment(shift.end)
    same = shift.end - shift.begin <= 90_000
    return f"{begin:%a %Y-%m-%d %H:%M} to {end:%H:%M}" if same else f"{begin:%a %Y-%m-%d} to {end:%a %Y-%m-%d}"


def lasted(seconds: float) -> str:
    """A length of time as a person says it."""
    for size, unit in ((86_400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= 2 * size or seconds == size:
            return f"{seconds / size:.3g} {_plural(unit, seconds / size)}"
    return f"{seconds:.3g} {_plural('second', seconds)}"


def _plural(word: str, count: float) -> str:
    return word if count == 1 else f"{word}s"
