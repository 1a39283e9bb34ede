"""``tocsin export --config`` as a process of its own, which ends with the one that started it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import requests

from exercises.patience import Patience, unreported
from exercises.servers import ServerFailedError

_PDEATHSIG: Final = Path(__file__).resolve().parents[1] / "pdeathsig.py"
_ADDRESS: Final = re.compile(rb"metrics are at (http://[^\s/]+)/metrics")
_STOP_SECONDS: Final = 60.0
_CALL_SECONDS: Final = 60.0
_LOG_TAIL_LINES: Final = 20


class Exporter:
    """The exporter of one configuration file, which asks for any free port."""

    def __init__(self, config: Path, report: Callable[[str], None] = unreported) -> None:
        """Start nothing yet. `report` takes a line about a start that takes long."""
        self._config = config
        self._report = report
        self._log = config.with_name("exporter.log")
        self._process: subprocess.Popen[bytes] | None = None
        self.url = ""
        """Its base URL once it has started, without a slash at the end."""

    def start(self) -> None:
        """Start it and wait until it is ready.

        Raises:
            ServerFailedError: it ended, or is stuck. As long as it works it is waited for.
        """
        command = [sys.executable, "-m", "tocsin", "export", "--config", str(self._config)]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(_PDEATHSIG), str(os.getpid()), *command],
                cwd=_PDEATHSIG.parents[1],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a Ctrl-C of the terminal is for the demo, which then ends this
            )
        patience = Patience(self._process.pid, "the exporter", self._log, self._report)
        while not (self._find_address() and self._ready()):
            self.check()
            if lost := patience.lost():
                raise ServerFailedError(f"the exporter did not start: {lost}{self.log_tail()}")
            time.sleep(0.05)

    def check(self) -> None:
        """Make sure that it runs.

        Raises:
            ServerFailedError: it does not.
        """
        if self._process is None or (code := self._process.poll()) is not None:
            how = "was never started" if self._process is None else f"ended with code {code}"
            raise ServerFailedError(f"the exporter {how}{self.log_tail()}")

    def metrics(self) -> str:
        """What it shows to Prometheus.

        Raises:
            ServerFailedError: it does not answer.
        """
        try:
            answer = self._get("/metrics")
            answer.raise_for_status()
        except requests.RequestException as error:
            raise ServerFailedError(f"the exporter does not show its metrics: {error}{self.log_tail()}") from error
        return answer.text

    def total(self, metric: str) -> float:
        """The sum of a metric's series now.

        Raises:
            ServerFailedError: it does not answer.
        """
        lines = self.metrics().splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith((metric + "{", metric + " ")))

    def stop(self) -> None:
        """End it, by force after some seconds; nothing happens when it does not run."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def log_tail(self) -> str:
        """The end of its log, to be appended to a message."""
        lines = self._log.read_text("utf-8", "replace").splitlines() if self._log.exists() else []
        return "; its log ends:\n" + "\n".join(lines[-_LOG_TAIL_LINES:]) if lines else "; its log is empty"

    def _find_address(self) -> bool:
        found = _ADDRESS.search(self._log.read_bytes())
        self.url = found[1].decode() if found else ""
        return bool(found)

    def _ready(self) -> bool:
        try:
            return self._get("/-/ready").ok
        except requests.RequestException:
            return False

    def _get(self, path: str) -> requests.Response:
        with requests.Session() as session:
            session.trust_env = False  # a proxy in the environment is not for loopback
            return session.get(self.url + path, timeout=_CALL_SECONDS)
