"""What the matrix of versions compares can fail: each kind of damage to good records is noticed, and by its own row."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import yaml

from tests.support.litellm_versions import VERSIONS
from tests.versions import known
from tests.versions.cases import CASES, Case
from tests.versions.crowd import HOOK, NO_POSTS, POSTS, Seen
from tests.versions.features import FEATURES
from tests.versions.loading import LOADS
from tests.versions.provider import ANSWER


def _rows(case: Case, number: int) -> list[dict[str, Any]]:
    """What a perfect gateway and a perfect exporter would make of a case."""
    texts = [("user", f"case={case.name} hello")] + ([("output", ANSWER)] if case.answered else [])
    common = {
        "call_id": number,
        "actor": case.actor,
        "texts": texts,
        "tool_calls": [case.tool] if case.tool else [],
        "source_range": "127.0.0.0/24",
    }
    wanted = [(one.outcome, one.error, one.verdict or "none") for one in case.attempts] or [("success", "none", "none")]
    return [
        common | {"event_id": number * 10 + place, "outcome": outcome, "error_class": error, "verdict": verdict}
        for place, (outcome, error, verdict) in enumerate(wanted)
    ]


def _perfect() -> Seen:
    attempts = {case.name: _rows(case, number) for number, case in enumerate(CASES)}
    return Seen(
        VERSIONS[-1],
        statuses={case.name: 200 for case in CASES},
        attempts={HOOK: attempts, POSTS: copy.deepcopy(attempts)},
        damaged={HOOK: [], POSTS: []},
        fields_dropped={HOOK: {}, POSTS: {}},
        loaded=dict.fromkeys(LOADS, ""),
    )


def _wrong(seen: Seen, way: str = HOOK) -> set[str]:
    return {feature.name for feature in FEATURES if way in feature.ways and feature.question(seen, way)}


def test_nothing_is_wrong_where_all_is_right() -> None:
    assert _wrong(_perfect()) == set() == _wrong(_perfect(), POSTS)


@pytest.mark.parametrize(
    ("case", "change", "features"),
    [
        ("chat-3", {"actor": "key:" + "ab" * 32}, {"chat"}),
        ("wrong-key-1", {"actor": "key:" + "ab" * 32}, {"wrong-key"}),
        ("stranger-1", {"error_class": "other"}, {"wrong-key-no-database"}),
        ("chat-3", {"outcome": "failure"}, {"chat"}),
        ("chat-3", {"texts": [("output", ANSWER)]}, {"chat"}),
        ("chat-3", {"texts": [("user", "case=chat-3 hello")]}, {"chat"}),
        ("chat-3", {"texts": [("user", "case=chat-30 hello"), ("output", ANSWER)]}, {"chat"}),
        ("tools-1", {"tool_calls": []}, {"tools"}),
        ("fallback-1", {"call_id": 999_999}, {"fallback"}),
        ("guard-pre-value", {"verdict": "error"}, {"guard-pre-value"}),
        ("guard-pre-value", {"error_class": "other"}, {"guard-pre-value"}),
        ("chat-3", {"source_range": None}, {"address"}),
        ("no-key-0", {"source_range": None}, {"address-refused"}),
    ],
)
def test_a_record_that_says_another_thing_is_wrong(case: str, change: dict[str, Any], features: set[str]) -> None:
    seen = _perfect()
    seen.attempts[HOOK][case][0] |= change
    assert _wrong(seen) == features
    assert _wrong(seen, POSTS) == set()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_record_that_is_missing_is_noticed_for_every_case(case: Case) -> None:
    seen = _perfect()
    del seen.attempts[HOOK][case.name][0]
    assert case.group in _wrong(seen)


def test_an_attempt_too_many_is_wrong_and_the_same_one_twice_is_not() -> None:
    seen = _perfect()
    seen.attempts[HOOK]["chat-1"] *= 2
    assert _wrong(seen) == set()
    seen.attempts[HOOK]["chat-1"].append(seen.attempts[HOOK]["chat-1"][0] | {"event_id": -1})
    assert _wrong(seen) == {"chat"}


def test_what_belongs_to_nobody_is_not_read_or_is_not_answered_is_wrong() -> None:
    seen = _perfect()
    seen.attempts[HOOK][""] = [seen.attempts[HOOK]["chat-1"][0]]
    seen.fields_dropped[HOOK] = {"response.text": 4}
    seen.statuses["chat-1"] = 0
    seen.loaded[LOADS[0]] = "ImportError"
    assert _wrong(seen) == {"nobody", "damage", "answered", f"load-{LOADS[0]}"}


@pytest.mark.parametrize("version", VERSIONS)
def test_the_table_of_what_is_known_has_one_entry_for_each(version: str) -> None:
    for name, way in known.expected(version):
        assert name in {feature.name for feature in FEATURES}
        assert way == HOOK or version not in NO_POSTS


@pytest.mark.parametrize(
    "changed", [{"features": ["chats"]}, {"versions": ["1.0.0"]}, {"kind": "odd"}, {"blind": ["LLMNothing"]}]
)
def test_a_name_that_does_not_exist_is_refused(
    changed: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    entry = {"features": ["chat"], "kind": "wrong", "why": "It is."} | changed
    file = tmp_path_factory.mktemp("known") / "known.yaml"
    file.write_text(yaml.safe_dump([entry]))
    monkeypatch.setattr(known, "_FILE", file)
    with pytest.raises(ValueError, match="not one of"):
        known.load()


def test_two_entries_for_the_same_are_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.mktemp("known") / "known.yaml"
    file.write_text(yaml.safe_dump([{"features": ["chat"], "kind": "wrong", "why": "It is."}] * 2))
    monkeypatch.setattr(known, "_FILE", file)
    with pytest.raises(ValueError, match="two entries"):
        known.expected(VERSIONS[0])


def test_every_feature_has_a_name_of_its_own() -> None:
    assert len({feature.name for feature in FEATURES}) == len(FEATURES)
    assert all(feature.title for feature in FEATURES)
