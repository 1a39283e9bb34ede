"""Where pages arrive in an exercise: a server on loopback that stands for every channel and remembers what came.

It answers as Alertmanager's webhooks, Slack's incoming webhooks (below /slack/) and PagerDuty's events (below
/pagerduty/) do when all is well. No real vendor is behind it, so it proves what was sent, not that they would take it.
"""

from __future__ import annotations

import functools
import http.server
import json
import re
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self

_LOOPBACK = "127.0.0.1"
_WEBHOOK_VERSION = "4"
"""Of the body of Alertmanager's webhooks, from 0.8 until today."""


@dataclass(frozen=True, slots=True)
class PagedAlert:
    """One alert of a page."""

    status: str
    """firing or resolved."""
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    starts_at: datetime
    ends_at: datetime | None
    """Nothing while it fires."""


@dataclass(frozen=True, slots=True)
class Page:
    """What one webhook of Alertmanager says."""

    status: str
    """firing when any of its alerts does, else resolved."""
    receiver: str
    """The receiver's name in Alertmanager's configuration."""
    group_labels: Mapping[str, str]
    alerts: tuple[PagedAlert, ...]
    at: float
    """When it arrived, in Unix seconds."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One notification that arrived."""

    path: str
    """The channel: one receiver stands for several, each with a path of its own."""
    body: Any
    """The parsed JSON."""
    at: float
    """When it arrived, in Unix seconds."""

    @property
    def page(self) -> Page | None:
        """What it says, when it is a webhook of Alertmanager."""
        body = self.body
        if not isinstance(body, dict) or body.get("version") != _WEBHOOK_VERSION or "groupKey" not in body:
            return None
        return Page(
            status=body["status"],
            receiver=body["receiver"],
            group_labels=body["groupLabels"],
            alerts=tuple(_alert(alert) for alert in body["alerts"]),
            at=self.at,
        )


def _alert(body: Mapping[str, Any]) -> PagedAlert:
    ends = datetime.fromisoformat(body["endsAt"])
    return PagedAlert(
        status=body["status"],
        labels=body["labels"],
        annotations=body["annotations"],
        starts_at=datetime.fromisoformat(body["startsAt"]),
        ends_at=None if ends.year == 1 else ends,  # year 1 is how Go writes that there is no time
    )


class CaptureReceiver:
    """An HTTP server on loopback that accepts every JSON POST and remembers it, as a pager would.

    As a context manager it listens from entry to exit, on `port`, or on a free one if that is 0.
    """

    MAX_BODY_BYTES = 16 * 1024 * 1024

    def __init__(self, port: int = 0) -> None:
        self._deliveries: list[Delivery] = []
        self._arrived = threading.Condition()
        self._server = _HttpServer((_LOOPBACK, port), functools.partial(_Handler, self._accept))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    @property
    def url(self) -> str:
        """Its base URL, without a slash at the end; add the path of a channel."""
        return f"http://{_LOOPBACK}:{self._server.server_port}"

    @property
    def deliveries(self) -> tuple[Delivery, ...]:
        """All that arrived so far, in order."""
        with self._arrived:
            return tuple(self._deliveries)

    @property
    def pages(self) -> tuple[Page, ...]:
        """The webhooks of Alertmanager among them, in order."""
        return tuple(page for delivery in self.deliveries if (page := delivery.page) is not None)

    def wait_for(self, predicate: Callable[[Delivery], bool], timeout: float = 600.0) -> Delivery:
        """The first delivery that satisfies the predicate, among those that have arrived or will.

        Args:
            predicate: Looks at one delivery.
            timeout: How long to wait for it, in seconds.

        Raises:
            TimeoutError: None came in time; the message names what came instead.
        """

        def first() -> Delivery | None:
            return next(filter(predicate, self._deliveries), None)

        with self._arrived:
            found = self._arrived.wait_for(first, timeout)
            if found is None:
                came = ", ".join(map(_said, self._deliveries)) or "nothing"
                raise TimeoutError(f"no such delivery within {timeout:g} s; what came: {came}")
            return found

    def close(self) -> None:
        """Stop listening. What arrived can still be read."""
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

    def _accept(self, path: str, body: Any) -> None:
        with self._arrived:
            self._deliveries.append(Delivery(path=path, body=body, at=time.time()))
            self._arrived.notify_all()


class _HttpServer(http.server.ThreadingHTTPServer):
    request_queue_size = 128  # Alertmanager opens many connections at once in a storm

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a sender that was killed in the middle, as exercises do on purpose."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Handler(http.server.BaseHTTPRequestHandler):
    timeout = 10.0  # seconds for a slow sender

    def __init__(self, accept: Callable[[str, Any], None], *arguments: Any) -> None:
        self._accept = accept
        super().__init__(*arguments)  # handles the request, so everything has to be in place before

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdecimal()):
            self._answer(HTTPStatus.LENGTH_REQUIRED)
        elif int(length) > CaptureReceiver.MAX_BODY_BYTES:
            self._answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        else:
            try:
                body = json.loads(self.rfile.read(int(length)))
            except (ValueError, RecursionError):
                self._answer(HTTPStatus.BAD_REQUEST)
                return
            self._accept(self.path, body)
            self._answer(*_content(self.path, body))

    def log_message(self, format: str, *arguments: Any) -> None:
        """Keep quiet: what arrives is looked at by its receiver."""

    def _answer(self, status: HTTPStatus, kind: str = "text/plain", text: str = "") -> None:
        content = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _said(delivery: Delivery) -> str:
    """A delivery in a few words: where it went, and what it is about."""
    if page := delivery.page:
        about = [f"{alert.labels.get('alertname')} {alert.status}" for alert in page.alerts]
    else:
        about = re.findall(r'"(?:title|summary)": ("[^"]*")', json.dumps(delivery.body, ensure_ascii=False))
    return " ".join((delivery.path, *about))


def _content(path: str, body: Any) -> tuple[HTTPStatus, str, str]:
    """What a channel answers when it has taken a notification: status, media type and text."""
    if path.startswith("/slack/"):
        return HTTPStatus.OK, "text/plain", "ok"
    if path.startswith("/pagerduty/"):
        key = body.get("dedup_key", "") if isinstance(body, dict) else ""
        taken = {"status": "success", "message": "Event processed", "dedup_key": key}
        return HTTPStatus.ACCEPTED, "application/json", json.dumps(taken)
    return HTTPStatus.OK, "text/plain", ""
