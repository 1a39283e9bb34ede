"""A small HTTP server for hostile clients: bounded in threads, in time and in what it reads before it knows the sender.

The standard library's server of sockets, with one gap closed: a socket's timeout holds for each receive, so a client
that sends a byte now and then keeps a thread for ever; here a deadline holds for all of a request. One request a
connection, a head of 32 KiB at most (`exporters.head`), and nothing that a client sends is echoed or logged.
"""

from __future__ import annotations

import io
import socket
import socketserver
import threading
import time
from abc import ABC, abstractmethod
from http import HTTPStatus
from typing import Any, Final

from exporters.head import Head, HeadTooLargeError, NoRequestError, read_head

HEAD_BYTES: Final = 32 * 1024
"""Request line and headers together, at most."""
LINGER: Final = 1.0
"""Seconds in which a refused client may still send, so that it reads the answer instead of a broken connection."""
_BUFFER: Final = 8 * 1024
_BACKLOG: Final = 128  # connections that the kernel keeps waiting

Request = socket.socket | tuple[bytes, socket.socket]


class BoundedServer(socketserver.ThreadingMixIn, socketserver.TCPServer):
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
    """A socket under one deadline."""

    def __init__(self, connection: socket.socket, seconds: float) -> None:
        self._connection = connection
        self.allow(seconds)

    def allow(self, seconds: float) -> None:
        """Everything from now on has to be over in so many seconds."""
        self._deadline = time.monotonic() + seconds

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
            OSError: the connection broke.
        """
        self._arm()
        return self._connection.recv_into(buffer)

    def write(self, data: Any) -> int:
        """Send all of it. Raises as `readinto`."""
        self._arm()
        self._connection.sendall(data)  # its timeout holds for all that is sent
        return memoryview(data).nbytes


class BoundedHandler(socketserver.BaseRequestHandler, ABC):
    """One request: `patience` seconds for the client to send it, and as many to take the answer.

    `head` is the request's; its body, if it has any, comes from `body`.
    """

    patience = 10.0
    method = "GET"
    head: Head

    def setup(self) -> None:
        """Put the deadline between the socket and everybody who reads from it."""
        self.wire = Wire(self.request, self.patience)
        self.body = io.BufferedReader(self.wire, _BUFFER)
        self.answered = False

    def handle(self) -> None:
        """Read the head, and serve."""
        try:
            head = read_head(self.body, HEAD_BYTES)
            if head is None:
                return
            self.head = head
            if head.method != self.method:
                self.refuse(HTTPStatus.METHOD_NOT_ALLOWED, "method", Allow=self.method)
                return
            if head.newer and head.get("Expect").lower() == "100-continue":  # it waits for this before it sends a body
                self.wire.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.serve()
        except NoRequestError:
            self.refuse(HTTPStatus.BAD_REQUEST, "request")
        except HeadTooLargeError:
            self.refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "head")
        except TimeoutError:
            if not self.answered:
                self.refuse(HTTPStatus.REQUEST_TIMEOUT, "slow")

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
        self.wire.allow(self.patience)
        fields = {
            "Server": "tocsin",
            "Date": time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime()),
            **{name.replace("_", "-"): value for name, value in headers.items()},
            "Content-Type": kind,
            "Content-Length": str(len(body)),
            "Connection": "close",
        }
        lines = [f"HTTP/1.1 {status.value} {status.phrase}", *(f"{name}: {value}" for name, value in fields.items())]
        self.wire.write("\r\n".join([*lines, "", ""]).encode("ascii"))
        self.wire.write(body)

    def _linger(self) -> None:
        self.wire.allow(LINGER)
        buffer = bytearray(64 * 1024)
        try:
            self.request.shutdown(socket.SHUT_WR)
            while self.wire.readinto(buffer):
                pass
        except OSError:
            pass
