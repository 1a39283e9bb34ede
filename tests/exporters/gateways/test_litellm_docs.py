"""The callback on the page about LiteLLM writes what the adapter reads."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.exporters.gateways.samples import decode, record, rows

PAGE = Path(__file__).parents[3] / "docs" / "gateways" / "litellm.md"


@pytest.fixture
def callback(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    """The names that the page's code defines, with a stand-in for LiteLLM's base class."""
    base = ModuleType("litellm.integrations.custom_logger")
    base.CustomLogger = object  # type: ignore[attr-defined]
    for name in ("litellm", "litellm.integrations"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, base.__name__, base)
    monkeypatch.setenv("TOCSIN_LOG", str(tmp_path / "log.jsonl"))
    found = re.search(r"```python\n(.+?)```", PAGE.read_text(), re.DOTALL)
    assert found
    names: dict[str, Any] = {}
    exec(compile(found[1], str(PAGE), "exec"), names)  # noqa: S102
    return names


def test_the_callback_writes_lines_that_are_read(callback: dict[str, Any], tmp_path: Path) -> None:
    success, failure = record(), record("failure")
    for made, method in ((success, "async_log_success_event"), (failure, "async_log_failure_event")):
        kwargs = {"standard_logging_object": made | {"model_map_information": {"odd": object()}}}
        asyncio.run(getattr(callback["writer"], method)(kwargs, None, None, None))
        asyncio.run(getattr(callback["writer"], method)({}, None, None, None))
    written = (tmp_path / "log.jsonl").read_bytes()
    assert list(map(json.loads, written.splitlines())) == [success, failure]
    assert [row["outcome"] for row in rows(decode(written))] == ["success", "failure"]


def test_a_rotated_log_is_begun_anew(callback: dict[str, Any], tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    for _ in range(2):
        callback["writer"].write({"standard_logging_object": record()})
        log = log.rename(log.with_suffix(".1")) if log.suffix == ".jsonl" else tmp_path / "log.jsonl"
    assert log.read_bytes() == (tmp_path / "log.1").read_bytes()
