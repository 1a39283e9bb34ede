"""A small HTTP server for hostile clients: bounded in connections, threads, time and memory before it knows the sender.

One thread owns every connection that only waits: for the rest of a head, for a client to take its answer, for a refused
client to stop sending. Each kind has a table with room for so many and a deadline; when one is full, the oldest in it
gives way. So clients that drip, that take no answer or that hang around cost a place in a table, never a thread, and
whoever sends a whole head at once is served beside any number of them. A request gets a thread once its head is whole;
it keeps it while its body comes, under one deadline. One request a connection: none stays open after its answer. A head
has 32 KiB at most (`runtime.http_head`), and nothing that a client sends is echoed or logged.
"""

from __future__ import annotations

import contextlib
import errno
import io
import logging
import selectors
import socket
import threading
import time
from abc import ABC, abstractmethod
from collections import OrderedDict, deque
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any, Final

from runtime.http_head import Head, HeadTooLargeError, NoRequestError, read_head

log = logging.getLogger("tocsin")

HEAD_BYTES: Final = 32 * 1024
"""Request line and headers together, at most."""
HEAD_SECONDS: Final = 5.0
"""Time for a client to send its head, at most."""
HEADS: Final = 256
"""Connections whose head is not whole yet, at most; then the oldest gives way."""
WAITING: Final = 128
"""Requests that wait for a thread, at most; then the next one is refused."""
ANSWERS: Final = 64
"""Answers that clients are still taking, at most; then the oldest gives way."""
ANSWER_BYTES: Final = 64 * 1024 * 1024
"""Bytes of all those answers together, at most."""
LINGER: Final = 1.0
"""Seconds in which a refused client may still send, so that it reads the answer instead of a broken connection."""
_LINGERING: Final = 64
_BACKLOG: Final = 128  # connections that the kernel keeps waiting
_ACCEPTED: Final = 64  # connections taken between two looks at the others
_BUFFER: Final = 8 * 1024
_NO_ROOM: Final = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_BREATH: Final = 0.1  # seconds without taking connections when the system has no room for one


class _Connection:
    """A connection that the loop owns, and what it waits for until `deadline`."""

    __slots__ = ("deadline", "head", "linger", "rest", "socket")

    def __init__(self, connection: socket.socket, deadline: float) -> None:
        self.socket = connection
        self.deadline = deadline
        self.head = bytearray()
        self.rest = memoryview(b"")  # of the answer
        self.linger = False


_Table = OrderedDict[int, _Connection]


