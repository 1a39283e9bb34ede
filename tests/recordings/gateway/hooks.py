"""What runs inside the LiteLLM proxy while it is recorded: who may call it, and the log that is kept.

LiteLLM imports this file from beside its configuration, in its own environment. `RECORDING_KEYS` names a JSON file of
keys (read again when it changes), `RECORDING_LOG` the file that gets one JSON line for each success and failure.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from fastapi import HTTPException, Request  # type: ignore[import-not-found]
from litellm.integrations.custom_logger import CustomLogger  # type: ignore[import-not-found]
from litellm.proxy._types import UserAPIKeyAuth  # type: ignore[import-not-found]

_KEYS = Path(os.environ["RECORDING_KEYS"])
_LOG = Path(os.environ["RECORDING_LOG"])


class _Keys:
    def __init__(self) -> None:
        self._stamp = 0
        self._owners: dict[str, dict[str, Any]] = {}

    def owner(self, key: str) -> dict[str, Any] | None:
        stamp = _KEYS.stat().st_mtime_ns
        if stamp != self._stamp:
            self._owners = json.loads(_KEYS.read_text())
            self._stamp = stamp
        return self._owners.get(key)


_keys = _Keys()


async def authenticate(request: Request, api_key: str) -> UserAPIKeyAuth:
    """Who the bearer of `api_key` is. LiteLLM keeps no users here, as that needs a database.

    Raises:
        HTTPException: 401, nobody has this key.
    """
    owner = _keys.owner(api_key)
    if owner is None:
        raise HTTPException(status_code=401, detail="Authentication Error, Invalid proxy server token passed.")
    return UserAPIKeyAuth(api_key=api_key, **owner)


class Recorder(CustomLogger):  # type: ignore[misc]
    """Appends LiteLLM's standard logging payload, without its copy of the price list, before the callback returns."""

    def __init__(self) -> None:
        super().__init__()
        self._log = _LOG.open("a", encoding="utf-8")
        self._nameless: dict[str, dict[str, Any]] = {}

    async def async_log_success_event(self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any) -> None:
        """LiteLLM's callback for an answered attempt."""
        self._append(kwargs)

    async def async_log_failure_event(self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any) -> None:
        """LiteLLM's callback for a failed attempt."""
        self._append(kwargs)

    async def async_post_call_failure_hook(
        self, request_data: Any, original_exception: Any, user_api_key_dict: Any, traceback_str: Any = None
    ) -> None:
        """LiteLLM's callback for a refused request, after that of the failed attempt.

        LiteLLM 1.106.2 wrote the address of refused credentials into their record, later versions leave it out but
        still know it here. Without it nobody can say who guesses keys.
        """
        record = self._nameless.pop(request_data.get("litellm_call_id", ""), None)
        if record is None:
            return
        for name in ("requester_ip_address", "user_agent"):
            record[name] = record["metadata"][name] = request_data.get("metadata", {}).get(name)
        self._write(record)

    def _append(self, kwargs: dict[str, Any]) -> None:
        payload = kwargs.get("standard_logging_object")
        if payload is None:
            return
        record = {name: value for name, value in payload.items() if name != "model_map_information"}
        error = record.get("error_information") or {}
        if str(error.get("normalized_error")).startswith("401_AUTH") and not record.get("requester_ip_address"):
            self._nameless[record["litellm_call_id"]] = record
        else:
            self._write(record)

    def _write(self, record: dict[str, Any]) -> None:
        self._log.write(json.dumps(record, ensure_ascii=False, separators=(",", ":"), default=str) + "\n")
        self._log.flush()


recorder = Recorder()
