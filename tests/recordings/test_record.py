"""The recorder without LiteLLM: its provider, its plans, and how lines find their time of the day."""

import hashlib
import json
import random
from dataclasses import replace
from pathlib import Path

import pytest
import requests

from tests.recordings import attacks, benign
from tests.recordings.backend import Backend
from tests.recordings.plan import CHAT, EMBEDDINGS, Call, Json, Reply
from tests.recordings.record import MIDNIGHT, Incomplete, _at_planned_times, _limited, _write
from tests.support.waiting import PATIENCE

CALL = Call(at=0, key="k", address="192.0.2.1", user_agent="t", body={})


def ask(backend: Backend, body: Json, path: str = CHAT) -> requests.Response:
    return requests.post(backend.address + path, json=body, timeout=PATIENCE)


def body(text: str, **more: object) -> Json:
    return {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": text}], **more}


def quick(**more: object) -> Reply:
    return replace(Reply(first=0.0, seconds=0.0), **more)  # type: ignore[arg-type]  # names of fields


def test_the_provider_says_what_the_plan_says_in_its_order() -> None:
    replies = (quick(status=503, error=("server_error", "busy")), quick(text="Hello there", output_tokens=7))
    with Backend() as backend:
        backend.expect([replace(CALL, body=body("hi"), replies=replies)])
        first, second, third = (ask(backend, body("hi")) for _ in range(3))
        assert backend.unexpected == 1
    assert (first.status_code, first.json()["error"]["code"]) == (503, "server_error")
    assert second.json()["choices"][0]["message"]["content"] == "Hello there"
    assert second.json()["usage"]["completion_tokens"] == 7
    assert third.status_code == 200
    assert "Date" not in second.headers  # a recording moves to another day


def test_a_stream_carries_the_whole_answer_its_tool_calls_and_its_tokens() -> None:
    text = " ".join(f"word{number}" for number in range(400))
    reply = quick(
        text=text, tool_calls=(("run", '{"a": 1}'),), finish="tool_calls", output_tokens=9, reasoning_tokens=4
    )
    with Backend() as backend:
        backend.expect([replace(CALL, body=body("hi"), replies=(reply,))])
        lines = ask(backend, body("hi", stream=True)).text.split("\n\n")
    assert lines[-2:] == ["data: [DONE]", ""]
    chunks = [json.loads(line.removeprefix("data: ")) for line in lines[:-2]]
    deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
    assert "".join(delta.get("content", "") for delta in deltas) == text
    assert [call["function"]["name"] for delta in deltas for call in delta.get("tool_calls", [])] == ["run"]
    assert chunks[-2]["choices"][0]["finish_reason"] == "tool_calls"
    assert chunks[-1]["usage"]["completion_tokens_details"] == {"reasoning_tokens": 4}


def test_the_provider_embeds_each_text() -> None:
    with Backend() as backend:
        backend.expect([replace(CALL, body={"input": ["a", "b"]}, path=EMBEDDINGS, replies=(quick(input_tokens=5),))])
        answer = ask(backend, {"model": "m", "input": ["a", "b"]}, EMBEDDINGS).json()
        assert backend.unexpected == 0
    assert [row["index"] for row in answer["data"]] == [0, 1]
    assert answer["usage"]["prompt_tokens"] == 5


def test_a_seed_gives_the_same_day_and_another_seed_another() -> None:
    one = benign.plan(1)
    assert one == benign.plan(1)
    assert one != benign.plan(2)
    assert [call.at for call in one] == sorted(call.at for call in one)
    assert 0 <= one[0].at <= one[-1].at < 86_400
    for attack in attacks.ATTACKS:
        assert list(attack.plan(random.Random(1))) == list(attack.plan(random.Random(1)))


def test_what_uses_up_a_limit_is_played_before_what_it_refuses() -> None:
    calls = [replace(CALL, at=float(at), over_limit=2 * (at in {3, 5})) for at in range(6)]
    others = [replace(CALL, key="other")]
    ((key, (before, beyond)),) = _limited([*calls, *others]).items()
    assert (key, [call.at for call in before], [call.at for call in beyond]) == ("k", [0, 1], [3, 5])


def line(identity: str, start: float, key: str = "k", address: str = "192.0.2.1", text: str = "") -> bytes:
    record = {
        "litellm_call_id": identity,
        "startTime": start,
        "endTime": start + 0.5,
        "metadata": {"user_api_key_hash": hashlib.sha256(key.encode()).hexdigest()},
        "requester_ip_address": address,
        "error_str": text,
    }
    return json.dumps(record).encode() + b"\n"


def test_lines_find_their_call_by_its_id_and_without_one_by_key_and_address() -> None:
    sent: list[tuple[Call, str | None]] = [
        (replace(CALL, at=70.0), "known"),
        (replace(CALL, at=10.0, key="wrong"), None),
        (replace(CALL, at=20.0, key="wrong"), None),
        (replace(CALL, at=5.0, key="wrong", address="192.0.2.9"), None),
    ]
    real = 1_700_000_000.0
    lines = [
        line("x1", real, "wrong"),
        line(
            "known", real + 1, text='File "/somewhere/deep/site-packages/litellm/utils.py" in /py/lib/python3.11/a.py'
        ),
        line("x2", real + 2, "wrong"),
        line("x3", real + 3, "wrong", "192.0.2.9"),
    ]
    moved = [json.loads(text) for text in _at_planned_times(lines, sent)]
    assert [(r["litellm_call_id"], r["startTime"] - MIDNIGHT) for r in moved] == [
        ("x3", 5.0),
        ("x1", 10.0),
        ("x2", 20.0),
        ("known", 70.0),
    ]
    assert moved[-1]["error_str"] == 'File "SITE-PACKAGES/litellm/utils.py" in PYLIB/a.py'


def test_a_recording_with_a_gap_is_none() -> None:
    sent: list[tuple[Call, str | None]] = [(CALL, "a"), (CALL, "b")]
    with pytest.raises(Incomplete, match="1 calls"):
        _at_planned_times([line("a", 1_700_000_000.0)], sent)
    with pytest.raises(Incomplete, match="no call"):
        _at_planned_times([line("c", 1_700_000_000.0)], [])


def test_a_written_file_is_the_same_each_time(tmp_path: Path) -> None:
    rows = [
        b'{"litellm_call_id": "a", "status": "success"}\n',
        b'{"litellm_call_id": "a", "status": "failure", "error_information": {"normalized_error": "500_X"}}\n',
    ]
    counts = _write(tmp_path / "one.gz", rows)
    _write(tmp_path / "sub" / "two.gz", rows)
    assert (tmp_path / "one.gz").read_bytes() == (tmp_path / "sub" / "two.gz").read_bytes()
    assert counts == {"attempts": 2, "requests": 1, "answered": 1, "errors": {"500_X": 1}}
