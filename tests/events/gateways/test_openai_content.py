"""Whose words a text has, in every shape that a client or a provider may write it; and how much is looked at."""

from __future__ import annotations

from typing import Any

import pytest

from events.batch import EventBatch
from events.gateways.openai_content import BUDGET, Collector
from tests.events.gateways.samples import decode, record, rows


def texts(**changes: Any) -> list[tuple[str, str]]:
    (row,) = rows(decode([record(messages=None, response=None) | changes]))
    return row["texts"]  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ("plain", [("user", "plain")]),
        (["one", "two"], [("user", "one"), ("user", "two")]),
        ([[1, 2, 3], [4, 5]], []),  # tokens
        ({"role": "system", "content": "be kind"}, [("system", "be kind")]),
        ([{"role": "developer", "content": "be kind"}], [("system", "be kind")]),
        ([{"role": "assistant", "content": "earlier"}], [("assistant", "earlier")]),
        ([{"role": "tool", "content": "result"}], [("tool", "result")]),
        ([{"role": "function", "content": "result"}], [("tool", "result")]),
        ([{"role": "stranger", "content": "hello"}], [("user", "hello")]),
        ([{"content": "hello"}], [("user", "hello")]),
        ([{"role": "user", "content": ""}], []),
        ([{"type": "function_call_output", "output": "result"}], [("tool", "result")]),
        ([{"role": "user", "content": [{"type": "input_text", "text": "hello"}]}], [("user", "hello")]),
        ([{"role": "user", "content": {"type": "text", "text": "hello"}}], [("user", "hello")]),
        (
            [{"role": "user", "content": ["hello", {"type": "text", "text": "you"}]}],
            [("user", "hello"), ("user", "you")],
        ),
        ([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}]}], []),
        ([{"role": "user", "content": [{"type": "tool_result", "content": "result"}]}], [("tool", "result")]),
        (
            [{"role": "user", "content": [{"type": "tool_result", "content": [{"type": "text", "text": "result"}]}]}],
            [("tool", "result")],
        ),
        (
            [{"role": "user", "content": [{"type": "document", "source": {"type": "text", "data": "page"}}]}],
            [("tool", "page")],
        ),
        ([{"role": "user", "content": [{"type": "image", "source": {"type": "base64", "data": "AAAA"}}]}], []),
        # an earlier call was seen when it was made
        ([{"role": "assistant", "content": [{"type": "tool_use", "name": "f", "input": {"a": "b"}}]}], []),
    ],
)
def test_messages(messages: object, expected: list[tuple[str, str]]) -> None:
    assert texts(messages=messages) == expected


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        ("plain", [("output", "plain")]),
        ({"text": "plain"}, [("output", "plain")]),
        ({"choices": [{"text": "completed"}]}, [("output", "completed")]),
        (
            {"choices": [{"message": {"content": "one"}}, {"message": {"content": "two"}}]},
            [("output", "one"), ("output", "two")],
        ),
        ({"choices": [{"message": {"content": [{"type": "text", "text": "part"}]}}]}, [("output", "part")]),
        (
            {"choices": [{"message": {"reasoning_content": "thought", "content": "said"}}]},
            [("output", "thought"), ("output", "said")],
        ),
        ({"choices": [{"message": None}, {}]}, []),
        (
            {"choices": [{"message": {"function_call": {"name": "f", "arguments": '{"a":1}'}}}]},
            [("tool_call", 'f {"a":1}')],
        ),
        ({"output": [{"type": "message", "content": [{"type": "output_text", "text": "said"}]}]}, [("output", "said")]),
        ({"output": [{"type": "function_call", "name": "f", "arguments": "{}"}]}, [("tool_call", "f {}")]),
        ({"content": [{"type": "text", "text": "said"}]}, [("output", "said")]),
        ({"content": [{"type": "tool_use", "name": "f", "input": {"a": "é"}}]}, [("tool_call", 'f {"a":"é"}')]),
        ({"content": [{"type": "tool_use", "input": {"a": 1}}]}, [("tool_call", 'unknown {"a":1}')]),
        ([{"text": "in a list"}], [("output", "in a list")]),
        ({"data": [{"embedding": [0.1, 0.2]}]}, []),
    ],
)
def test_answers(response: object, expected: list[tuple[str, str]]) -> None:
    assert texts(response=response) == expected


