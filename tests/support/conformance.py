"""Every technique by its own examples, on random courses of what they read."""

from __future__ import annotations

import os
import random
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import yaml

from alerts import AlertInstance, AlertRule, Evaluator, compile_alerts
from alerts.rule import Reading
from alerts.techniques import TECHNIQUES
from exporters.metric_table import Table
from spec import Spec, load_spec
from tests.generators.programs import only_rules, rules_of

EXAMPLES: Final = int(os.environ.get("TOCSIN_CONFORMANCE", "3"))
"""How many random courses are tried of each technique; `make long` tries more."""
TICK: Final = 60.0
LENGTH: Final = 90
"""Ticks of a course."""
PREFIX: Final = "LLMTried"
Identity = tuple[tuple[str, str], ...]
Values = list[float | None]
Courses = Mapping[tuple[str, Identity], Values]
"""For each metric and labels, a value at each tick; None: the series is not there."""

Firing = list[set[tuple[str, Identity]]]
"""The alert and the labels of all members that fire, at each step."""

_READ: Final = {"category": "security", "layer": "control", "anomaly": "system", "help": "Something read."}
_OVERLAY: Final[dict[str, Any]] = {
    "settings": {"scrape_interval": "1m", "evaluation_interval": "1m", "baseline_step": "1m"},
    "health": {"beat_by_source": {"type": "gauge", "labels": ["source"], "help": "h"}},
    "external": {"gateway_requests_total": {"help": "h", "exporter": "gateway", "labels": ["route"]}},
    "signals": {
        "attempts_by_model": {"window": "2m"},
        "slow_attempts": {"window": "2m"},
        "newest_event": _READ
        | {"stream": "health", "measure": "gauge", "metric": "tocsin_newest_event_timestamp_seconds"},
        "newest_event_by_source": {"metric": "beat_by_source"},  # so that these do not make the one above fresh
        "gateway_requests": _READ | {"stream": "external", "measure": "counter", "metric": "gateway_requests_total"},
    },
}
_ALERT: Final[dict[str, Any]] = {
    "severity": "high", "owner": "security", "incident": "telemetry_loss", "summary": "x", "meaning": "x",
    "impact": "x", "why": "x", "triage": ["x"],
}  # fmt: skip


def names_of(technique: str) -> Iterator[str]:
    """The names of the alerts on the examples of a technique."""
    for place in range(len(TECHNIQUES[technique].examples)):
        yield f"{PREFIX}{technique.capitalize()}{place}"


def spec_of_examples(folder: Path, *techniques: str, settings: Mapping[str, Any] | None = None) -> Spec:
    """The shipped spec with an alert on each example of some techniques."""
    tried = {
        name: _ALERT | dict(example)
        for technique in techniques
        for name, example in zip(names_of(technique), TECHNIQUES[technique].examples, strict=True)
    }
    path = folder / "own.yaml"
    overlay = _OVERLAY | {"alerts": tried, "settings": _OVERLAY["settings"] | dict(settings or {})}
    path.write_text(yaml.safe_dump(overlay), encoding="utf-8")
    return load_spec(path)


def tried_in(spec: Spec) -> list[AlertRule]:
    """The alerts on examples."""
    return [rule for rule in compile_alerts(spec) if rule.name.startswith(PREFIX)]


def courses(rules: Sequence[AlertRule], chance: random.Random, length: int = LENGTH, tick: float = TICK) -> Courses:
    """A random course of everything that the rules read: stretches of the same value, some of them missing."""
    readings: dict[tuple[str, Identity], list[Reading]] = {}
    for rule in rules:
        for reading in rule.criterion.readings:
            for identity in _members(reading):
                readings.setdefault((reading.series.metric, identity), []).append(reading)
    return {series: _course(found, chance, length, tick) for series, found in sorted(readings.items())}


def _members(reading: Reading) -> Iterator[Identity]:
    fixed = dict(reading.series.matchers)
    for word in "abc" if set(reading.series.labels) - set(fixed) else "a":
        labels = dict.fromkeys(reading.series.labels, word) | fixed
        yield tuple(sorted(labels.items())) or (("part", word),)


