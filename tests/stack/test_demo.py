"""The demo as a newcomer runs it: the pages come, every link of them opens, and nothing is left behind."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.waiting import PATIENCE, wait_for

pytestmark = pytest.mark.stack

ROOT = Path(__file__).parents[2]
RealServer = Callable[[str], Path]
EXPECTED = {"LLMJailbreakRepeated": "high", "LLMBulkSensitiveOutput": "critical", "LLMCanaryLeaked": "critical"}
WHO = {"LLMJailbreakRepeated": "u-xenia", "LLMBulkSensitiveOutput": "u-boris", "LLMCanaryLeaked": "u-boris"}


class Demo:
    """`tocsin demo` as a process, with a folder for temporary files of its own."""

    def __init__(self, folder: Path, *arguments: str, **environment: str) -> None:
        self.temporary = folder / "temporary"
        self.temporary.mkdir()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tocsin", "demo", *arguments],
            cwd=ROOT,
            env={**os.environ, **environment, "TMPDIR": str(self.temporary), "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.told: dict[str, list[str]] = {"stdout": [], "stderr": []}
        self._readers = [
            threading.Thread(target=self._read, args=(name, stream), daemon=True)
            for name, stream in (("stdout", self.process.stdout), ("stderr", self.process.stderr))
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, name: str, stream: Any) -> None:
        self.told[name].extend(iter(stream.readline, ""))

    def text(self, name: str = "stdout") -> str:
        return "".join(self.told[name])

    def until(self, pattern: str) -> re.Match[str]:
        def told() -> re.Match[str] | None:
            ended = self.process.poll() is not None
            found = re.search(pattern, self.text())
            assert found or not ended, self.text() + self.text("stderr")
            return found

        found = wait_for(told, f"{pattern!r} is not told", progress=lambda: self.text() + self.text("stderr"))
        assert found is not None
        return found

    def end(self) -> int:
        code = self.process.wait(PATIENCE)
        for reader in self._readers:
            reader.join(PATIENCE)
        return code

    def descendants(self) -> set[int]:
        found, parents = {self.process.pid}, {}
        for folder in Path("/proc").iterdir():
            if folder.name.isdecimal():
                with contextlib.suppress(OSError):
                    parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        while more := {pid for pid, parent in parents.items() if parent in found} - found:
            found |= more
        return found - {self.process.pid}

    def left(self) -> list[str]:
        """What still exists of it: processes that name its folder, and files."""
        out = [str(path) for path in self.temporary.iterdir()]
        for folder in Path("/proc").iterdir():
            if folder.name.isdecimal():
                with contextlib.suppress(OSError):
                    if str(self.temporary).encode() in (folder / "cmdline").read_bytes():
                        out.append(f"process {folder.name}")
        return out


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[..., Demo]]:
    started: list[Demo] = []

    def start(*arguments: str, **environment: str) -> Demo:
        started.append(Demo(tmp_path, *arguments, **environment))
        return started[-1]

    yield start
    for demo in started:
        if demo.process.poll() is None:
            demo.process.kill()
            demo.process.wait()


@pytest.fixture
def servers(real_server: RealServer) -> None:
    for name in ("prometheus", "alertmanager"):
        real_server(name)


def check(data: dict[str, Any]) -> None:
    """The right people were paged about the right accounts, and nobody about anybody else."""
    assert set(data["expected"]) == set(EXPECTED)
    assert data["missing"] == []
    paged = {}
    for page in data["pages"]:
        assert page["who"] in WHO.values(), "ordinary work pages nobody"
        if page["via"] == "pagerduty":
            assert page["channel"] == "pager-security"
            for alert in page["alerts"]:
                paged[alert["alert"]] = (page, alert)
    for name, severity in EXPECTED.items():
        page, alert = paged[name]
        assert (page["severity"], page["who"], page["owner"]) == (severity, WHO[name], "security")
        assert page["title"].startswith(f"[{severity.upper()}] ")
        assert alert["runbook_url"].endswith(f"/runbooks/{name}.md")
        assert f"/d/tocsin-overview?var-actor={WHO[name]}&" in alert["dashboard_url"]
        assert data["links"][alert["runbook_url"]] == data["links"][alert["dashboard_url"]] == 200
        assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", alert["since"])
    assert paged["LLMCanaryLeaked"][1]["answered"].startswith("up to ")


@pytest.mark.usefixtures("servers")
def test_once_as_json(run: Callable[..., Demo]) -> None:
    demo = run("--once", "--format", "json")
    assert demo.end() == 0, demo.text("stderr")
    data = json.loads(demo.text())
    assert data["evaluator"] == "prometheus"
    assert data["addresses"].keys() == {"Metrics", "Prometheus", "Alertmanager", "Live page", "Runbooks"}
    check(data)
    assert "5/5" in demo.text("stderr")
    assert demo.left() == []


@pytest.mark.usefixtures("servers")
def test_it_stays_up_until_it_is_stopped(run: Callable[..., Demo]) -> None:
    demo = run()
    demo.until("Ctrl-C ends everything")
    with requests.Session() as session:
        session.trust_env = False
        runbook = demo.until(r"Runbook +(http://\S+/LLMCanaryLeaked\.md)")[1]
        assert "<h1>LLMCanaryLeaked</h1>" in session.get(runbook).text
        live = session.get(demo.until(r"Live page +(http://\S+)")[1]).text
        assert "A planted canary string was in an answer to u-boris" in live
        assert live.count("<polyline") >= 6
        assert "Read from Prometheus" in live
        assert 'llm_jailbreak_hits{actor="u-xenia"' in session.get(demo.until(r"Metrics +(http://\S+)")[1]).text
        assert session.get(demo.until(r"Prometheus +(http://[^\s/]+)")[1] + "/-/ready").ok
        assert session.get(demo.until(r"Alertmanager +(http://[^\s/]+)")[1] + "/-/ready").ok
    assert len(demo.descendants()) == 3
    assert "PAGE to pager-security (PagerDuty)" in demo.text()
    assert "\x1b" not in demo.text(), "no terminal, no colours"
    children = demo.descendants()
    demo.process.send_signal(signal.SIGTERM)
    assert demo.end() == 0
    assert demo.left() == []
    assert not any(Path(f"/proc/{pid}").exists() for pid in children)


@pytest.mark.usefixtures("servers")
@pytest.mark.parametrize(
    ("step", "number"),
    [
        ("1/5", signal.SIGINT),
        ("3/5", signal.SIGTERM),
        ("4/5", signal.SIGINT),
        ("5/5", signal.SIGTERM),
        ("The attacks begin", signal.SIGINT),
    ],
)
def test_stopped_in_the_middle(run: Callable[..., Demo], step: str, number: signal.Signals) -> None:
    demo = run()
    demo.until(step)
    demo.process.send_signal(number)
    assert demo.end() == 128 + number, demo.text() + demo.text("stderr")
    assert f"Stopped by {number.name}" in demo.text()
    assert demo.text("stderr") == ""
    assert demo.left() == []


@pytest.mark.usefixtures("servers")
def test_killed_it_leaves_no_process(run: Callable[..., Demo]) -> None:
    """Its folder stays then: there is nobody to remove it."""
    demo = run()
    demo.until("The attacks begin")
    children = demo.descendants()
    assert len(children) == 3
    demo.process.kill()
    demo.end()
    wait_for(lambda: not any(line.startswith("process") for line in demo.left()), "a process is left")


def test_without_servers_the_recordings_are_replayed(run: Callable[..., Demo], tmp_path: Path) -> None:
    demo = run("--once", "--format", "json", PATH=str(tmp_path), XDG_CACHE_HOME=str(tmp_path / "cache"))
    assert demo.end() == 0, demo.text("stderr")
    data = json.loads(demo.text())
    assert (data["evaluator"], data["missing"]) == ("replay", [])
    assert set(data["expected"]) == set(EXPECTED)
    assert "no apt-get on this machine" in data["why"]
    said = " ".join(demo.text("stderr").split())
    assert "The live demo cannot run here: prometheus is missing" in said
    assert "put prometheus on PATH (on Debian and Ubuntu it is in the package prometheus)" in said
    assert demo.left() == []


@pytest.mark.usefixtures("servers")
def test_pages_that_do_not_come_are_explained(run: Callable[..., Demo]) -> None:
    demo = run("--once", "--limit", "2")
    assert demo.end() == 1
    said = " ".join(demo.text().split())
    assert "The demo failed: " in said
    assert re.search(r"paged nobody within 2 s: LLM|the exporter was not scraped within 2 s", said)
    assert demo.left() == []


def test_no_recordings(run: Callable[..., Demo], tmp_path: Path) -> None:
    demo = run("--once", "--recordings", str(tmp_path))
    assert demo.end() == 1
    assert "there are no recordings in" in " ".join(demo.text().split())
    assert demo.left() == []


def test_json_needs_once(run: Callable[..., Demo]) -> None:
    demo = run("--format", "json")
    assert demo.end() == 2
    assert "needs --once" in demo.text("stderr")


def test_nobody_reads_any_more(tmp_path: Path) -> None:
    """As behind `head`."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    reading, writing = os.pipe()
    environment = {**os.environ, "PATH": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path), "TMPDIR": str(temporary)}
    command = [sys.executable, "-m", "tocsin", "demo", "--once"]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=writing, stderr=subprocess.PIPE) as process:
        os.close(writing)
        os.read(reading, 1)
        os.close(reading)
        assert process.wait(PATIENCE) == 1
        assert process.stderr is not None
        assert process.stderr.read() == b""
    assert list(temporary.iterdir()) == []
