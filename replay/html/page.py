"""The page itself: what is on it, and its HTML. It loads nothing, runs no script and works as a file."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import jinja2

from alerts import AlertInstance
from alerts.incidents import Incident
from alerts.wording import readable
from replay import coverage
from replay.html.chart import HEIGHT, WIDTH, Area, area, bar
from replay.html.evidence import Evidence, Line
from replay.html.history import History
from replay.paging_report import Pages, answer, at, clocks, facts, lasted, later_words
from replay.report import dollars, filled
from replay.threshold_tuning import honest, words
from runtime.text import printable
from spec import names
from spec.lookup import own_stream
from spec.model import Signal

MOST_ALERTS: Final = 100
"""Alerts that are described with their lines, the most severe first."""
CATEGORIES: Final = ("volumetric", "temporal", "content", "error", "performance", "security")
_TEMPLATES: Final = Path(__file__).parent / "templates"
_MARKS: Final = 4
"""Times that are written under an axis."""
_LONG, _SHORT = 2 * 86_400.0, 600.0
"""Seconds: of a longer span days are written, of a shorter one seconds too."""


@dataclass(frozen=True, slots=True)
class _Chart:
    title: str
    metric: str
    area: Area
    greatest: str
    alerts: str


@dataclass(frozen=True, slots=True)
class _Bar:
    left: float
    width: float
    severity: str
    title: str


@dataclass(frozen=True, slots=True)
class _Track:
    name: str
    severity: str
    bars: tuple[_Bar, ...]


@dataclass(frozen=True, slots=True)
class _Shown:
    """An alert with what is told of it."""

    anchor: str
    name: str
    severity: str
    when: str
    until: str
    summary: str
    facts: str
    paged: str
    later: str
    runbook: str
    count: int
    lines: tuple[_ShownLine, ...]


@dataclass(frozen=True, slots=True)
class _ShownLine:
    time: str
    facts: tuple[tuple[str, str], ...]
    rules: tuple[str, ...]
    texts: tuple[tuple[str, str], ...]


def described(pages: Pages) -> list[AlertInstance]:
    """The alert instances whose lines are shown: the most severe, and of these the first."""
    order = pages.spec.severities
    ranked = sorted(
        pages.outcome.instances, key=lambda instance: (order[instance.rule.alert.severity].order, instance.fired_at)
    )
    return sorted(ranked[:MOST_ALERTS], key=lambda instance: instance.fired_at)


def page(
    pages: Pages, history: History, instances: Sequence[AlertInstance], found: Sequence[Evidence], logs: Sequence[Path]
) -> str:
    """The HTML; `found` are the lines behind each of `instances`."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    span = pages.start, max(pages.end, pages.start + 1.0)
    outcome = pages.outcome
    return environment.get_template("page.html.j2").render(
        logs=[printable(log.name) for log in logs],
        outcome=outcome,
        pages=pages,
        span=None if outcome.start is None else (at(pages.start), at(pages.end), lasted(span[1] - span[0])),
        clocks=clocks(pages),
        answer=answer(pages),
        coverage=list(coverage.rows(outcome.covered)),
        tracks=_tracks(pages, span),
        marks=marks(span),
        categories=_categories(pages, history, span),
        shown=[
            _shown(place, instance, lines, pages)
            for place, (instance, lines) in enumerate(zip(instances, found, strict=True), start=1)
        ],
        more=len(outcome.instances) - len(instances),
        duties=[
            (printable(channel), at(shift.begin)[:-3], len(entries), len(entries) > pages.budget)
            for (channel, shift), entries in sorted(pages.duties.items(), key=lambda item: (item[0][1], item[0][0]))
        ],
        proposal=[(change.alert, words(change)) for change in pages.proposal.changes],
        left=pages.proposal.left,
        honest=honest(),
        WIDTH=WIDTH,
        HEIGHT=HEIGHT,
    )


def _tracks(pages: Pages, span: tuple[float, float]) -> list[_Track]:
    """A track for each alert, the most severe first."""
    kinds: dict[str, list[AlertInstance]] = {}
    for instance in pages.outcome.instances:
        kinds.setdefault(_name(instance), []).append(instance)
    order = pages.spec.severities
    return [
        _Track(
            name,
            members[0].rule.alert.severity,
            tuple(
                _Bar(
                    *bar(one.fired_at, span[1] if one.resolved_at is None else one.resolved_at, span),
                    one.rule.alert.severity,
                    f"{at(one.fired_at)} {filled(one.rule.alert.summary, one)}",
                )
                for one in members
            ),
        )
        for name, members in sorted(
            kinds.items(), key=lambda kind: (order[kind[1][0].rule.alert.severity].order, kind[1][0].fired_at)
        )
    ]


def _name(instance: AlertInstance) -> str:
    if instance.rule.name == names.STORM:
        return f"{instance.rule.name} ({instance.rule.family})"
    return instance.rule.name


