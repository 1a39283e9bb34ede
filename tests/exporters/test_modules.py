"""What a running exporter loads: modules stay in memory as long as it runs."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml

from spec.version import VERSION
from tests.support.litellm_lines import line, record

pytestmark = pytest.mark.slow

NOT_NEEDED = {  # by a running exporter; with the megabytes that were measured
    "email",  # and http.client, which reads headers with it: 2
    "grafanalib",
    "html",
    "http.client",
    "http.server",
    "importlib.metadata",  # 1
    "jinja2",
    "markdown_it",
    "prometheus_client",  # 2
    "requests",
    "ssl",  # 1
    "urllib.request",
}
"""Heavy modules that something here imported once, or that belong to other commands."""

SCRIPT = """
import json, os, signal, socket, sys, threading, time
from pathlib import Path
import tocsin
from exporters.run import export
from tests.support.waiting import PATIENCE

def scrape(address):
    with socket.create_connection(address, timeout=600) as client:
        client.sendall(b"GET /metrics HTTP/1.1\\r\\nAccept-Encoding: gzip\\r\\n\\r\\n")
        client.makefile("rb").read()
    with socket.create_connection(address, timeout=600) as client:
        client.sendall(b"GET /metrics HTTP/1.1\\r\\n\\r\\n")
        return client.makefile("rb").read()

def look(address):
    while b'tocsin_records_read_total{source="gw"} 50.0' not in scrape(address):
        time.sleep(0.05)
    print(json.dumps(sorted(sys.modules)))
    os.kill(os.getpid(), signal.SIGTERM)

export(Path(sys.argv[1]), ready=lambda address: threading.Thread(target=look, args=(address,)).start())
"""


def test_a_running_exporter_has_loaded_no_heavy_module_that_it_has_no_use_for(tmp_path: Path) -> None:
    (tmp_path / "gw.jsonl").write_bytes(b"".join(line(record(time.time(), f"call-{number}")) for number in range(50)))
    source = {"gateway": "litellm", "paths": [str(tmp_path / "gw.jsonl")], "start_at": "beginning"}
    (tmp_path / "fast.yaml").write_text("settings: {scrape_interval: 100ms}\n")
    config = {"listen": "127.0.0.1:0", "state_folder": "state", "sources": {"gw": source}, "spec": ["fast.yaml"]}
    (tmp_path / "tocsin.yaml").write_text(yaml.safe_dump(config))
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "tocsin.yaml")]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, cwd=root, capture_output=True, timeout=600, check=True)
    loaded = set(json.loads(done.stdout))
    assert {"exporters.run", "numpy", "hyperscan"} <= loaded
    assert not loaded & NOT_NEEDED


def test_the_version_in_the_code_is_that_of_the_package() -> None:
    assert version("tocsin") == VERSION
