"""Pages as a real Alertmanager sends them: to a pager, a chat, a mailbox and a webhook of our own on loopback."""

from __future__ import annotations

import contextlib
import email
import email.policy
import json
import shlex
import socketserver
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from exercises.servers import Alertmanager, CaptureReceiver
from generators.alertmanager import configuration
from generators.docs import runbooks
from spec import load_spec
from tests.generators.programs import RealServer, spec_with
from tests.support.waiting import PATIENCE, wait_for

pytestmark = pytest.mark.stack

HOSTILE = 'eve <!channel> & "{{ .x }}" <b>'
URL = "https://tocsin.example/d/tocsin-overview?var-actor=eve"


@dataclass
class Mailbox:
    """A mail server that accepts everything."""

    port: int = 0
    mails: list[str] = field(default_factory=list)


class _Smtp(socketserver.StreamRequestHandler):
    timeout = 10.0

    def handle(self) -> None:
        self.wfile.write(b"220 here\r\n")
        while line := self.rfile.readline():
            verb = line[:4].upper()
            if verb == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                text = b""
                while (part := self.rfile.readline()) not in (b".\r\n", b""):
                    text += part
                self.server.mailbox.mails.append(text.decode())  # type: ignore[attr-defined]
            self.wfile.write(b"221 bye\r\n" if verb == b"QUIT" else b"250 ok\r\n")
            if verb == b"QUIT":
                return


@contextlib.contextmanager
def mail_server() -> Iterator[Mailbox]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Smtp) as server:
        box = Mailbox(server.server_address[1])
        server.mailbox = box  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield box
        finally:
            server.shutdown()
            thread.join()


@dataclass
class Chain:
    """An Alertmanager with the generated configuration, and what it reaches."""

    server: Alertmanager
    capture: CaptureReceiver
    mailbox: Mailbox

    def fire(self, name: str, **labels: str) -> None:
        """An alert like those of the rules."""
        given = {
            "alertname": name,
            "alert_family": name,
            "severity": "critical",
            "tocsin_severity": "critical",
            "owner": "security",
            "maturity": "stable",
            "incident": "data_leakage",
            "confidence": "high",
            "incident_key": f"data_leakage/{labels.get('actor', '')}",
            **labels,
        }
        now = datetime.now(UTC)
        alert = {
            "labels": given,
            "annotations": {
                "summary": f"A canary was in an answer to {labels.get('actor', 'many')}",
                "description": "3 within 10m & more",
                "runbook_url": f"https://tocsin.example/runbooks/{name}.md",
                "dashboard_url": URL,
            },
            "startsAt": now.isoformat(),
            "endsAt": (now + timedelta(minutes=5)).isoformat(),
        }
        self.server.post("/api/v2/alerts", [alert])

    def wait(self, path: str) -> Any:
        """The first body that arrives at a path."""
        return self.capture.wait_for(lambda delivery: delivery.path == path).body


@pytest.fixture
def chain(real_server: RealServer, tmp_path: Path) -> Iterator[Chain]:
    real_server("alertmanager")
    with CaptureReceiver() as capture, mail_server() as mailbox:
        for name in ("slack-security", "slack-platform"):
            (tmp_path / name).write_text(f"{capture.url}/{name}", encoding="utf-8")
        for name in ("pagerduty-security", "pagerduty-platform", "ticket-webhook"):
            (tmp_path / name).write_text(f"key-of-{name}", encoding="utf-8")
        first = {"after": "0m", "notify": ["pager-security", "chat-security", "privacy", "tickets"]}
        later = [{"after": f"{place}m", "notify": ["pager-security"]} for place in (5, 15, 30)]
        overlay = {
            "settings": {
                "time_scale": 15,
                "secrets_folder": str(tmp_path),
                "smtp_smarthost": f"127.0.0.1:{mailbox.port}",
            },
            "channels": {"tickets": {"target": f"{capture.url}/tickets"}},
            "escalations": {"security-critical": {"tiers": [first, *later]}},
        }
        text = configuration.generate(spec_with(tmp_path, overlay))[configuration.PATH]
        config = {**yaml.safe_load(text), "global": {"pagerduty_url": f"{capture.url}/pager", "smtp_hello": "here"}}
        with Alertmanager(tmp_path / "server", yaml.safe_dump(config)) as server:
            yield Chain(server, capture, mailbox)


