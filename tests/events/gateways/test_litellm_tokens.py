"""Tokens and cost: what a record says of them under which name, and what it only seems to say."""

from __future__ import annotations

from typing import Any

import pytest

from tests.events.gateways.samples import DATA, decode, record, rows

Tokens = dict[str, Any]


def row_of(**changes: Any) -> dict[str, Any]:
    (row,) = rows(decode([record(**changes)]))
    return row


def tokens(given: Any, answered: Any, total: Any, **usage: Any) -> tuple[float | None, float | None]:
    """Tokens of prompt and answer as they are read."""
    row = row_of(
        prompt_tokens=given, completion_tokens=answered, total_tokens=total, metadata__usage_object=usage or None
    )
    return row["input_tokens"], row["output_tokens"]


def test_zero_tokens_beside_a_total_are_not_zero() -> None:
    found = rows(decode((DATA / "cases" / "12-responses-usage.jsonl").read_bytes()))
    assert [(row["input_tokens"], row["output_tokens"]) for row in found] == [(400, 500), (None, None)]


@pytest.mark.parametrize(
    ("stated", "usage", "found"),
    [
        ((0, 0, 900), {"input_tokens": 400, "output_tokens": 500}, (400, 500)),
        ((0, 0, 900), {"prompt_tokens": 400, "completion_tokens": 500}, (400, 500)),
        ((None, None, 900), {"input_tokens": 400, "output_tokens": 500}, (400, 500)),
        ((0, 0, 900), {"input_tokens": 400}, (400, 500)),
        ((0, 0, 900), {"prompt_tokens": 0, "completion_tokens": 0}, (None, None)),
        ((0, 0, 900), {}, (None, None)),
        ((0, 500, 900), {}, (400, 500)),
        ((400, 0, 900), {}, (400, 500)),
        ((400, None, 900), {}, (400, 500)),
        ((0, 0, 0), {}, (0, 0)),
        ((0, 0, None), {}, (0, 0)),
        ((900, 0, 900), {}, (900, 0)),  # embeddings
        ((31, 13, 44), {"prompt_tokens": 1000, "completion_tokens": 5}, (31, 13)),
        ((31, 13, 4_400), {"prompt_tokens": 1000}, (31, 13)),
        ((0, 0, -5), {}, (0, 0)),
        (("31", "13", "44"), {}, (31, 13)),
        (("0", 0.0, "44.0"), {}, (None, None)),
        ((31.0, 13.0, 44.0), {}, (31, 13)),
    ],
)
def test_tokens_of_either_side(stated: tuple[Any, Any, Any], usage: Tokens, found: tuple[Any, Any]) -> None:
    assert tokens(*stated, **usage) == found


def test_after_a_failure_a_total_says_what_it_says() -> None:
    made = record("failure", prompt_tokens=0, completion_tokens=0, total_tokens=40, metadata__usage_object=None)
    (row,) = rows(decode([made]))
    assert (row["input_tokens"], row["output_tokens"]) == (None, None)


@pytest.mark.parametrize("value", [-1, 1e300, "-3", "many", "9" * 400, [3], {"n": 3}, True, "nan"])
def test_a_number_that_cannot_be_is_left_out_and_counted(value: Any) -> None:
    made = record(prompt_tokens=value, completion_tokens=13, total_tokens=None)
    batch = decode([made])
    assert rows(batch)[0]["input_tokens"] is None
    assert batch.dropped_fields == {"prompt_tokens": 1}


@pytest.mark.parametrize("value", ["0.5", 0.5, "5e-1"])
def test_a_cost_may_be_a_text(value: Any) -> None:
    assert row_of(response_cost=value)["cost_usd"] == 0.5


@pytest.mark.parametrize(
    ("usage", "cached"),
    [
        ({"prompt_tokens_details": {"cached_tokens": 20}}, 20),
        ({"input_tokens_details": {"cached_tokens": 20}}, 20),
        ({"cache_read_input_tokens": 20, "cache_creation_input_tokens": 9}, 20),
        ({"prompt_cache_hit_tokens": 20, "prompt_cache_miss_tokens": 11}, 20),
        (
            {"prompt_tokens_details": {"cached_tokens": 20}, "cache_read_input_tokens": 20},
            20,
        ),  # said twice, counted once
        ({"prompt_tokens_details": {"cached_tokens": 0}, "cache_read_input_tokens": 20}, 20),
        ({"prompt_tokens_details": {"cached_tokens": 0}}, 0),
        ({"prompt_tokens_details": None}, None),
        ({"cache_creation_input_tokens": 20}, None),
        (None, None),
    ],
)
def test_cached_tokens_under_every_name(usage: Tokens | None, cached: float | None) -> None:
    row = row_of(prompt_tokens=31, completion_tokens=13, total_tokens=44, metadata__usage_object=usage)
    assert (row["input_tokens"], row["cached_tokens"]) == (31, cached)


@pytest.mark.parametrize("side", ["completion_tokens_details", "output_tokens_details"])
def test_reasoning_tokens_under_every_name(side: str) -> None:
    row = row_of(completion_tokens=13, metadata__usage_object={side: {"reasoning_tokens": 7}})
    assert (row["output_tokens"], row["reasoning_tokens"]) == (13, 7)


def test_anthropics_cache_does_not_change_the_tokens() -> None:
    (row,) = rows(decode((DATA / "cases" / "13-anthropic-cache.jsonl").read_bytes()))
    assert (row["input_tokens"], row["output_tokens"], row["cached_tokens"]) == (31, 13, 900)
