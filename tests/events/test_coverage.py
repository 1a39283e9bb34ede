"""What was looked at: the count itself."""

from typing import Any

import numpy as np
import pytest

from events.batch import EventBatch
from events.coverage import Coverage
from events.fields import BY_COLUMN, FIELDS, counts_of

ALL = frozenset(BY_COLUMN)


def batch(outcomes: list[str], **columns: Any) -> EventBatch:
    size = len(outcomes)
    return EventBatch(
        "s", "g", size, columns={"time": np.arange(size, dtype=np.float64), "outcome": outcomes, **columns}
    )


def test_a_field_is_missing_only_where_it_should_be() -> None:
    counts = counts_of(
        batch(["success", "failure", "success"], actor=["ann", None, None], output_tokens=np.array([1.0, np.nan, 3.0]))
    )
    assert (counts.known["actor"], counts.due["actor"], counts.lacking["actor"]) == (1, 2, 1)
    assert (counts.known["output_tokens"], counts.lacking["output_tokens"]) == (2, 0)


def test_a_column_of_words_lacks_its_empty_word() -> None:
    counts = counts_of(batch(["success"] * 3, verdict=["none", "pass", "none"], operation=["other", "chat", "chat"]))
    assert (counts.known["verdict"], counts.known["operation"]) == (1, 2)


def test_an_end_user_of_a_shared_key_needs_no_account() -> None:
    users, names = [None, None, "ann", None], ["zoe", None, None, "zoe"]
    counts = counts_of(batch(["success", "success", "success", "failure"], actor=users, end_user=names))
    assert (counts.lacking["actor"], counts.known["actor"]) == (1, 1)


def test_what_answers_with_numbers_needs_no_words() -> None:
    one = batch(["success", "success", "failure"], operation=["embeddings", "chat", "rerank"])
    one.output_chars = np.array([np.nan, np.nan, np.nan])
    counts = counts_of(one)
    assert (counts.due["answer"], counts.lacking["answer"]) == (1, 1)


def test_only_what_is_wanted_is_counted() -> None:
    counts = counts_of(batch(["success", "failure"], actor=["ann", None], tenant=[None, None]), {"tenant"})
    assert (set(counts.due), counts.lacking["tenant"]) == ({"tenant"}, 1)


def test_what_was_not_asked_for_is_not_counted() -> None:
    assert "tenant" not in counts_of(batch(["success"])).known


@pytest.mark.parametrize(("side", "column"), [("prompt", "input_chars"), ("answer", "output_chars")])
def test_prompts_and_answers_are_counted_apart(side: str, column: str) -> None:
    one = batch(["success", "success", "failure"])
    setattr(one, column, np.array([5.0, np.nan, np.nan]))
    found = Coverage("g", ALL)
    found.take(one)
    assert (found.due(side), found.without(side)) == ((2, 1) if side == "answer" else (3, 2))
    other = "answer" if side == "prompt" else "prompt"
    assert found.due(other) == 0


def test_parts_add_up_to_the_whole() -> None:
    outcomes = ["success", "failure"] * 4
    users = ["ann", None, "bob", "cy", None, None, "dee", None]
    whole, parts = Coverage("g", ALL), Coverage("g", ALL)
    whole.take(batch(outcomes, actor=users))
    for place in range(0, 8, 3):
        parts.take(batch(outcomes[place : place + 3], actor=users[place : place + 3]))
    assert (parts.records, parts.fields) == (whole.records, whole.fields)


def test_a_field_that_the_gateway_cannot_tell_is_missing_everywhere() -> None:
    found = Coverage("g", ALL - {"source_range"})
    found.take(batch(["success"] * 4, actor=["ann"] * 3 + [None]))
    assert found.missing()["source_range"] == 1.0
    assert found.missing()["actor"] == 0.25
    assert found.share("source_range") == 0.0


def test_rejects_are_by_file_and_reason_and_the_first_line_stays() -> None:
    found = Coverage("g", ALL)
    found.reject("not_json", 2, file="a", line=3, detail="x")
    found.reject("not_json", 1, file="a", line=9)
    found.reject("not_json", 4, file="b", line=1)
    found.reject("too_long", 0, file="b", line=1)
    assert [(entry.file, entry.count, entry.line) for entry in found.rejected.values()] == [("a", 3, 3), ("b", 4, 1)]
    assert found.rejects == {"not_json": 7} and found.lines == 7 and found.read == 0.0


def test_every_field_has_its_words() -> None:
    assert len(BY_COLUMN) == len(FIELDS)
    assert all(field.title and field.advice for field in FIELDS)
