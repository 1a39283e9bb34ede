"""What becomes of a hook's worker becomes the right page, or none: real workers, exporter, Prometheus, Alertmanager."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from alerts import AlertRule, compile_alerts
from exercises.capture import capture_channels
from exercises.servers import Alertmanager, CaptureReceiver, Delivery, Prometheus, scrape_config
from exporters.signals.sequence_gaps import GRACE
from exporters.sources.hook_health import LOOK_EVERY
from generators.alertmanager import configuration
from generators.alertmanager.receivers import receiver_name
from generators.prometheus import rule_file
from spec import load_spec
from spec.names import runbook_page
from tests.conftest import RealServer
from tests.stack.exporter_process import ExporterProcess
from tests.support.hook_worker import HookWorker
from tests.support.hooked_proxy import lines_of
from tests.support.litellm_lines import line, record
from tests.support.small_disk import small_disk
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.stack, pytest.mark.slow]

SCALE = 15.0
"""Every duration of the spec is divided by this: scrapes and evaluations each second, an alert for 1m after 4 s."""
DISK = 16 * 1024 * 1024  # bytes: none of the tests comes near, but for what it fills up itself
ALL = "litellm-*.jsonl*"


@dataclass
class Chain:
    """From the hook's folder to the places where pages arrive."""

    exporter: ExporterProcess
    prometheus: Prometheus
    receiver: CaptureReceiver
    rules: dict[str, AlertRule]

    def expect(self, alert: str, source: str, *, resolved: bool = False) -> None:
        """The alert, with a link to its page, or its end comes to each channel that it is meant for."""
        for channel in self.rules[alert].channels:

            def is_it(delivery: Delivery, channel: str = channel) -> bool:
                said = json.dumps(delivery.body)
                if not delivery.path.endswith("/" + receiver_name(channel)) or source not in said:
                    return False
                return "resolved" in said.lower() if resolved else runbook_page(alert) in said

            self.receiver.wait_for(is_it)

    def fired(self) -> set[tuple[str, str]]:
        """Alerts that have fired so far, and for which source."""
        firing = 'ALERTS{alertstate="firing",alertname!="TocsinWatchdog"}'
        found = self.prometheus.query(f"count by (alertname, source) (count_over_time({firing}[10m]))")
        return {(sample.labels["alertname"], sample.labels.get("source", "")) for sample in found}

    def expect_all_read(self, folder: Path) -> int:
        """Every record that was written is read, none twice; how many that are."""
        written = len([told for told in lines_of(folder) if told["kind"] == "attempt"])
        wait_for(lambda: self.exporter.total("tocsin_records_read_total") >= written, "not all of it has arrived")
        assert self.exporter.total("tocsin_records_read_total") == written
        return written

    def value(self, expression: str) -> float:
        found = self.prometheus.query(expression)
        return found[0].value if found else 0.0


StartChain = Callable[[dict[str, str]], Chain]


@pytest.fixture
def start(tmp_path: Path, real_server: RealServer) -> Iterator[StartChain]:
    """Starts everything but the workers; `sources` are paths below the test's folder, by name."""
    real_server("prometheus")
    real_server("alertmanager")
    with ExitStack() as stack:

        def started(sources: dict[str, str]) -> Chain:
            exporter = stack.enter_context(
                ExporterProcess(tmp_path, overlay={"settings": {"time_scale": SCALE}}, scan_content=False)
            )
            config: dict[str, Any] = yaml.safe_load(exporter.config.read_text())
            config["sources"] = {name: {"gateway": "litellm", "paths": [paths]} for name, paths in sources.items()}
            exporter.config.write_text(yaml.safe_dump(config))
            spec = load_spec(tmp_path / "overlay.yaml")
            receiver = stack.enter_context(CaptureReceiver())
            routes = yaml.safe_load(configuration.generate(spec)[configuration.PATH])
            captured = yaml.safe_dump(capture_channels(routes, receiver.url, tmp_path / "secrets"), sort_keys=False)
            pager = stack.enter_context(Alertmanager(tmp_path / "alertmanager", captured))
            rules = tmp_path / "rules.yaml"
            rules.write_text(rule_file.generate(spec)[rule_file.PATH])
            scrapes = scrape_config(
                targets=[exporter.url], rules=[rules], alertmanagers=[pager.url], interval=15 / SCALE
            )
            exporter.start()
            server = Prometheus(tmp_path / "prometheus", scrapes, flags=["--rules.alert.resend-delay=1s"])
            stack.enter_context(server)
            server.wait_for('up{job="tocsin"} == 1')
            return Chain(exporter, server, receiver, {rule.name: rule for rule in compile_alerts(spec)})

        yield started


