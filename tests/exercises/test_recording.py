import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exercises import recording


def line(call: str = "c1", start: float = 1_700_000_000.25, end: float = 1_700_000_003.5, **more: Any) -> bytes:
    record = {
        "id": "x",
        "litellm_call_id": call,
        "startTime": start,
        "endTime": end,
        "completionStartTime": (start + end) / 2,
        **more,
    }
    return json.dumps(record, separators=(",", ":")).encode() + b"\n"


def times(stamped: Sequence[tuple[float, bytes]]) -> list[tuple[float, float, float]]:
    records = [(known, json.loads(text)) for known, text in stamped]
    return [(known, record["startTime"], record["endTime"]) for known, record in records]


def test_every_time_of_a_record_moves_and_nothing_else() -> None:
    before = line(
        response={"created": 1_700_000_003, "text": "tool says 1700000000"},
        guardrail_information=[{"start_time": 1_700_000_000.2, "end_time": 1_700_000_000.200125, "duration": 0.000125}],
        messages=[{"content": '{"startTime": 1700000000.5, "created": 1700000000}'}],
        error_str="429: Limit resets at: 2023-11-14 22:14:20 UTC",
        hidden_params={"reset_at": "2023-11-14 22:14:20 UTC"},
        duration_limit=1_700_000_000,
    )
    want = json.loads(before)
    for name in ("startTime", "endTime", "completionStartTime"):
        want[name] += 86_400.5
    want["response"]["created"] += 86_400
    for name in ("start_time", "end_time"):
        want["guardrail_information"][0][name] += 86_400.5
    want["error_str"] = "429: Limit resets at: 2023-11-15 22:14:20 UTC"
    want["hidden_params"]["reset_at"] = "2023-11-15 22:14:20 UTC"

    assert json.loads(recording.shift(before, 86_400.5)) == want


@given(st.floats(-1e8, 1e9), st.integers(0, 999_999), st.integers(0, 60_000_000))
def test_a_duration_is_the_same_at_any_time(seconds: float, fraction: int, micros: int) -> None:
    start = 1_700_000_000_000_000 + fraction
    end = start + micros
    text = b'{"startTime":%d.%06d,"endTime":%d.%06d}' % (*divmod(start, 10**6), *divmod(end, 10**6))
    moved = recording.shift(text, seconds)
    first, last = (int(part.partition(b":")[2].rstrip(b"}").replace(b".", b"")) for part in moved.split(b","))
    assert last - first == micros
    assert first - start == round(seconds * 10**6)


def test_the_first_line_is_known_at_the_start_and_time_passes_as_fast_as_asked() -> None:
    lines = [line(start=1_700_000_000.0, end=1_700_000_002.0), line(start=1_700_000_010.0, end=1_700_000_062.0)]
    stamped = list(recording.restamp_lines(lines, start=1_800_000_000.0, speed=60))
    assert times(stamped) == [
        (1_800_000_000.0, 1_799_999_998.0, 1_800_000_000.0),
        (1_800_000_001.0, 1_799_999_949.0, 1_800_000_001.0),  # a minute is a second, yet it took 52 seconds
    ]


def test_recordings_of_one_day_keep_their_distance_by_a_common_origin() -> None:
    one = recording.restamp_lines([line(end=1_700_000_005.0)], start=0.0 + 2e9, origin=1_700_000_000.0)
    other = recording.restamp_lines([line(end=1_700_000_003.0)], start=0.0 + 2e9, origin=1_700_000_000.0)
    assert [known for known, _ in recording.merge(one, other)] == [2e9 + 3, 2e9 + 5]


@pytest.mark.parametrize("speed", [0.0, -1.0, float("nan")])
def test_time_passes_forwards(speed: float) -> None:
    with pytest.raises(ValueError, match="speed"):
        list(recording.restamp_lines([line()], start=0, speed=speed))


def test_calls_move_to_their_plan_with_their_fallbacks_and_come_in_the_order_of_their_end() -> None:
    first, fallback = line("a", 1_700_000_000.0, 1_700_000_001.0), line("a", 1_700_000_001.5, 1_700_000_004.0)
    other = line("b", 1_700_000_000.0, 1_700_000_000.5)
    moved = recording.restamp([fallback, other, first], {"a": 1_800_000_000.0, "b": 1_800_000_002.0})
    assert [(r["litellm_call_id"], r["startTime"], r["endTime"]) for r in map(json.loads, moved)] == [
        ("a", 1_800_000_000.0, 1_800_000_001.0),
        ("b", 1_800_000_002.0, 1_800_000_002.5),
        ("a", 1_800_000_001.5, 1_800_000_004.0),
    ]


def test_a_call_without_a_plan_is_an_error() -> None:
    with pytest.raises(KeyError):
        recording.restamp([line("a")], {"b": 1.0})


@pytest.mark.parametrize("text", [b"{}\n", b'{"endTime": "soon"}\n', b"not json\n"])
def test_a_line_without_times_is_no_recording(text: bytes) -> None:
    with pytest.raises(recording.RecordingError):
        list(recording.restamp_lines([text], start=0))
    with pytest.raises(recording.RecordingError):
        recording.restamp([text], {})


@pytest.mark.parametrize("name", ["day.jsonl", "day.jsonl.gz"])
def test_lines_are_read_as_they_are(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    content = line("a") + b'{"text": "\xff"}\n' + line("b")[:-1]
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    assert b"".join(recording.read(path)) == content
    assert len(list(recording.read(path))) == 3


def test_a_folder_says_what_it_holds(tmp_path: Path) -> None:
    attack = {
        "help": "h",
        "file": "attacks/a.jsonl.gz",
        "attempts": 3,
        "alerts": ["A"],
        "also": [],
        "group": {"label": "actor", "value": "u-1"},
    }
    index = {
        "litellm": "1",
        "midnight": 5,
        "canaries": ["c"],
        "shared_keys": ["k"],
        "benign": {"file": "day.gz", "attempts": 9},
        "attacks": {"a": attack},
    }
    (tmp_path / "recording.json").write_text(json.dumps(index))
    found = recording.load(tmp_path)
    assert (found.benign, found.benign_attempts, found.midnight) == (tmp_path / "day.gz", 9, 5.0)
    assert found.attacks["a"].alerts == {"A"}
    assert found.attacks["a"].group == ("actor", "u-1")
    assert found.attacks["a"].path == tmp_path / "attacks" / "a.jsonl.gz"


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"litellm": "1", "attacks": []}'])
def test_a_folder_with_a_broken_index_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "recording.json").write_text(text)
    with pytest.raises(recording.RecordingError, match=r"recording\.json"):
        recording.load(tmp_path)
