"""Make the pictures of the documentation again: ``python -m tests.pictures`` (``make pictures``).

One run of the demo is behind all of them, so they tell one story: the recorded afternoon with its attacks, through the
real exporter, Prometheus and Alertmanager. Dashboards are drawn with Grafana's own libraries, which npm fetches once
(740 MB in the user's cache), in Chromium; no Grafana server is behind them.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from exercises.demo import traffic
from exercises.servers import Prometheus
from tests.pictures.names import FOLDER, PICTURES, Picture
from tests.support.waiting import PATIENCE, wait_for

_ROOT: Final = Path(__file__).parents[2]
_RENDERER: Final = Path(__file__).with_name("renderer")
_SPAN: Final = timedelta(minutes=3)
"""What a dashboard shows: the demo with its attacks, and what became of them; the same of it in each picture."""
_SCRAPES: Final = 100
"""So many are there before a picture is taken, of one a second: the charts have a course then."""


class CannotDraw(Exception):
    """Something is not on this machine. The message says what to do."""


def main() -> int:
    """Make all of them; the exit status is 1 when a panel failed."""
    try:
        renderer = _prepared()
        with tempfile.TemporaryDirectory(prefix="tocsin-pictures-") as name:
            folder = Path(name)
            report = _report(folder)  # before the demo, whose attacks would be long ago after it
            with _demo() as (prometheus, page):
                sources = {"demo": page, "report": report.as_uri()}
                now = datetime.now(UTC)
                jobs = [_job(folder, picture, sources, now) for picture in PICTURES]
                (folder / "jobs.json").write_text(json.dumps(jobs))
                command = ["node", "shot.mjs", prometheus, str(folder / "jobs.json")]
                status = subprocess.run(command, cwd=renderer, check=False).returncode
            for picture in PICTURES:
                shutil.move(folder / picture.name, FOLDER / picture.name)
            return status
    except CannotDraw as error:
        print(f"pictures: {error}", file=sys.stderr)
        return 2


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _job(folder: Path, picture: Picture, sources: dict[str, str], now: datetime) -> dict[str, Any]:
    job: dict[str, Any] = {"png": str(folder / picture.name)}
    if picture.height:
        job["height"] = picture.height
    if not picture.dashboard:
        return job | {"url": sources[picture.page]}
    board = json.loads((_ROOT / "dashboards" / f"{picture.dashboard}.json").read_text(encoding="utf-8"))
    board["time"], board["refresh"] = {"from": _iso(now - _SPAN), "to": _iso(now)}, ""
    path = folder / f"{picture.dashboard}.json"
    path.write_text(json.dumps(board), encoding="utf-8")
    return job | {"dashboard": str(path)}


@contextmanager
def _demo() -> Iterator[tuple[str, str]]:
    """The demo with its pages there: the addresses of its Prometheus and of its page."""
    command = [sys.executable, "-m", "tocsin", "demo"]
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(command, cwd=_ROOT, stdout=output, stderr=subprocess.STDOUT, text=True)

        def told(pattern: str) -> str:
            ended = process.poll() is not None
            output.seek(0)
            text = output.read()
            found = re.search(pattern, text)
            if ended and not found:
                raise CannotDraw(f"the demo ended:\n{text}")
            return found[1] if found else ""

        try:
            print("The demo runs", flush=True)
            wait_for(lambda: told("(Ctrl-C ends everything)"), "the demo does not get to its end")
            prometheus = told(r"Prometheus +(http://[^\s/]+)")
            scraped = f'count_over_time(up{{job="tocsin"}}[1h]) >= {_SCRAPES}'
            _Running(prometheus).wait_for(scraped)
            yield prometheus, told(r"Live page +(http://\S+)")
        finally:
            process.terminate()
            process.wait(PATIENCE)


class _Running(Prometheus):
    """One that somebody else has started."""

    def __init__(self, url: str) -> None:
        self._address = url

    @property
    def url(self) -> str:
        """Its base URL."""
        return self._address

    def _log_tail(self) -> str:
        return ""


def _report(folder: Path) -> Path:
    """The page that a replay makes of the recorded day with the attacks of the demo in it."""
    recordings = traffic.load()
    page, canaries = folder / "report.html", folder / "canaries"
    canaries.write_text("\n".join(recordings.canaries))
    logs = [recordings.benign, *(attack.path for attack in traffic.attacks(recordings))]
    shared = [part for key in recordings.shared_keys for part in ("--shared-key", key)]
    print("The report is written", flush=True)
    command = [sys.executable, "-m", "tocsin", "replay", "--report", str(page), "--canaries", str(canaries)]
    subprocess.run([*command, *shared, *map(str, logs)], cwd=_ROOT, stdout=subprocess.DEVNULL, check=True)
    return page


def _prepared() -> Path:
    """The renderer with its libraries, in the user's cache."""
    for program, package in (("node", "nodejs"), ("npm", "npm"), ("chromium", "chromium")):
        if shutil.which(program) is None:
            raise CannotDraw(f"{program} is missing. On Debian and Ubuntu: apt-get install {package}")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tocsin" / "renderer"
    cache.mkdir(parents=True, exist_ok=True)
    for path in _RENDERER.iterdir():
        shutil.copyfile(path, cache / path.name)
    if not (cache / "node_modules" / "@grafana" / "scenes").is_dir():
        print("Fetching Grafana's libraries: 740 MB, once", flush=True)
        flags = ["--legacy-peer-deps", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts"]
        subprocess.run(["npm", "install", *flags], cwd=cache, check=True)
    works = subprocess.run(["node", "node_modules/esbuild/bin/esbuild", "--version"], cwd=cache, capture_output=True)
    if works.returncode:
        subprocess.run(["node", "node_modules/esbuild/install.js"], cwd=cache, check=True)
    subprocess.run(["node", "build.mjs"], cwd=cache, check=True)
    return cache


if __name__ == "__main__":
    sys.exit(main())
