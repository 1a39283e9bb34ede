"""The example cases of every technique: the evaluator does what they say, and each has something to say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec.inspect
import pytest
import yaml

from alerts import compile_alerts
from alerts.cases import Case, Clock, Course, Stretch
from alerts.rule import AlertRule
from alerts.techniques import TECHNIQUES
from spec import Spec, load_spec
from tests.support.cases import evaluated

SHIPPED = load_spec()
EXAMPLES = [
    pytest.param(example, id=f"{name}-{place}")
    for name, technique in TECHNIQUES.items()
    for place, example in enumerate(technique.examples)
]


def clock_of(spec: Spec, rule: AlertRule) -> Clock:
    """As the generators choose it: alerts with steps of their own are tried at those."""
    interval = spec.settings.baseline_step if rule.criterion.steps else spec.settings.scrape_interval
    return Clock(float(interval), float(interval))


def cases_of(spec: Spec, rule: AlertRule) -> list[Case]:
    clock = clock_of(spec, rule)
    last = rule.criterion.latch(rule, clock)
    return [*rule.criterion.cases(rule, clock), *([last] if last is not None else [])]


def agree(spec: Spec, rule: AlertRule) -> None:
    for case in cases_of(spec, rule):
        for (time, expected), found in zip(case.checks, evaluated(case, clock_of(spec, rule)), strict=True):
            wanted = {tuple(sorted(member.labels.items())): member.compared for member in expected}
            assert found == pytest.approx(wanted), f"{case.name} at {time:g} s"


@pytest.mark.parametrize("rule", compile_alerts(SHIPPED), ids=lambda rule: f"{rule.name}-{rule.family}")
def test_a_shipped_alert_does_what_its_cases_say(rule: AlertRule) -> None:
    agree(SHIPPED, rule)


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_of_a_technique_does_what_its_cases_say(tmp_path: Path, example: dict[str, Any]) -> None:
    spec = spec_of(tmp_path, example)
    (rule,) = (rule for rule in compile_alerts(spec) if rule.name == "LLMTried")
    agree(spec, rule)
    checks = [bool(expected) for case in cases_of(spec, rule) for _, expected in case.checks]
    assert {True, False} == set(checks), "a technique has cases that fire and that do not"


@pytest.mark.parametrize("name", TECHNIQUES)
def test_a_technique_has_examples_of_itself(name: str) -> None:
    assert msgspec.inspect.type_info(TECHNIQUES[name].condition).tag == name  # type: ignore[attr-defined]
    assert [example["when"]["technique"] for example in TECHNIQUES[name].examples] == [name] * len(
        TECHNIQUES[name].examples
    )
    assert TECHNIQUES[name].examples


def test_a_course_is_its_values() -> None:
    course = Course((Stretch(2.0, 3, 1.5), Stretch(None, 2), Stretch(7.0)))
    assert list(course.values()) == [2.0, 3.5, 5.0, None, None, 7.0]
    assert list(Course.of([1.0, 1.0, None, 2.0]).values()) == [1.0, 1.0, None, 2.0]


def spec_of(folder: Path, example: dict[str, Any]) -> Spec:
    """The shipped spec with an alert on an example, and signals that examples read."""
    read = {"category": "security", "layer": "control", "anomaly": "system", "help": "Something read."}
    plain: dict[str, Any] = {
        "severity": "high", "owner": "security", "incident": "telemetry_loss", "summary": "x", "meaning": "x",
        "impact": "x", "why": "x", "triage": ["x"],
    }  # fmt: skip
    overlay = {
        "external": {"gateway_requests_total": {"help": "h", "exporter": "gateway", "labels": ["route"]}},
        "signals": {
            "newest_event": read | {"stream": "health", "measure": "gauge", "metric": NEWEST},
            "gateway_requests": read | {"stream": "external", "measure": "counter", "metric": "gateway_requests_total"},
        },
        "alerts": {"LLMTried": plain | example},
    }
    path = folder / "own.yaml"
    path.write_text(yaml.safe_dump(overlay), encoding="utf-8")
    return load_spec(path)


NEWEST = "tocsin_newest_event_timestamp_seconds"
