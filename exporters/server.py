"""The HTTP side: /metrics, /-/healthy and /-/ready.

It answers any client that reaches it, so it is small: requests have a time and size limit, no more than a few run at a
time, and nothing that a client sends is logged or echoed.
"""

from __future__ import annotations

import gzip
import http.server
import logging
import socket
import socketserver
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Final

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics

from exporters.exporter import Exporter
from exporters.expose import OPENMETRICS, TEXT, Exposition

log = logging.getLogger("tocsin")

PATIENCE: Final = 10.0
"""Seconds that a client may take over its request, and over its answer."""
AT_ONCE: Final = 16
"""Requests that are served at the same time; later ones wait in the listen queue."""
STUCK: Final = 60.0
"""Seconds without a turn of reading after which the exporter is not healthy."""
_LEAST_GZIP: Final = 1400  # bytes


class MetricsServer:
    """Serves an exporter until `stop`.

    Raises:
        OSError: the address cannot be listened on.
    """

    def __init__(self, address: tuple[str, int], exporter: Exporter) -> None:
        self._exporter = exporter
        self._exposition = Exposition()
        self._render = threading.Lock()
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        routes = {"/metrics": self._metrics, "/-/healthy": self._healthy, "/-/ready": self._ready}
        try:
            self._server = _Server(address, routes)
        except OSError as error:
            text = f"cannot listen on {address[0]}:{address[1]}: {error.strerror}; choose another `listen`"
            raise OSError(error.errno, text) from error
        self._thread = threading.Thread(target=self._server.serve_forever, name="http", daemon=True)
        self._thread.start()

    @property
    def address(self) -> tuple[str, int]:
        """Host and port that it listens on."""
        host, port = self._server.server_address[:2]
        return str(host), int(port)

    def stop(self) -> None:
        """Take no more requests."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _metrics(self, accept: str) -> tuple[HTTPStatus, str, bytes]:
        openmetrics = "application/openmetrics-text" in accept
        with self._render:  # one after the other: what is shown later is never less
            tables = self._exporter.scrape()
            generate = generate_openmetrics if openmetrics else generate_latest
            process: bytes = generate(self._registry)
            more = process.decode().removesuffix("# EOF\n")
            body = self._exposition.render(tables, openmetrics=openmetrics, more=more)
        return HTTPStatus.OK, OPENMETRICS if openmetrics else TEXT, body

    def _healthy(self, _accept: str) -> tuple[HTTPStatus, str, bytes]:
        if time.monotonic() - self._exporter.last_turn > STUCK:
            return HTTPStatus.SERVICE_UNAVAILABLE, "text/plain", b"reading is stuck\n"
        return HTTPStatus.OK, "text/plain", b"healthy\n"

    def _ready(self, _accept: str) -> tuple[HTTPStatus, str, bytes]:
        if not self._exporter.turns:
            return HTTPStatus.SERVICE_UNAVAILABLE, "text/plain", b"not yet looked at the sources\n"
        return HTTPStatus.OK, "text/plain", b"ready\n"


Route = Callable[[str], tuple[HTTPStatus, str, bytes]]


class _Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], routes: dict[str, Route]) -> None:
        self.routes = routes
        self._places = threading.BoundedSemaphore(AT_ONCE)
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        super().__init__(address, _Handler)

    def process_request(self, request: socket.socket | tuple[bytes, socket.socket], client_address: object) -> None:
        self._places.acquire()
        super().process_request(request, client_address)

    def process_request_thread(
        self, request: socket.socket | tuple[bytes, socket.socket], client_address: object
    ) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that breaks off is no event."""


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Server
    timeout = PATIENCE
    server_version = "tocsin"
    sys_version = ""

    def do_GET(self) -> None:
        route = self.server.routes.get(self.path.partition("?")[0])
        if route is None:
            self._answer(HTTPStatus.NOT_FOUND, "text/plain", b"there are /metrics, /-/healthy and /-/ready\n")
            return
        try:
            answer = route(self.headers.get("Accept", ""))
        except Exception:
            log.exception("a request for %s failed", self.path.partition("?")[0])
            answer = (HTTPStatus.INTERNAL_SERVER_ERROR, "text/plain", b"see the exporter's log\n")
        self._answer(*answer)

    def _answer(self, status: HTTPStatus, kind: str, body: bytes) -> None:
        self.send_response(status)
        if len(body) >= _LEAST_GZIP and "gzip" in self.headers.get("Accept-Encoding", ""):
            body = gzip.compress(body, compresslevel=1)
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        """Scrapes are no news."""