def _course(readings: Sequence[Reading], chance: random.Random, length: int, tick: float) -> Values:
    kind = readings[0].kind
    assert all(reading.kind == kind for reading in readings), "one metric is read in two ways"
    if kind == "clock":
        return _beat(_stretches([1.0, 0.0, 0.0, None], 20, chance, length), tick)
    if kind == "counter":
        each = max(reading.around * tick / reading.window for reading in readings)
        return _counter(_stretches([0.0, 0.6 * each, 1.3 * each, 2.0 * each, None], 15, chance, length))
    around = [reading.around for reading in readings]
    values = sorted({times * value for value in around for times in (0.0, 0.5, 1.0, 1.5, 4.0)})
    return _stretches([*values, None], 14, chance, length)


def _stretches(values: Sequence[float | None], longest: int, chance: random.Random, length: int) -> Values:
    out: Values = []
    while len(out) < length:
        out += [chance.choice(values)] * chance.randint(1, longest)
    return out[:length]


def _beat(course: Values, tick: float) -> Values:
    """The time, while it is 1; the last one, while it is 0."""
    seen, beat = 0.0, Values()
    for place, alive in enumerate(course):
        seen = tick * place if alive else seen
        beat.append(None if alive is None else seen)
    return beat


def _counter(course: Values) -> Values:
    """Grows by so much each tick; after it was away it begins anew."""
    total, counter = 0.0, Values()
    for grows in course:
        total = total + grows if grows is not None else 0.0
        counter.append(None if grows is None else total)
    return counter


def evaluated(rules: Sequence[AlertRule], steps: Iterable[tuple[float, list[Table]]]) -> Firing:
    """Who fires at each step, by the evaluator. A step is a time and what the last scrape before it saw."""
    evaluator, firing, out = Evaluator(rules), set[tuple[str, Identity]](), Firing()
    for t, seen in steps:
        for instance in evaluator.step(t, seen):
            _change(firing, instance)
        out.append(set(firing))
    return out


def _change(firing: set[tuple[str, Identity]], instance: AlertInstance) -> None:
    member = (instance.rule.name, tuple(sorted(instance.labels.items())))
    if instance.resolved_at is None:
        firing.add(member)
    else:
        firing.remove(member)


def tables(samples: Iterable[tuple[tuple[str, Identity], float | None]]) -> list[Table]:
    """What a scrape sees, from each series with its value."""
    rows: dict[tuple[str, tuple[str, ...]], dict[tuple[str, ...], float]] = {}
    for (metric, identity), value in samples:
        if value is not None:
            labels, words = zip(*identity, strict=True)
            rows.setdefault((metric, labels), {})[words] = value
    return [
        Table(metric, "gauge", "", labels, list(values), np.array(list(values.values())))
        for (metric, labels), values in rows.items()
    ]


def rules_without_texts(spec: Spec, names: Sequence[str]) -> dict[str, Any]:
    """The rules of some alerts and the recording rules that they need, with the labels of their series only."""
    groups = only_rules(rules_of(spec), *names)["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    recorded = {rule["record"]: rule["expr"] for rule in rules if "record" in rule}
    open_ = [rule["expr"] for rule in rules if "alert" in rule]
    needed: set[str] = set()
    while open_:
        words = set(re.findall(r"[\w:]+", open_.pop())) & (recorded.keys() - needed)
        needed |= words
        open_ += [recorded[word] for word in words]
    for group in groups:
        group["rules"] = [
            {key: value for key, value in rule.items() if key not in ("annotations", "labels")}
            for rule in group["rules"]
            if rule.get("record", "") in needed or "alert" in rule
        ]
    return {"groups": [group for group in groups if group["rules"]]}


def half_open(text: str) -> str:
    """Ranges as they are from Prometheus 3 on: without their oldest instant. The parameter is a rule file."""

    def shorter(match: re.Match[str]) -> str:
        hours, minutes, seconds, thousandths = (int(part or 0) for part in match.groups())
        return f"[{(hours * 3600 + minutes * 60 + seconds) * 1000 + thousandths - 1}ms]"

    return re.sub(r"\[(?=\d)(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+)s)?(?:(\d+)ms)?\]", shorter, text)
