"""Properties that hold for every input: nothing raises, nothing is lost, and no line knows its neighbours."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from events import bounds
from events.batch import ALL_COLUMNS, NUMBER_COLUMNS, EventBatch
from events.gateways import LiteLLM
from spec.vocabulary import ERROR_CLASSES, OPERATIONS, OUTCOMES, REJECTIONS, VERDICTS
from tests.events.gateways.samples import SAMPLES, as_lines, lines, record, records, rows

ADAPTER = LiteLLM(ALL_COLUMNS, True)
LEAN = LiteLLM(ALL_COLUMNS, False)

REAL = sorted((line for sample in SAMPLES for line in lines(sample)), key=len)
SHORT = [line[:-1] for line in REAL[:: len(REAL) // 12]]
TREES = [records(sample)[row] for sample in SAMPLES for row in range(0, len(records(sample)), 11)]

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(
        [10**30, -(10**30), 1e308, "sk-secret", "redacted-by-litellm", "\ud800", "content_filter", "x" * 9_000]
    )
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["type", "text", "content", "role", "name", "function", "arguments", "source", "data", "reason"]
            )
            | st.text(max_size=5),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
tokens = st.sampled_from(
    [b"", b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b"\n", b"\0", b"\xff", b"NaN", b"1e999", b"-"]
)


def judge(batch: EventBatch, data: bytes) -> None:
    """What must hold for any batch."""
    full = [line for line in data.split(b"\n") if line.strip()]
    assert batch.size + len(batch.rejects) == len(full)
    seen = rows(batch)
    assert all(row["raw"] in full for row in seen)
    for name in NUMBER_COLUMNS:
        column = batch.numbers(name)
        assert not (column < 0).any()
        assert not np.isinf(column).any()
    assert not np.isnan(batch.numbers("time")).any()
    assert (batch.numbers("time") < bounds.LAST).all()
    for row in seen:
        assert row["outcome"] in OUTCOMES
        assert row["error_class"] in ERROR_CLASSES
        assert (row["error_class"] == "none") == (row["outcome"] == "success")
        assert row["verdict"] in VERDICTS
        assert row["operation"] in OPERATIONS
        assert 0 <= row["event_id"] < 2**64
        assert 0 <= row["call_id"] < 2**64
        assert row["actor"] is None or row["error_class"] != "auth"
        for name in ("tenant", "model", "provider", "actor", "key", "source_range", *row["tool_calls"]):
            label = row.get(name, name)
            assert label is None or (label and label.encode())
    for number in range(batch.size):
        flat = batch.record(number)
        json.dumps(flat, allow_nan=False)
        assert flat["event.id"] == f"{seen[number]['event_id']:016x}"
    for reject in batch.rejects:
        assert reject.reason in REJECTIONS


def decode(data: bytes) -> EventBatch:
    return ADAPTER.decode(data, source="test")


def whole(seen: EventBatch) -> tuple[list[dict[str, Any]], list[tuple[str, str]], dict[str, int]]:
    return rows(seen), [(reject.reason, reject.detail) for reject in seen.rejects], dict(seen.dropped_fields)


def each_alone(data: bytes) -> tuple[list[dict[str, Any]], list[tuple[str, str]], dict[str, int]]:
    """The same lines, each in a buffer of its own."""
    seen: list[dict[str, Any]] = []
    rejects: list[tuple[str, str]] = []
    dropped: dict[str, int] = {}
    for line in data.split(b"\n"):
        more, less, without = whole(decode(line + b"\n"))
        seen += more
        rejects += less
        for name, count in without.items():
            dropped[name] = dropped.get(name, 0) + count
    return seen, rejects, dropped


@given(st.binary(max_size=200))
def test_no_bytes_raise(data: bytes) -> None:
    judge(decode(data), data)
    judge(decode(data + b"\n" + SHORT[0]), data + b"\n" + SHORT[0])


@given(
    st.lists(
        st.sampled_from([*SHORT, b"", b"{}", b"{", b"}", b"[1]", b'"x', b'{"status":"success","startTime":1}'])
        | st.binary(max_size=30),
        max_size=8,
    ),
    st.sampled_from([b"\n", b"\r\n", b"", b" ", b"\n\n"]),
)
def test_a_line_does_not_depend_on_its_neighbours(parts: list[bytes], between: bytes) -> None:
    data = between.join(parts) + b"\n"
    batch = decode(data)
    judge(batch, data)
    assert whole(batch) == each_alone(data)


@given(st.sampled_from(SHORT), st.lists(st.tuples(st.floats(0, 1), st.integers(0, 3), tokens), min_size=1, max_size=4))
def test_damaged_lines_raise_nothing(line: bytes, damages: list[tuple[float, int, bytes]]) -> None:
    for place, removed, token in damages:
        start = math.floor(place * len(line))
        line = line[:start] + token + line[start + removed :]
    data = SHORT[0] + b"\n" + line + b"\n" + SHORT[1] + b"\n"
    batch = decode(data)
    judge(batch, data)
    assert whole(batch) == each_alone(data)
    assert rows(batch)[0] == rows(decode(SHORT[0]))[0]
    assert rows(batch)[-1] == rows(decode(SHORT[1]))[0]


def paths(tree: object, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The place of every value within a record."""
    if isinstance(tree, dict):
        inner = [place for name, value in tree.items() for place in paths(value, (*at, name))]
    elif isinstance(tree, list):
        inner = [place for index, value in enumerate(tree) for place in paths(value, (*at, index))]
    else:
        inner = []
    return [at, *inner] if at else inner


def planted(tree: Any, place: tuple[Any, ...], value: object) -> Any:
    """`tree` with `value` at `place`."""
    if not place:
        return value
    copied = tree.copy()
    copied[place[0]] = planted(tree[place[0]], place[1:], value)
    return copied


READ = [path for path in paths(record()) if path[0] != "trace_id"]


@given(st.data())
def test_any_value_in_any_place_raises_nothing(data: st.DataObject) -> None:
    tree = data.draw(st.sampled_from(TREES))
    for _ in range(data.draw(st.integers(1, 3))):
        tree = planted(tree, data.draw(st.sampled_from(paths(tree))), data.draw(values))
    line = as_lines(tree)
    judge(decode(line), line)


@given(st.data())
def test_any_value_in_a_field_that_is_read_costs_no_more_than_the_field(data: st.DataObject) -> None:
    place = data.draw(st.sampled_from([path for path in READ if path[0] not in ("status", "startTime", "endTime")]))
    line = as_lines(planted(record(), place, data.draw(values)))
    batch = decode(line)
    judge(batch, line)
    assert batch.size == 1


@given(st.lists(st.sampled_from(REAL), min_size=1, max_size=20))
def test_without_content_the_columns_are_the_same(chosen: list[bytes]) -> None:
    data = b"".join(chosen)
    with_content, without = decode(data), LEAN.decode(data, source="test")
    for name in ALL_COLUMNS - {"tool_calls", "guardrails"}:
        assert list(map(repr, with_content.columns[name])) == list(map(repr, without.columns[name]))
    assert (with_content.tool_calls, with_content.guardrails) == (without.tool_calls, without.guardrails)


def test_the_whole_samples_are_read_as_line_by_line() -> None:
    for sample in SAMPLES:
        data = b"".join(lines(sample))
        assert whole(decode(data)) == each_alone(data)
        broken = b"broken\n" + data + data[:500]  # makes the decoder go line by line
        assert whole(decode(broken))[0] == each_alone(data)[0]
