"""What a real Alertmanager 0.25 sent to each kind of channel, with a configuration generated from the spec."""

from __future__ import annotations

from typing import Any

from exercises.receiver import Delivery

SITE = "http://127.0.0.1:1"

_CANARY = (
    "A planted canary string was in an answer to u-boris (team-legal)\n"
    "Answers that contain a planted canary string, which exists nowhere but in protected data: up to 1 in 5m "
    "(page limit: 1 or more). This alert ends 35m after the limit was last reached. Answered by the model: up to 1.\n"
    f"Runbook: {SITE}/runbooks/LLMCanaryLeaked.md\n"
    f"Dashboard: {SITE}/d/tocsin-overview?var-actor=u-boris&var-tenant=team-legal\n"
    "Alert: LLMCanaryLeaked, confidence high, since 2026-11-25 01:33:53 UTC\n\n"
)
_BULK = (
    "Many answers with secrets or personal data went to u-boris (team-legal)\n"
    "Secrets and personal data in answers: up to 8 in 10m (page limit: 5 or more). "
    "This alert ends 35m after the limit was last reached. Answered by the model: none.\n"
    f"Runbook: {SITE}/runbooks/LLMBulkSensitiveOutput.md\n"
    f"Dashboard: {SITE}/d/tocsin-overview?var-actor=u-boris&var-tenant=team-legal\n"
    "Alert: LLMBulkSensitiveOutput, confidence medium, since 2026-11-25 01:33:51 UTC\n\n"
)


def pagerduty(**details: Any) -> Delivery:
    """A page about two alerts; `details` replace what it says."""
    body = {
        "routing_key": "tocsin/pager-security",
        "dedup_key": "d424480d06edacbedf9f2c61eb733af0e97eab8dc7765be0b54a9e62d7895efc",
        "event_action": "trigger",
        "payload": {
            "summary": "[CRITICAL] Many answers with secrets or personal data went to u-boris (team-legal) (2 alerts)",
            "source": "Tocsin",
            "severity": "critical",
            "class": "data_leakage",
            "group": "data_leakage/u-boris",
            "custom_details": {
                "firing": f"{_BULK}{_CANARY}Incident: data_leakage/u-boris, owner security",
                "incident": "data_leakage/u-boris",
                "num_firing": "2",
                "num_resolved": "0",
                "owner": "security",
                "resolved": "",
                "severity": "critical",
                **details,
            },
        },
        "client": "Tocsin",
        "client_url": "http://127.0.0.1:28230/#/alerts?receiver=tocsin%2Fpager-security",
        "links": [
            {"href": f"{SITE}/runbooks/LLMBulkSensitiveOutput.md", "text": "Runbook"},
            {"href": f"{SITE}/d/tocsin-overview?var-actor=u-boris&var-tenant=team-legal", "text": "Dashboard"},
        ],
    }
    return Delivery("/pagerduty/tocsin/pager-security", body, 1795570434.5)


def slack(title: str = "[HIGH] u-xenia (team-sales) keeps trying to jailbreak a model") -> Delivery:
    """A message in a chat."""
    body = {
        "channel": "#llm-security",
        "username": "Tocsin",
        "attachments": [
            {
                "title": title,
                "title_link": f"{SITE}/d/tocsin-overview?var-actor=u-xenia&var-tenant=team-sales",
                "text": "*u-xenia (team-sales) keeps trying to jailbreak a model*\n"
                "Jailbreak attempts in prompts: up to 7 in 10m (page limit: 3 or more). "
                f"Answered by the model: up to 2.\n<{SITE}/runbooks/LLMJailbreakRepeated.md|Runbook> · "
                f"<{SITE}/d/tocsin-overview?var-actor=u-xenia&var-tenant=team-sales|Dashboard> · "
                "LLMJailbreakRepeated, confidence medium\n"
                "Incident prompt_injection/u-xenia&lt;b&gt;&amp;lt; · owner security",
                "fallback": title,
                "callback_id": "",
                "footer": "",
                "color": "danger",
                "mrkdwn_in": ["fallback", "pretext", "text"],
            }
        ],
    }
    return Delivery("/slack/tocsin/chat-security", body, 1795570434.6)


def webhook(status: str = "firing") -> Delivery:
    """A ticket."""
    alert = {
        "status": status,
        "labels": {
            "alertname": "LLMAuthFailures",
            "tocsin_severity": "low",
            "owner": "security",
            "confidence": "medium",
            "source_range": "203.0.113.0/24",
        },
        "annotations": {
            "summary": "Refused credentials from 203.0.113.0/24",
            "description": "Refusals: 7 in 15m (limit: 5 or more).",
            "runbook_url": f"{SITE}/runbooks/LLMAuthFailures.md",
            "dashboard_url": f"{SITE}/d/tocsin-overview",
        },
        "startsAt": "2026-11-25T01:33:53.5Z",
        "endsAt": "0001-01-01T00:00:00Z",
    }
    body = {
        "version": "4",
        "groupKey": "{}:{}",
        "status": status,
        "receiver": "tocsin/tickets",
        "groupLabels": {"incident_key": "password_guessing/203.0.113.0/24"},
        "alerts": [alert],
    }
    return Delivery("/webhook/tocsin/tickets", body, 1795570434.7)
