"""What is played: the ordinary day and the attacks, each at its time and once."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from exercises import recording
from exercises.demo import traffic
from exercises.demo.traffic import AFTERWARDS, ATTACKS, BEGINS, LASTS, SPEED, RecordingsMissingError, Traffic
from tests.support.litellm_lines import line, record

MIDNIGHT = 1_794_870_000.0
START = 1_800_000_000.0


def write(path: Path, times: list[float], user: str) -> None:
    path.parent.mkdir(exist_ok=True)
    with gzip.open(path, "wb") as file:
        for number, time in enumerate(times):
            file.write(line(record(MIDNIGHT + time, f"{user}-{number}", user=user)))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    slow = BEGINS + SPEED * LASTS
    write(tmp_path / "benign.jsonl.gz", [100, BEGINS - 1, BEGINS + 20, slow - 1, slow + 10, slow + 30], "worker")
    attacks: dict[str, Any] = {}
    for name in (*ATTACKS, "not-played"):
        write(tmp_path / "attacks" / f"{name}.jsonl.gz", [3600, 3640, 3600 + 2 * SPEED * LASTS], name)
        attacks[name] = {
            "help": "",
            "file": f"attacks/{name}.jsonl.gz",
            "attempts": 3,
            "alerts": ["LLMCanaryLeaked"],
            "also": [],
            "group": {"label": "actor", "value": name},
        }
    index = {
        "litellm": "1",
        "midnight": MIDNIGHT,
        "canaries": ["C"],
        "shared_keys": [],
        "benign": {"file": "benign.jsonl.gz", "attempts": 6},
        "attacks": attacks,
    }
    (tmp_path / "recording.json").write_text(json.dumps(index))
    return tmp_path


def told(data: bytes) -> list[tuple[str, float]]:
    """Call and end of each line, from the start on."""
    return [
        (json.loads(one)["litellm_call_id"], round(recording.end_time(one) - START, 3))
        for one in data.splitlines(keepends=True)
    ]


def test_the_ordinary_day_is_fast_and_then_slow(folder: Path) -> None:
    played = Traffic(traffic.load(folder), START)
    assert played.due(START) == b""
    assert told(played.due(START + 1)) == [("worker-2", 1.0)]
    assert told(played.due(START + 1e6)) == [
        ("worker-3", round(LASTS - 1 / SPEED, 3)),
        ("worker-4", LASTS + 10 / AFTERWARDS),
        ("worker-5", LASTS + 30 / AFTERWARDS),
    ]
    assert played.over
    assert played.lines == 4


def test_attacks_come_with_their_cue_and_end(folder: Path) -> None:
    played = Traffic(traffic.load(folder), START)
    played.due(START + 5)
    played.cue(START + 5)
    lines = dict(told(played.due(START + 1e6)))
    for name, wait in ATTACKS.items():
        assert lines[f"{name}-0"] == 5 + wait
        assert lines[f"{name}-1"] == 5 + wait + 40 / SPEED
        assert f"{name}-2" not in lines
    assert "worker-3" in lines, "what was next when the cue came is not lost"
    assert "not-played-0" not in lines


def test_attacks_are_told_in_their_order(folder: Path) -> None:
    assert [attack.name for attack in traffic.attacks(traffic.load(folder))] == sorted(ATTACKS, key=ATTACKS.__getitem__)


def test_no_recordings(tmp_path: Path) -> None:
    with pytest.raises(RecordingsMissingError, match=r"there are no recordings in .*`make demo`.*--recordings"):
        traffic.load(tmp_path)


def test_a_file_is_missing(folder: Path) -> None:
    (folder / "benign.jsonl.gz").unlink()
    with pytest.raises(RecordingsMissingError, match=r"lack benign\.jsonl\.gz"):
        traffic.load(folder)


def test_a_file_is_cut_off(folder: Path) -> None:
    path = folder / "benign.jsonl.gz"
    path.write_bytes(path.read_bytes()[:-12])
    with pytest.raises(RecordingsMissingError, match="cannot be read"):
        Traffic(traffic.load(folder), START).due(START + 1e6)


def test_an_index_without_what_is_played(folder: Path) -> None:
    index = json.loads((folder / "recording.json").read_text())
    del index["attacks"]["data-exfiltration"]
    (folder / "recording.json").write_text(json.dumps(index))
    with pytest.raises(RecordingsMissingError, match="lack data-exfiltration"):
        traffic.load(folder)
