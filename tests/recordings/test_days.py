"""The days with attacks inside: each attack pages once with its true counts, and nobody else pages."""

from __future__ import annotations

import json
import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from exercises import recording
from exporters.metric_table import Table
from replay.log_options import LogOptions
from replay.run import replay, replay_engine
from spec import load_spec
from spec.names import answered_metric, signal_metric
from tests.recordings.days import _QUOTE, DAYS
from tests.recordings.plan import question

FOUND = recording.load(Path(__file__).parent)
SPEC = load_spec()
NAMES = sorted(FOUND.days)


class Most:
    """The greatest value of each signal that counts answered hits, by metric and account."""

    due = float("inf")

    def __init__(self) -> None:
        self.values: dict[tuple[str, str], float] = defaultdict(float)
        self._metrics = {signal_metric(name, one) for name, one in SPEC.signals.items() if one.answered} | {
            answered_metric(name) for name, one in SPEC.signals.items() if one.answered
        }

    def __call__(self, now: float, tables: Sequence[Table]) -> None:
        for table in tables:
            if table.name in self._metrics:
                for labels, value in table.samples():
                    key = table.name, labels.get("actor", "")
                    self.values[key] = max(self.values[key], value)


def records(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in recording.read(FOUND.days[name].path)]


@pytest.mark.parametrize("name", NAMES)
def test_each_attack_pages_once_with_its_true_counts_and_nobody_else_does(name: str) -> None:
    day, most = FOUND.days[name], Most()
    engine = replay_engine(SPEC, LogOptions(shared_keys=FOUND.shared_keys))
    found = replay(engine, [day.path], until_quiet=True, watcher=most)
    assert (found.events, found.rejected) == (day.attempts, 0)
    fired = Counter((one.rule.name, one.labels.get("actor", "")) for one in found.instances)
    assert {key: times for key, times in fired.items() if key[0] not in day.also} == {
        (page.alert, page.actor): 1 for page in day.pages
    }
    for page in day.pages:
        counted = most.values[f"llm_{page.signal}", page.actor], most.values[f"llm_{page.signal}_answered", page.actor]
        assert counted == (page.hits, page.answered)
    attackers = {page.actor for page in day.pages}
    assert {key: value for key, value in most.values.items() if key[1] not in attackers and value > 1} == {}


@pytest.mark.parametrize(("name", "who", "least"), [("long-chats", "u-helena", 8), ("agents", "u-farid", 20)])
def test_who_counts_each_turn_would_page_people_who_quote(name: str, who: str, least: int) -> None:
    """So the test above can fail: the quoted sentence is in that many of their attempts."""
    own = [one for one in records(name) if one["metadata"]["user_api_key_user_id"] == who]
    assert sum(_QUOTE in json.dumps(one["messages"]) for one in own) >= least


def test_a_failed_request_was_tried_four_times() -> None:
    failed = [one for one in records("long-chats") if one["error_information"]["error_code"] == "503"]
    assert len(failed) == 4
    assert len({json.dumps(one["messages"]) for one in failed}) == 1


def test_the_attacks_stay_in_the_history() -> None:
    xenia = [one for one in records("long-chats") if one["metadata"]["user_api_key_user_id"] == "u-xenia"]
    assert sum("alarm" in json.dumps(one["messages"]) for one in xenia) >= 8
    jonas = [one for one in records("agents") if one["metadata"]["user_api_key_user_id"] == "u-jonas"]
    assert sum("/dev/tcp/" in json.dumps(one["messages"]) for one in jonas) >= 10
    elif_ = [one for one in records("agents") if one["metadata"]["user_api_key_user_id"] == "u-elif"]
    assert sum("NOTE TO AI ASSISTANTS" in json.dumps(one["messages"]) for one in elif_) >= 12


@pytest.mark.parametrize("name", NAMES)
def test_the_index_tells_what_is_planned(name: str) -> None:
    day = FOUND.days[name]
    (planned,) = (one for one in DAYS if one.name == name)
    assert (day.pages, day.also) == (planned.pages, frozenset(planned.also))
    assert day.attempts == len(records(name))
    lines = list(recording.read(day.path))
    ends = [recording.end_time(line) for line in lines]
    assert ends == sorted(ends)
    assert FOUND.midnight <= ends[0] <= ends[-1] < FOUND.midnight + 86_400 + 120


@pytest.mark.parametrize("day", DAYS, ids=lambda day: day.name)
def test_the_provider_can_tell_the_calls_of_a_plan_apart(day: Any) -> None:
    """It answers by the last message; calls that ask the same at the same time must have the same answer."""
    for part in day.plan(random.Random(1)):
        answers = defaultdict(set)
        for call in part:
            answers[question(call.path, call.body)].add(
                (call.replies[0].status, call.replies[0].text, call.replies[0].tool_calls)
            )
        assert all(len(one) == 1 for one in answers.values())
