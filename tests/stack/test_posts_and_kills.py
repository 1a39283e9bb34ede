"""The exporter is killed again and again while clients post: what was answered 2xx is counted, and counted once."""

from __future__ import annotations

import random
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import requests

from exercises.servers import free_port
from tests.stack.exporter_process import ExporterProcess
from tests.support.litellm_lines import line, record
from tests.support.waiting import PATIENCE, wait_for

CLIENTS = 6
KILLS = 6
TOKEN = "token-of-the-gateway"
OVERLAY = {"settings": {"time_scale": 30}}  # what is new is shown half a second later


class Clients:
    """Post numbered records, each until it was answered 2xx."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._lock = threading.Lock()
        self.over = threading.Event()
        self.answered = 0
        self.repeated = 0
        self.refused = 0
        self._threads = [threading.Thread(target=self._send, args=(client,)) for client in range(CLIENTS)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def finish(self) -> None:
        self.over.set()
        for thread in self._threads:
            thread.join()

    def _send(self, client: int) -> None:
        dice, number = random.Random(client), 0
        while not self.over.is_set():
            size = dice.randint(1, 30)
            lines = [line(record(time.time(), f"{client}-{number + n}")) for n in range(size)]
            number += size
            body = b"[" + b",".join(lines) + b"]" if dice.random() < 0.5 else b"".join(lines)
            wait_for(lambda: self._post(body, size), "no post is taken any more")  # noqa: B023 - asked at once

    def _post(self, body: bytes, size: int) -> bool:
        try:
            answer = requests.post(self._url, body, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=PATIENCE)
        except requests.RequestException:  # it may have been kept or not
            with self._lock:
                self.repeated += size
            return False
        with self._lock:
            self.answered += size if answer.ok else 0
            self.refused += not answer.ok
        assert answer.status_code in (200, 503), answer.status_code
        return answer.ok


@pytest.mark.slow
def test_what_was_answered_is_counted_once(tmp_path: Path) -> None:
    port, dice = free_port(), random.Random(5)
    (tmp_path / "token").write_text(TOKEN)
    posted: dict[str, Any] = {"type": "http", "paths": [], "listen": f"127.0.0.1:{port}", "token_file": "token"}
    posted |= {"max_body_bytes": 200_000, "spool_bytes": 2_000_000}  # so that segments come and go
    with ExporterProcess(tmp_path, overlay=OVERLAY, scan_content=False, **posted) as exporter:
        clients = Clients(f"http://127.0.0.1:{port}/records")
        clients.start()
        try:
            for _ in range(KILLS):
                exporter.start()
                until = time.monotonic() + dice.uniform(0.3, 1.5)
                while time.monotonic() < until:
                    time.sleep(dice.uniform(0.0, 0.2))
                    exporter.get("/metrics")  # saves the state
                exporter.kill()
            exporter.start()
            time.sleep(1)
        finally:
            clients.finish()
        wait_for(
            lambda: exporter.total("tocsin_unread_bytes") == 0,
            "the spool is not read to its end",
            progress=lambda: exporter.total("tocsin_unread_bytes"),
        )
        exporter.stop()
        exporter.start()
        wait_for(
            lambda: exporter.total("llm_attempts_total") >= clients.answered,
            "not all of it is counted after a restart",
            progress=lambda: exporter.total("llm_attempts_total"),
        )
        counted = exporter.total("llm_attempts_total")
        duplicates = exporter.total("tocsin_records_duplicate_total")
        rejected = exporter.total("tocsin_records_rejected_total")
        lost = exporter.total("tocsin_bytes_lost_total")
    print(f"{clients.answered} answered, {clients.repeated} repeated, {clients.refused} posts refused, {duplicates=}")
    assert clients.answered > 1000
    assert counted == clients.answered
    assert (rejected, lost) == (0, 0)
    assert duplicates <= clients.repeated  # nothing was read twice that was posted once
