"""A log that grows faster than it is read: it is said, paged and caught up with; nothing is lost in silence."""

from __future__ import annotations

import itertools
import json
import os
import re
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from alerts import compile_alerts
from exercises.capture import capture_channels
from exercises.servers import Alertmanager, CaptureReceiver, Delivery, Prometheus, scrape_config
from generators.alertmanager import configuration
from generators.alertmanager.receivers import receiver_name
from generators.prometheus import rule_file
from spec import load_spec
from tests.conftest import RealServer
from tests.stack.exporter_process import ExporterProcess
from tests.support.litellm_lines import line, record
from tests.support.scrapes import wait_for_scrapes
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.stack, pytest.mark.slow]

ALERT = "TocsinFeedLagging"
LAG = 4.0
"""Seconds of lag that are too many here, as a test cannot wait for minutes of it."""
SCRAPE = 4.0
SCALE = 15.0 / SCRAPE
OVERLAY: dict[str, Any] = {
    "settings": {"time_scale": SCALE},
    "alerts": {ALERT: {"when": {"value": LAG}, "for": f"{round(3 * SCRAPE * SCALE)}s"}},  # three scrapes in a row
}
RUN, PERIOD = 0.01, 0.05
"""Seconds that the exporter runs of each period: a fifth of a core, enforced as a container's limit is."""
BLOCK = 2_000
"""Lines that are written at once."""
MEMORY = 64 * 1024 * 1024
"""Bytes that a backlog may cost the exporter, however long it is."""


class Flood:
    """Appends records of now in blocks, each of `line_size` bytes and with an id of its own, as long as it `runs`.

    It writes twice as much as the process `pid` reads meanwhile, however fast that and the machine are.
    """

    def __init__(self, log: Path, pid: int) -> None:
        self._pid = pid
        template = line(record(1234567890.123, "1" * 12))
        self.line_size = len(template)
        self.written = 0
        self._flooded = 0
        self._before = _bytes_read(pid)
        self._log = log
        self._block = np.tile(np.frombuffer(template, np.uint8), (BLOCK, 1))
        self._ids = list(_places(template, b"1" * 12))
        # When it began, gave its first token and ended.
        self._times = [
            (place, before)
            for text, before in ((b"1234567889.623", 0.5), (b"1234567889.823", 0.3), (b"1234567890.123", 0.0))
            for place in _places(template, text)
        ]
        self._stop = threading.Event()

    @property
    def unread(self) -> int:
        """Bytes that were written while it ran, and not read."""
        return self._flooded - (_bytes_read(self._pid) - self._before)

    def write(self) -> None:
        """One block."""
        now = time.time()
        numbers = self.written + np.arange(BLOCK)
        for digit, start in itertools.product(range(12), self._ids):
            self._block[:, start + digit] = 48 + numbers // 10 ** (11 - digit) % 10
        for start, before in self._times:
            text = f"{now - before:.3f}".encode()
            self._block[:, start : start + len(text)] = np.frombuffer(text, np.uint8)
        with self._log.open("ab") as file:
            file.write(self._block.tobytes())
        self.written += BLOCK
        self._flooded += BLOCK * self.line_size

    @contextmanager
    def runs(self) -> Iterator[None]:
        self._stop.clear()
        self._flooded, self._before = 0, _bytes_read(self._pid)
        thread = threading.Thread(target=self._run)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            if self.unread <= self._flooded / 2:
                self.write()
            else:
                self._stop.wait(PERIOD)


def _bytes_read(pid: int) -> int:
    """Bytes that a process has read so far, from whatever file."""
    (line,) = (line for line in Path(f"/proc/{pid}/io").read_text().splitlines() if line.startswith("rchar: "))
    return int(line.split()[1])


def _places(text: bytes, part: bytes) -> Iterator[int]:
    place = text.find(part)
    while place >= 0:
        yield place
        place = text.find(part, place + 1)


