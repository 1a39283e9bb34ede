"""Fields that records lack, as the exporter counts them: by source, and the same as replay's coverage."""

from typing import Any

from events.coverage import Coverage
from events.fields import MISSABLE
from exporters.engine import Engine
from tests.support.engines import chunks, make_engine
from tests.support.litellm_lines import line, record

NOW = 1_790_000_000.0
METRIC = "tocsin_records_without_field_total"


def lacking(engine: Engine) -> dict[str, float]:
    return {word: engine.state.health.value(METRIC, ("gw", word)) for word in MISSABLE.values()}


def fed(*records: dict[str, Any], content: bool = True) -> Engine:
    engine = make_engine(content=content)
    engine.feed(chunks("gw", [line(each) for each in records]), now=NOW)
    return engine


def nobodys(call: str, **more: Any) -> dict[str, Any]:
    """A record without an account."""
    made = record(NOW, call, user=None, **more)
    made["metadata"]["user_api_key_hash"] = None
    return made


def test_what_is_there_is_not_missing() -> None:
    assert not any(lacking(fed(record(NOW, "a"))).values())


def test_each_missing_field_is_counted_by_its_word() -> None:
    found = lacking(fed(nobodys("a", team=None, address=""), record(NOW, "b")))
    assert (found["account"], found["tenant"], found["client_address"], found["model"]) == (1, 1, 1, 0)


def test_a_failed_request_needs_no_answer_and_no_tokens() -> None:
    failed = record(NOW, "a", failed=("Timeout", "408_TIMEOUT"), answer="")
    found = lacking(fed(failed, record(NOW, "b", answer="", prompt="")))
    assert (found["answer"], found["prompt"], found["output_tokens"]) == (1, 1, 0)


def test_content_that_is_not_scanned_is_missing_everywhere() -> None:
    found = lacking(fed(record(NOW, "a"), record(NOW, "b"), content=False))
    assert (found["prompt"], found["answer"]) == (2, 2)


def test_every_field_is_shown_from_the_start() -> None:
    (table,) = (table for table in make_engine().state.health.snapshot({METRIC}))
    assert {key[1] for key in table.keys} == set(MISSABLE.values())


def test_a_repeated_record_counts_once() -> None:
    again = nobodys("a")
    assert lacking(fed(again, again))["account"] == 1


def test_it_says_what_the_coverage_says() -> None:
    engine = make_engine(content=True)
    coverage: Coverage = engine.coverage("gw")
    records = [record(NOW + place, f"r{place}", address="" if place % 3 else "192.0.2.1") for place in range(9)]
    for chunk in chunks("gw", [b"".join(map(line, records))]):
        coverage.take(engine.take(engine.decode(chunk), now=NOW + 9))
    found = lacking(engine)
    assert {word: coverage.without(column) for column, word in MISSABLE.items()} == found
    assert found["client_address"] == 6