@pytest.mark.parametrize(
    ("response", "names"),
    [
        ({"choices": [{"message": {"tool_calls": [{"function": {"name": "f"}}, {"function": None}, {}]}}]}, ["f"]),
        ({"choices": [{"message": {"function_call": {"name": "f"}}}]}, ["f"]),
        ({"output": [{"type": "function_call", "name": "f"}, {"type": "message", "name": "no"}]}, ["f"]),
        ({"content": [{"type": "tool_use", "name": "f"}, {"type": "text", "text": "no"}]}, ["f"]),
        ({"output": "text"}, []),
    ],
)
def test_tools(response: object, names: list[str]) -> None:
    (row,) = rows(decode([record(response=response)]))
    assert row["tool_calls"] == names


@pytest.mark.parametrize(
    ("response", "blocked"),
    [
        ({"choices": [{"finish_reason": "stop"}, {"finish_reason": "content_filter"}]}, True),
        ({"incomplete_details": {"reason": "content_filter"}}, True),
        ({"incomplete_details": {"reason": "max_output_tokens"}}, False),
        ({"choices": [{"finish_reason": "length"}]}, False),
    ],
)
def test_the_providers_filter_is_a_block(response: object, blocked: bool) -> None:
    (row,) = rows(decode([record(response=response)]))
    assert (row["verdict"] == "block") is blocked


@pytest.mark.parametrize("field", ["system", "instructions"])
def test_a_system_prompt_outside_of_the_messages(field: str) -> None:
    assert texts(model_parameters={field: "be kind"}) == [("system", "be kind")]
    assert texts(model_parameters={field: [{"type": "text", "text": "be kind"}]}) == [("system", "be kind")]


def asking(*contents: str) -> EventBatch:
    """Of one attempt with these turns, and a short one before and behind it."""
    turns = [{"role": "user", "content": content} for content in contents]
    return decode([record(), record(messages=turns, response=None), record()])


def kept(batch: EventBatch) -> list[str]:
    return [text.text for text in batch.texts if text.row == 1]


def test_texts_are_read_whole_up_to_the_budget_of_an_attempt() -> None:
    batch = asking("a" * (BUDGET - 10), "b" * 10)
    assert kept(batch) == ["a" * (BUDGET - 10), "b" * 10]
    assert batch.skipped == []


def test_beyond_the_budget_the_newest_are_read_and_both_ends_of_the_one_that_fits_in_part() -> None:
    batch = asking("x" * 7, "a" * 1_000 + "b" * BUDGET + "c" * 1_000, "d" * (BUDGET - 100))
    assert kept(batch) == ["a" * 50, "c" * 50, "d" * (BUDGET - 100)]
    assert batch.skipped == [(1, "user", 7 + 2_000 + BUDGET - 100)]
    assert rows(batch)[1]["input_chars"] == 7 + 2_000 + BUDGET + BUDGET - 100
    assert rows(batch)[0]["texts"] == rows(batch)[2]["texts"] != []


def test_when_the_newest_fill_the_budget_nothing_of_the_older_is_read() -> None:
    batch = asking("a", "b" * BUDGET)
    assert kept(batch) == ["b" * BUDGET]
    assert batch.skipped == [(1, "user", 1)]


def test_what_is_not_read_is_counted_by_channel() -> None:
    tool = {"role": "tool", "content": "t" * 30}
    batch = decode([record(messages=[tool, {"role": "user", "content": "u" * BUDGET}], response=None)])
    assert batch.skipped == [(0, "tool", 30)]


def test_tool_arguments_that_cannot_be_written_as_json_are_still_looked_at() -> None:
    deep: Any = {"first": "needle"}
    for _ in range(50_000):
        deep = [deep]
    collector = Collector()
    collector.collect([None], [None], [None])
    collector.tool_call(0, "f", deep)
    assert [(text.channel, text.text) for text in collector.texts] == [("tool_call", "f first needle")]