@contextmanager
def throttled(pid: int, run: float = RUN) -> Iterator[threading.Lock]:
    """A process runs for `run` of each `PERIOD`, and not at all as long as somebody holds the lock."""
    over, still = threading.Event(), threading.Lock()

    def hold() -> None:
        os.kill(pid, signal.SIGSTOP)
        while not over.wait(PERIOD - run):
            with still:
                os.kill(pid, signal.SIGCONT)
                time.sleep(run)
                os.kill(pid, signal.SIGSTOP)

    thread = threading.Thread(target=hold)
    thread.start()
    try:
        yield still
    finally:
        over.set()
        thread.join()
        os.kill(pid, signal.SIGCONT)


def has_open(pid: int, path: Path) -> bool:
    """Whether a process has the file open that is at `path` now."""
    wanted = path.stat()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            if os.path.samestat(entry.stat(), wanted):
                return True
        except FileNotFoundError:
            continue
    return False


def peak_memory(pid: int) -> int:
    """The most bytes that a process ever had in memory."""
    told = Path(f"/proc/{pid}/status").read_text()
    return 1024 * int(next(text.split()[1] for text in told.splitlines() if text.startswith("VmHWM:")))


def is_about(delivery: Delivery, channel: str, *, over: bool) -> bool:
    """Whether a channel was told that the alert fires, or that it is over."""
    said = json.dumps(delivery.body)
    to_it = delivery.path.endswith("/" + receiver_name(channel))
    return to_it and "Tocsin is behind in reading gw" in said and ("resolved" in said.lower()) == over


def remove(folder: Path) -> None:
    """Logs of hundreds of megabytes need not stay."""
    for path in folder.glob("gateway.jsonl*"):
        path.unlink()


def rotations(exporter: ExporterProcess) -> dict[str, float]:
    """Those that were counted, by kind."""
    shown = re.findall(r'^tocsin_rotations_total\{.*kind="(\w+)".*\} (\S+)$', exporter.get("/metrics")[1], re.MULTILINE)
    return {kind: float(count) for kind, count in shown if float(count)}


def course(server: Prometheus, metric: str, seconds: float) -> list[float]:
    """What each scrape of the last seconds has seen."""
    answer = server.get("/api/v1/query", query=f"{metric}[{round(seconds)}s]")
    (series,) = answer["data"]["result"]
    return [float(value) for _, value in series["values"]]


