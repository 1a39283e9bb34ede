"""Recorded attacks become pages: the exporter, and Prometheus and Alertmanager with our rules and routes."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from alerts import AlertRule, compile_alerts
from exercises.capture import capture_channels
from exercises.recording import Recordings, end_time, load, merge, read, restamp_lines
from exercises.servers import Alertmanager, CaptureReceiver, Delivery, Prometheus, scrape_config
from generators.alertmanager import configuration
from generators.alertmanager.receivers import receiver_name
from generators.prometheus import rule_file
from spec import load_spec
from spec.names import runbook_page
from tests.conftest import RealServer
from tests.generators.grafana.dashboard_checks import expanded, targets_of
from tests.stack.exporter_process import ExporterProcess
from tests.support.calendars import closed_now, last_whole_day, open_by_day
from tests.support.litellm_lines import line, record
from tests.support.scrapes import wait_for_scrapes
from tests.support.waiting import wait_for

pytestmark = pytest.mark.stack

RECORDINGS = load(Path(__file__).parents[1] / "recordings")
BOARD = Path(__file__).parents[2] / "dashboards" / "tocsin-overview.json"
SPEED = 20.0
"""Both the log and every duration of the spec run so much faster."""
LIVE = 45.0
"""Seconds that are played live. What a longer attack did before is there when the exporter looks, as after a pause."""
QUARTERS = (10.56 * 3600, 16.05 * 3600)
"""Where in the recorded day, in seconds, the ordinary traffic is taken, malformed and refused requests with it."""
FILLED_ROWS = ("Application", "Model", "Control", "Tocsin itself")
"""The dashboard's rows over what Tocsin publishes, by how their titles begin."""


@dataclass
class Chain:
    """Everything from the log to the capture receiver, running."""

    exporter: ExporterProcess
    prometheus: Prometheus
    receiver: CaptureReceiver
    rules: dict[str, AlertRule]

    def wait_until_read(self) -> None:
        """Until the exporter is at the end of the log, and what it shows then was scraped and evaluated."""
        wait_for(
            lambda: self.exporter.total("tocsin_bytes_read_total") == self.exporter.log.stat().st_size,
            "the log is not read to its end",
            progress=lambda: self.exporter.total("tocsin_bytes_read_total"),
        )
        wait_for_scrapes(self.prometheus, 3)

    def play(self, lines: Iterator[tuple[float, bytes]]) -> None:
        """Write lines to the log when they become known."""
        for known, text in lines:
            if (ahead := known - time.time()) > 0:
                time.sleep(ahead)
            self.exporter.append(text)


def start(stack: ExitStack, folder: Path, recordings: Recordings, overlay: dict[str, Any], interval: float) -> Chain:
    exporter = stack.enter_context(
        ExporterProcess(
            folder,
            overlay=overlay,
            canaries=recordings.canaries,
            sinks={"events": {"type": "jsonl", "folder": "events"}},
            shared_keys=list(recordings.shared_keys),
        )
    )
    spec = load_spec(folder / "overlay.yaml")
    receiver = stack.enter_context(CaptureReceiver())
    routes = yaml.safe_load(configuration.generate(spec)[configuration.PATH])
    captured = yaml.safe_dump(capture_channels(routes, receiver.url, folder / "secrets"), sort_keys=False)
    pager = stack.enter_context(Alertmanager(folder / "alertmanager", captured))
    (folder / "rules.yaml").write_text(rule_file.generate(spec)[rule_file.PATH])
    config = scrape_config(
        targets=[exporter.url], rules=[folder / "rules.yaml"], alertmanagers=[pager.url], interval=interval
    )
    flags = ["--rules.alert.resend-delay=1s"]
    server = stack.enter_context(Prometheus(folder / "prometheus", config, flags=flags))
    exporter.start()
    server.wait_for('up{job="tocsin"} == 1')
    return Chain(exporter, server, receiver, {rule.name: rule for rule in compile_alerts(spec)})


def said(delivery: Delivery) -> str:
    return json.dumps(delivery.body, ensure_ascii=False)


def live(path: Path, begin: float) -> Iterator[tuple[float, bytes]]:
    """An attack that ends `LIVE` seconds after `begin` at the latest."""
    lines = list(read(path))
    early = (end_time(lines[-1]) - end_time(lines[0])) / SPEED - LIVE
    return restamp_lines(lines, start=begin - max(0.0, early), speed=SPEED)


