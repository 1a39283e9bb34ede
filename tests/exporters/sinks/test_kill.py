"""A real exporter process that is killed at random moments writes every line of its log once."""

from __future__ import annotations

import random
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from exercises.servers import free_port
from tests.exporters.sinks.rig import nameless, slices_in
from tests.support.litellm_lines import line, record
from tests.support.waiting import PATIENCE, wait_for

KILLS = 5
_RUN = "import sys; from pathlib import Path; from exporters.run import export; export(Path(sys.argv[1]))"


def test_kill_9_at_random_moments_writes_every_line_once(tmp_path: Path) -> None:
    chance = random.Random(7)
    log, port = tmp_path / "gw.jsonl", free_port()
    log.touch()
    config = tmp_path / "tocsin.yaml"
    config.write_text(
        f"""
listen: 127.0.0.1:{port}
state_folder: state
scan_content: false
sources: {{gw: {{gateway: litellm, paths: [{log}], start_at: beginning}}}}
sinks: {{events: {{type: jsonl, folder: out, rotate_bytes: 20000, keep: 1000}}}}
"""
    )
    written = 0

    def write(count: int) -> None:
        nonlocal written
        with log.open("ab") as file:
            for _ in range(count):
                written += 1
                file.write(line(record(time.time(), f"call-{written}")))

    def scraped() -> str:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=PATIENCE) as answer:
                return str(answer.read().decode())
        except OSError:
            return ""

    def complete() -> bool:
        scraped()
        return len(slices_in(tmp_path / "out")) >= written

    for kill in range(KILLS + 1):
        process = subprocess.Popen([sys.executable, "-c", _RUN, str(config)])
        try:
            wait_for(scraped, "the exporter never answered")
            for _ in range(chance.randrange(1, 12)):
                write(chance.randrange(1, 60))
                if chance.random() < 0.5:
                    scraped()
                time.sleep(chance.random() / 20)
            if kill == KILLS:
                wait_for(complete, "the sink never wrote all", progress=lambda: len(slices_in(tmp_path / "out")))
        finally:
            process.kill()
            process.wait()
    expected, offset = [], 0
    for text in log.read_bytes().splitlines(keepends=True):
        expected.append(("", offset, len(text) - 1))
        offset += len(text)
    assert nameless(slices_in(tmp_path / "out")) == expected
