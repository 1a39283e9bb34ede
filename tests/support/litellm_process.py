"""One LiteLLM proxy process on the loopback, from its start until it is ended by its process id."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import requests

from exercises.servers import free_port
from tests.support.litellm_versions import PINNED, environment

_POLL_SECONDS: Final = 0.3
_IDLE_SECONDS: Final = 180.0
"""A start that uses no processor for so long has come to nothing; one that works may take as long as it needs."""
_DEAD_MAN_SECONDS: Final = 1_200.0
_INHERITED: Final = ("PATH", "HOME", "LANG", "TMPDIR", "DEFAULT_FLUSH_INTERVAL_SECONDS")


class LiteLLMProcess:
    """LiteLLM of one version with the `config.yaml` in `folder`, while it is open. Its output is in `folder/proxy.log`.

    `settings` are environment variables beside those that every test needs.
    """

    def __init__(self, folder: Path, settings: Mapping[str, str], *, version: str = PINNED, workers: int = 1) -> None:
        self.address = ""
        self.process: subprocess.Popen[bytes]
        self.output = folder / "proxy.log"
        self.version = version
        self._folder = folder
        self._settings = settings
        self._workers = workers

    def __enter__(self) -> Self:
        self.prepare()
        port = free_port()
        self.address = f"http://127.0.0.1:{port}"
        env = {name: os.environ[name] for name in _INHERITED if name in os.environ} | {
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "LITELLM_LOG": "ERROR",
            "LITELLM_MASTER_KEY": "sk-" + secrets.token_hex(32),  # it does not start without
            **self._settings,
        }
        command = [environment(self.version) / "bin" / "litellm", "--config", self._folder / "config.yaml"]
        command += ["--host", "127.0.0.1", "--port", port, "--num_workers", self._workers]
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                [*map(str, command)],
                env=env,
                cwd=self._folder,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            self._wait()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def prepare(self) -> None:
        """Put what the proxy needs into its folder, before it starts."""

    def ready(self) -> bool:
        """Whether all is there that a test waits for; asked until it is, then whether the proxy answers."""
        return True

    def stop(self) -> None:
        """SIGTERM, as an orchestrator would; what is left after a while is killed."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(40)
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self) -> None:
        """``kill -9`` of every process of it."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def said(self) -> str:
        """The end of what it printed."""
        return self.output.read_text(errors="replace")[-3000:]

    def _wait(self) -> None:
        begun = moved = time.monotonic()
        used = 0
        while self.process.poll() is None:
            if self.ready() and self._answers():
                return
            now, ticks = time.monotonic(), _processor_ticks(self.process.pid)
            if ticks > used:
                used, moved = ticks, now
            if now - moved > _IDLE_SECONDS or now - begun > _DEAD_MAN_SECONDS:
                break
            time.sleep(_POLL_SECONDS)
        raise RuntimeError(f"LiteLLM {self.version} did not start:\n{self.said()}")

    def _answers(self) -> bool:
        try:
            return requests.get(self.address + "/health/liveliness", timeout=5).ok
        except requests.RequestException:
            return False


def _processor_ticks(session: int) -> int:
    """The processor time that all processes of a session have used, in ticks of the kernel."""
    total = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text(errors="replace").rpartition(")")[2].split()
        except OSError:
            continue  # it has just ended
        if int(fields[3]) == session:
            total += int(fields[11]) + int(fields[12])
    return total
