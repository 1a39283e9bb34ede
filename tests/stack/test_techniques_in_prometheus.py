"""Every technique in a real Prometheus: it scrapes random courses, records, evaluates, and fires for whom replay does.

Its own evaluations set the time: replay's evaluator takes a step at each of them, with the scrape that it saw. A rule
at the start of each group and one at its end record which scrape that was. So a slow machine, a late scrape or a missed
one changes both sides alike. Some samples are still taken at other times than the evaluation (`sampled_elsewhere`). So
who fires has to agree wherever the evaluator says the same for a scrape and an evaluation before and after.
"""

from __future__ import annotations

import random
import re
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from http import HTTPStatus
from itertools import product
from pathlib import Path
from typing import Final

import pytest
import yaml

from alerts import AlertRule
from alerts.rule import Criterion
from alerts.techniques import TECHNIQUES
from alerts.techniques.absence.criterion import AbsenceCriterion
from alerts.techniques.absence.evaluation import Activity
from alerts.techniques.baseline.criterion import BaselineCriterion
from exercises.loopback import Answer, LoopbackServer
from exercises.servers import Prometheus, scrape_config
from exporters.metric_table import Table
from tests.conftest import RealServer
from tests.support.conformance import (
    EXAMPLES,
    LENGTH,
    Courses,
    Identity,
    courses,
    evaluated,
    half_open,
    rules_without_texts,
    spec_of_examples,
    tables,
    tried_in,
)
from tests.support.waiting import wait_for

pytestmark = pytest.mark.stack

TICK: Final = 0.5
"""Seconds between two scrapes, and between two evaluations."""
SLACK: Final = 2
"""Steps: a scrape and an evaluation."""
NUMBER: Final = "tried_scrape"
SEEN: Final = ("tried:first_seen", "tried:last_seen")
"""Rules at the start and at the end of a group: the number of the last scrape, -1 where there is none."""
Series = tuple[str, Identity]


class Target(LoopbackServer):
    """Something to scrape: at each tick from the first scrape on, the values of several courses, and its own number."""

    def __init__(self, tried: Mapping[str, tuple[Courses, set[str]]]) -> None:
        super().__init__()
        self._tried = tried
        self._lock = threading.Lock()
        self._start: float | None = None
        self._at_start = 0.0
        self._scrapes = 0

    @property
    def place(self) -> int:
        """The tick; -1 before the first scrape."""
        return -1 if self._start is None else int((time.monotonic() - self._start) / TICK)

    def get(self, address: str, host: str) -> Answer:
        """The metrics of this tick."""
        with self._lock:
            if self._start is None:
                self._start, self._at_start = time.monotonic(), time.time()
            self._scrapes += 1
            number = f"{NUMBER} {self._scrapes}\n"
        text = "".join(f"{line}\n" for line in self._lines(min(self.place, LENGTH - 1)))
        return Answer(HTTPStatus.OK, "text/plain; version=0.0.4", number + text)

    def _lines(self, place: int) -> Iterable[str]:
        for suffix, (found, clocks) in self._tried.items():
            for (metric, identity), course in found.items():
                value = course[place]
                if value is not None:
                    labels = ",".join(f'{label}="{word}"' for label, word in identity if label != "job")
                    yield f"{metric}{suffix}{{{labels}}} {value + self._at_start * (metric in clocks)!r}"


class Tried:
    """One random course of everything that the techniques read, under names of its own."""

    def __init__(self, folder: Path, seed: int) -> None:
        folder.mkdir()
        self.suffix = f"_{seed}"
        scale = {"time_scale": 60 / TICK}
        spec = spec_of_examples(folder, *TECHNIQUES, settings=scale)
        self.rules: list[AlertRule] = tried_in(spec)
        self.found = courses(self.rules, random.Random(f"every technique {seed}"), tick=TICK)
        readings = [reading for rule in self.rules for reading in rule.criterion.readings]
        self.clocks = {reading.series.metric for reading in readings if reading.kind == "clock"}
        document = rules_without_texts(spec, [rule.name for rule in self.rules])
        self.groups: dict[str, str] = {}
        names = {metric for metric, _ in self.found} | {rule.name for rule in self.rules}
        for group in document["groups"]:
            names |= {rule["record"] for rule in group["rules"] if "record" in rule}
            self.groups |= {rule["alert"]: group["name"] for rule in group["rules"] if "alert" in rule}
            labels = {"course": self.suffix, "group": group["name"]}
            first, last = ({"record": name, "expr": f"{NUMBER} or vector(-1)", "labels": labels} for name in SEEN)
            group["rules"] = [first, *group["rules"], last]
        text = half_open(yaml.safe_dump(document, width=10_000))
        every = "|".join(map(re.escape, sorted(names, key=len, reverse=True)))
        self.file = folder / "rules.yaml"
        self.file.write_text(re.sub(rf"(?<![\w:])({every})(?![\w:])", rf"\g<1>{self.suffix}", text), encoding="utf-8")


