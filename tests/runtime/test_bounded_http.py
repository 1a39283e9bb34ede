"""Clients that want to keep a thread, or to fill the memory, before anybody knows who they are."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http import HTTPStatus

import pytest

from exporters.server import _Handler
from runtime import bounded_http
from runtime.bounded_http import HEAD_BYTES, BoundedHandler, BoundedServer
from tests.support.waiting import PATIENCE, wait_for

SIZE = 8_000_000  # bytes: more than the kernel holds for a client that takes nothing
HEADS = 8  # room in the test server's table
GET = b"GET / HTTP/1.1\r\n\r\n"


class Handler(BoundedHandler):
    patience = 600.0  # only a test about slow clients makes it short
    refusals: list[str]
    go = threading.Event()  # set: requests are answered

    def serve(self) -> None:
        assert self.go.wait(PATIENCE)
        self.answer(HTTPStatus.OK, b"x" * 10)

    @classmethod
    def dropped(cls, status: HTTPStatus, reason: str) -> None:
        cls.refusals.append(reason)

    def refuse(self, status: HTTPStatus, reason: str, *, linger: bool = True, **headers: str) -> None:
        self.refusals.append(reason)
        super().refuse(status, reason, linger=linger, **headers)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[BoundedServer]:
    monkeypatch.setattr(bounded_http, "HEAD_SECONDS", 600.0)
    Handler.refusals = []
    Handler.go.set()
    # A class of its own: what ends late, of the test before, is not counted here.
    mine = type("Mine", (Handler,), {"refusals": Handler.refusals})
    server = BoundedServer(("127.0.0.1", 0), mine, at_once=2, heads=HEADS)
    server.start()
    yield server
    Handler.go.set()
    server.stop()


def until(condition: Callable[[], bool]) -> None:
    """Wait for progress."""
    wait_for(condition, "the server to have met everybody")


def met(server: BoundedServer, count: int) -> bool:
    """Whether the server has a place for so many clients, or has refused them."""
    return len(server._heads) + server._active + len(server._waiting) + len(Handler.refusals) == count


def _under_way(server: BoundedServer, count: int) -> bool:
    return server._active + len(server._waiting) == count


def talk(server: BoundedServer, data: bytes) -> bytes:
    with socket.create_connection(server.address, timeout=PATIENCE) as client:
        client.sendall(data)
        return rest(client)


def rest(client: socket.socket) -> bytes:
    answer = b""
    while part := client.recv(65536):
        answer += part
    return answer


def test_a_head_that_drips_in_is_cut_off_at_the_deadline_of_the_whole(
    server: BoundedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Handler, "patience", 0.3)
    with socket.create_connection(server.address, timeout=PATIENCE) as client:
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
    assert Handler.refusals == ["slow"]


def test_metrics_are_served_under_the_same_deadline() -> None:
    assert issubclass(_Handler, BoundedHandler)
    assert _Handler.handle is BoundedHandler.handle and _Handler.__init__ is BoundedHandler.__init__


def test_answers_that_nobody_takes_keep_no_thread(server: BoundedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_http, "ANSWER_BYTES", 3 * SIZE)
    monkeypatch.setattr(Handler, "patience", 60.0)
    monkeypatch.setattr(Handler, "serve", lambda self: self.answer(HTTPStatus.OK, b"x" * SIZE))
    deaf = [socket.create_connection(server.address) for _ in range(6)]  # three times as many as there are threads
    for client in deaf:
        client.sendall(GET)
    try:
        assert talk(server, GET).startswith(b"HTTP/1.1 200 ")
        assert server._answer_bytes <= 3 * SIZE and len(server._answers) < 6
    finally:
        for client in deaf:
            client.close()


def test_an_answer_that_nobody_takes_is_given_up(server: BoundedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Handler, "serve", lambda self: self.answer(HTTPStatus.OK, b"x" * SIZE))
    with socket.create_connection(server.address, timeout=PATIENCE) as client:
        client.sendall(GET)
        until(lambda: bool(server._answers))
        next(iter(server._answers.values())).deadline = 0.0  # its patience is over
        with socket.create_connection(server.address):  # the loop looks at deadlines when something happens
            until(lambda: not server._answers)
        with contextlib.suppress(ConnectionError):
            assert len(rest(client)) < SIZE


def test_refused_clients_that_stay_keep_no_thread(server: BoundedServer) -> None:
    staying = [socket.create_connection(server.address) for _ in range(6)]
    for client in staying:
        client.sendall(b"DELETE / HTTP/1.1\r\n\r\n")
    try:
        until(lambda: len(Handler.refusals) == 6)
        assert server._active == 0 or talk(server, GET).startswith(b"HTTP/1.1 200 ")
        until(lambda: server._active == 0)
    finally:
        for client in staying:
            client.close()


def test_the_oldest_incomplete_head_gives_way(server: BoundedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Handler, "patience", 60.0)  # so that none of them is dropped for its own deadline
    monkeypatch.setattr(bounded_http, "HEAD_SECONDS", 60.0)
    dripping = []
    try:
        for count in range(1, HEADS + 4):
            client = socket.create_connection(server.address, timeout=PATIENCE)
            client.sendall(b"GET / HT")
            dripping.append(client)
            until(partial(met, server, count))
        assert Handler.refusals == ["slow"] * 3
        assert [rest(client)[:12] for client in dripping[:3]] == [b"HTTP/1.1 408"] * 3
        for client in dripping[3:]:
            client.sendall(b"TP/1.1\r\n\r\n")
        assert [rest(client)[:12] for client in dripping[3:]] == [b"HTTP/1.1 200"] * HEADS
    finally:
        for client in dripping:
            client.close()


def test_whole_heads_are_served_beside_hundreds_that_drip(
    server: BoundedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Handler, "patience", 60.0)
    monkeypatch.setattr(bounded_http, "HEAD_SECONDS", 60.0)
    dripping = [socket.create_connection(server.address, timeout=PATIENCE) for _ in range(300)]
    try:
        for _ in range(5):
            for client in dripping:
                with contextlib.suppress(OSError):  # it gave way
                    client.send(b"G")
            assert talk(server, GET).startswith(b"HTTP/1.1 200 ")
        assert len(server._heads) <= HEADS
        assert server._active <= 2
        server.stop()  # nothing of them is waited for
        assert not server._thread.is_alive()
    finally:
        for client in dripping:
            client.close()


def test_requests_beyond_what_may_wait_are_refused(server: BoundedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_http, "WAITING", 3)
    monkeypatch.setattr(Handler, "patience", 600.0)  # nobody is too slow, whatever the machine
    Handler.go.clear()
    clients = []
    for count in range(1, 7):
        clients.append(socket.create_connection(server.address, timeout=PATIENCE))
        clients[-1].sendall(GET)
        until(partial(met, server, count))
    until(lambda: Handler.refusals == ["busy"])
    Handler.go.set()
    answers = [rest(client)[:12] for client in clients]
    assert answers == [b"HTTP/1.1 200"] * 5 + [b"HTTP/1.1 503"]


def test_without_room_for_a_descriptor_the_oldest_gives_way(
    server: BoundedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full:
        """The listener of a process that has no descriptor left until one is closed."""

        def __init__(self, listener: socket.socket) -> None:
            self.listener, self.failures = listener, 0

        def __getattr__(self, name: str) -> object:
            return getattr(self.listener, name)

        def accept(self) -> object:
            if len(server._heads) >= 2 and self.failures < 3:
                self.failures += 1
                raise OSError(24, "Too many open files")
            return self.listener.accept()

    dripping = [socket.create_connection(server.address, timeout=PATIENCE) for _ in range(2)]
    for client in dripping:
        client.sendall(b"G")
    until(lambda: len(server._heads) == 2)
    listener = server._listener
    full = Full(listener)
    server._selector.modify(listener, 1)
    monkeypatch.setattr(server, "_listener", full)
    server._selector.unregister(listener)
    server._selector.register(full, 1)  # type: ignore[arg-type]
    server._rouse()
    assert talk(server, GET).startswith(b"HTTP/1.1 200 ")
    assert full.failures and len(server._heads) < 2
    for client in dripping:
        client.close()


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


def test_a_client_is_told_to_go_on_when_its_body_is_wanted_and_not_before(
    server: BoundedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asks = b"GET / HTTP/1.1\r\nExpect: 100-continue\r\n\r\n"
    assert talk(server, asks).startswith(b"HTTP/1.1 200 OK\r\n")
    serve = Handler.serve

    def wanted(self: Handler) -> None:
        self.proceed()
        serve(self)

    monkeypatch.setattr(Handler, "serve", wanted)
    assert talk(server, asks).startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")
    assert talk(server, asks.replace(b"1.1", b"1.0")).startswith(b"HTTP/1.1 200 OK\r\n")


def test_another_method_is_refused(server: BoundedServer) -> None:
    assert talk(server, b"POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n").startswith(b"HTTP/1.1 405 ")


def test_no_more_threads_than_places_and_everybody_is_served_in_the_end(
    server: BoundedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Handler, "patience", 600.0)  # nobody is too slow, whatever the machine
    Handler.go.clear()
    before = threading.active_count()
    clients: list[socket.socket] = []
    try:
        for count in range(1, 21):  # one after the other: the table has room for fewer that say nothing
            clients.append(socket.create_connection(server.address, timeout=PATIENCE))
            clients[-1].sendall(GET)
            until(partial(_under_way, server, count))
        assert threading.active_count() - before <= 2
        Handler.go.set()
        assert [rest(client)[:12] for client in clients] == [b"HTTP/1.1 200"] * 20
    finally:
        for client in clients:
            client.close()