class BoundedServer:
    """Serves requests with `handler`, at most `at_once` at the same time.

    Raises:
        OSError: the address cannot be listened on; the text says so.
    """

    def __init__(
        self, address: tuple[str, int], handler: type[BoundedHandler], *, at_once: int, heads: int = HEADS
    ) -> None:
        self._handler = handler
        self._at_once = at_once
        self._heads_at_most = heads
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        try:
            self._listener = socket.create_server(address, family=family, backlog=_BACKLOG)
        except OSError as error:
            text = f"cannot listen on {address[0]}:{address[1]}: {error.strerror}; choose another `listen`"
            raise OSError(error.errno, text) from error
        self._listener.setblocking(False)
        self._address = self._listener.getsockname()
        self._wake, self._woken = socket.socketpair()
        self._wake.setblocking(False)
        self._woken.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._heads: _Table = OrderedDict()
        self._answers: _Table = OrderedDict()
        self._lingering: _Table = OrderedDict()
        self._answer_bytes = 0
        self._deaf_until = 0.0  # when connections are taken again
        self._gate = threading.Lock()  # over the four below
        self._waiting: deque[tuple[socket.socket, bytes]] = deque()
        self._active = 0
        self._inbox: deque[_Connection] = deque()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="http", daemon=True)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port that it listens on."""
        host, port = self._address[:2]
        return str(host), int(port)

    def start(self) -> None:
        """Serve, in a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """Take no more requests, and let go of everybody who only waits."""
        with self._gate:
            self._stopping = True
        self._rouse()
        if self._thread.ident is not None:
            self._thread.join()
        else:
            self._close()

    # ------------------------------------------------------------------------------------------------ the loop
    def _run(self) -> None:
        try:
            while not self._stopping:
                for key, _ in self._selector.select(self._patience()):
                    if key.fileobj is self._listener:
                        self._accept()
                    elif key.fileobj is self._woken:
                        self._drain()
                    else:
                        self._go_on(key.fd)
                self._take_in()
                self._expire(time.monotonic())
        finally:
            self._close()

    def _patience(self) -> float | None:
        """Seconds until the next deadline."""
        ends = [next(iter(table.values())).deadline for table in (self._heads, self._answers, self._lingering) if table]
        if self._deaf_until:
            ends.append(self._deaf_until)
        return max(0.0, min(ends) - time.monotonic()) if ends else None

    def _accept(self) -> None:
        for _ in range(_ACCEPTED):
            try:
                connection, _address = self._listener.accept()
            except OSError as error:
                if error.errno in _NO_ROOM and not self._give_way():
                    self._deaf_until = time.monotonic() + _BREATH
                    self._selector.unregister(self._listener)
                return
            connection.setblocking(False)
            while len(self._heads) >= self._heads_at_most:
                oldest = next(iter(self._heads))
                self._read_head(oldest)  # all of it may have come by now
                if oldest in self._heads:
                    self._drop(self._oldest(self._heads), HTTPStatus.REQUEST_TIMEOUT, "slow")
            patience = min(HEAD_SECONDS, self._handler.patience)
            self._watch(self._heads, _Connection(connection, time.monotonic() + patience), selectors.EVENT_READ)
            self._read_head(connection.fileno())

    def _give_way(self) -> bool:
        """Make room for one more descriptor; whether there was anything to let go of."""
        for table in (self._lingering, self._heads, self._answers):
            if table:
                self._oldest(table).socket.close()
                return True
        return False

    def _watch(self, table: _Table, connection: _Connection, event: int) -> None:
        table[connection.socket.fileno()] = connection
        self._selector.register(connection.socket, event)

    def _oldest(self, table: _Table) -> _Connection:
        return self._let_go(table, next(iter(table)))

    def _let_go(self, table: _Table, descriptor: int) -> _Connection:
        """Take a connection out of its table; the caller has to close it or hand it on."""
        connection = table.pop(descriptor)
        self._selector.unregister(connection.socket)
        if table is self._answers:
            self._answer_bytes -= len(connection.rest)
        return connection

    def _go_on(self, descriptor: int) -> None:
        """A connection has something, or takes something."""
        if descriptor in self._heads:
            self._read_head(descriptor)
        elif descriptor in self._answers:
            self._send_on(descriptor)
        elif descriptor in self._lingering:
            try:
                over = not self._lingering[descriptor].socket.recv(_BUFFER)
            except BlockingIOError:
                return
            except OSError:
                over = True
            if over:
                self._let_go(self._lingering, descriptor).socket.close()

    def _read_head(self, descriptor: int) -> None:
        """Read on, and hand the request over once its head is whole."""
        connection = self._heads[descriptor]
        head = connection.head
        try:
            data = connection.socket.recv(_BUFFER)
        except BlockingIOError:
            return
        except OSError:
            self._let_go(self._heads, descriptor).socket.close()
            return
        fresh = max(0, len(head) - 3)
        head += data
        whole = head.find(b"\n\r\n", fresh) >= 0 or head.find(b"\n\n", fresh) >= 0 or head[:2] == b"\r\n"
        if whole or head[:1] == b"\n" or len(head) > HEAD_BYTES or (head and not data):
            self._hand_over(self._let_go(self._heads, descriptor))
        elif not data:
            self._let_go(self._heads, descriptor).socket.close()

    def _hand_over(self, connection: _Connection) -> None:
        """Give a request a thread, or a place among those that wait for one."""
        request = (connection.socket, bytes(connection.head))
        with self._gate:
            if self._active >= self._at_once:
                if len(self._waiting) < WAITING:
                    self._waiting.append(request)
                    return
            else:
                self._active += 1
                worker = threading.Thread(target=self._work, args=request, name="request", daemon=True)
                try:
                    worker.start()
                    return
                except RuntimeError:  # no thread could be started
                    self._active -= 1
        self._drop(connection, HTTPStatus.SERVICE_UNAVAILABLE, "busy")

    def _drop(self, connection: _Connection, status: HTTPStatus, reason: str) -> None:
        """Send a refusal as far as the connection takes it at once, and let it go."""
        with contextlib.suppress(OSError):
            connection.socket.send(response(status, f"{status.phrase}\n".encode()))
        connection.linger = True
        self._answered(connection)
        self._handler.dropped(status, reason)

    def _send_on(self, descriptor: int) -> None:
        connection = self._answers[descriptor]
        try:
            sent = connection.socket.send(connection.rest)
        except BlockingIOError:
            return
        except OSError:
            self._let_go(self._answers, descriptor).socket.close()
            return
        connection.rest = connection.rest[sent:]
        self._answer_bytes -= sent
        if not connection.rest:
            self._answered(self._let_go(self._answers, descriptor))

    def _answered(self, connection: _Connection) -> None:
        """The answer is out: wait a moment for a client that may still be sending, or close."""
        if not connection.linger:
            connection.socket.close()
            return
        try:
            connection.socket.shutdown(socket.SHUT_WR)
        except OSError:
            connection.socket.close()
            return
        while len(self._lingering) >= _LINGERING:
            self._oldest(self._lingering).socket.close()
        connection.deadline = time.monotonic() + LINGER
        self._watch(self._lingering, connection, selectors.EVENT_READ)

    def _take_in(self) -> None:
        """Take over the connections whose requests are answered."""
        while self._inbox:
            connection = self._inbox.popleft()
            if not connection.rest:
                self._answered(connection)
                continue
            size = len(connection.rest)
            while self._answers and (len(self._answers) >= ANSWERS or self._answer_bytes + size > ANSWER_BYTES):
                self._oldest(self._answers).socket.close()
            self._answer_bytes += size
            self._watch(self._answers, connection, selectors.EVENT_WRITE)

    def _expire(self, now: float) -> None:
        while self._heads and next(iter(self._heads.values())).deadline <= now:
            self._drop(self._oldest(self._heads), HTTPStatus.REQUEST_TIMEOUT, "slow")
        for table in (self._answers, self._lingering):
            while table and next(iter(table.values())).deadline <= now:
                self._oldest(table).socket.close()
        if self._deaf_until and self._deaf_until <= now:
            self._deaf_until = 0.0
            self._selector.register(self._listener, selectors.EVENT_READ)

    def _drain(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while self._woken.recv(_BUFFER):
                pass

    def _rouse(self) -> None:
        with contextlib.suppress(OSError):  # it is awake already, or gone
            self._wake.send(b"\0")

    def _close(self) -> None:
        with self._gate:
            waiting = [connection for connection, _ in self._waiting]
            self._waiting.clear()
            handed = [connection.socket for connection in self._inbox]
            self._inbox.clear()
        held = [entry.socket for table in (self._heads, self._answers, self._lingering) for entry in table.values()]
        for connection in (self._listener, self._woken, self._wake, *waiting, *handed, *held):
            connection.close()
        self._selector.close()

    # ------------------------------------------------------------------------------------------------ the threads
    def _work(self, connection: socket.socket, data: bytes) -> None:
        """Serve a request, and those that wait after it."""
        while True:
            try:
                self._handler(self, connection, data).handle()
            except OSError:  # a client that breaks off is no event
                connection.close()
            except Exception as error:  # its text may quote the client
                log.error("a request failed: %s", type(error).__name__)
                connection.close()
            with self._gate:
                if not self._waiting:
                    self._active -= 1
                    return
                connection, data = self._waiting.popleft()

    def finish(self, connection: socket.socket, answer: bytes, *, patience: float, linger: bool) -> None:
        """Send an answer and close; what the client does not take at once it may take in `patience` seconds."""
        connection.setblocking(False)
        rest = memoryview(answer)
        try:
            while rest:
                rest = rest[connection.send(rest) :]
        except BlockingIOError:
            pass
        except OSError:
            connection.close()
            return
        if not rest and not linger:
            connection.close()
            return
        handed = _Connection(connection, time.monotonic() + patience)
        handed.rest, handed.linger = rest, linger
        with self._gate:
            stopped = self._stopping
            if not stopped:
                self._inbox.append(handed)
        if stopped:
            connection.close()
        else:
            self._rouse()


class Wire(io.RawIOBase):
    """What a client has sent already, then its socket, under one deadline."""

    def __init__(self, connection: socket.socket, before: bytes, seconds: float) -> None:
        self._connection = connection
        self._before = before
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
        if self._before:
            size = min(len(buffer), len(self._before))
            buffer[:size] = self._before[:size]
            self._before = self._before[size:]
            return size
        self._arm()
        return self._connection.recv_into(buffer)

    def write(self, data: Any) -> int:
        """Send all of it. Raises as `readinto`."""
        self._arm()
        self._connection.sendall(data)  # its timeout holds for all that is sent
        return memoryview(data).nbytes


class BoundedHandler(ABC):
    """One request: `patience` seconds for the client to send it, and as many to take the answer.

    `head` is the request's; its body, if it has any, comes from `body`, after `proceed`.
    """

    patience = 10.0
    method = "GET"
    head: Head

    def __init__(self, server: BoundedServer, connection: socket.socket, before: bytes) -> None:
        self._server = server
        self._connection = connection
        self._wire = Wire(connection, before, self.patience)
        self._answered = False
        self.body = io.BufferedReader(self._wire, _BUFFER)

    def handle(self) -> None:
        """Read the head, and serve."""
        try:
            head = read_head(self.body, HEAD_BYTES)
            if head is not None:
                self.head = head
                if head.method == self.method:
                    self.serve()
                else:
                    self.refuse(HTTPStatus.METHOD_NOT_ALLOWED, "method", Allow=self.method)
        except NoRequestError:
            self.refuse(HTTPStatus.BAD_REQUEST, "request")
        except HeadTooLargeError:
            self.refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "head")
        except TimeoutError:
            if not self._answered:
                self.refuse(HTTPStatus.REQUEST_TIMEOUT, "slow")
        if not self._answered:
            self._connection.close()

    @abstractmethod
    def serve(self) -> None:
        """Answer a request of the method that is served; its head is read, its body is not."""

    def proceed(self) -> None:
        """Ask for the body, of a client that waits to be asked: only once it is known who that is.

        Raises:
            OSError: the connection broke.
        """
        if self.head.newer and self.head.get("Expect").lower() == "100-continue":
            self._wire.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def refuse(self, status: HTTPStatus, reason: str, *, linger: bool = True, **headers: str) -> None:
        """Answer that this is not done; `reason` is one word for whoever counts."""
        self._send(response(status, f"{status.phrase}\n".encode(), **headers), linger=linger)

    def answer(self, status: HTTPStatus, body: bytes, kind: str = "text/plain", **headers: str) -> None:
        """Send an answer; in names of headers ``_`` stands for ``-``."""
        self._send(response(status, body, kind, **headers), linger=False)

    def _send(self, answer: bytes, *, linger: bool) -> None:
        self._answered = True
        self._server.finish(self._connection, answer, patience=self.patience, linger=linger)

    @classmethod
    def dropped(cls, status: HTTPStatus, reason: str) -> None:
        """A client was refused before its request had a thread; for whoever counts."""
        log.debug("%d before the request was read: %s", status, reason)


def response(status: HTTPStatus, body: bytes, kind: str = "text/plain", **headers: str) -> bytes:
    """An answer that is the last on its connection; in names of headers ``_`` stands for ``-``."""
    return b"".join((_head_of(status, len(body), kind, headers), body))


def _head_of(status: HTTPStatus, size: int, kind: str, headers: dict[str, str]) -> bytes:
    fields = {
        "Server": "tocsin",
        "Date": time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime()),
        **{name.replace("_", "-"): value for name, value in headers.items()},
        "Content-Type": kind,
        "Content-Length": str(size),
        "Connection": "close",
    }
    return "\r\n".join([*_lines(status, fields), "", ""]).encode("ascii")


def _lines(status: HTTPStatus, fields: dict[str, str]) -> Iterator[str]:
    yield f"HTTP/1.1 {status.value} {status.phrase}"
    for name, value in fields.items():
        yield f"{name}: {value}"
