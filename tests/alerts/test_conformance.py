"""One meaning of every technique: the evaluator and the rules of Prometheus agree on random courses."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from alerts import AlertInstance, AlertRule, Evaluator
from alerts.techniques import TECHNIQUES
from alerts.techniques.absence.criterion import AbsenceCriterion
from exporters.metric_table import Table
from generators.prometheus import baseline_tests, promtool_tests
from spec import Spec
from tests.generators.programs import RealServer, only_rules, only_tests, rules_of, run
from tests.support.conformance import LENGTH, TICK, Courses, Identity, courses, spec_of_examples, tried_in

Firing = dict[str, list[set[Identity]]]
"""The labels of the members that fire at each tick, by alert."""


def evaluated(rules: list[AlertRule], found: Courses) -> Firing:
    evaluator, firing = Evaluator(rules), set[tuple[str, Identity]]()
    out: Firing = {rule.name: [] for rule in rules}
    for place in range(LENGTH):
        for fired in evaluator.step(TICK * place, tables(found, place)):
            _change(firing, fired)
        for name, ticks in out.items():
            ticks.append({member for alert, member in firing if alert == name})
    return out


def _change(firing: set[tuple[str, Identity]], fired: AlertInstance) -> None:
    member = (fired.rule.name, tuple(sorted(fired.labels.items())))
    if fired.resolved_at is None:
        firing.add(member)
    else:
        firing.remove(member)


def tables(found: Courses, place: int) -> list[Table]:
    """What a scrape sees at a tick."""
    rows: dict[tuple[str, tuple[str, ...]], dict[tuple[str, ...], float]] = {}
    for (metric, identity), course in found.items():
        value = course[place]
        if value is not None:
            labels, words = zip(*identity, strict=True)
            rows.setdefault((metric, labels), {})[words] = value
    return [
        Table(metric, "gauge", "", labels, list(values), np.array(list(values.values())))
        for (metric, labels), values in rows.items()
    ]


def half_open(text: str) -> str:
    """Ranges as they are from Prometheus 3 on: without their oldest instant."""

    def shorter(match: re.Match[str]) -> str:
        seconds = int(match[1] or 0) * 3600 + int(match[2] or 0) * 60 + int(match[3] or 0) - 1
        return f"[{seconds // 60}m{seconds % 60}s]"

    return re.sub(r"\[(?=\d)(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?\]", shorter, text)


def shortened(rule: AlertRule) -> AlertRule:
    """The windows of increases by a second, as `half_open` makes them; they are part of the estimate."""
    criterion = rule.criterion
    if not isinstance(criterion, AbsenceCriterion) or criterion.activity is None:
        return rule
    activity = replace(criterion.activity, window=criterion.activity.window - 1)
    return replace(rule, criterion=replace(criterion, activity=activity))


def rules_without_texts(spec: Spec, names: list[str]) -> dict[str, Any]:
    rules = only_rules(rules_of(spec), *names)
    for group in rules["groups"]:
        for rule in group["rules"]:
            rule.pop("annotations", None)
            if "alert" in rule:
                rule["labels"] = {}
    return rules


@pytest.mark.stack
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("technique", TECHNIQUES)
def test_promtool_fires_at_the_same_ticks(real_server: RealServer, tmp_path: Path, technique: str, seed: int) -> None:
    spec = spec_of_examples(tmp_path, technique)
    tried = tried_in(spec)
    found = courses(tried, random.Random(f"{technique} {seed}"))
    expected = evaluated([shortened(rule) for rule in tried], found)
    assert any(any(ticks) and not all(ticks) for ticks in expected.values()), "nothing to tell apart"
    rules = rules_without_texts(spec, [rule.name for rule in tried])
    (tmp_path / "rules.yaml").write_text(half_open(yaml.safe_dump(rules, width=10_000)), encoding="utf-8")
    (tmp_path / "tests.yaml").write_text(yaml.safe_dump(_unit_test(rules, found, expected)), encoding="utf-8")
    content, said = run(real_server, "promtool", "test", "rules", "tests.yaml", cwd=tmp_path)
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


def _unit_test(rules: Mapping[str, Any], found: Courses, expected: Firing) -> dict[str, Any]:
    series = []
    for (metric, identity), course in found.items():
        labels = ",".join(f'{label}="{word}"' for label, word in (*identity, ("instance", "x")))
        series.append({"series": f"{metric}{{{labels}}}", "values": " ".join(_words(course))})
    checks = [
        {
            "eval_time": f"{place}m",
            "alertname": alert,
            "exp_alerts": [{"exp_labels": dict(member)} for member in sorted(members)],
        }
        for alert, ticks in expected.items()
        for place, members in enumerate(ticks)
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
