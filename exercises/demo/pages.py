"""What a channel was told, read from the notification that arrived there and from nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal
from urllib.parse import unquote

from exercises.receiver import Delivery, PagedAlert

_ALERT: Final = re.compile(
    r"(?P<summary>[^\n]*)\n(?P<description>[^\n]*)\nRunbook: (?P<runbook>[^\n]*)\nDashboard: (?P<dashboard>[^\n]*)\n"
    r"Alert: (?P<name>\w+)(?:, confidence (?P<confidence>\w+))?, since (?P<since>[^\n]*)"
)
_ANSWERED: Final = re.compile(r"\s*Answered by the model: (.*)\.$")
_TITLE: Final = re.compile(r"\[(\w+)\] ")
_MARKUP: Final = (("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&"))  # in this order, or &amp;lt; would become <

NAMES: Final = {"pagerduty": "PagerDuty", "slack": "Slack", "webhook": "webhook", "email": "e-mail"}


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert of a page. What the channel was not told is empty."""

    name: str
    summary: str
    description: str = ""
    answered: str = ""
    """How many of the hits the model answered: ``none``, ``up to 3``, ``unknown ...``. Empty: no question here."""
    confidence: str = ""
    since: str = ""
    runbook_url: str = ""
    dashboard_url: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """One notification: who is notified, of what."""

    channel: str
    """The name of the channel in the spec, such as pager-security."""
    via: str
    """The kind of channel: pagerduty, slack, webhook or email."""
    target: str
    """Where inside of it, such as #llm-security; empty when that is told by its secret."""
    status: Literal["firing", "resolved"]
    severity: str
    title: str
    incident: str
    owner: str
    alerts: tuple[Alert, ...]
    at: float
    """When it arrived, in Unix seconds."""
    thread: str = ""
    """What the channel folds into one: of PagerDuty its key, else nothing. A later tier is a new page."""

    @property
    def who(self) -> str:
        """The account, address range or part that the incident is about; empty for one of the whole service."""
        return self.incident.partition("/")[2]

    @property
    def pages(self) -> bool:
        """Whether it wakes somebody."""
        return self.via == "pagerduty"


def read(delivery: Delivery) -> Page | None:
    """A delivery as a page, or nothing when it is of no channel of the capture receiver, or not in its form."""
    via, _, receiver = delivery.path.removeprefix("/").partition("/")
    channel = unquote(receiver).removeprefix("tocsin/")
    try:
        match via:
            case "pagerduty":
                return _pagerduty(channel, delivery)
            case "slack":
                return _slack(channel, delivery)
            case "webhook" | "email":
                return _webhook(channel, via, delivery)
    except (KeyError, TypeError, IndexError, AttributeError):
        return None
    return None


def _pagerduty(channel: str, delivery: Delivery) -> Page:
    body = delivery.body
    payload = body["payload"]
    details = payload["custom_details"]
    return Page(
        channel=channel,
        via="pagerduty",
        target="",
        status="resolved" if body["event_action"] == "resolve" else "firing",
        severity=details["severity"],
        title=payload["summary"],
        incident=details["incident"],
        owner=details["owner"],
        alerts=tuple(_from_text(details["firing"])),
        at=delivery.at,
        thread=body["dedup_key"],
    )


def _from_text(text: str) -> Iterator[Alert]:
    for found in _ALERT.finditer(text):
        description, answered = _split(found["description"])
        yield Alert(
            name=found["name"],
            summary=found["summary"],
            description=description,
            answered=answered,
            confidence=found["confidence"] or "",
            since=found["since"],
            runbook_url=found["runbook"],
            dashboard_url=found["dashboard"],
        )


def _split(description: str) -> tuple[str, str]:
    answered = _ANSWERED.search(description)
    return (description[: answered.start()], answered[1]) if answered else (description, "")


def _slack(channel: str, delivery: Delivery) -> Page:
    attachment = delivery.body["attachments"][0]
    title = _plain(attachment["title"])
    word = _TITLE.match(title)
    incident, owner = re.findall(r"Incident (.*) · owner (.*)", _plain(attachment["text"]))[-1]
    severity = word[1].lower() if word else ""
    over = severity == "resolved"
    return Page(
        channel=channel,
        via="slack",
        target=delivery.body.get("channel", ""),
        status="resolved" if over else "firing",
        severity="" if over else severity,
        title=title,
        incident=incident,
        owner=owner,
        alerts=(),
        at=delivery.at,
    )


def _plain(text: str) -> str:
    for escaped, plain in _MARKUP:
        text = text.replace(escaped, plain)
    return text


def _webhook(channel: str, via: str, delivery: Delivery) -> Page | None:
    page = delivery.page
    if page is None:
        return None
    first = next((alert for alert in page.alerts if alert.status == "firing"), page.alerts[0])
    return Page(
        channel=channel,
        via=via,
        target="",
        status="firing" if page.status == "firing" else "resolved",
        severity=first.labels["tocsin_severity"],
        title=first.annotations["summary"],
        incident=page.group_labels["incident_key"],
        owner=first.labels["owner"],
        alerts=tuple(_from_webhook(alert) for alert in page.alerts if alert.status == "firing"),
        at=delivery.at,
    )


def _from_webhook(alert: PagedAlert) -> Alert:
    annotations: Mapping[str, str] = alert.annotations
    description, answered = _split(annotations["description"])
    return Alert(
        name=alert.labels["alertname"],
        summary=annotations["summary"],
        description=description,
        answered=answered,
        confidence=alert.labels.get("confidence", ""),
        since=alert.starts_at.strftime("%Y-%m-%d %H:%M:%S UTC"),
        runbook_url=annotations["runbook_url"],
        dashboard_url=annotations["dashboard_url"],
    )


def as_data(page: Page) -> dict[str, Any]:
    """A page as plain data for JSON."""
    return {
        "channel": page.channel,
        "via": page.via,
        **({"target": page.target} if page.target else {}),
        "status": page.status,
        "severity": page.severity,
        "title": page.title,
        "who": page.who,
        "incident": page.incident,
        "owner": page.owner,
        "alerts": [
            {
                "alert": alert.name,
                "summary": alert.summary,
                "description": alert.description,
                "answered": alert.answered or None,
                "confidence": alert.confidence or None,
                "since": alert.since,
                "runbook_url": alert.runbook_url,
                "dashboard_url": alert.dashboard_url,
            }
            for alert in page.alerts
        ],
    }
