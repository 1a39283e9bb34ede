"""The alerts that a log could not have raised."""

from typing import Any, Final

import numpy as np
import pytest

from alerts import compile_alerts
from alerts.blind import unable
from events.batch import EventBatch
from events.coverage import Coverage
from events.fields import BY_COLUMN
from spec import load_spec
from spec.lookup import signals_of

SPEC: Final = load_spec()
RULES: Final = compile_alerts(SPEC)
DAYS: Final = 30 * 86_400.0


def full(size: int = 4, **changes: Any) -> Coverage:
    """A log that has every field, but for `changes`: a column that is None is not there."""
    numbers = ("time", "duration", "time_to_first_chunk", "input_tokens", "output_tokens", "cost_usd")
    columns: dict[str, Any] = {name: np.ones(size) for name in numbers}
    columns |= {"call_id": np.ones(size, np.uint64), "outcome": ["success"] * size}
    columns |= {name: ["x"] * size for name in BY_COLUMN if name not in columns}
    columns |= changes
    one = EventBatch(
        "s",
        "g",
        size,
        columns={name: column for name, column in columns.items() if column is not None},
        input_chars=np.ones(size),
        output_chars=np.ones(size),
        tool_calls=[(0, "tool")],
        guardrails=[(0, "rail", "pass")],
    )
    found = Coverage("g", frozenset(BY_COLUMN))
    found.take(one)
    return found


def why(coverage: Coverage, span: float = DAYS) -> dict[str, str]:
    return {each.alert: each.why for each in unable(SPEC, RULES, coverage, span)}


def test_a_full_long_log_lacks_only_what_others_measure() -> None:
    found = why(full())
    assert set(found.values()) == {"exporter", "hook"}
    assert found["TocsinDown"] == "exporter" and found["TocsinHookInTrouble"] == "hook"
    assert "LLMJailbreakRepeated" not in found and "TocsinRejectingRecords" not in found


def test_a_missing_address_blinds_what_counts_addresses_and_nothing_else() -> None:
    found = why(full(source_range=[None] * 4))
    fresh = {name for name, reason in found.items() if reason == "field"}
    users = {
        name
        for name, alert in SPEC.alerts.items()
        for _, signal in signals_of(alert)
        if "source_range" in (SPEC.signals[signal].by, SPEC.signals[signal].field)
    }
    assert fresh == users and "LLMPasswordGuessing" in fresh


def test_a_field_that_the_mapping_does_not_name_is_the_gateways_lack() -> None:
    found = full(source_range=None)
    assert why(found)["LLMPasswordGuessing"] == "field"
    found.mapped -= {"source_range"}
    assert why(found)["LLMPasswordGuessing"] == "gateway"


def test_one_record_with_the_field_is_enough() -> None:
    assert "LLMPasswordGuessing" not in why(full(source_range=["192.0.2.0/24", None, None, None]))


def test_a_log_shorter_than_a_baseline_cannot_fire_it() -> None:
    rule = next(rule for rule in RULES if rule.name == "LLMTokensAboveBaseline")
    least = rule.hold + rule.criterion.least_span
    assert least > 86_000
    assert why(full(), least - 1)["LLMTokensAboveBaseline"] == "too_short"
    assert "LLMTokensAboveBaseline" not in why(full(), least)


def test_a_hold_longer_than_the_log_cannot_pass() -> None:
    held = next(rule for rule in RULES if rule.name == "LLMProviderFailing")
    assert held.hold > 0
    assert why(full(), held.hold - 1)["LLMProviderFailing"] == "too_short"
    assert "LLMProviderFailing" not in why(full(), held.hold)


def test_content_that_was_not_scanned_is_no_missing_field() -> None:
    found = full()
    found.scanned = False
    for name in ("prompt", "answer"):
        found.fields.known[name] = 0
    assert why(found)["LLMJailbreakRepeated"] == "not_scanned"
    found.scanned = True
    assert why(found)["LLMJailbreakRepeated"] == "field"


def test_nothing_read_leaves_only_the_alert_on_rejects() -> None:
    found = Coverage("g", frozenset(BY_COLUMN))
    assert len(why(found)) == len(SPEC.alerts)
    found.reject("not_json", 5)
    assert set(SPEC.alerts) - set(why(found)) == {"TocsinRejectingRecords"}


@pytest.mark.parametrize("words", [frozenset(("none", "pass")), frozenset(("none", "block"))])
def test_a_word_that_a_mapping_never_writes_blinds_what_selects_it(words: frozenset[str]) -> None:
    found = full()
    found.words = {"verdict": words}
    assert ("LLMGuardrailBlocksRepeated" in why(found)) == ("block" not in words)
