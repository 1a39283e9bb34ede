"""Whatever a record holds: a callback's work is bounded, no code of a value runs, and content is the last to go."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from exporters.hooks.litellm import tocsin_litellm
from exporters.hooks.litellm.tocsin_litellm import MODES, PARTS, Content, write_up
from tests.events.gateways.samples import record, records
from tests.exporters.hooks import hostile
from tests.exporters.hooks.conftest import MakeHook, attempts, lines, log, writer_of

RECORD_BYTES = 4 << 20
STEPS = 1_200_000
"""Lines of the hook's code that one record may cost, whatever is in it."""


@pytest.fixture(autouse=True)
def _pydantic(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pydantic", hostile.PYDANTIC)


def counted(work: Callable[[], Any]) -> tuple[int, Any]:
    """How many lines of the hook's code are executed, and what comes of it."""
    steps = 0

    def local(_frame: FrameType, event: str, _argument: Any) -> Any:
        nonlocal steps
        steps += event == "line"
        return local

    def trace(frame: FrameType, _event: str, _argument: Any) -> Any:
        return local if frame.f_code.co_filename == tocsin_litellm.__file__ else None

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        found = work()
    finally:
        sys.settrace(before)
    return steps, found


def written(payload: Any, mode: str = "full", most: int = RECORD_BYTES) -> tuple[int, dict[str, Any], Any]:
    """Steps, the record, its marks."""
    hostile.RAN.clear()
    steps, made = counted(lambda: write_up(payload, Content(mode, b"k" * 32), most))
    assert hostile.RAN == [], "code of a value was run"
    assert len(made.line) <= most
    assert b"\n" not in made.line
    found: dict[str, Any] = json.loads(made.line)
    return steps, found, made


@pytest.mark.parametrize("mode", MODES)
@settings(max_examples=12, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(payload=hostile.structures())
def test_the_work_for_a_record_is_bounded_in_steps(mode: str, payload: dict[str, Any]) -> None:
    steps, found, _ = written(payload, mode)
    assert steps <= STEPS
    assert found["litellm_call_id"] == "hostile"


def _guardrails_that_hold_the_request(count: int) -> dict[str, Any]:
    """LiteLLM 1.80.11 puts the request into `guardrail_response`, and the request holds the list of guardrails."""
    data: dict[str, Any] = {"messages": [{"role": "user", "content": "the question"}], "metadata": {}}
    entries = [
        {"guardrail_name": f"g{number}", "guardrail_status": "success", "guardrail_response": data}
        for number in range(count)
    ]
    data["metadata"]["standard_logging_guardrail_information"] = entries
    made = record(messages=data["messages"], guardrail_information=entries)
    made["metadata"]["requester_metadata"] = data
    return made


def _deep() -> Any:
    value: Any = "bottom"
    for _ in range(100_000):
        value = [value]
    return value


def _exponential() -> Any:
    value: Any = {"text": "x" * 100}
    for _ in range(60):
        value = [value, value]
    return value


def _circle() -> Any:
    value: dict[str, Any] = {}
    value["itself"] = [value, {"again": value}]
    return value


WORST = {
    "guardrails that hold the request": lambda: _guardrails_that_hold_the_request(8),
    "deep": lambda: record(messages=_deep(), response=_deep()),
    "exponential": lambda: record(messages=_exponential(), response=_exponential(), hidden_params=_exponential()),
    "circular": lambda: record(messages=_circle(), metadata=_circle(), guardrail_information=_circle()),
    "a million parts": lambda: record(messages=[{"role": "user", "content": [{"type": "text"}] * 1_000_000}]),
    "a million names": lambda: record(metadata={f"name-{number}": number for number in range(1_000_000)}),
    "a million fields": lambda: record() | {f"name-{number}": number for number in range(1_000_000)},
    "small texts": lambda: record(messages=["\0" * 100] * 100_000),
    "huge texts": lambda: record(messages=["\0" * 10_000_000] * 3, response="\N{SNOWMAN}" * 10_000_000),
    "vectors": lambda: record(response={"data": [{"embedding": [0.1] * 1536}] * 2000}),
    "hostile values": lambda: record(messages=hostile.things() * 2_000, metadata=dict(enumerate(hostile.things()))),
}


@pytest.mark.parametrize("name", WORST)
@pytest.mark.parametrize("mode", MODES)
def test_the_worst_records_are_bounded_too(name: str, mode: str) -> None:
    steps, found, _ = written(WORST[name](), mode)
    assert steps <= STEPS
    assert found["litellm_call_id"] == record()["litellm_call_id"]


def test_a_guardrail_that_logs_the_request_costs_neither_time_nor_content() -> None:
    for count in (2, 4, 16):
        _, found, made = written(_guardrails_that_hold_the_request(count))
        assert found["messages"] == [{"role": "user", "content": "the question"}]
        assert [entry["guardrail_name"] for entry in found["guardrail_information"]] == [
            f"g{number}" for number in range(count)
        ]
        assert not made.lost


def test_an_ordinary_record_is_written_as_it_is() -> None:
    for given_ in records("slp"):
        _, found, made = written(given_)
        assert found == {name: value for name, value in given_.items() if name != "model_map_information"}
        assert made.marks() == b""


@pytest.mark.parametrize(
    ("part", "value"),
    [
        (
            "guardrail_response",
            {"guardrail_information": [{"guardrail_name": "g", "guardrail_response": "x" * 90_000}]},
        ),
        ("hidden_params", {"hidden_params": {"headers": "x" * 90_000}}),
        ("traceback", {"error_information": {"error_class": "E", "traceback": "x" * 90_000}}),
        ("metadata", {"metadata": {"requester_metadata": {"x": "x" * 90_000}, "user_api_key_user_id": "alice"}}),
        ("vectors", {"response": {"data": [{"embedding": [0.125] * 20_000}]}}),
        ("other", {"something_new": "x" * 90_000}),
    ],
)
def test_everything_else_goes_before_content(
    make_hook: MakeHook, folder: Path, part: str, value: dict[str, Any]
) -> None:
    hook = make_hook(record_bytes=100_000)
    question = [{"role": "user", "content": "the question " + "y" * 20_000}]
    log(hook, record(messages=question) | value)
    writer = writer_of(hook)
    hook.close()
    (line,) = (line for line in lines(folder) if line["kind"] == "attempt")
    assert line["record"]["messages"] == question
    assert len(line["shed"]) >= 1
    assert "shortened" not in line
    assert "content_lost" not in line
    assert writer.shed == {name: int(name == part) for name in PARTS}
    if part == "metadata":
        assert line["record"]["metadata"]["user_api_key_user_id"] == "alice"


def test_long_texts_are_cut_before_any_is_lost_and_the_newest_message_stays(make_hook: MakeHook, folder: Path) -> None:
    hook = make_hook(record_bytes=100_000)
    history = [{"role": "user", "content": f"{number} " + "x" * 9_000} for number in range(20)]
    log(hook, record(messages=history))
    log(hook, record(messages=history * 20))
    writer = writer_of(hook)
    hook.close()
    assert json.loads(writer.health_path.read_bytes())["content_lost"] == 1
    cut, lost = (line for line in lines(folder) if line["kind"] == "attempt")
    assert [message["content"][:2].strip() for message in cut["record"]["messages"]] == [str(n) for n in range(20)]
    assert cut["shortened"]
    assert "content_lost" not in cut
    assert lost["shortened"]
    assert lost["content_lost"]
    assert lost["record"]["messages"][-1]["content"].startswith("19 x")
    assert len(lost["record"]["messages"]) < 400
    assert (writer.shed["texts"], writer.content_lost) == (2, 1)


@pytest.mark.parametrize("number", range(len(hostile.things())))
def test_a_hostile_value_is_never_asked_anything(number: int) -> None:
    thing = hostile.things()[number]
    for place in ("messages", "response", "metadata", "status", "end_user", "guardrail_information", "new"):
        _, found, _ = written(record() | {place: thing})
        assert found["litellm_call_id"] == record()["litellm_call_id"]
        _, found, _ = written(record() | {place: [thing, {"content": thing, "a": (thing,)}]})
        assert found["litellm_call_id"] == record()["litellm_call_id"]


def test_a_model_is_written_with_its_fields() -> None:
    _, found, made = written(record(response=hostile.Model({"more": [1]}, text="the answer")))
    assert found["response"] == {"text": "the answer", "more": [1]}
    assert not made.lost


@pytest.mark.parametrize("number", range(len(hostile.keys())))
def test_a_name_that_is_no_text_is_written_as_one(number: int) -> None:
    key = hostile.keys()[number]
    _, found, _ = written(record(messages=[{"role": "user", "content": {key: 1}}]))
    assert len(found["messages"][0]["content"]) == 1


@pytest.mark.parametrize("error", [SystemExit, hostile.CodeWasRunError, RecursionError, MemoryError, GeneratorExit])
def test_what_a_value_raises_stays_in_the_hook(
    make_hook: MakeHook, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    hook = make_hook()

    def fail(*_: Any) -> Any:
        raise error

    monkeypatch.setattr(tocsin_litellm, "write_up", fail)
    if error is GeneratorExit:
        with pytest.raises(GeneratorExit):
            log(hook, record())
        return
    log(hook, record())
    assert sum(writer_of(hook).dropped.values()) == 1


def test_a_dict_that_changes_meanwhile_is_written(
    make_hook: MakeHook, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = tocsin_litellm.simple

    def changed(given_: dict[str, Any], nodes: int, size: int) -> bool:
        real(given_, nodes, size)
        raise RuntimeError("dictionary changed size during iteration")

    monkeypatch.setattr(tocsin_litellm, "simple", changed)
    hook = make_hook()
    log(hook, record())
    hook.close()
    assert attempts(folder) == [record()]
