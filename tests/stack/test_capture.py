"""Our generated routes in a real Alertmanager, with every channel led to the capture receiver."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from exercises.capture import capture_channels
from exercises.servers import Alertmanager, CaptureReceiver, Delivery
from generators.alertmanager import configuration
from spec import load_spec
from tests.support.waiting import PATIENCE

pytestmark = pytest.mark.stack

RealServer = Callable[[str], Path]
LABELS = {
    "alertname": "LLMJailbreakRepeated",
    "alert_family": "prompt_injection",
    "confidence": "high",
    "incident": "prompt_injection",
    "tocsin_severity": "critical",
    "owner": "security",
    "maturity": "stable",
}
ANNOTATIONS = {
    "summary": "many attempts by <alice> & co",
    "description": "12 in 5 minutes",
    "runbook_url": "http://runbooks.example/a",
    "dashboard_url": "http://dashboards.example/a",
}


@pytest.fixture
def receiver() -> Iterator[CaptureReceiver]:
    with CaptureReceiver() as receiver:
        yield receiver


def alert(incident: str, **labels: str) -> dict[str, Any]:
    return {"labels": {**LABELS, "incident_key": incident, **labels}, "annotations": ANNOTATIONS}


def at(path: str) -> Callable[[Delivery], bool]:
    return lambda delivery: delivery.path == path


def captured(config: Mapping[str, Any], receiver: CaptureReceiver, folder: Path) -> str:
    return yaml.safe_dump(capture_channels(config, receiver.url, folder / "secrets"))


def test_generated_routes_reach_pager_and_chat(
    real_server: RealServer, tmp_path: Path, receiver: CaptureReceiver
) -> None:
    real_server("alertmanager")
    config = yaml.safe_load(configuration.generate(load_spec())[configuration.PATH])
    with Alertmanager(tmp_path, captured(config, receiver, tmp_path)) as server:
        server.post("/api/v2/alerts", [alert("prompt_injection/alice")])
        pager = receiver.wait_for(at("/pagerduty/tocsin/pager-security"))
        chat = receiver.wait_for(at("/slack/tocsin/chat-security"))
        # Its own metrics say that it took our answers for success.
        failed = [line for line in metrics(server) if line.startswith("alertmanager_notifications_failed_total")]
        assert failed
        assert {line.rpartition(" ")[2] for line in failed} == {"0"}

    assert pager.body["routing_key"] == "tocsin/pager-security"
    assert (pager.body["event_action"], pager.body["payload"]["severity"]) == ("trigger", "critical")
    assert "many attempts by <alice> & co" in pager.body["payload"]["summary"]
    assert pager.body["payload"]["group"] == "prompt_injection/alice"
    assert pager.body["links"][0]["href"] == "http://runbooks.example/a"
    (attachment,) = chat.body["attachments"]
    assert "many attempts by &lt;alice&gt; &amp; co" in attachment["title"]
    assert chat.body["channel"] == "#llm-security"
    assert {delivery.path for delivery in receiver.deliveries} == {pager.path, chat.path}
    assert receiver.pages == ()


def test_every_kind_of_channel_arrives(real_server: RealServer, tmp_path: Path, receiver: CaptureReceiver) -> None:
    real_server("alertmanager")
    names = ("pager", "chat", "tickets", "mail", "other")
    config = {
        "global": {"smtp_smarthost": "mail.example:25", "smtp_from": "a@b.example", "resolve_timeout": "1m"},
        "route": {
            "receiver": "tocsin/heartbeat",
            "group_by": ["incident_key"],
            "group_wait": "0s",
            "routes": [{"receiver": f"tocsin/{name}", "continue": True} for name in names],
        },
        "receivers": [
            {"name": "tocsin/heartbeat"},
            {"name": "tocsin/pager", "pagerduty_configs": [{"routing_key_file": "/nowhere/pager"}]},
            {"name": "tocsin/chat", "slack_configs": [{"api_url_file": "/nowhere/chat", "channel": "#c"}]},
            {
                "name": "tocsin/tickets",
                "webhook_configs": [
                    {
                        "url": "http://tickets.invalid/",
                        "http_config": {"authorization": {"credentials_file": "/nowhere/tickets"}},
                    }
                ],
            },
            {"name": "tocsin/mail", "email_configs": [{"to": "a@b.example", "auth_password_file": "/nowhere/mail"}]},
            {"name": "tocsin/other", "opsgenie_configs": [{"api_key_file": "/nowhere/other"}]},
        ],
    }
    with Alertmanager(tmp_path, captured(config, receiver, tmp_path)) as server:
        server.post("/api/v2/alerts", [alert("tools/bob")])
        kinds = {"pager": "pagerduty", "chat": "slack", "tickets": "webhook", "mail": "email", "other": "opsgenie"}
        for name, kind in kinds.items():
            receiver.wait_for(at(f"/{kind}/tocsin/{name}"))
    assert {page.receiver for page in receiver.pages} == {"tocsin/tickets", "tocsin/mail", "tocsin/other"}
    page = receiver.pages[0]
    assert (page.status, page.group_labels) == ("firing", {"incident_key": "tools/bob"})
    (paged,) = page.alerts
    assert (paged.status, paged.labels["owner"], paged.annotations) == ("firing", "security", ANNOTATIONS)


def metrics(server: Alertmanager) -> list[str]:
    with requests.Session() as session:
        session.trust_env = False
        return session.get(f"{server.url}/metrics", timeout=PATIENCE).text.splitlines()