class Stored:
    """What a Prometheus has stored by now; it goes on."""

    def __init__(self, prometheus: Prometheus) -> None:
        self._prometheus = prometheus
        self._now = time.time()

    def samples(self, selector: str) -> list[tuple[dict[str, str], dict[float, float]]]:
        """The labels of each series, and its values by time."""
        answer = self._prometheus.get("/api/v1/query", query=f"{selector}[1h]", time=f"{self._now:.3f}")
        return [
            (series["metric"], {t: float(value) for t, value in series["values"]})
            for series in answer["data"]["result"]
        ]

    def seen(self, tried: Tried, group: str, rule: str) -> dict[float, float]:
        """The number of the scrape that each evaluation of a group saw, by time."""
        found: dict[float, float] = {}
        for _, values in self.samples(f'{rule}{{course="{tried.suffix}",group="{group}"}}'):
            found |= values
        return dict(sorted(found.items()))

    def firing(self, tried: Tried, alert: str, evaluations: Sequence[float]) -> list[set[Identity]]:
        """For whom an alert fires at each evaluation of its group."""
        out = [set[Identity]() for _ in evaluations]
        for labels, values in self.samples(f'ALERTS{{alertstate="firing",alertname="{alert}{tried.suffix}"}}'):
            member = without(labels, "alertname", "alertstate")
            for place, t in enumerate(evaluations):
                if t in values:
                    out[place].add(member)
        return out

    def steps(self, tried: Tried, seen: Mapping[float, float]) -> list[tuple[float, list[Table]]]:
        """Evaluations by time with the number of the scrape that they saw: with what that had stored."""
        ((_, numbers),) = self.samples(NUMBER)
        stored: dict[float, list[tuple[Series, float]]] = {t: [] for t in numbers}
        for metric in {metric for metric, _ in tried.found}:
            with_job = any("job" in dict(identity) for name, identity in tried.found if name == metric)
            for labels, values in self.samples(metric + tried.suffix):
                series = metric, without(labels, "instance", *(() if with_job else ("job",)))
                for t in values.keys() & stored.keys():
                    stored[t].append((series, values[t]))
        by_number = {number: tables(stored[t]) for t, number in numbers.items()} | {-1.0: []}
        return [(t, by_number[number]) for t, number in seen.items()]


def without(labels: Mapping[str, str], *names: str) -> Identity:
    return tuple(sorted((label, word) for label, word in labels.items() if label not in ("__name__", *names)))


def sampled_elsewhere(rules: Sequence[AlertRule]) -> Iterator[list[AlertRule]]:
    """The rules as they may be where Prometheus takes its samples at other times than the evaluation's.

    Those of a baseline's history are of another group: the oldest and the newest may be a step away. Those of an
    increase are scrapes: it may be one step more or less at each end of its window.
    """
    for later, more in product((0, -1, 1), repeat=2):
        yield [replace(rule, criterion=_moved(rule.criterion, later, more)) for rule in rules]


def _moved(criterion: Criterion, later: int, more: int) -> Criterion:
    match criterion:
        case BaselineCriterion(history=history):
            exclude, enough = history.exclude - later * history.step, history.enough + more
            return replace(criterion, history=replace(history, exclude=exclude, enough=enough))
        case AbsenceCriterion(activity=Activity() as activity):
            least = activity.least * (1 + 2 * more * TICK / activity.window)
            return replace(criterion, activity=replace(activity, least=least))
        case _:
            return criterion


def compared(expected: Sequence[set[bool]], real: Sequence[bool]) -> Iterator[tuple[int, bool, bool]]:
    """The place of each evaluation at which it is certain whether somebody fires; whether, and whether they do."""
    for place in range(SLACK, len(real) - SLACK):
        around = set[bool]().union(*expected[place - SLACK : place + SLACK + 1])
        if len(around) == 1:
            yield place, around.pop(), real[place]


def outcomes(stored: Stored, tried: Tried) -> Iterator[tuple[str, Identity, int, bool, bool]]:
    """For each alert and each member what `compared` gives."""
    for group in sorted(set(tried.groups.values())):
        yield from _outcomes(stored, tried, group)


def _outcomes(stored: Stored, tried: Tried, group: str) -> Iterator[tuple[str, Identity, int, bool, bool]]:
    first, last = (stored.seen(tried, group, rule) for rule in SEEN)
    evaluations = sorted(first.keys() & last.keys())
    ways = [{t: seen[t] for t in evaluations} for seen in (first, last)]
    if ways[0] == ways[1]:  # no scrape came while the group was evaluated
        ways.pop()
    steps = [stored.steps(tried, seen) for seen in ways]
    expected = [evaluated(rules, way) for way in steps for rules in sampled_elsewhere(tried.rules)]
    for alert in (name for name, own in tried.groups.items() if own == group):
        real = stored.firing(tried, alert, evaluations)
        members = {member for steps in expected for firing in steps for name, member in firing if name == alert}
        for member in members.union(*real):
            ours = [{(alert, member) in firing for firing in at} for at in zip(*expected, strict=True)]
            for place, fires, does in compared(ours, [member in firing for firing in real]):
                yield alert, member, place, fires, does


def test_a_real_prometheus_fires_for_the_same_members_at_the_same_time(tmp_path: Path, real_server: RealServer) -> None:
    real_server("prometheus")
    every = [Tried(tmp_path / f"course-{seed}", seed) for seed in range(EXAMPLES)]
    certain, wrong = Counter[tuple[str, bool]](), list[str]()
    with Target({tried.suffix: (tried.found, tried.clocks) for tried in every}) as target:
        config = scrape_config(targets=[target.url], rules=[tried.file for tried in every], interval=TICK)
        with Prometheus(tmp_path / "prometheus", config) as prometheus:
            wait_for(lambda: target.place >= LENGTH, "the course does not end", progress=lambda: target.place)
            stored = Stored(prometheus)
            for tried in every:
                for alert, member, place, fires, does in outcomes(stored, tried):
                    certain[alert, fires] += 1
                    if fires != does:
                        wrong.append(f"{alert}{tried.suffix} of {dict(member)} at {place}: expected {fires}")
    assert not wrong, "\n".join(wrong[:50])
    for rule in every[0].rules:
        assert certain[rule.name, True] > LENGTH / 10 < certain[rule.name, False], f"{rule.name}: {certain}"
