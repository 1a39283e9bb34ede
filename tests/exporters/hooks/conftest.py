"""A hook outside of LiteLLM, and the files that it writes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from exporters.hooks.litellm.tocsin_litellm import Hook, LineWriter, Settings
from tests.support.waiting import PATIENCE, wait_for

MakeHook = Callable[..., Hook]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "records"


@pytest.fixture
def make_hook(folder: Path, tmp_path: Path) -> Iterator[MakeHook]:
    made: list[Hook] = []
    (tmp_path / "memory").mkdir()

    def make(**settings: Any) -> Hook:
        settings = {"folder": folder, "memory": tmp_path / "memory", **settings}
        hook = Hook(Settings(**settings))
        made.append(hook)
        return hook

    yield make
    for hook in made:
        hook.close()
        end(hook)


def end(hook: Hook) -> None:
    """End its thread and let go of its files: both last as long as a gateway does, and add up in thousands of tests."""
    writer = hook._writer
    if writer is None:
        return
    writer._forgotten = True
    writer._wake.set()
    writer._thread.join(PATIENCE)
    writer.forget()


def log(hook: Hook, record: dict[str, Any]) -> None:
    hook.take({"standard_logging_object": record})


def writer_of(hook: Hook) -> LineWriter:
    return hook.start()


def lines(folder: Path) -> list[dict[str, Any]]:
    """Every line of every file, by writer and number; a torn line is an error."""
    found = []
    for path in folder.glob("litellm-*.jsonl*"):
        data = path.read_bytes()
        assert data.endswith(b"\n") or not data
        found += [json.loads(line) for line in data.splitlines()]
    return sorted(found, key=lambda line: (line["writer"], line["seq"]))


def attempts(folder: Path) -> list[dict[str, Any]]:
    return [line["record"] for line in lines(folder) if line["kind"] == "attempt"]


def notices(folder: Path, kind: str) -> list[dict[str, Any]]:
    return [line["notice"] for line in lines(folder) if line["kind"] == kind]


def until(true: Callable[[], object]) -> None:
    wait_for(true, "it did not happen")
