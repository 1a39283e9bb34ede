"""What the shipped mappings make of captured logs."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any, Final

import pytest

from events.batch import ALL_COLUMNS, EventBatch
from events.gateways import gateway, shipped_mapping
from events.gateways.mapped import load_mapping
from events.gateways.mapped.known import known_columns, known_words
from spec.vocabulary import ERROR_CLASSES, OPERATIONS, OUTCOMES, VERDICTS
from tests.events.gateways.samples import golden_row, rows

_DATA: Final = Path(__file__).parents[2] / "data"
_SAMPLES: Final = {"ferrogw": "request-log.jsonl", "envoy": "access.jsonl.gz", "bedrock": "invocation-log.jsonl"}
_LEFT_OUT: Final = {"bedrock": {"operation": 1}}
"""An operation that no log of Bedrock can have."""
_ENDS: Final = {
    "bedrock": {"none": 6},
    "ferrogw": {"none": 32, "model_not_found": 15, "guardrail_block": 12, "rate_limit_caller": 2},
    "envoy": {
        "none": 110,
        "invalid_request": 18,
        "rate_limit_provider": 14,
        "provider_5xx": 13,
        "network": 4,
        "timeout": 2,
    },
}


def _bytes(name: str) -> bytes:
    data = (_DATA / name / _SAMPLES[name]).read_bytes()
    return gzip.decompress(data) if _SAMPLES[name].endswith(".gz") else data


def _batch(name: str, columns: frozenset[str] = ALL_COLUMNS, content: bool = True) -> EventBatch:
    return gateway(name, columns, content=content).decode(_bytes(name), source="test")


@pytest.mark.parametrize("name", _SAMPLES)
def test_every_line_is_an_attempt(name: str) -> None:
    batch = _batch(name)
    assert (batch.size, batch.rejects) == (_bytes(name).count(b"\n"), [])
    assert batch.dropped_fields == _LEFT_OUT.get(name, {})
    assert Counter(batch.objects("error_class")) == _ENDS[name]
    for column, words in (("operation", OPERATIONS), ("outcome", OUTCOMES), ("verdict", VERDICTS)):
        assert set(batch.objects(column)) <= set(words)


@pytest.mark.parametrize("name", _SAMPLES)
def test_the_golden_says_what_each_line_means(name: str, update_goldens: bool) -> None:
    golden = _DATA / name / f"{_SAMPLES[name].partition('.')[0]}.golden.jsonl"
    found = "".join(json.dumps(golden_row(row), sort_keys=True) + "\n" for row in rows(_batch(name)))
    if update_goldens:
        golden.write_text(found)
    assert found == golden.read_text()


@pytest.mark.parametrize("name", _SAMPLES)
def test_each_column_alone_is_what_it_is_among_all(name: str) -> None:
    whole = _batch(name)
    for column in sorted(whole.columns):
        alone = _batch(name, frozenset((column,)), content=False)
        assert list(alone.columns) == [column]
        assert [str(value) for value in alone.columns[column]] == [str(value) for value in whole.columns[column]]


@pytest.mark.parametrize("name", _SAMPLES)
def test_a_record_says_what_the_columns_say(name: str) -> None:
    batch = _batch(name)
    for row in range(batch.size):
        record = batch.record(row)
        expected: dict[str, Any] = {
            "event.outcome": batch.objects("outcome")[row],
            "gen_ai.request.model": batch.objects("model")[row],
            "llm.actor": batch.objects("actor")[row],
            "llm.source_range": batch.objects("source_range")[row],
        }
        assert {field: record.get(field) for field in expected} == expected
        assert record["event.dataset"] == f"{name}.attempt"


@pytest.mark.parametrize("name", _SAMPLES)
def test_what_a_mapping_says_it_can_tell_is_what_its_sample_shows(name: str) -> None:
    path = shipped_mapping(name)
    assert path is not None
    mapping, batch = load_mapping(path), _batch(name)
    words = known_words(mapping)
    for column, possible in words.items():
        assert set(batch.objects(column)) <= possible
    assert set().union(*(words["error_class"],)) <= set(ERROR_CLASSES)
    for column in ("tenant", "model", "actor", "source_range", "session", "end_user"):
        seen = any(value is not None for value in batch.objects(column))
        assert seen <= (column in known_columns(mapping))
