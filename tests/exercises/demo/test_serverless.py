"""Where no server can be had, the demo replays its recordings, and says whether the expected pages are in them."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest

from exercises.demo import command, serverless, traffic
from exercises.demo.interrupt import Stop
from exercises.demo.run import DemoFailedError
from exercises.demo.terminal import Screen
from exercises.recording import Recordings

EXPECTED = {"LLMJailbreakRepeated": "u-xenia", "LLMCanaryLeaked": "u-boris", "LLMBulkSensitiveOutput": "u-boris"}
WHY = "prometheus is missing: put it on PATH"


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Recordings:
    """The attacks alone: the ordinary day takes too long."""
    benign = tmp_path_factory.mktemp("day") / "benign.jsonl"
    benign.touch()
    return replace(traffic.load(), benign=benign)


def replayed(monkeypatch: pytest.MonkeyPatch, recordings: Recordings, form: str = "text") -> str:
    """Show the replay; what it said about the progress and the reason."""
    monkeypatch.setattr(traffic, "load", lambda folder: recordings)
    said = io.StringIO()
    with Stop() as stop:
        command.replay(Screen(said), stop, Path(), WHY, "json" if form == "json" else "text")
    return said.getvalue()


def test_the_attacks_page(recordings: Recordings) -> None:
    parts: list[float] = []
    found = serverless.run(recordings, WHY, parts.append)
    assert found.expected == EXPECTED
    assert found.missing == []
    assert parts[-1] == 1.0, "progress is shown to the end"
    assert found.pages.count == 2


def test_canaries_and_shared_keys_are_those_of_the_recordings(recordings: Recordings) -> None:
    found = serverless.run(replace(recordings, canaries=("ELSE-0000",)), WHY, lambda part: None)
    assert found.missing == ["LLMCanaryLeaked"]


def test_as_text(recordings: Recordings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    said = replayed(monkeypatch, recordings)
    assert WHY in said
    assert "tocsin replay --pages" in " ".join(said.split())
    assert "u-xenia (team-sales) keeps trying to jailbreak a model" in capsys.readouterr().out


def test_as_json(recordings: Recordings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    replayed(monkeypatch, recordings, "json")
    data = json.loads(capsys.readouterr().out)
    assert (data["evaluator"], data["why"], data["missing"]) == ("replay", WHY, [])
    assert len(data["replay"]["incidents"]) == 2


def test_a_missing_page_is_a_failure(recordings: Recordings, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is shown first, and the exit status is not 0."""
    with pytest.raises(DemoFailedError, match="would have paged nobody: LLMCanaryLeaked"):
        replayed(monkeypatch, replace(recordings, canaries=("ELSE-0000",)))
