"""Whether Tocsin is watching, as the dashboards ask a real Prometheus: each thing in its way is seen, and named."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from exercises.servers import Prometheus, free_port, scrape_config
from generators.grafana.boards.coverage_panels import UNSEEN, WATCHING, WHY_NOT
from generators.grafana.query_builder import RANGE, QueryBuilder
from spec import load_spec
from tests.conftest import RealServer
from tests.generators.programs import spec_with
from tests.support.waiting import wait_for

pytestmark = pytest.mark.stack

WELL = {
    "tocsin_source_up": 1,
    "tocsin_feed_lag_seconds": 0,
    "tocsin_files_waiting": 0,
    "tocsin_unread_bytes": 5,
    "tocsin_newest_event_timestamp_seconds": 1_795_000_000,
}


class Page:
    """An exporter's /metrics of one source, which a test rewrites; keys are names, or ``name,label="value"``.

    It can be stopped and started again.
    """

    def __init__(self, source: str) -> None:
        self.source, self.port = source, free_port()
        self.values: dict[str, float] = dict(WELL)
        self._server: http.server.ThreadingHTTPServer | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def text(self) -> bytes:
        lines = []
        for key, value in self.values.items():
            name, comma, label = key.partition(",")
            lines.append(f'{name}{{source="{self.source}"{comma}{label}}} {value}\n')
        return "".join(lines).encode()

    def start(self) -> None:
        page = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = page.text()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
        self._server = None


@contextmanager
def watched(folder: Path) -> Iterator[tuple[Prometheus, Page, Page]]:
    """Two exporters that are well, and the Prometheus that reads them."""
    with ExitStack() as stack:
        pages = Page("one"), Page("two")
        for page in pages:
            page.start()
            stack.callback(page.stop)
        config = scrape_config(targets=[page.address for page in pages])
        server = stack.enter_context(Prometheus(folder / "prometheus", config))
        server.wait_for('count(tocsin_source_up{job="tocsin"}) == 2')
        yield server, *pages


def query(panel: Any, folder: Path, **settings: Any) -> str:
    """The first query of a panel, for a spec with these settings."""
    spec = spec_with(folder, {"settings": settings}) if settings else load_spec()
    return str(panel(QueryBuilder(spec)).expressions[0]).replace(RANGE, "1h")


def test_each_thing_in_the_way_is_seen_and_named(real_server: RealServer, tmp_path: Path) -> None:
    real_server("prometheus")
    watching, why = query(WATCHING, tmp_path), query(WHY_NOT, tmp_path)

    def reasons(server: Prometheus) -> set[tuple[str, str]]:
        found = server.query(why)
        return {(sample.labels["why"], sample.labels.get("source") or sample.labels["instance"]) for sample in found}

    with watched(tmp_path) as (server, one, two):

        def becomes(*expected: tuple[str, str]) -> None:
            wait_for(lambda: reasons(server) == set(expected), f"{expected} never came")
            assert [sample.value for sample in server.query(watching)] == [not expected]

        becomes()
        two.values["tocsin_source_up"] = 0  # and that of `one` is fine
        becomes(("source unreadable", "two"))
        two.values["tocsin_source_up"] = 1
        one.values["tocsin_feed_lag_seconds"] = 100_000
        becomes(("reading far behind", "one"))
        one.values["tocsin_feed_lag_seconds"] = 1
        becomes()
        one.stop()
        becomes(("exporter does not answer", one.address))
        two.values["tocsin_files_waiting"] = 3
        becomes(("exporter does not answer", one.address), ("files not looked into yet", "two"))
        # A third exporter that no target is for is missed only if the settings say that there should be one.
        one.start()
        two.values["tocsin_files_waiting"] = 0
        becomes()
        expected = query(WATCHING, tmp_path, exporters=3), query(WATCHING, tmp_path, exporters=2)
        assert [server.query(each)[0].value for each in expected] == [0, 1]


def test_what_nobody_looked_at_is_counted_by_source(real_server: RealServer, tmp_path: Path) -> None:
    real_server("prometheus")
    unseen = UNSEEN(QueryBuilder(load_spec())).expressions
    rows, shares = (expression.replace(RANGE, "5m") for expression in unseen)
    with watched(tmp_path) as (server, one, _two):
        assert server.query(rows) == []
        counters = (
            "tocsin_records_read_total",
            'tocsin_records_rejected_total,reason="not_json"',
            'tocsin_records_without_field_total,field="prompt"',
        )
        one.values |= dict.fromkeys(counters, 0.0)
        server.wait_for("count(tocsin_records_rejected_total) == 1")
        one.values |= dict.fromkeys(counters, 40.0)
        wait_for(lambda: len(server.query(rows)) == 2, "nothing was counted")
        assert {sample.labels["what"] for sample in server.query(rows)} == {"rejected: not_json", "no prompt"}
        assert [round(sample.value, 1) for sample in server.query(shares)] == [0.5, 0.5]
