"""Every guardrail of LiteLLM: what it logs is read as the table says, and the table has them all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.events.gateways.samples import decode, record, rows
from tests.support.litellm_versions import VERSIONS, need
from tests.versions import guardrails
from tests.versions.guardrails import Also, Integration
from tests.versions.known import PAGE

ALL = guardrails.load()
STOPS = [pytest.param(one, status, id=f"{one.name}-{version}") for one in ALL for version, status in one.status.items()]
ALSO = [pytest.param(one, more, id=f"{one.name}-{more.when}") for one in ALL for more in one.also]


def row_of(made: dict[str, Any]) -> dict[str, Any]:
    (row,) = rows(decode([made]))
    return row


def entry(one: Integration, status: str, **more: Any) -> dict[str, Any]:
    return {"guardrail_name": one.name, "guardrail_status": status, **more}


def stopped(one: Integration, status: str | None) -> dict[str, Any]:
    """The record of a request that it stopped."""
    assert one.stops is not None
    error = {
        "error_class": one.stops.exception,
        "error_code": str(one.stops.code),
        "error_message": one.stops.says,
        "llm_provider": "",
    }
    return record(
        "failure",
        error_information=error,
        guardrail_information=None if status is None else [entry(one, status, guardrail_mode="pre_call")],
    )


@pytest.mark.parametrize(("one", "status"), STOPS)
def test_what_a_guardrail_stopped_is_read_as_the_table_says(one: Integration, status: str | None) -> None:
    row = row_of(stopped(one, status))
    assert row["verdict"] == one.verdict
    assert (row["error_class"] == "guardrail_block") is (one.verdict == "block")
    if one.verdict == "block" and status is not None:
        assert row["settled"]  # pre_call: no provider was asked


@pytest.mark.parametrize(("one", "more"), ALSO)
def test_what_else_a_guardrail_writes_is_read_as_the_table_says(one: Integration, more: Also) -> None:
    masked = {"US_SSN": 1} if more.masked else None
    told = entry(one, more.status, guardrail_mode=more.mode, masked_entity_count=masked)
    row = row_of(record(guardrail_information=[told]))
    assert (row["verdict"], row["guardrails"]) == (more.verdict, [(one.name, more.verdict)])


@pytest.mark.parametrize("version", VERSIONS)
def test_the_table_has_every_guardrail_that_litellm_has(version: str) -> None:
    (folder,) = need(version).glob("lib/*/site-packages/litellm/proxy/guardrails/guardrail_hooks")
    there = {_integration(path) for path in folder.iterdir()} - {"", "content_text"}  # the second helps others
    at = VERSIONS.index(version)
    listed = {
        one.name for one in ALL if not one.callback and VERSIONS.index(one.since) <= at <= VERSIONS.index(one.until)
    }
    assert listed == there


def _integration(path: Path) -> str:
    if path.name.startswith("__") or not (path.is_dir() or path.suffix == ".py"):
        return ""
    return path.stem


def test_the_page_has_the_table() -> None:
    text = PAGE.read_text()
    assert guardrails.page_with_table(text) == text, "run `python -m tests.versions.guardrails`"