def test_one_alert_reaches_every_kind_of_channel_with_what_one_has_to_know(chain: Chain) -> None:
    chain.fire("LLMCanaryLeaked", actor=HOSTILE, tenant="red")
    title = f"[CRITICAL] A canary was in an answer to {HOSTILE}"

    pager = chain.wait("/pager")
    assert pager["routing_key"] == "key-of-pagerduty-security"
    assert pager["payload"]["summary"] == title
    assert (pager["payload"]["severity"], pager["payload"]["class"]) == ("critical", "data_leakage")
    assert pager["payload"]["group"] == f"data_leakage/{HOSTILE}"
    assert {link["text"]: link["href"] for link in pager["links"]} == {
        "Runbook": "https://tocsin.example/runbooks/LLMCanaryLeaked.md",
        "Dashboard": URL,
    }
    assert "3 within 10m & more" in pager["payload"]["custom_details"]["firing"]

    (slack,) = chain.wait("/slack-security")["attachments"]
    assert slack["title"] == title.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    assert slack["title_link"] == URL
    assert slack["color"] == "danger"
    assert "<!channel>" not in str(slack)
    assert "<https://tocsin.example/runbooks/LLMCanaryLeaked.md|Runbook>" in slack["text"]
    assert slack["text"].endswith("owner security")

    ticket = chain.wait("/tickets")
    assert (ticket["status"], ticket["groupLabels"]) == ("firing", {"incident_key": f"data_leakage/{HOSTILE}"})

    mail = _mail(chain.mailbox)
    assert mail["To"] == "privacy-office@example.org"
    assert mail["Subject"] == title
    html, text = (_part(mail, kind) for kind in ("html", "plain"))
    assert "&lt;!channel&gt;" in html
    assert "<b>" not in html
    assert 'href="https://tocsin.example/runbooks/LLMCanaryLeaked.md"' in html
    assert "Runbook: https://tocsin.example/runbooks/LLMCanaryLeaked.md" in text


def test_two_alerts_of_an_incident_are_one_page_and_a_storm_is_one_page_for_all(chain: Chain) -> None:
    for name in ("LLMCanaryLeaked", "LLMBulkSensitiveOutput"):
        chain.fire(name, actor="ann", tenant="red")
    storm = {"alert_family": "LLMJailbreakRepeated", "incident": "prompt_injection"}
    key = "prompt_injection/LLMJailbreakRepeated"
    chain.fire("LLMAlertStorm", alert="LLMJailbreakRepeated", **storm, incident_key=key)
    for place in range(5):
        chain.fire("LLMJailbreakRepeated", actor=f"u{place}", **storm, incident_key=f"prompt_injection/u{place}")
    chain.capture.wait_for(lambda delivery: delivery.path == "/tickets" and key in str(delivery.body))
    chain.capture.wait_for(lambda delivery: delivery.path == "/tickets" and "ann" in str(delivery.body))
    time.sleep(2.0)  # longer than the wait of a critical group: what was to come has come
    tickets = [delivery.body for delivery in chain.capture.deliveries if delivery.path == "/tickets"]
    found = sorted((body["groupLabels"]["incident_key"], len(body["alerts"])) for body in tickets)
    assert found == [("data_leakage/ann", 2), (key, 1)]
    pages = [delivery.body for delivery in chain.capture.deliveries if delivery.path == "/pager"]
    assert len(pages) == 2
    assert any(page["payload"]["summary"].endswith("(2 alerts)") for page in pages)


def test_the_command_on_the_runbook_page_holds_back_the_later_tiers(chain: Chain, real_server: RealServer) -> None:
    page = runbooks.generate(load_spec())["runbooks/LLMCanaryLeaked.md"]
    command = next(line for line in page.splitlines() if line.startswith("amtool silence add") and "Acknow" in line)
    key = f"data_leakage/{HOSTILE}"
    words = shlex.split(command.replace('"INCIDENT"', shlex.quote(json.dumps(key))))
    amtool = [str(real_server("amtool")), f"--alertmanager.url={chain.server.url}", *words[1:]]
    subprocess.run(amtool, check=True, capture_output=True, timeout=PATIENCE)
    later = {"alert_family": "", "maturity": "", "confidence": "", "tier": "2"}
    chain.fire("TocsinNotAcknowledged", actor=HOSTILE, **later)
    chain.fire("TocsinNotContained", actor=HOSTILE, **{**later, "tier": "4"})
    chain.fire("TocsinNotAcknowledged", actor="bob", **later)
    chain.capture.wait_for(lambda delivery: "bob" in str(delivery.body))
    chain.capture.wait_for(lambda delivery: HOSTILE in str(delivery.body))
    time.sleep(1.0)
    pages = [delivery.body for delivery in chain.capture.deliveries if delivery.path == "/pager"]
    firing = sorted((page["payload"]["group"], page["payload"]["custom_details"]["firing"]) for page in pages)
    assert [group for group, _ in firing] == ["data_leakage/bob", key]
    assert ["Alert: TocsinNotAcknowledged, since" in firing[0][1], "Alert: TocsinNotContained" in firing[1][1]] == [
        True
    ] * 2


def _mail(mailbox: Mailbox) -> Any:
    wait_for(lambda: mailbox.mails, "no mail comes")
    (text,) = mailbox.mails
    return email.message_from_string(text, policy=email.policy.default)


def _part(mail: Any, kind: str) -> str:
    return str(mail.get_body((kind,)).get_content())
