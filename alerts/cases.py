"""Example courses of what an alert reads, with who has to fire when.

A course is one sample at each tick from time 0 on. A backend turns a case into a test of its own; the evaluator can be
run over it as it is. The oldest instant of a range, which belongs to it in some backends only, is kept clear of.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil, floor
from typing import Final

from alerts.expression import Series
from alerts.rule import AlertRule

INSTANCES: Final = ("tocsin-0:9464", "tocsin-1:9464")
LONG: Final = 600.0
"""Seconds; the end of a look-back that is longer is a case of its own (`Criterion.latch`)."""
_WORDS: Final = {"trusted": "false"}
"""Labels that have but a few words."""


@dataclass(frozen=True, slots=True)
class Clock:
    """The steps of a case, in seconds: a sample each `scrape`, an evaluation each `evaluation`, both from 0."""

    scrape: float
    evaluation: float

    @property
    def slack(self) -> float:
        """After this long, what was scraped has been evaluated."""
        return self.scrape + self.evaluation


@dataclass(frozen=True, slots=True)
class Stretch:
    """`count` samples: the first is `value`, each further one `slope` more. Without a value the series is not there."""

    value: float | None
    count: int = 1
    slope: float = 0.0


@dataclass(frozen=True, slots=True)
class Course:
    """A series over time; after its stretches it is gone."""

    stretches: tuple[Stretch, ...]
    marked: bool = True
    """Whether its end is marked, as that of a target that is gone; else it just has no more samples."""

    @staticmethod
    def of(values: Iterable[float | None]) -> Course:
        """The course of these values."""
        return Course(tuple(Stretch(value, len(list(same))) for value, same in itertools.groupby(values)))

    def values(self) -> Iterator[float | None]:
        """The value at each tick."""
        for stretch in self.stretches:
            for place in range(stretch.count):
                yield None if stretch.value is None else stretch.value + place * stretch.slope


@dataclass(frozen=True, slots=True)
class Feed:
    """A series of one instance."""

    series: Series
    labels: Mapping[str, str]
    instance: str
    course: Course


@dataclass(frozen=True, slots=True)
class Member:
    """A member for which the alert fires: its labels, what is compared, and what pages say of it."""

    labels: Mapping[str, str]
    compared: float
    answered: float | None = None
    quantities: Mapping[str, float] = field(default_factory=dict)


Checks = Sequence[tuple[float, Sequence[Member]]]
"""Times, in seconds, and who fires then."""


@dataclass(frozen=True, slots=True)
class Case:
    """One example of an alert."""

    rule: AlertRule
    name: str
    feeds: Sequence[Feed]
    checks: Checks


def title(rule: AlertRule) -> str:
    """The name of an alert; of a storm, with what it stands for."""
    return rule.name if rule.name == rule.family else f"{rule.name} of {rule.family}"


def labels_of(rule: AlertRule, member: str) -> dict[str, str]:
    """The labels of a made-up member, with what would spoil a query or an address in its names."""
    fixed = dict(rule.series.matchers)
    words = {label: _WORDS.get(label, f"{member} {label} & <co>") for label in rule.labels}
    return {label: fixed.get(label, word) for label, word in words.items()}


def has_groups(rule: AlertRule) -> bool:
    """Whether two groups can be in one case: the alert has labels, and none of them is fixed by its matchers."""
    return bool(set(rule.labels) - {label for label, _ in rule.series.matchers})


def small_step(value: float) -> float:
    """A small step: 1 for whole numbers, else a hundredth."""
    return 1.0 if value.is_integer() else value / 100


def of_instances(series: Series, value: float) -> tuple[float, float]:
    """What each instance says, so that a wrong way to merge them gives a wrong value."""
    match series.aggregate:
        case "sum":
            half = float(floor(value / 2)) if float(value).is_integer() else value / 2
            return half, value - half
        case "min":
            return value, value + 1
        case _:
            return value, value if value < 1 else value - 1


def steady(series: Series, labels: Mapping[str, str], instance: str, value: float, clock: Clock, last: float) -> Feed:
    """A series of an instance that keeps its value until `last`."""
    return Feed(series, labels, instance, Course((Stretch(value, round(last / clock.scrape) + 1),)))


def on_instances(series: Series, labels: Mapping[str, str], value: float, clock: Clock, last: float) -> Iterator[Feed]:
    """Series of two instances that merge to a value, until `last`."""
    for instance, part in zip(INSTANCES, of_instances(series, value), strict=True):
        yield steady(series, labels, instance, part, clock, last)


def last_sample(clock: Clock, hold: float) -> float:
    """When the series end: a whole number of scrapes, and long enough for an alert that waits for `hold`."""
    return ceil((hold + 2 * clock.slack) / clock.scrape) * clock.scrape


def up(value: float) -> int:
    """The next whole number; 0.3 * 2000 is a little more than 600."""
    return ceil(round(value, 9))


def down(value: float) -> int:
    """The whole number before."""
    return floor(round(value, 9))
