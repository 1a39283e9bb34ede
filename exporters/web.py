"""A small HTTP server for hostile clients: bounded in threads, in time and in what it reads before it knows the sender.

The standard library's, with its two gaps closed. A socket's timeout holds for each receive, so a client that sends a
byte now and then keeps a thread for ever: here a deadline holds for all of a request. And a head may be 6 MB long
there: here it is 32 KiB. One request a connection, and nothing that a client sends is echoed or logged.
"""

from __future__ import annotations

import http.client
import http.server
import io
import socket
import socketserver
import threading
import time
from abc import ABC, abstractmethod
from http import HTTPStatus
from typing import Any, Final

HEAD_BYTES: Final = 32 * 1024
"""Request line and headers together, at most."""
LINGER: Final = 1.0
"""Seconds in which a refused client may still send, so that it reads the answer instead of a broken connection."""
_BUFFER: Final = 8 * 1024
_BACKLOG: Final = 128  # connections that the kernel keeps waiting

Request = socket.socket | tuple[bytes, socket.socket]


class BoundedServer(socketserver.ThreadingMixIn, http.server.HTTPServer):
    """At most `at_once` requests are served at the same time; later ones wait in the listen queue.

    Raises:
        OSError: the address cannot be listened on; the text says so.
    """

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = _BACKLOG

    def __init__(self, address: tuple[str, int], handler: type[BoundedHandler], *, at_once: int) -> None:
        self._places = threading.BoundedSemaphore(at_once)
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        try:
            super().__init__(address, handler)
        except OSError as error:
            text = f"cannot listen on {address[0]}:{address[1]}: {error.strerror}; choose another `listen`"
            raise OSError(error.errno, text) from error
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,), name="http", daemon=True)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port that it listens on."""
        host, port = self.server_address[:2]
        return str(host), int(port)

    def start(self) -> None:
        """Serve, in a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """Take no more requests."""
        self.shutdown()
        self.server_close()
        self._thread.join()

    def process_request(self, request: Request, client_address: object) -> None:
        """Hand a connection to a thread, once there is room for one."""
        self._places.acquire()
        try:
            super().process_request(request, client_address)
        except BaseException:  # no thread could be started
            self._places.release()
            raise

    def process_request_thread(self, request: Request, client_address: object) -> None:
        """Serve a connection."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that breaks off is no event."""


class Wire(io.RawIOBase):
    """A socket under one deadline, and under a limit of bytes until `head_is_read`."""

    def __init__(self, connection: socket.socket, seconds: float) -> None:
        self._connection = connection
        self._head: int | None = HEAD_BYTES
        self.allow(seconds)

    def allow(self, seconds: float) -> None:
        """Everything from now on has to be over in so many seconds."""
        self._deadline = time.monotonic() + seconds

    def head_is_read(self) -> None:
        """What follows is the body, whose length others watch."""
        self._head = None

    def _arm(self) -> None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the deadline of the request is over")
        self._connection.settimeout(left)

    def readable(self) -> bool:
        """It is."""
        return True

    def writable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Receive.

        Raises:
            TimeoutError: the deadline is over.
            http.client.LineTooLong: the head is too large.
            OSError: the connection broke.
        """
        view = memoryview(buffer).cast("B")
        if self._head is not None:
            if self._head <= 0:
                raise http.client.LineTooLong("head")
            view = view[: self._head]
        self._arm()
        size = self._connection.recv_into(view)
        if self._head is not None:
            self._head -= size
        return size

    def write(self, data: Any) -> int:
        """Send all of it. Raises as `readinto`."""
        self._arm()
        self._connection.sendall(data)  # its timeout holds for all that is sent
        return memoryview(data).nbytes


class BoundedHandler(http.server.BaseHTTPRequestHandler, ABC):
    """One request: `patience` seconds for the client to send it, and as many to take the answer."""

    patience = 10.0
    method = "GET"
    server_version = "tocsin"
    sys_version = ""
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        """Put the deadline between the socket and everybody who reads from it."""
        self.connection = self.request
        self.wire = Wire(self.connection, self.patience)
        self.rfile = io.BufferedReader(self.wire, _BUFFER)
        self.wfile = self.wire  # type: ignore[assignment]
        self.command, self.requestline, self.request_version = "", "", "HTTP/1.0"
        self.answered = False

    def handle(self) -> None:
        """Read the head, and serve."""
        self.close_connection = True
        try:
            self.raw_requestline = self.rfile.readline(HEAD_BYTES)
            if len(self.raw_requestline) == HEAD_BYTES:
                raise http.client.LineTooLong("request line")
            if not self.raw_requestline or not self.parse_request():
                return
            self.wire.head_is_read()
            if self.command == self.method:
                self.serve()
            else:
                self.refuse(HTTPStatus.METHOD_NOT_ALLOWED, "method", Allow=self.method)
        except TimeoutError:
            if not self.answered:
                self.refuse(HTTPStatus.REQUEST_TIMEOUT, "slow")
        except http.client.LineTooLong:
            self.refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "head")

    @abstractmethod
    def serve(self) -> None:
        """Answer a request of the method that is served; its head is read, its body is not."""

    def refuse(self, status: HTTPStatus, reason: str, *, linger: bool = True, **headers: str) -> None:
        """Answer that this is not done; `reason` is one word for whoever counts."""
        self.answer(status, f"{status.phrase}\n".encode(), **headers)
        if linger:
            self._linger()

    def answer(self, status: HTTPStatus, body: bytes, kind: str = "text/plain", **headers: str) -> None:
        """Send an answer; in names of headers ``_`` stands for ``-``."""
        self.answered = True
        self.request_version = self.protocol_version  # also where none could be read
        self.wire.allow(self.patience)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What the standard library refuses; its texts quote the client, so they are not sent."""
        status = HTTPStatus(code)
        self.refuse(status, "head" if status == HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE else "request")

    def _linger(self) -> None:
        self.wire.allow(LINGER)
        self.wire.head_is_read()
        buffer = bytearray(64 * 1024)
        try:
            self.connection.shutdown(socket.SHUT_WR)
            while self.wire.readinto(buffer):
                pass
        except OSError:
            pass

    def log_message(self, format: str, *arguments: object) -> None:
        """Requests are no news."""
