"""The pager in a terminal."""

from __future__ import annotations

import io
import signal
import socket
import subprocess
import sys

import pytest
import requests

from exercises import listen
from exercises.demo.terminal import Screen
from exercises.receiver import Delivery
from exercises.servers import free_port
from tests.support.waiting import PATIENCE

ALERT = {
    "status": "firing",
    "labels": {"alertname": "LLMSpendBurst", "tocsin_severity": "high", "owner": "security", "confidence": "high"},
    "annotations": {
        "summary": "a-1 (web) spends far more than usual",
        "description": "What an account spent: 60 USD in 1h. Answered by the model: none.",
        "runbook_url": "https://wiki.example.org/LLMSpendBurst.md",
        "dashboard_url": "https://grafana.example.org/d/tocsin-overview",
    },
    "startsAt": "2026-03-01T10:00:00Z",
    "endsAt": "0001-01-01T00:00:00Z",
}
WEBHOOK = {
    "version": "4",
    "groupKey": "{}:{}",
    "status": "firing",
    "receiver": "tocsin/pager-security",
    "groupLabels": {"incident_key": "cost_abuse/a-1"},
    "alerts": [ALERT],
}


def shown(path: str, body: object) -> str:
    out = io.StringIO()
    listen.show_delivery(Screen(out, {}), Delivery(path, body, 0.0))
    return out.getvalue()


def test_a_page_is_shown_with_its_runbook() -> None:
    text = shown("/webhook/pager-security", WEBHOOK)
    assert "PAGE to pager-security (webhook)" in text
    assert "Alert      LLMSpendBurst (confidence high)" in text
    assert "Runbook    https://wiki.example.org/LLMSpendBurst.md" in text


def test_the_end_of_one_is_a_line() -> None:
    over = {**WEBHOOK, "status": "resolved", "alerts": [{**ALERT, "status": "resolved"}]}
    assert shown("/webhook/pager-security", over).startswith("Resolved, sent to pager-security (webhook)")


@pytest.mark.parametrize("body", [{}, [], "text", {"version": "4", "groupKey": "", "alerts": []}])
def test_anything_else_is_said(body: object) -> None:
    assert shown("/webhook/\x1b[2J", body) == "An unknown message came to /webhook/\\x1b[2J\n"


def test_a_port_that_is_taken_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(SystemExit) as ended:
        listen.main(["--port", str(taken.getsockname()[1])])
    assert "cannot be used: " in str(ended.value)
    assert "choose another with --port" in str(ended.value)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_is_posted_is_printed_until_it_is_stopped(number: signal.Signals) -> None:
    port = free_port()
    command = [sys.executable, "-m", "exercises.listen", "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert f"http://127.0.0.1:{port}/webhook/NAME" in process.stdout.readline()
        requests.post(f"http://127.0.0.1:{port}/webhook/pager-security", json=WEBHOOK, timeout=PATIENCE)
        assert any("Dashboard" in line for line in process.stdout)
        process.send_signal(number)
        assert process.wait(PATIENCE) == 0
