"""Replay against a real Prometheus: the same log raises the same alerts, at the same time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from exercises.servers import Prometheus, scrape_config
from generators.prometheus import rule_file as rules
from replay import replay, replay_engine
from replay.log_options import LogOptions
from spec import load_spec, names
from tests.conftest import RealServer
from tests.stack.exporter_process import ExporterProcess
from tests.support.litellm_lines import blocked, line, record, refused

pytestmark = pytest.mark.stack

OVERLAY: dict[str, Any] = {"settings": {"time_scale": 15.0}, "alerts": {"TocsinDown": {"for": "10m"}}}
"""Scrapes and evaluations each second; ten-minute windows of 40 seconds. Prometheus takes some seconds to find its
target, which at this scale are minutes without one."""
SCRAPE = EVALUATION = 1.0
READING = 0.5
"""Seconds until a line that was written is read, on a busy machine; replay knows it at once."""
END = 27.0
TICK = 0.1

Fired = dict[tuple[str, tuple[tuple[str, str], ...]], float]
"""When an alert fired first, by name and labels."""

_NOT_OF_THE_SERIES = {*names.STATIC_LABELS, "__name__", "alertname", "alertstate", "incident_key"}


@pytest.fixture
def exporter(tmp_path: Path) -> Iterator[ExporterProcess]:
    with ExporterProcess(tmp_path, overlay=OVERLAY, scan_content=False) as process:
        process.start()
        yield process


@pytest.fixture
def prometheus(tmp_path: Path, exporter: ExporterProcess, real_server: RealServer) -> Iterator[Prometheus]:
    real_server("prometheus")
    (tmp_path / "rules.yaml").write_text(rules.generate(load_spec(tmp_path / "overlay.yaml"))[rules.PATH])
    config = scrape_config(targets=[exporter.url], rules=[tmp_path / "rules.yaml"], interval=SCRAPE)
    with Prometheus(tmp_path / "prometheus", config) as server:
        yield server


def lines(tick: int, now: float) -> Iterator[bytes]:
    """What happens in a tenth of a second: ordinary traffic, and an incident after the other."""
    offset, call = tick * TICK, f"call-{tick}"
    if tick % 3 == 0:
        yield line(record(now, call, user=f"user-{tick % 7}"))
    if 2 <= offset < 22 and tick % 2:  # every second attempt at this provider fails
        error = ("InternalServerError", "500_INTERNAL_SERVER_ERROR") if tick % 4 == 1 else None
        yield line(record(now, f"azure-{call}", custom_llm_provider="azure", failed=error))
    if 3 <= offset < 6:
        yield line(refused(now, f"guess-{call}", key=f"wrong-{tick}"))
    if 7 <= offset < 9 and tick % 3 == 0:
        yield line(record(now, f"roam-{call}", user="carol", address=f"203.{tick}.0.9"))
    if 10 <= offset < 13:
        yield line(blocked(now, f"blocked-{call}", user="mallory"))
    if tick in (140, 150):
        yield line(record(now, f"dear-{call}", user="spender", response_cost=30.0))
    if 170 <= tick < 180:
        yield b"oops\n" * 15
    if 18 <= offset < 21:
        yield from (line(record(now, f"flood-{call}-{number}", user="flood")) for number in range(25))


def wait_for_evaluations(prometheus: Prometheus) -> None:
    """It takes Prometheus some seconds to find its targets."""
    deadline = time.monotonic() + 30
    while not prometheus.query(f'ALERTS{{alertname="{rules.WATCHDOG}"}} and on () up == 1'):
        assert time.monotonic() < deadline, "Prometheus does not evaluate"
        time.sleep(0.2)


def fired_in_prometheus(prometheus: Prometheus) -> Fired:
    """From the samples of ALERTS themselves: each stands at the time of an evaluation."""
    answer = prometheus.get("/api/v1/query", query='ALERTS{alertstate="firing"}[5m]')
    found: Fired = {}
    for series in answer["data"]["result"]:
        name = series["metric"]["alertname"]
        if name != rules.WATCHDOG:
            labels = {label: word for label, word in series["metric"].items() if label not in _NOT_OF_THE_SERIES}
            found[name, tuple(sorted(labels.items()))] = float(series["values"][0][0])
    return found


def fired_in_replay(overlay: Path, log: Path) -> Fired:
    found: Fired = {}
    for instance in replay(replay_engine(load_spec(overlay), LogOptions(scan_content=False)), [log]).instances:
        found.setdefault((instance.rule.name, tuple(sorted(instance.labels.items()))), instance.fired_at)
    return found


def test_replay_fires_what_prometheus_fires_and_when(
    tmp_path: Path, exporter: ExporterProcess, prometheus: Prometheus
) -> None:
    wait_for_evaluations(prometheus)
    start = time.time()
    for tick in range(int(END / TICK)):
        exporter.append(*lines(tick, time.time()))
        time.sleep(max(0.0, start + (tick + 1) * TICK - time.time()))
    time.sleep(SCRAPE + EVALUATION + READING)
    real = fired_in_prometheus(prometheus)
    replayed = fired_in_replay(tmp_path / "overlay.yaml", exporter.log)
    assert replayed.keys() == real.keys()
    assert {name for name, _ in real} >= {
        "LLMPasswordGuessing",
        "LLMAuthFailures",
        "LLMProviderFailing",  # a ratio, with a hold
        "LLMStolenKeySuspected",
        "LLMGuardrailBlocksRepeated",
        "LLMSpendBurst",
        "LLMRequestFlood",
        "TocsinRejectingRecords",
    }
    late = {alert: real[alert] - replayed[alert] for alert in real}
    assert all(-(SCRAPE + EVALUATION) <= seconds <= SCRAPE + EVALUATION + READING for seconds in late.values()), late
