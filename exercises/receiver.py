"""Where pages arrive in an exercise: a server on loopback that stands for every channel and remembers what came.

It answers as Alertmanager's webhooks, Slack's incoming webhooks (below /slack/) and PagerDuty's events (below
/pagerduty/) do when all is well. No real vendor is behind it, so it proves what was sent, not that they would take it.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any

from exercises.loopback import Answer, LoopbackServer

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


class CaptureReceiver(LoopbackServer):
    """Accepts every JSON POST and remembers it, as a pager would: add the path of a channel to its URL.

    What arrived can still be read after it was closed.
    """

    def __init__(self, port: int = 0) -> None:
        self._deliveries: list[Delivery] = []
        self._arrived = threading.Condition()
        super().__init__(port)

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
                came = ", ".join(map(_described, self._deliveries)) or "nothing"
                raise TimeoutError(f"no such delivery within {timeout:g} s; what came: {came}")
            return found

    def post(self, address: str, body: bytes) -> Answer:
        """Remember a notification, and answer as its channel would."""
        try:
            document = json.loads(body)
        except (ValueError, RecursionError):
            return Answer(HTTPStatus.BAD_REQUEST)
        with self._arrived:
            self._deliveries.append(Delivery(path=address, body=document, at=time.time()))
            self._arrived.notify_all()
        return _answer(address, document)


def _described(delivery: Delivery) -> str:
    """A delivery in a few words: where it went, and what it is about."""
    if page := delivery.page:
        about = [f"{alert.labels.get('alertname')} {alert.status}" for alert in page.alerts]
    else:
        about = re.findall(r'"(?:title|summary)": ("[^"]*")', json.dumps(delivery.body, ensure_ascii=False))
    return " ".join((delivery.path, *about))


def _answer(path: str, body: Any) -> Answer:
    """What a channel answers when it has taken a notification."""
    if path.startswith("/slack/"):
        return Answer(HTTPStatus.OK, text="ok")
    if path.startswith("/pagerduty/"):
        key = body.get("dedup_key", "") if isinstance(body, dict) else ""
        taken = {"status": "success", "message": "Event processed", "dedup_key": key}
        return Answer(HTTPStatus.ACCEPTED, "application/json", json.dumps(taken))
    return Answer(HTTPStatus.OK)