def ordinary(begin: float) -> Iterator[tuple[float, bytes]]:
    """The people at work meanwhile; and what nobody did on that day: a very long prompt, an unfinished line."""
    day = list(read(RECORDINGS.benign))
    streams = []
    for quarter in QUARTERS:
        since = RECORDINGS.midnight + quarter
        lines = [text for text in day if since <= end_time(text) < since + LIVE * SPEED]
        streams.append(restamp_lines(lines, start=begin, speed=SPEED, origin=since))
    long = line(record(begin + 20, "long", user="u-nadia", prompt="Summarise this. " * 2000))
    strange = line(
        record(begin + 30, "strange", user="u-nadia") | {"response": {"unheard_of": [{"inner": "some words"}]}}
    )
    return merge(*streams, [(begin + 20, long), (begin + 30, strange), (begin + LIVE - 5, b'{"id": "cut o\n')])


def unanswered(server: Prometheus, begin: float) -> list[tuple[str, str]]:
    """Queries of the dashboard's filled rows that have given nothing since then. A refused one of any row raises."""
    board = json.loads(BOARD.read_text(encoding="utf-8"))

    def sent(query: str) -> list[Any]:
        query = expanded(query.replace("$__rate_interval", "20s").replace("$__range", "1m"))
        span = {"start": str(begin), "end": str(time.time()), "step": "1"}
        answer = server.get("/api/v1/query_range", query=query, **span)
        return list(answer["data"]["result"])

    empty = {query for _, query in targets_of(board) if not sent(query)}
    found, row, rows = [], "", set()
    for panel in board["panels"]:
        row = panel["title"] if panel["type"] == "row" else row
        if row.startswith(FILLED_ROWS):
            rows.add(row)
            found += [(panel["title"], target["expr"]) for target in panel.get("targets", ())]
    assert len(rows) == len(FILLED_ROWS), rows
    return [(title, query) for title, query in found if query in empty]


def test_recorded_attacks_reach_the_right_people_and_fill_the_dashboard(
    tmp_path: Path, real_server: RealServer
) -> None:
    real_server("prometheus")
    real_server("alertmanager")
    attacks = RECORDINGS.attacks.values()
    with ExitStack() as stack:
        overlay = closed_now()  # so that there is something in the panels on off hours, too
        overlay["settings"] |= {"time_scale": SPEED}
        chain = start(stack, tmp_path, RECORDINGS, overlay, 15 / SPEED)
        begin = time.time() + 1
        chain.play(merge(ordinary(begin), *(live(attack.path, begin) for attack in attacks)))
        chain.wait_until_read()
        assert not (empty := unanswered(chain.prometheus, begin)), "\n".join(map(str, empty))
        reached = set()
        for attack in attacks:
            label, value = attack.group
            for alert in sorted(attack.alerts):
                rule = chain.rules[alert]
                for channel in rule.channels:

                    def is_it(
                        delivery: Delivery, alert: str = alert, channel: str = channel, value: str = value
                    ) -> bool:
                        to_it = delivery.path.endswith("/" + receiver_name(channel))
                        return to_it and runbook_page(alert) in said(delivery) and value in said(delivery)

                    page = said(chain.receiver.wait_for(is_it))
                    assert rule.alert.severity in page.lower(), (alert, channel)
                    reached.add((alert, channel))
                assert label in rule.labels
        assert len({alert for alert, _ in reached}) >= 5
        assert {channel for _, channel in reached} >= {"pager-security", "chat-security", "tickets"}


def test_an_ordinary_day_pages_nobody(tmp_path: Path, real_server: RealServer) -> None:
    """The whole day is read at once: a peak shows whatever any window of it reached."""
    real_server("prometheus")
    real_server("alertmanager")
    day = last_whole_day()
    overlay = open_by_day(day)
    overlay["settings"] |= {"scrape_interval": "1s", "evaluation_interval": "1s"}
    with ExitStack() as stack:
        chain = start(stack, tmp_path, RECORDINGS, overlay, 1.0)
        lines = [text for _, text in restamp_lines(read(RECORDINGS.benign), start=day, origin=RECORDINGS.midnight)]
        chain.exporter.append(*lines)
        read_all = f'sum(tocsin_records_read_total{{source="gw"}}) == {RECORDINGS.benign_attempts}'
        chain.prometheus.wait_for(read_all)
        wait_for_scrapes(chain.prometheus, 10)  # peaks are shown for three, then evaluated, grouped and sent
        firing = 'ALERTS{alertstate="firing",alertname!="TocsinWatchdog"}'
        fired = chain.prometheus.query(f"count by (alertname, actor) (count_over_time({firing}[1h]))")
        assert [element.labels for element in fired] == []
        assert chain.receiver.deliveries == ()
