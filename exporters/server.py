"""The HTTP side: /metrics, /-/healthy and /-/ready.

It answers any client that reaches it, so it is small: requests have a time and size limit, no more than a few run at a
time, and nothing that a client sends is logged or echoed (`exporters.web`).
"""

from __future__ import annotations

import gzip
import logging
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Final

from exporters.exporter import Exporter
from exporters.expose import OPENMETRICS, TEXT, Exposition
from exporters.process import process_tables
from exporters.web import BoundedHandler, BoundedServer

log = logging.getLogger("tocsin")

PATIENCE: Final = 10.0
"""Seconds that a client may take over all of its request, and over its answer."""
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
        routes = {"/metrics": self._metrics, "/-/healthy": self._healthy, "/-/ready": self._ready}
        self._server = _Server(address, routes)
        self._server.start()

    @property
    def address(self) -> tuple[str, int]:
        """Host and port that it listens on."""
        return self._server.address

    def stop(self) -> None:
        """Take no more requests."""
        self._server.stop()

    def _metrics(self, accept: str) -> tuple[HTTPStatus, str, bytes]:
        openmetrics = "application/openmetrics-text" in accept
        with self._render:  # one after the other: what is shown later is never less
            tables = [*self._exporter.scrape(), *process_tables()]
            body = self._exposition.render(tables, openmetrics=openmetrics)
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


class _Server(BoundedServer):
    def __init__(self, address: tuple[str, int], routes: dict[str, Route]) -> None:
        self.routes = routes
        super().__init__(address, _Handler, at_once=AT_ONCE)


class _Handler(BoundedHandler):
    server: _Server
    patience = PATIENCE

    def serve(self) -> None:
        """Answer a GET."""
        route = self.server.routes.get(self.head.path.partition("?")[0])
        if route is None:
            self.answer(HTTPStatus.NOT_FOUND, b"there are /metrics, /-/healthy and /-/ready\n")
            return
        try:
            status, kind, body = route(self.head.get("Accept"))
        except Exception:
            log.exception("a request for %s failed", self.head.path.partition("?")[0])
            status, kind, body = HTTPStatus.INTERNAL_SERVER_ERROR, "text/plain", b"see the exporter's log\n"
        if len(body) >= _LEAST_GZIP and "gzip" in self.head.get("Accept-Encoding"):
            self.answer(status, gzip.compress(body, compresslevel=1), kind, Content_Encoding="gzip")
        else:
            self.answer(status, body, kind)