def test_what_a_killed_worker_had_in_memory_is_told_by_the_next_one_and_nothing_else_is(
    start: StartChain, tmp_path: Path
) -> None:
    with small_disk(tmp_path / "records", DISK) as disk:
        chain = start({"gw": f"records/{ALL}"})
        with HookWorker("first", disk.folder, tmp_path / "memory") as worker:
            wait_for(lambda: chain.exporter.total("tocsin_records_read_total") > 20, "nothing is read")
            disk.fill()
            told = worker.wait_until("trouble")
            wait_for(lambda: worker.health()["offered"] > told["offered"], "nothing waits in memory")
            worker.end(signal.SIGKILL)  # before that is anybody's trouble for long
        disk.make_room()
        with HookWorker("second", disk.folder, tmp_path / "memory"):
            chain.expect("TocsinFeedGap", "gw")
            assert chain.value('sum(tocsin_feed_records_lost_total{source="gw"})') > 0
            assert chain.value('sum(tocsin_hook_writers{source="gw",state="dead"})') == 0, "it was told, and is over"
            assert chain.fired() == {("TocsinFeedGap", "gw")}


def test_a_full_disk_is_told_while_not_one_line_can_be_written_and_is_over_once_there_is_room(
    start: StartChain, tmp_path: Path
) -> None:
    with small_disk(tmp_path / "records", DISK) as disk:
        chain = start({"gw": f"records/{ALL}"})
        with HookWorker("only", disk.folder, tmp_path / "memory") as worker:
            wait_for(lambda: chain.exporter.total("tocsin_records_read_total") > 20, "nothing is read")
            assert chain.exporter.total("tocsin_hook_unhealthy_writers") == 0
            disk.fill()
            stuck_at = worker.wait_until("trouble")["written"]
            chain.expect("TocsinHookInTrouble", "gw")
            assert worker.health()["written"] == stuck_at, "a line could be written after all"
            assert chain.value('sum(tocsin_hook_queue_bytes{source="gw"})') > 0
            given = chain.value('sum(tocsin_hook_records_total{source="gw"})')
            assert given > chain.value('sum(tocsin_records_read_total{source="gw"})')
            assert "cannot write: No space left on device" in (tmp_path / "exporter.log").read_text()
            disk.make_room()
            chain.expect("TocsinHookInTrouble", "gw", resolved=True)
            assert chain.exporter.total("tocsin_hook_records_dropped_total") == 0
            worker.end(signal.SIGTERM)
            chain.expect_all_read(disk.folder)
            assert chain.fired() == {("TocsinHookInTrouble", "gw")}


def test_an_ordinary_restart_of_a_worker_is_nobodys_business(start: StartChain, tmp_path: Path) -> None:
    folder, memory = tmp_path / "records", tmp_path / "memory"
    chain = start({"gw": f"records/{ALL}"})
    with HookWorker("stays", folder, memory) as stays:
        for number in range(3):
            with HookWorker(f"restarts-{number}", folder, memory) as worker:
                time.sleep(4)
                worker.end(signal.SIGTERM)
        time.sleep(GRACE)  # gaps are believed after so long, and writers called dead sooner
        stays.end(signal.SIGTERM)
    written = chain.expect_all_read(folder)
    wait_for(  # scrapes show a rise a little later
        lambda: chain.exporter.total("tocsin_hook_records_total") > 0.8 * written,
        "more is missing than what a writer was given after the last look at it",
    )
    time.sleep(LOOK_EVERY)
    assert chain.exporter.total("tocsin_hook_records_total") <= written
    assert chain.exporter.total("tocsin_feed_gaps_total") == 0
    assert chain.value('sum(max_over_time(tocsin_hook_writers{state=~"stuck|dead|unreadable"}[10m]))') == 0
    assert chain.fired() == set()
    assert chain.receiver.deliveries == ()


def test_a_deaf_source_is_told_beside_a_lively_one(start: StartChain, tmp_path: Path) -> None:
    """Its log has another name than the hook writes to, as after a change on one side."""
    (tmp_path / "deaf").mkdir(mode=0o700)
    chain = start({"lively": f"lively/{ALL}", "deaf": "deaf/gateway.log"})
    (tmp_path / "deaf" / "gateway.log").write_bytes(line(record(time.time() - 900, "the last one")))
    with (
        HookWorker("lively", tmp_path / "lively", tmp_path / "memory"),
        HookWorker("deaf", tmp_path / "deaf", tmp_path / "memory"),
    ):
        chain.expect("TocsinSourceSilent", "deaf")
        assert chain.value('min(tocsin_source_up{source="deaf"})') == 1
        assert chain.value('sum(tocsin_records_read_total{source="lively"})') > 50
        assert chain.fired() == {("TocsinSourceSilent", "deaf")}


def test_a_source_that_cannot_be_read_is_told_and_is_over_once_it_can(start: StartChain, tmp_path: Path) -> None:
    """A link stands in the place of its log, beside a source that is well."""
    chain = start({"gw": "gateway.jsonl", "moved": "moved.jsonl"})
    (tmp_path / "moved.jsonl").symlink_to("elsewhere.jsonl")
    (tmp_path / "elsewhere.jsonl").write_bytes(line(record(time.time(), "first")))
    chain.expect("TocsinSourceUnreadable", "moved")
    assert "is a symbolic link" in (tmp_path / "exporter.log").read_text()
    (tmp_path / "elsewhere.jsonl").rename(tmp_path / "moved.jsonl")
    chain.expect("TocsinSourceUnreadable", "moved", resolved=True)
    wait_for(lambda: chain.exporter.total("tocsin_records_read_total") == 1, "it is not read")
    assert chain.fired() == {("TocsinSourceUnreadable", "moved")}