def marks(span: tuple[float, float]) -> list[str]:
    """Times under an axis, each another one; only its ends where there is not that much time between them."""
    length = span[1] - span[0]
    form = "%a %d %b" if length > _LONG else "%H:%M" if length > _SHORT else "%H:%M:%S"
    times = [span[0] + length * place / (_MARKS - 1) for place in range(_MARKS)]
    written = [f"{datetime.fromtimestamp(time, UTC):{form}}" for time in times]
    return written if len(set(written)) == len(written) else [written[0], written[-1]]


@dataclass(frozen=True, slots=True)
class _Category:
    """What was measured of a category. `near` are the charts of signals that came near the limit of an alert."""

    name: str
    near: tuple[_Chart, ...]
    calm: tuple[_Chart, ...]
    silent: tuple[str, ...]


def _categories(pages: Pages, history: History, span: tuple[float, float]) -> list[_Category]:
    out = []
    for category in CATEGORIES:
        charts, silent = [], []
        for name, signal in pages.spec.signals.items():
            if signal.category != category or not own_stream(signal):
                continue
            course = history.course(name)
            if course:
                charts.append(_chart(name, signal, course, pages, history.width, span))
            else:
                silent.append(name)
        near = tuple(chart for chart in charts if chart.area.threshold is not None)
        calm = tuple(chart for chart in charts if chart.area.threshold is None)
        out.append(_Category(category, near, calm, tuple(silent)))
    return out


def _chart(
    name: str, signal: Signal, course: Mapping[float, float], pages: Pages, width: float, span: tuple[float, float]
) -> _Chart:
    limits: dict[str, tuple[str, float]] = {}
    for alert, entry in pages.spec.alerts.items():
        mine = entry.when.COUNTS_GROUPS and entry.when.signals[0][1] == name
        if mine and entry.enabled and alert != names.STORM:
            limits[alert] = entry.when.comparison
    threshold = min((value for op, value in limits.values() if op in (">=", ">")), default=None)
    each = names.title(signal.by, pages.spec.fields).lower() if signal.by else ""
    window = lasted(float(signal.window))
    return _Chart(
        signal.help.partition(":")[0].removesuffix("."),
        f"{names.signal_metric(name, signal)}, within {window}" + (f", the highest {each}" if each else ""),
        area(course, width, span, threshold),
        _amount(max(course.values()), signal.unit),
        ", ".join(f"{alert} at {op} {readable(value)}" for alert, (op, value) in limits.items()),
    )


def _amount(value: float, unit: str) -> str:
    return dollars(value) if unit == "usd" else f"{readable(value)} tokens" if unit == "tokens" else readable(value)


def _shown(place: int, instance: AlertInstance, found: Evidence, pages: Pages) -> _Shown:
    rule = instance.rule
    incident = next((one for one in pages.incidents if any(member is instance for member in one.instances)), None)
    return _Shown(
        f"alert-{place}",
        _name(instance),
        rule.alert.severity,
        at(instance.fired_at),
        "still firing at the end" if instance.resolved_at is None else f"until {at(instance.resolved_at)}",
        filled(rule.alert.summary, instance),
        facts(instance),
        _paged(instance, incident, pages),
        later_words(incident.later) if incident is not None and incident.later else "",
        pages.spec.settings.runbook_base_url + names.runbook_page(rule.name),
        found.count,
        tuple(_line(line, pages) for line in found.lines),
    )


def _paged(instance: AlertInstance, incident: Incident | None, pages: Pages) -> str:
    certain = [page for page in incident.pages if page.at <= pages.end] if incident is not None else []
    if certain:
        who = ", ".join(page.channel for page in certain)
        when = "" if math.isclose(certain[0].at, instance.fired_at) else f" at {at(certain[0].at)}"
        return f"Pages {who}{when}"
    if incident is None and instance.rule.pages:
        return f"Pages nobody: {names.STORM} covers it"
    quiet = ", ".join(channel for channel in instance.rule.channels if not pages.spec.channels[channel].pages)
    return f"Pages nobody; goes to {quiet}" if quiet else "Pages nobody"


_SHOWN_FACTS: Final = {
    "outcome": "outcome",
    "error_class": "error",
    "verdict": "guardrail",
    "model": "model",
    "tenant": "team",
}
_CHANNELS: Final = {
    "user": "asked",
    "output": "answered",
    "tool_call": "tool call",
    "tool": "tool result or document",
    "system": "system",
    "assistant": "earlier answer",
}


def _line(line: Line, pages: Pages) -> _ShownLine:
    return _ShownLine(
        at(line.time),
        tuple(
            (_SHOWN_FACTS.get(name) or names.title(name, pages.spec.fields).lower(), value)
            for name, value in line.facts.items()
        ),
        line.rules,
        tuple((_CHANNELS.get(channel, channel), text) for channel, text in line.texts if text),
    )
