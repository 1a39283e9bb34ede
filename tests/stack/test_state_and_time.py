"""The state model against a real Prometheus: nothing lost, nothing twice, no false spike, no attack missed."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from exercises.servers import Prometheus, scrape_config
from generators.prometheus import rule_file as rules
from spec import load_spec
from tests.conftest import RealServer
from tests.stack.exporter_process import ExporterProcess
from tests.support.litellm_lines import line, record, refused
from tests.support.waiting import wait_for

pytestmark = pytest.mark.stack

SCALE = 15.0
"""Every duration is divided by this: scrapes and evaluations each second, ten-minute windows of 40 seconds."""
OVERLAY: dict[str, Any] = {"settings": {"time_scale": SCALE}}


@pytest.fixture
def exporter(tmp_path: Path) -> Iterator[ExporterProcess]:
    with ExporterProcess(tmp_path, overlay=OVERLAY, scan_content=False) as process:
        yield process


@pytest.fixture
def prometheus(tmp_path: Path, exporter: ExporterProcess, real_server: RealServer) -> Iterator[Prometheus]:
    real_server("prometheus")
    (tmp_path / "rules.yaml").write_text(rules.generate(load_spec(tmp_path / "overlay.yaml"))[rules.PATH])
    config = scrape_config(targets=[exporter.url], rules=[tmp_path / "rules.yaml"], interval=1.0)
    with Prometheus(tmp_path / "prometheus", config) as server:
        yield server


def firing(prometheus: Prometheus, alert: str) -> bool:
    return bool(prometheus.query(f'ALERTS{{alertname="{alert}",alertstate="firing"}}'))


def ever_fired(prometheus: Prometheus, alert: str) -> bool:
    return bool(prometheus.query(f'count_over_time(ALERTS{{alertname="{alert}",alertstate="firing"}}[10m])'))


def value(prometheus: Prometheus, expression: str) -> float:
    found = prometheus.query(expression)
    return found[0].value if found else 0.0


def guesses(start: float, count: int = 22) -> list[bytes]:
    """Password guessing: many keys from one range, all refused."""
    return [
        line(refused(start + place * 0.05, f"guess-{start}-{place}", key=f"wrong-{place}")) for place in range(count)
    ]


def test_kill_9_in_bursts_loses_nothing_and_counts_nothing_twice(
    exporter: ExporterProcess, prometheus: Prometheus
) -> None:
    exporter.start()
    written, done = 0, threading.Event()

    def write() -> None:
        nonlocal written
        while not done.is_set():
            burst = [
                line(record(time.time(), f"call-{written + place}", user=f"user-{place % 7}"))
                for place in range(random.randint(1, 400))
            ]
            exporter.append(*burst)
            written += len(burst)
            time.sleep(random.uniform(0.02, 0.2))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(12):
            time.sleep(random.uniform(0.3, 2.5))
            exporter.kill()
            exporter.start(wait=False)
    finally:
        done.set()
        writer.join()
    wait_for(lambda: exporter.total("llm_attempts_total") == written, "the exporter does not get to the end")
    wait_for(lambda: value(prometheus, "sum(llm_attempts_total)") == written, "Prometheus sees another number")
    assert value(prometheus, "sum(resets(llm_attempts_total[10m]))") == 0
    # What increase() adds up over the whole run is what was written, give or take its extrapolation at the edges.
    assert value(prometheus, "sum(increase(llm_attempts_total[10m]))") == pytest.approx(written, rel=0.1)
    assert value(prometheus, "sum(max_over_time(llm_attempts_total[10m]))") == written
    assert exporter.total("tocsin_records_duplicate_total") == 0


def test_an_attack_inside_a_backlog_fires_even_if_killed_before_the_first_scrape(
    exporter: ExporterProcess, prometheus: Prometheus
) -> None:
    exporter.start()
    exporter.append(line(record(time.time(), "before")))
    wait_for(lambda: value(prometheus, "sum(llm_attempts_total)") == 1, "the first record is not seen")
    exporter.kill()
    hour_ago = time.time() - 3600
    quiet = [line(record(hour_ago + place, f"quiet-{place}")) for place in range(500)]
    later = [line(record(hour_ago + 1800 + place, f"later-{place}")) for place in range(500)]
    exporter.append(*quiet, *guesses(hour_ago + 600), *later)
    exporter.start(wait=False)
    time.sleep(0.4)
    exporter.kill()
    exporter.start()
    wait_for(lambda: firing(prometheus, "LLMPasswordGuessing"), "the attack in the backlog does not fire")
    assert value(prometheus, "sum(resets(llm_attempts_total[10m]))") == 0
    wait_for(lambda: value(prometheus, "sum(llm_attempts_total)") == 1023, "the backlog is not counted once")


def test_a_window_empties_although_the_feed_is_idle(exporter: ExporterProcess, prometheus: Prometheus) -> None:
    exporter.start()
    exporter.append(*guesses(time.time() - 2), line(record(time.time() - 1, "one")))
    wait_for(lambda: value(prometheus, "max(llm_refused_keys)") == 22, "the attack is not seen")
    wait_for(lambda: value(prometheus, "max(llm_requests_by_actor)") == 1, "the request is not seen")
    shown = "llm_refused_keys > 0 or llm_requests_by_actor > 0"
    wait_for(lambda: not prometheus.query(shown), "a gauge stays up while idle")


def test_a_record_from_the_far_future_hides_nobody(exporter: ExporterProcess, prometheus: Prometheus) -> None:
    exporter.start()
    exporter.append(line(record(time.time() + 366 * 86400, "from-the-future")))
    wait_for(lambda: value(prometheus, "tocsin_records_future_total") == 1, "the record is not counted as odd")
    exporter.append(*guesses(time.time() - 2))
    wait_for(lambda: firing(prometheus, "LLMPasswordGuessing"), "the attack after it does not fire")


def test_a_label_set_born_late_is_visible_to_increase(exporter: ExporterProcess, prometheus: Prometheus) -> None:
    exporter.start()
    exporter.append(line(record(time.time(), "one")))
    wait_for(lambda: value(prometheus, 'sum(llm_attempts_total{model="gpt-4o"})') == 1, "nothing is seen")
    exporter.append(line(record(time.time(), "two", model="o3-mini")))
    seen = 'sum(increase(llm_attempts_total{model="o3-mini"}[10m]))'
    wait_for(lambda: value(prometheus, seen) > 0.5, "the birth is invisible")


def test_an_attack_while_prometheus_is_away_is_still_seen(exporter: ExporterProcess, prometheus: Prometheus) -> None:
    exporter.start()
    exporter.append(line(record(time.time(), "one")))
    wait_for(lambda: value(prometheus, "sum(llm_attempts_total)") == 1, "nothing is seen")
    prometheus.kill()
    exporter.append(*guesses(time.time() - 1))
    time.sleep(2)
    exporter.stop()  # which saves: what was read is not read again, so the peak has to be remembered
    exporter.start()
    time.sleep(600 / SCALE + 5)  # the window is over
    prometheus.restart()
    wait_for(lambda: ever_fired(prometheus, "LLMPasswordGuessing"), "the attack was missed")
