"""The exporter as a process of its own, as a user runs it."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml

from exercises.patience import cpu_seconds
from exercises.servers import free_port
from tests.support.waiting import PATIENCE, wait_for


class ExporterProcess:
    """``tocsin export`` over one file source called ``gw``, in `folder`."""

    def __init__(
        self,
        folder: Path,
        *,
        overlay: dict[str, Any] | None = None,
        scan_content: bool = True,
        canaries: Sequence[str] = (),
        pseudonyms: bool = False,
        sinks: dict[str, Any] | None = None,
        **source: Any,
    ) -> None:
        self.log = folder / "gateway.jsonl"
        self.log.touch()
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._errors = folder / "exporter.log"
        self.config = folder / "tocsin.yaml"
        config: dict[str, Any] = {
            "listen": f"127.0.0.1:{self.port}",
            "state_folder": "state",
            "scan_content": scan_content,
            "pseudonyms": pseudonyms,
            "sources": {"gw": {"gateway": "litellm", "paths": ["gateway.jsonl*"], "start_at": "beginning", **source}},
        }
        if sinks:
            config["sinks"] = sinks
        if canaries:
            (folder / "canaries").write_text("\n".join(canaries))
            config["canaries_file"] = "canaries"
        if overlay is not None:
            (folder / "overlay.yaml").write_text(yaml.safe_dump(overlay))
            config["spec"] = ["overlay.yaml"]
        self.config.write_text(yaml.safe_dump(config))
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *, wait: bool = True) -> None:
        with self._errors.open("ab") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tocsin", "export", "--config", str(self.config)], stderr=errors
            )
        if wait:
            wait_for(self._ready, "the exporter does not start", progress=lambda: cpu_seconds(self.pid))

    def _ready(self) -> bool:
        assert self._process is not None and self._process.poll() is None, self._errors.read_text()
        return self.get("/-/ready")[0] == 200

    def end(self, number: signal.Signals) -> None:
        if self._process is not None:
            if self._process.poll() is None:
                os.kill(self._process.pid, number)
            self._process.wait(PATIENCE)
            self._process = None

    @property
    def pid(self) -> int:
        """The process that runs now."""
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        self.end(signal.SIGKILL)

    def stop(self) -> None:
        self.end(signal.SIGTERM)

    def get(self, path: str, **headers: str) -> tuple[int, str]:
        try:
            request = urllib.request.Request(self.url + path, headers=headers)  # noqa: S310 - loopback
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:  # noqa: S310
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def total(self, *metrics: str) -> float:
        """The sum of the series of metrics now. Without an answer it is NaN, which equals nothing."""
        status, text = self.get("/metrics")
        if status != 200:
            return math.nan
        begins = tuple(metric + end for metric in metrics for end in "{ ")
        return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(begins))

    def append(self, *lines: bytes) -> None:
        with self.log.open("ab") as file:
            file.write(b"".join(lines))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
