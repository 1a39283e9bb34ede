"""A real LiteLLM proxy in an environment of its own, in the user's cache, on the loopback."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import venv
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import requests
import yaml

_GATEWAY = Path(__file__).parent / "gateway"
_START_SECONDS = 90
_REQUIREMENT = "litellm[proxy]==1.108.7"


def environment() -> Path:
    """The folder of LiteLLM's own virtual environment; made at first use, which takes a minute or two."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tocsin" / "litellm"
    if not (cache / "bin" / "litellm").exists():
        print(f"Installing LiteLLM into {cache}", file=sys.stderr)
        venv.create(cache, with_pip=True)
        subprocess.run([cache / "bin" / "pip", "install", "--quiet", _REQUIREMENT], check=True)
    return cache


def version() -> str:
    """The version of LiteLLM that is recorded."""
    code = "from importlib.metadata import version; print(version('litellm'))"
    done = subprocess.run([environment() / "bin" / "python", "-c", code], check=True, capture_output=True, text=True)
    return done.stdout.strip()


class Proxy:
    """LiteLLM in front of the provider at `backend`, while it is open. `folder` holds its files, for this run only.

    `webhook` are the settings of its callback `generic_api`, if it is to post as well.
    """

    def __init__(
        self,
        folder: Path,
        backend: str,
        keys: Mapping[str, Mapping[str, Any]],
        *,
        webhook: Mapping[str, Any] | None = None,
    ) -> None:
        self._webhook = webhook
        self.log = folder / "records.jsonl"
        self._folder = folder
        self._backend = backend
        self._keys = keys
        self._process: subprocess.Popen[bytes] | None = None
        self.address = ""

    def __enter__(self) -> Self:
        for name in ("config.yaml", "hooks.py"):
            shutil.copyfile(_GATEWAY / name, self._folder / name)
        if self._webhook is not None:
            self._add_webhook(self._folder / "config.yaml", self._webhook)
        self.limit({})
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.address = f"http://127.0.0.1:{port}"
        names = ("PATH", "HOME", "LANG", "TMPDIR", "DEFAULT_FLUSH_INTERVAL_SECONDS")
        env = {name: os.environ[name] for name in names if name in os.environ} | {
            "BACKEND_OPENAI": self._backend + "/v1",
            "BACKEND_AZURE": self._backend,
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "LITELLM_LOG": "ERROR",
            "LITELLM_MASTER_KEY": "sk-" + secrets.token_hex(32),  # it does not start without; nobody uses it
            "RECORDING_KEYS": str(self._folder / "keys.json"),
            "RECORDING_LOG": str(self.log),
        }
        command = [environment() / "bin" / "litellm", "--config", self._folder / "config.yaml", "--port", str(port)]
        with (self._folder / "proxy.log").open("wb") as output:
            self._process = subprocess.Popen(
                [*map(str, command), "--host", "127.0.0.1"],
                env=env,
                cwd=self._folder,
                stdout=output,
                stderr=subprocess.STDOUT,
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
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    @staticmethod
    def _add_webhook(path: Path, settings: Mapping[str, Any]) -> None:
        config = yaml.safe_load(path.read_text())
        config["litellm_settings"]["callbacks"].append("posts")
        config["callback_settings"] = {"posts": {"callback_type": "generic_api", **settings}}
        path.write_text(yaml.safe_dump(config))

    def limit(self, requests_per_minute: Mapping[str, int]) -> None:
        """From the next request on, these keys have a rate limit, and all others none."""
        keys = {
            key: {**owner, **({"rpm_limit": requests_per_minute[key]} if key in requests_per_minute else {})}
            for key, owner in self._keys.items()
        }
        fresh = self._folder / "keys.new"
        fresh.write_text(json.dumps(keys))
        fresh.replace(self._folder / "keys.json")

    def _wait(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            try:
                if requests.get(self.address + "/health/liveliness", timeout=2).ok:
                    return
            except requests.RequestException:
                pass
            time.sleep(0.3)
        tail = (self._folder / "proxy.log").read_text(errors="replace")[-2000:]
        raise RuntimeError(f"The LiteLLM proxy did not start:\n{tail}")
