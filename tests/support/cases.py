"""Example cases of alerts in the evaluator."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import zip_longest

import numpy as np

from alerts import AlertInstance, Evaluator
from alerts.cases import Case, Clock, Feed
from exporters.metric_table import Table

Firing = dict[tuple[tuple[str, str], ...], float]
"""The labels of each member that fires, and its worst value."""


def tables(samples: Iterable[tuple[Feed, float]]) -> list[Table]:
    """What a scrape sees: of each metric a table with every label that any of its series has."""
    by_metric: dict[str, list[tuple[Mapping[str, str], float]]] = {}
    for feed, value in samples:
        identity = {"job": "tocsin", "instance": feed.instance, **feed.labels, **dict(feed.series.matchers)}
        by_metric.setdefault(feed.series.metric, []).append((identity, value))
    found = []
    for metric, rows in by_metric.items():
        labels = tuple(sorted({label for identity, _ in rows for label in identity}))
        keys = [tuple(identity.get(label, "") for label in labels) for identity, _ in rows]
        found.append(Table(metric, "gauge", "", labels, keys, np.array([value for _, value in rows])))
    return found


def evaluated(case: Case, clock: Clock) -> list[Firing]:
    """Who fires at the time of each check of a case, in which every scrape is evaluated at once."""
    evaluator, firing = Evaluator([case.rule]), dict[tuple[tuple[str, str], ...], AlertInstance]()
    wanted = [int(time // clock.evaluation) for time, _ in case.checks]
    found: dict[int, Firing] = {}
    courses = zip_longest(*(feed.course.values() for feed in case.feeds))
    ticks = [[(feed, value) for feed, value in zip(case.feeds, at, strict=True) if value is not None] for at in courses]
    for place in range(max(wanted) + 1):
        seen = tables(ticks[place] if place < len(ticks) else ())
        for fired in evaluator.step(place * clock.scrape, seen):
            member = tuple(sorted(fired.labels.items()))
            if fired.resolved_at is None:
                firing[member] = fired
            else:
                del firing[member]
        found[place] = {member: fired.value for member, fired in firing.items()}
    return [found[place] for place in wanted]