def test_a_flood_is_paged_while_it_lasts_and_counted_to_the_last_line(tmp_path: Path, real_server: RealServer) -> None:
    real_server("prometheus")
    real_server("alertmanager")
    with ExitStack() as stack:
        exporter = stack.enter_context(ExporterProcess(tmp_path, overlay=OVERLAY, scan_content=False))
        spec = load_spec(tmp_path / "overlay.yaml")
        receiver = stack.enter_context(CaptureReceiver())
        routes = yaml.safe_load(configuration.generate(spec)[configuration.PATH])
        captured = yaml.safe_dump(capture_channels(routes, receiver.url, tmp_path / "secrets"), sort_keys=False)
        pager = stack.enter_context(Alertmanager(tmp_path / "alertmanager", captured))
        (tmp_path / "rules.yaml").write_text(rule_file.generate(spec)[rule_file.PATH])
        config = scrape_config(
            targets=[exporter.url], rules=[tmp_path / "rules.yaml"], alertmanagers=[pager.url], interval=SCRAPE
        )
        flags = ["--rules.alert.resend-delay=1s"]
        server = stack.enter_context(Prometheus(tmp_path / "prometheus", config, flags=flags))
        exporter.start()
        stack.callback(remove, tmp_path)
        server.wait_for('up{job="tocsin"} == 1')

        (channels,) = (rule.channels for rule in compile_alerts(spec) if rule.name == ALERT)

        def wait_for_pages(since: float, *, over: bool) -> None:
            for channel in channels:
                receiver.wait_for(
                    lambda it, channel=channel: it.at > since and is_about(it, channel, over=over)  # type: ignore[misc]
                )

        flood, log = Flood(exporter.log, exporter.pid), exporter.log
        flood.write()
        wait_for(lambda: exporter.total("llm_attempts_total") == BLOCK, "the first block is not counted")
        memory = peak_memory(exporter.pid)

        begin = time.time()
        with throttled(exporter.pid):
            with flood.runs():
                wait_for(lambda: flood.unread > MEMORY, "no backlog grows", progress=lambda: flood.written)
                log.rename(log.with_suffix(".jsonl.1"))  # a pattern matches it, so it is read on under its new name
                wait_for(lambda: log.exists() and has_open(exporter.pid, log), "the new file is not found")
                log.unlink()  # hardly read, but open
                wait_for_pages(begin, over=False)
                wait_for(lambda: flood.unread > 3 * MEMORY, "no backlog grows", progress=lambda: flood.written)
                wait_for_scrapes(server, 1)
            lasted = time.time() - begin
            lags, unread = (course(server, name, lasted) for name in ("tocsin_feed_lag_seconds", "tocsin_unread_bytes"))
            answered = course(server, 'up{job="tocsin"}', lasted)
        wait_for(
            lambda: exporter.total("tocsin_unread_bytes") == 0,
            "it does not catch up",
            progress=lambda: exporter.total("tocsin_unread_bytes"),
        )
        caught_up, cost = time.time(), peak_memory(exporter.pid) - memory
        wait_for_pages(caught_up, over=True)
        counted = exporter.total("llm_attempts_total")
        print(f"{lasted:.0f} s, {max(lags)=:.0f}, {max(unread)=:.0f}, {cost=}, {flood.written=}, {counted=}")
        assert counted == flood.written
        for metric in ("tocsin_records_duplicate_total", "tocsin_records_rejected_total", "tocsin_bytes_lost_total"):
            assert exporter.total(metric) == 0, metric
        assert rotations(exporter) == {"rename": 1, "replaced": 1}
        wait_for(lambda: server.query("sum(llm_attempts_total)")[0].value == counted, "Prometheus sees another sum")

    # While it lasted: it was said by how much, scrapes were answered, and memory did not follow the backlog.
    assert max(lags) > LAG and max(unread) > unread[0] + MEMORY
    assert sum(answered) > len(answered) / 2
    assert cost < MEMORY


def test_what_is_cut_off_unread_is_counted_to_the_byte(tmp_path: Path) -> None:
    with ExporterProcess(tmp_path, overlay=OVERLAY, scan_content=False) as exporter, ExitStack() as stack:
        stack.callback(remove, tmp_path)
        exporter.start()
        flood = Flood(exporter.log, exporter.pid)
        with throttled(exporter.pid) as still:
            with flood.runs():
                wait_for(lambda: flood.unread > 3 * MEMORY, "no backlog grows", progress=lambda: flood.written)
            wait_for(
                lambda: (
                    exporter.total("tocsin_unread_bytes", "tocsin_bytes_read_total") == flood.written * flood.line_size
                ),
                "it does not see all that is there",
            )
            with still:
                os.truncate(exporter.log, 0)  # cut while much of it is unread, and copied nowhere
        flood.write()  # what comes after the cut is no matter of it
        wait_for(lambda: exporter.total("tocsin_bytes_lost_total") > 0, "what was cut off unread is not counted")
        wait_for(
            lambda: exporter.total("tocsin_unread_bytes") == 0,
            "what came after the cut is not read",
            progress=lambda: exporter.total("tocsin_unread_bytes"),
        )
        lost, part = divmod(exporter.total("tocsin_bytes_lost_total"), flood.line_size)
        print(f"{flood.written=}, {lost=}")
        assert (exporter.total("llm_attempts_total"), part) == (flood.written - lost, 0)
        assert lost > BLOCK
        assert exporter.total("tocsin_unread_bytes") == exporter.total("tocsin_records_rejected_total") == 0
        assert rotations(exporter) == {"truncate": 1}
