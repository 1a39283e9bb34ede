"""The LiteLLM proxy that is recorded."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.support.litellm_process import LiteLLMProcess

_GATEWAY = Path(__file__).parent / "gateway"


class Proxy(LiteLLMProcess):
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
        self.log = folder / "records.jsonl"
        self._webhook = webhook
        self._keys = keys
        settings = {
            "BACKEND_OPENAI": backend + "/v1",
            "BACKEND_AZURE": backend,
            "RECORDING_KEYS": str(folder / "keys.json"),
            "RECORDING_LOG": str(self.log),
        }
        super().__init__(folder, settings)

    def prepare(self) -> None:
        """LiteLLM's configuration, what runs inside it, and the keys without a limit."""
        for name in ("config.yaml", "hooks.py"):
            shutil.copyfile(_GATEWAY / name, self._folder / name)
        if self._webhook is not None:
            self._add_webhook(self._folder / "config.yaml", self._webhook)
        self.limit({})

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
