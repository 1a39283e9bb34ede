"""One meaning of every technique: the evaluator and the rules of Prometheus agree on random courses.

Here Prometheus is promtool, which runs the real engine in simulated time, so that each step can be compared. In
tests/stack/test_techniques_in_prometheus.py it is a server that scrapes.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from alerts import AlertRule
from alerts.techniques import TECHNIQUES
from alerts.techniques.absence.criterion import AbsenceCriterion
from generators.prometheus import baseline_tests, promtool_tests
from tests.generators.programs import RealServer, only_rules, only_tests, rules_of, run
from tests.support.conformance import (
    EXAMPLES,
    LENGTH,
    TICK,
    Courses,
    Firing,
    courses,
    evaluated,
    half_open,
    rules_without_texts,
    spec_of_examples,
    tables,
    tried_in,
)


def shortened(rule: AlertRule) -> AlertRule:
    """The windows of increases by a moment, as `half_open` makes them; they are part of the estimate."""
    criterion = rule.criterion
    if not isinstance(criterion, AbsenceCriterion) or criterion.activity is None:
        return rule
    activity = replace(criterion.activity, window=criterion.activity.window - 0.001)
    return replace(rule, criterion=replace(criterion, activity=activity))


@pytest.mark.stack
@pytest.mark.parametrize("technique", TECHNIQUES)
@settings(
    max_examples=EXAMPLES, derandomize=True, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(chance=st.randoms(use_true_random=False))
def test_promtool_fires_at_the_same_ticks(real_server: RealServer, technique: str, chance: random.Random) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        spec = spec_of_examples(folder, technique)
        tried = tried_in(spec)
        found = courses(tried, chance)
        expected = evaluated([shortened(rule) for rule in tried], _steps(found))
        assume(any(expected) and expected[-1] != expected[LENGTH // 2])  # something to tell apart
        rules = rules_without_texts(spec, [rule.name for rule in tried])
        (folder / "rules.yaml").write_text(half_open(yaml.safe_dump(rules, width=10_000)), encoding="utf-8")
        (folder / "tests.yaml").write_text(yaml.safe_dump(_unit_test(rules, found, tried, expected)), encoding="utf-8")
        content, said = run(real_server, "promtool", "test", "rules", "tests.yaml", cwd=folder)
        assert content, said[:3000]


@pytest.mark.stack
@pytest.mark.parametrize("technique", TECHNIQUES)
def test_promtool_agrees_with_the_cases_of_a_technique(real_server: RealServer, tmp_path: Path, technique: str) -> None:
    """The cases as they are generated, with every text of the page."""
    often = {"scrape_interval": "15s", "evaluation_interval": "15s"}
    spec = spec_of_examples(tmp_path, technique, settings=often)
    names = [rule.name for rule in tried_in(spec)]
    (tmp_path / "tocsin.rules.yaml").write_text(yaml.safe_dump(only_rules(rules_of(spec), *names)), encoding="utf-8")
    count = 0
    for generator in (promtool_tests, baseline_tests):
        tests = only_tests(yaml.safe_load(generator.generate(spec)[generator.PATH]), *names)
        count += len(tests["tests"])
        (tmp_path / "tests.yaml").write_text(yaml.safe_dump(tests, allow_unicode=True), encoding="utf-8")
        content, said = run(real_server, "promtool", "test", "rules", "tests.yaml", cwd=tmp_path)
        assert content, said[:3000]
    assert count >= len(names), "an example has no case"


def _steps(found: Courses) -> list[tuple[float, list[Any]]]:
    return [
        (TICK * place, tables((series, course[place]) for series, course in found.items())) for place in range(LENGTH)
    ]


def _unit_test(
    rules: Mapping[str, Any], found: Courses, tried: Sequence[AlertRule], expected: Firing
) -> dict[str, Any]:
    series = []
    for (metric, identity), course in found.items():
        labels = ",".join(f'{label}="{word}"' for label, word in (*identity, ("instance", "x")))
        series.append({"series": f"{metric}{{{labels}}}", "values": " ".join(_words(course))})
    checks = [
        {
            "eval_time": f"{place}m",
            "alertname": rule.name,
            "exp_alerts": [{"exp_labels": dict(member)} for alert, member in sorted(firing) if alert == rule.name],
        }
        for rule in tried
        for place, firing in enumerate(expected)
    ]
    return {
        "rule_files": ["rules.yaml"],
        "evaluation_interval": "1m",
        "group_eval_order": [group["name"] for group in rules["groups"]],
        "tests": [{"interval": "1m", "input_series": series, "alert_rule_test": checks}],
    }


def _words(course: list[float | None]) -> list[str]:
    before: float | None = None
    out = []
    for value in course:
        missing = "_" if before is None else "stale"
        out.append(missing if value is None else repr(value))
        before = value
    return out
