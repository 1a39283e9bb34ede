"""A page as the engineer on call would get it, and what comes around it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from exercises.demo.pages import NAMES, Alert, Page
from exercises.demo.terminal import STYLES, Screen

Row = tuple[str, str, str]


def page(screen: Screen, sent: Page, known: Collection[str] = ()) -> None:
    """A page: severity, who, what, answered or not, since when, and where it leads.

    Of an incident that the channel was already notified of, only what is new: `known` are the alerts it had before.
    """
    style = sent.severity if sent.severity in STYLES else "bold"
    screen.line()
    head = "PAGE, UPDATED" if known else "PAGE"
    screen.box(f"{head} to {where(sent)}", _rows(sent, style, known), style)


def note(screen: Screen, sent: Page) -> None:
    """A notification that wakes nobody, or the end of one, in a line."""
    if sent.status == "resolved":
        screen.line(f"Resolved, sent to {where(sent)}: {sent.title or sent.incident}", "good")
    else:
        screen.line(f"Also sent to {where(sent)}: {sent.title}", "dim")


def where(sent: Page) -> str:
    """The channel in words: ``pager-security (PagerDuty)``."""
    via = NAMES.get(sent.via, sent.via)
    return f"{sent.channel} ({via} {sent.target})" if sent.target else f"{sent.channel} ({via})"


def answered(alert: Alert) -> Row:
    """Whether the attack got an answer: the row of a page that decides how fast somebody has to move."""
    reported = alert.answered
    if reported == "none":
        return "Answered?", "NO. Every hit was blocked, refused or failed.", "good"
    if reported.startswith("up to "):
        return "Answered?", f"YES. The model answered {reported} of the hits: read those answers first.", "high"
    return "Answered?", reported, ""


def _rows(sent: Page, style: str, known: Collection[str]) -> Iterator[Row]:
    yield "", sent.title, "bold"
    yield "", "", ""
    yield "Severity", sent.severity, style
    yield "Who", sent.who or "the whole service", "bold"
    yield "Incident", f"{sent.incident}, owned by {sent.owner}", ""
    for alert in sent.alerts:
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
