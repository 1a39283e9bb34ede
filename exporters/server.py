"""The HTTP side: /metrics, /-/healthy and /-/ready.

It answers any client that reaches it, so it is small: requests have a time and size limit, no more than a few run at a
time, and nothing that a client sends is logged or echoed (`runtime.bounded_http`). Scrapes that wait at the same time
share one answer, so a flood of them costs no more than one after the other.
"""

from __future__ import annotations

import gzip
import logging
import threading
from collections.abc import Callable
from http import HTTPStatus
from typing import Final

from exporters.exporter import ClosedError, Exporter
from exporters.expose import OPENMETRICS, TEXT, Exposition
from exporters.liveness import Liveness
from exporters.process_metrics import process_tables
from runtime.bounded_http import BoundedHandler, BoundedServer

log = logging.getLogger("tocsin")

PATIENCE: Final = 10.0
"""Seconds that a client may take over all of its request, and over its answer."""
AT_ONCE: Final = 16
"""Requests that are served at the same time; later ones wait in the listen queue."""
_LEAST_GZIP: Final = 1400  # bytes


class MetricsServer:
    """Serves an exporter until `stop`.

    Raises:
        OSError: the address cannot be listened on.
    """

    def __init__(self, address: tuple[str, int], exporter: Exporter) -> None:
        self._exporter = exporter
        self._exposition = Exposition()
        self._liveness = Liveness(exporter)
        self._render = threading.Lock()
        self._begun = 0  # scrapes, until now
        self._shared: dict[bool, tuple[int, bytes]] = {}  # by format: which scrape it is of, and the answer
        routes = {"/metrics": self._metrics, "/-/healthy": self._healthy, "/-/ready": self._ready}
        handler = type("Handler", (_Handler,), {"routes": routes})
        self._server = BoundedServer(address, handler, at_once=AT_ONCE)
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
        asked = self._begun
        with self._render:  # one after the other: what is shown later is never less
            which, body = self._shared.get(openmetrics, (0, b""))
            if which <= asked:  # else that scrape began while this one waited, and shows what it would
                self._begun += 1
                try:
                    tables = [*self._exporter.scrape(), *process_tables()]
                except ClosedError:
                    return HTTPStatus.SERVICE_UNAVAILABLE, "text/plain", b"the exporter is ending\n"
                body = self._exposition.render(tables, openmetrics=openmetrics)
                self._shared[openmetrics] = (self._begun, body)
        return HTTPStatus.OK, OPENMETRICS if openmetrics else TEXT, body

    def _healthy(self, _accept: str) -> tuple[HTTPStatus, str, bytes]:
        alive, text = self._liveness.check()
        return HTTPStatus.OK if alive else HTTPStatus.SERVICE_UNAVAILABLE, "text/plain", text.encode()

    def _ready(self, _accept: str) -> tuple[HTTPStatus, str, bytes]:
        if not self._exporter.progress.turns:
            return HTTPStatus.SERVICE_UNAVAILABLE, "text/plain", b"not yet looked at the sources\n"
        return HTTPStatus.OK, "text/plain", b"ready\n"


Route = Callable[[str], tuple[HTTPStatus, str, bytes]]


class _Handler(BoundedHandler):
    routes: dict[str, Route]
    patience = PATIENCE

    def serve(self) -> None:
        """Answer a GET."""
        route = self.routes.get(self.head.path.partition("?")[0])
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
