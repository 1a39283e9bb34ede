"""Clients that want to keep a thread, or to fill the memory, before anybody knows who they are."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from http import HTTPStatus

import pytest

from exporters.server import _Handler
from exporters.web import HEAD_BYTES, BoundedHandler, BoundedServer


class Handler(BoundedHandler):
    patience = 0.6
    refusals: list[str]

    def serve(self) -> None:
        self.answer(HTTPStatus.OK, b"x" * 10)

    def refuse(self, status: HTTPStatus, reason: str, *, linger: bool = True, **headers: str) -> None:
        self.refusals.append(reason)
        super().refuse(status, reason, linger=linger, **headers)


@pytest.fixture
def server() -> Iterator[BoundedServer]:
    Handler.refusals = []
    server = BoundedServer(("127.0.0.1", 0), Handler, at_once=2)
    server.start()
    yield server
    server.stop()


def talk(server: BoundedServer, data: bytes) -> bytes:
    with socket.create_connection(server.address, timeout=10) as client:
        client.sendall(data)
        return rest(client)


def rest(client: socket.socket) -> bytes:
    answer = b""
    while part := client.recv(65536):
        answer += part
    return answer


def test_a_head_that_drips_in_is_cut_off_at_the_deadline_of_the_whole(server: BoundedServer) -> None:
    begun = time.monotonic()
    with socket.create_connection(server.address, timeout=10) as client:
        over = threading.Event()

        def drip() -> None:
            for byte in b"GET / HTTP/1.1\r\nX: " + b"y" * 10_000:
                if over.wait(0.05):
                    return
                try:
                    client.send(bytes([byte]))
                except OSError:
                    return

        thread = threading.Thread(target=drip)
        thread.start()
        answer = rest(client)
        over.set()
        thread.join()
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert time.monotonic() - begun < 5
    assert Handler.refusals == ["slow"]


def test_metrics_are_served_under_the_same_deadline() -> None:
    assert issubclass(_Handler, BoundedHandler)
    assert _Handler.handle is BoundedHandler.handle and _Handler.setup is BoundedHandler.setup


def test_an_answer_that_nobody_takes_is_given_up(server: BoundedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    done = threading.Event()

    def serve(self: Handler) -> None:
        try:
            self.answer(HTTPStatus.OK, b"x" * 50_000_000)
        finally:
            done.set()

    monkeypatch.setattr(Handler, "serve", serve)
    with socket.create_connection(server.address) as client:
        client.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert done.wait(5)


@pytest.mark.parametrize(
    "head",
    [
        b"GET /" + b"a" * (2 * HEAD_BYTES) + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"a" * (2 * HEAD_BYTES) + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 20_000 + b"\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 200 + b"\r\n",
    ],
    ids=["address", "header", "headers in bytes", "headers by number"],
)
def test_a_flood_of_headers_is_refused(server: BoundedServer, head: bytes) -> None:
    assert talk(server, head).startswith(b"HTTP/1.1 431 ")
    assert Handler.refusals == ["head"]


@pytest.mark.parametrize("line", [b"\x16\x03\x01\x02\x00\x01\r\n\r\n", b"sk-secret / HTTP/x\r\n\r\n", b"GET\r\n\r\n"])
def test_what_is_no_request_is_refused_and_not_echoed(server: BoundedServer, line: bytes) -> None:
    answer = talk(server, line)
    assert b"400" in answer and b"secret" not in answer
    assert Handler.refusals == ["request"]


def test_a_client_that_waits_before_its_body_is_told_to_go_on(server: BoundedServer) -> None:
    assert talk(server, b"GET / HTTP/1.1\r\nExpect: 100-continue\r\n\r\n").startswith(
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n"
    )
    assert talk(server, b"GET / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n").startswith(b"HTTP/1.1 200 OK\r\n")


def test_another_method_is_refused(server: BoundedServer) -> None:
    assert talk(server, b"POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n").startswith(b"HTTP/1.1 405 ")


def test_no_more_threads_than_places_and_everybody_is_served_in_the_end(server: BoundedServer) -> None:
    before = threading.active_count()
    clients = [socket.create_connection(server.address, timeout=10) for _ in range(20)]
    most = 0
    try:
        for _ in range(10):
            time.sleep(0.01)
            most = max(most, threading.active_count() - before)
        for client in clients:
            client.sendall(b"GET / HTTP/1.1\r\n\r\n")
        answers = [rest(client) for client in clients]
    finally:
        for client in clients:
            client.close()
    assert most <= 2
    assert [answer[:12] for answer in answers].count(b"HTTP/1.1 200") == 20
