"""An HTTP server on loopback, for exercises only: every request in a thread of its own, no bound on how many."""

from __future__ import annotations

import http.server
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from types import TracebackType
from typing import Any, ClassVar, Final, Self

LOOPBACK: Final = "127.0.0.1"
_POLL_SECONDS: Final = 0.05


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request gets."""

    status: HTTPStatus
    kind: str = "text/plain"
    """The media type."""
    text: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


class ThreadedServer:
    """An HTTP server in a thread of its own; as a context manager it listens from entry to exit."""

    def __init__(self, handler: type[http.server.BaseHTTPRequestHandler], port: int = 0) -> None:
        """Take the port, or a free one if that is 0.

        Raises:
            OSError, OverflowError: it cannot be used.
        """
        self._server = _HttpServer((LOOPBACK, port), handler)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": _POLL_SECONDS}, daemon=True
        )

    @property
    def url(self) -> str:
        """Its base URL, without a slash at the end."""
        return f"http://{LOOPBACK}:{self._server.server_port}"

    def close(self) -> None:
        """Stop listening."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class LoopbackServer(ThreadedServer):
    """Listens on `port`, or on a free one if that is 0.

    A subclass answers what it can: everything else is answered with 501.
    """

    MAX_BODY_BYTES: ClassVar[int] = 16 * 1024 * 1024

    def __init__(self, port: int = 0) -> None:
        """Take the port.

        Raises:
            OSError, OverflowError: it cannot be used.
        """

        class Handler(_Handler):
            served = self

        super().__init__(Handler, port)

    def get(self, address: str, host: str) -> Answer:
        """Answer a GET or HEAD request for a path with its query, by a client that knows this server as `host`."""
        return Answer(HTTPStatus.NOT_IMPLEMENTED)

    def post(self, address: str, body: bytes) -> Answer:
        """Answer a POST request."""
        return Answer(HTTPStatus.NOT_IMPLEMENTED)


class _Handler(http.server.BaseHTTPRequestHandler):
    timeout = 10.0  # seconds for a slow peer
    served: ClassVar[LoopbackServer]

    def do_GET(self) -> None:
        self._answer(self.served.get(self.path, self.headers.get("Host", "")))

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdecimal()):
            self._answer(Answer(HTTPStatus.LENGTH_REQUIRED))
        elif int(length) > self.served.MAX_BODY_BYTES:
            self._answer(Answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE))
        else:
            self._answer(self.served.post(self.path, self.rfile.read(int(length))))

    def log_message(self, format: str, *arguments: Any) -> None:
        """Keep quiet: the terminal is for pages."""

    def _answer(self, answer: Answer) -> None:
        content = answer.text.encode()
        self.send_response(answer.status)
        headers = {"Content-Type": answer.kind, "Content-Length": str(len(content)), **answer.headers}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


class _HttpServer(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256  # Alertmanager opens many connections at once in a storm

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a peer that hung up or was killed in the middle, as exercises do on purpose."""
        if not isinstance(sys.exc_info()[1], ConnectionError | TimeoutError):
            super().handle_error(request, client_address)
