"""Time in a test with a real Prometheus: counted in its scrapes, never in seconds."""

from __future__ import annotations

from exercises.servers import Prometheus
from tests.support.waiting import wait_for


def scrapes(server: Prometheus) -> int:
    """How often the exporter has answered so far, within the last hour."""
    answer = server.get("/api/v1/query", query='up{job="tocsin"}[1h]')
    values = [value for series in answer["data"]["result"] for _, value in series["values"]]
    return values.count("1")


def wait_for_scrapes(server: Prometheus, more: int) -> None:
    """Until the exporter has answered so many times more, and the rules were evaluated over it."""
    wanted = scrapes(server) + more + 1  # the next one may have begun already
    wait_for(lambda: scrapes(server) >= wanted, "Prometheus does not scrape", progress=lambda: scrapes(server))
