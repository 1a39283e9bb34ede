"""A page as the engineer on call would get it, and what comes around it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from exercises.demo.pages import NAMES, Alert, Page
from exercises.demo.terminal import STYLES, Screen

Row = tuple[str, str, str]


def page(screen: Screen, told: Page, known: Collection[str] = ()) -> None:
    """A page: severity, who, what, answered or not, since when, and where it leads.

    Of an incident that the channel was already told of, only what is new: `known` are the alerts it had before.
    """
    style = told.severity if told.severity in STYLES else "bold"
    screen.line()
    head = "PAGE, UPDATED" if known else "PAGE"
    screen.box(f"{head} to {where(told)}", _rows(told, style, known), style)


def note(screen: Screen, told: Page) -> None:
    """A notification that wakes nobody, or the end of one, in a line."""
    if told.status == "resolved":
        screen.line(f"Over, told to {where(told)}: {told.title or told.incident}", "good")
    else:
        screen.line(f"Also told to {where(told)}: {told.title}", "dim")


def where(told: Page) -> str:
    """The channel in words: ``pager-security (PagerDuty)``."""
    via = NAMES.get(told.via, told.via)
    return f"{told.channel} ({via} {told.target})" if told.target else f"{told.channel} ({via})"


def answered(alert: Alert) -> Row:
    """Whether the attack got an answer: the row of a page that decides how fast somebody has to move."""
    told = alert.answered
    if told == "none":
        return "Answered?", "NO. Every hit was blocked, refused or failed.", "good"
    if told.startswith("up to "):
        return "Answered?", f"YES. The model answered {told} of the hits: read those answers first.", "high"
    return "Answered?", told, ""


def _rows(told: Page, style: str, known: Collection[str]) -> Iterator[Row]:
    yield "", told.title, "bold"
    yield "", "", ""
    yield "Severity", told.severity, style
    yield "Who", told.who or "the whole service", "bold"
    yield "Incident", f"{told.incident}, owned by {told.owner}", ""
    for alert in told.alerts:
        if alert.name in known:
            continue
        yield "", "", ""
        yield "Alert", alert.name + (f" (confidence {alert.confidence})" if alert.confidence else ""), "bold"
        yield "What", alert.summary, ""
        yield "Measured", alert.description, ""
        if alert.answered:
            yield answered(alert)
        yield "Since", alert.since, ""
        yield "Runbook", alert.runbook_url, "link"
        yield "Dashboard", alert.dashboard_url, "link"


def addresses(screen: Screen, up: Mapping[str, str]) -> None:
    """What is up, and where."""
    screen.line()
    screen.box("What is up", [(name, url, "link") for name, url in up.items()], "bold")
