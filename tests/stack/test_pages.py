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

from exercises.capture import capture_channels
from exercises.recording import Recordings, load, merge, read, restamp_lines
from exercises.servers import Alertmanager, CaptureReceiver, Delivery, Prometheus, scrape_config
from generators import alertmanager, prometheus
from generators.receivers import receiver_name
from spec import AlertRule, compile_alerts, load_spec
from spec.names import runbook_page
from tests.conftest import RealServer
from tests.stack.exporter_process import ExporterProcess

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

RECORDINGS = load(Path(__file__).parents[1] / "recordings")
SPEED = 20.0
"""Both the log and every duration of the spec run so much faster."""


@dataclass
class Chain:
    """Everything from the log to the capture receiver, running."""

    exporter: ExporterProcess
    prometheus: Prometheus
    receiver: CaptureReceiver
    rules: dict[str, AlertRule]

    def play(self, lines: Iterator[tuple[float, bytes]]) -> None:
        """Write lines to the log when they become known."""
        for known, text in lines:
            if (ahead := known - time.time()) > 0:
                time.sleep(ahead)
            self.exporter.append(text)


def start(stack: ExitStack, folder: Path, recordings: Recordings, overlay: dict[str, Any], interval: float) -> Chain:
    exporter = stack.enter_context(
        ExporterProcess(folder, overlay=overlay, canaries=recordings.canaries, shared_keys=list(recordings.shared_keys))
    )
    spec = load_spec(folder / "overlay.yaml")
    receiver = stack.enter_context(CaptureReceiver())
    routes = yaml.safe_load(alertmanager.generate(spec)[alertmanager.PATH])
    captured = yaml.safe_dump(capture_channels(routes, receiver.url, folder / "secrets"), sort_keys=False)
    pager = stack.enter_context(Alertmanager(folder / "alertmanager", captured))
    (folder / "rules.yaml").write_text(prometheus.generate(spec)[prometheus.PATH])
    config = scrape_config(
        targets=[exporter.url], rules=[folder / "rules.yaml"], alertmanagers=[pager.url], interval=interval
    )
    flags = ["--rules.alert.resend-delay=1s"]
    server = stack.enter_context(Prometheus(folder / "prometheus", config, flags=flags))
    exporter.start()
    server.wait_for('up{job="tocsin"} == 1', 30)
    return Chain(exporter, server, receiver, {rule.name: rule for rule in compile_alerts(spec)})


def said(delivery: Delivery) -> str:
    return json.dumps(delivery.body, ensure_ascii=False)


def test_recorded_attacks_reach_the_right_people(tmp_path: Path, real_server: RealServer) -> None:
    real_server("prometheus")
    real_server("alertmanager")
    attacks = RECORDINGS.attacks.values()
    with ExitStack() as stack:
        chain = start(stack, tmp_path, RECORDINGS, {"settings": {"time_scale": SPEED}}, 15 / SPEED)
        begin = time.time() + 1
        chain.play(merge(*(restamp_lines(read(attack.path), start=begin, speed=SPEED) for attack in attacks)))
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

                    page = said(chain.receiver.wait_for(is_it, 45))
                    assert rule.alert.severity in page.lower(), (alert, channel)
                    reached.add((alert, channel))
                assert label in rule.labels
        assert len({alert for alert, _ in reached}) >= 5
        assert {channel for _, channel in reached} >= {"pager-security", "chat-security", "tickets"}


def test_an_ordinary_day_pages_nobody(tmp_path: Path, real_server: RealServer) -> None:
    """The whole day is read at once: a peak shows whatever any window of it reached."""
    real_server("prometheus")
    real_server("alertmanager")
    overlay = {"settings": {"scrape_interval": "1s", "evaluation_interval": "1s"}}
    with ExitStack() as stack:
        chain = start(stack, tmp_path, RECORDINGS, overlay, 1.0)
        day = time.time() - 86_400
        lines = [text for _, text in restamp_lines(read(RECORDINGS.benign), start=day, origin=RECORDINGS.midnight)]
        chain.exporter.append(*lines)
        read_all = f'sum(tocsin_records_read_total{{source="gw"}}) == {RECORDINGS.benign_attempts}'
        chain.prometheus.wait_for(read_all, 60)
        time.sleep(10)  # peaks are shown for three scrapes, then evaluated, grouped and sent
        firing = 'ALERTS{alertstate="firing",alertname!="TocsinWatchdog"}'
        fired = chain.prometheus.query(f"count by (alertname, actor) (count_over_time({firing}[5m]))")
        assert [element.labels for element in fired] == []
        assert chain.receiver.deliveries == ()
