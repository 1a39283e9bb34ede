"""The exporter as a process of its own, as a user runs it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml

from exercises.servers import free_port


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
        deadline = time.monotonic() + 90  # content rules are compiled first, which is slow on a busy machine
        while wait and self.get("/-/ready")[0] != 200:
            assert time.monotonic() < deadline and self._process.poll() is None, self._errors.read_text()
            time.sleep(0.05)

    def end(self, number: signal.Signals) -> None:
        if self._process is not None:
            if self._process.poll() is None:
                os.kill(self._process.pid, number)
            self._process.wait(30)
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
            with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def total(self, metric: str) -> float:
        """The sum of a metric's series as the exporter shows them now."""
        lines = self.get("/metrics")[1].splitlines()
        return sum(float(text.rpartition(" ")[2]) for text in lines if text.startswith((metric + "{", metric + " ")))

    def append(self, *lines: bytes) -> None:
        with self.log.open("ab") as file:
            file.write(b"".join(lines))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
