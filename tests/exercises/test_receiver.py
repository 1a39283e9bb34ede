"""The receiver that stands for every channel."""

from __future__ import annotations

import http.client
import json
import socket
import struct
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import requests

from exercises.receiver import CaptureReceiver, Delivery
from tests.support.waiting import PATIENCE, wait_for

WEBHOOK: dict[str, Any] = {
    "version": "4",
    "groupKey": '{}:{incident_key="tools/alice"}',
    "truncatedAlerts": 0,
    "status": "firing",
    "receiver": "tocsin/tickets",
    "groupLabels": {"incident_key": "tools/alice"},
    "commonLabels": {},
    "commonAnnotations": {},
    "externalURL": "http://alertmanager.example",
    "alerts": [
        {
            "status": "firing",
            "labels": {"alertname": "A"},
            "annotations": {"summary": "tools of alice"},
            "startsAt": "2026-03-01T10:00:00.123456789Z",
            "endsAt": "0001-01-01T00:00:00Z",
        },
        {
            "status": "resolved",
            "labels": {"alertname": "B"},
            "annotations": {},
            "startsAt": "2026-03-01T10:00:00Z",
            "endsAt": "2026-03-01T12:05:00+02:00",
        },
    ],
}


@pytest.fixture
def receiver() -> Iterator[CaptureReceiver]:
    with CaptureReceiver() as receiver:
        yield receiver


def post(receiver: CaptureReceiver, path: str, body: Any) -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False
        return session.post(receiver.url + path, json=body, timeout=PATIENCE)


def test_deliveries_keep_path_body_and_order(receiver: CaptureReceiver) -> None:
    post(receiver, "/a", {"n": 1})
    post(receiver, "/b", [2])
    assert [(delivery.path, delivery.body) for delivery in receiver.deliveries] == [("/a", {"n": 1}), ("/b", [2])]
    assert receiver.pages == ()


def test_a_webhook_of_alertmanager_is_a_page(receiver: CaptureReceiver) -> None:
    post(receiver, "/webhook/tocsin/tickets", WEBHOOK)
    post(receiver, "/slack/tocsin/chat", {"attachments": []})
    (page,) = receiver.pages
    assert (page.status, page.receiver) == ("firing", "tocsin/tickets")
    assert page.group_labels == {"incident_key": "tools/alice"}
    assert page.at == receiver.deliveries[0].at
    fires, over = page.alerts
    assert (fires.status, fires.labels, fires.annotations) == (
        "firing",
        {"alertname": "A"},
        {"summary": "tools of alice"},
    )
    assert (fires.starts_at, fires.ends_at) == (datetime(2026, 3, 1, 10, 0, 0, 123456, tzinfo=UTC), None)
    assert (over.status, over.ends_at) == ("resolved", datetime(2026, 3, 1, 10, 5, tzinfo=UTC))


@pytest.mark.parametrize("body", [None, [], {}, {"version": "4"}, {"version": "3", "groupKey": ""}, "4"])
def test_other_bodies_are_no_pages(body: Any) -> None:
    assert Delivery(path="/webhook/x", body=body, at=0.0).page is None


def test_it_answers_as_slack_does(receiver: CaptureReceiver) -> None:
    answer = post(receiver, "/slack/tocsin/chat", {"attachments": []})
    assert (answer.status_code, answer.headers["Content-Type"], answer.text) == (200, "text/plain", "ok")


def test_it_answers_as_pagerduty_does(receiver: CaptureReceiver) -> None:
    answer = post(receiver, "/pagerduty/tocsin/pager", {"dedup_key": "k", "routing_key": "r", "payload": {}})
    assert (answer.status_code, answer.headers["Content-Type"]) == (202, "application/json")
    assert answer.json() == {"status": "success", "message": "Event processed", "dedup_key": "k"}
    assert post(receiver, "/pagerduty/tocsin/pager", ["no object"]).status_code == 202


def test_waiting_ends_when_the_delivery_arrives(receiver: CaptureReceiver) -> None:
    later = threading.Timer(0.2, post, (receiver, "/wanted", {}))
    later.start()
    try:
        assert receiver.wait_for(lambda delivery: delivery.path == "/wanted").path == "/wanted"
    finally:
        later.join()


def test_waiting_in_vain_names_what_came(receiver: CaptureReceiver) -> None:
    post(receiver, "/other", {})
    with pytest.raises(TimeoutError, match=r"within 0\.05 s; what came: /other"):
        receiver.wait_for(lambda delivery: delivery.path == "/wanted", timeout=0.05)


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({"Content-Length": "2"}, b"{]", 400),
        ({"Content-Length": "200000"}, b"[" * 200_000, 400),
        ({"Content-Length": str(CaptureReceiver.MAX_BODY_BYTES + 1)}, b"", 413),
        ({"Content-Length": "-1"}, b"", 411),
        ({"Transfer-Encoding": "chunked"}, b"", 411),
    ],
    ids=["no-json", "too-deep", "too-long", "negative", "no-length"],
)
def test_what_it_refuses_is_not_remembered(
    receiver: CaptureReceiver, headers: dict[str, str], body: bytes, status: int
) -> None:
    host = receiver.url.removeprefix("http://")
    connection = http.client.HTTPConnection(host, timeout=PATIENCE)
    connection.putrequest("POST", "/")
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders(body or None)
    assert connection.getresponse().status == status
    connection.close()
    assert receiver.deliveries == ()


def test_a_sender_that_is_killed_makes_no_noise(receiver: CaptureReceiver, capsys: pytest.CaptureFixture[str]) -> None:
    before = threading.active_count()
    host, _, port = receiver.url.removeprefix("http://").partition(":")
    sender = socket.create_connection((host, int(port)), timeout=PATIENCE)
    sender.sendall(b"POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\n{")
    wait_for(lambda: threading.active_count() > before, "it is not handled")
    sender.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset, as of a dead process
    sender.close()
    wait_for(lambda: threading.active_count() <= before, "its handling does not end")
    assert threading.active_count() == before
    assert receiver.deliveries == ()
    assert capsys.readouterr().err == ""


def test_what_arrived_can_be_read_after_the_end() -> None:
    with CaptureReceiver() as receiver:
        post(receiver, "/a", {})
    assert [delivery.path for delivery in receiver.deliveries] == ["/a"]
    with pytest.raises(requests.ConnectionError):
        post(receiver, "/b", {})


def test_one_that_never_listened_can_be_closed() -> None:
    receiver = CaptureReceiver()
    receiver.close()
    assert receiver.deliveries == ()


def test_it_takes_many_at_once(receiver: CaptureReceiver) -> None:
    senders = [threading.Thread(target=post, args=(receiver, f"/{number}", {})) for number in range(40)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    assert {delivery.path for delivery in receiver.deliveries} == {f"/{number}" for number in range(40)}
    assert json.dumps([delivery.body for delivery in receiver.deliveries]) == json.dumps([{}] * 40)
