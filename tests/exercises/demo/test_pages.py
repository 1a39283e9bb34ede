"""Pages are read from what real channels were sent, and from nothing else."""

from __future__ import annotations

import pytest

from exercises.demo import pages
from exercises.receiver import Delivery
from tests.exercises.demo.deliveries import SITE, pagerduty, slack, webhook


def test_pagerduty() -> None:
    page = pages.read(pagerduty())
    assert page is not None
    assert (page.channel, page.via, page.status, page.severity) == (
        "pager-security",
        "pagerduty",
        "firing",
        "critical",
    )
    assert (page.incident, page.who, page.owner, page.pages) == ("data_leakage/u-boris", "u-boris", "security", True)
    assert page.thread == pagerduty().body["dedup_key"]
    bulk, canary = page.alerts
    assert (bulk.name, bulk.confidence, bulk.answered) == ("LLMBulkSensitiveOutput", "medium", "none")
    assert (canary.name, canary.answered, canary.since) == ("LLMCanaryLeaked", "up to 1", "2026-11-25 01:33:53 UTC")
    assert canary.summary == "A planted canary string was in an answer to u-boris (team-legal)"
    assert "nowhere but in protected data: up to 1 in 5m (page limit: 1 or more)." in canary.description
    assert canary.runbook_url == f"{SITE}/runbooks/LLMCanaryLeaked.md"
    assert canary.dashboard_url == f"{SITE}/d/tocsin-overview?var-actor=u-boris&var-tenant=team-legal"


def test_the_end_of_an_incident() -> None:
    delivery = pagerduty(firing="Incident: data_leakage/u-boris, owner security")
    delivery.body["event_action"] = "resolve"
    page = pages.read(delivery)
    assert page is not None
    assert (page.status, page.alerts) == ("resolved", ())


def test_slack() -> None:
    page = pages.read(slack())
    assert page is not None
    assert (page.channel, page.via, page.target, page.severity) == ("chat-security", "slack", "#llm-security", "high")
    assert (page.title, page.owner, page.pages) == (
        "[HIGH] u-xenia (team-sales) keeps trying to jailbreak a model",
        "security",
        False,
    )
    assert page.who == "u-xenia<b>&lt;"  # the escapes of Slack undone once


def test_slack_tells_the_end() -> None:
    page = pages.read(slack("[RESOLVED] u-xenia (team-sales) keeps trying to jailbreak a model"))
    assert page is not None
    assert (page.status, page.severity) == ("resolved", "")


@pytest.mark.parametrize("status", ["firing", "resolved"])
def test_webhook(status: str) -> None:
    page = pages.read(webhook(status))
    assert page is not None
    assert (page.channel, page.via, page.status, page.severity) == ("tickets", "webhook", status, "low")
    assert page.who == "203.0.113.0/24"
    assert [(alert.name, alert.answered, alert.since) for alert in page.alerts] == (
        [("LLMAuthFailures", "", "2026-11-25 01:33:53 UTC")] if status == "firing" else []
    )


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/elsewhere/x", {}),
        ("/pagerduty/x", {}),
        ("/pagerduty/x", []),
        ("/pagerduty/x", {"event_action": "trigger", "payload": {"custom_details": None}}),
        ("/slack/x", {"attachments": []}),
        ("/slack/x", {"attachments": [{"title": "t", "text": "no incident"}]}),
        ("/webhook/x", {"version": "4"}),
        ("/webhook/x", {"version": "4", "groupKey": "", "status": "firing"}),
    ],
)
def test_what_is_no_page(path: str, body: object) -> None:
    assert pages.read(Delivery(path, body, 0.0)) is None


def test_as_data() -> None:
    page = pages.read(pagerduty())
    assert page is not None
    data = pages.as_data(page)
    assert (data["severity"], data["who"], data["channel"]) == ("critical", "u-boris", "pager-security")
    assert data["alerts"][1]["answered"] == "up to 1"
    assert "target" not in data
