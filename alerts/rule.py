"""An alert in its compiled form, and what a technique makes of its condition."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from alerts.expression import Age, Expression, OverTime, Quantity, Series, Vector, walk
from alerts.text import Part
from spec.model import Alert, Condition, Spec

if TYPE_CHECKING:
    from alerts.cases import Case, Clock
    from alerts.watch import Watch
    from spec.checks.base import Check


@dataclass(frozen=True, slots=True)
class Reading:
    """A series that an alert reads. `around` is a value near which it matters, of a counter how much it grows."""

    series: Series
    kind: Literal["gauge", "counter", "clock"]
    around: float
    window: float = 0.0


@dataclass(frozen=True, slots=True)
class Question:
    """Something to look at when the alert fires; `listed`: one number for each member, the worst first."""

    title: str
    of: Vector
    listed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Criterion(ABC):
    """What a technique compares, compiled. Times in seconds.

    `series` has the labels of the alert; its value, or what the technique makes of it, compares with `value` by `op`.
    """

    series: Series
    op: str
    value: float

    @property
    @abstractmethod
    def compared(self) -> Series | Quantity | Age:
        """What is compared, as it stands now."""

    @property
    @abstractmethod
    def readings(self) -> tuple[Reading, ...]:
        """Every series that is read."""

    @property
    def besides(self) -> str:
        """What has to be true beside the comparison with `value`, in words."""
        return ""

    @abstractmethod
    def expression(self, lookback: float) -> Expression:
        """When the alert is true; with a `lookback`, of the worst of that time."""

    @abstractmethod
    def watch(self, rule: AlertRule) -> Watch:
        """The evaluation: the reference meaning."""

    @abstractmethod
    def describe(self, spec: Spec, rule: AlertRule) -> Iterable[Part]:
        """The description of the page."""

    @abstractmethod
    def fires(self, spec: Spec, rule: AlertRule) -> str:
        """When it fires, for the runbook: ``Jailbreak attempts in prompts: at least 3 in 10m``."""

    @abstractmethod
    def brief(self, spec: Spec, rule: AlertRule) -> str:
        """The same in a few words for a table: ``jailbreak hits ≥ 3 in 10m``."""

    @abstractmethod
    def questions(self) -> Iterator[Question]:
        """What to look at beside `compared`."""

    @abstractmethod
    def cases(self, rule: AlertRule, clock: Clock) -> Iterator[Case]:
        """Example courses: firing, silent, and barely not."""

    def latch(self, rule: AlertRule, clock: Clock) -> Case | None:
        """A case for the end of a long look-back, None when there is nothing to see."""
        return None

    @property
    def worst(self) -> Literal["max", "min"]:
        """Which of several values is nearer to an alert."""
        return "min" if self.op in ("<", "<=") else "max"

    @property
    def least_span(self) -> float:
        """Seconds of records without which it cannot be true."""
        return 0.0

    @property
    def steps(self) -> bool:
        """Whether a part of it is worked out at steps of its own, and over days."""
        return any(isinstance(node, Quantity) and node.step for node in walk(self.expression(0.0)))

    def over(self, lookback: float) -> Vector:
        """What is compared, the worst of the look-back."""
        return OverTime(self.worst, self.compared, lookback) if lookback else self.compared


class SeriesCriterion(Criterion):
    """What a technique makes of one series, and of nothing else."""

    @property
    def compared(self) -> Series:
        """The series."""
        return self.series

    @property
    def readings(self) -> tuple[Reading, ...]:
        """The series."""
        return (Reading(self.series, "gauge", self.value),)


@dataclass(frozen=True, slots=True)
class Technique:
    """A technique: what it asks for, what it makes of it, and what it refuses.

    `examples` are overlays of alerts, for the test that
    every meaning of a technique is the same; keys of an example are those of an alert.
    """

    condition: type[Condition]
    compile: Callable[[Spec, Alert], Criterion]
    checks: tuple[Check, ...]
    examples: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class AlertRule:
    """An alert ready to be evaluated. Times in seconds.

    `lookback` 0 means the sample at the evaluation; `hold` is how long the comparison has to be true, `keep` how long
    it may be false before the alert ends; `incident_key` is a template over labels; `channels` are those of the first
    tier that the alert's maturity allows; `answered` is the metric of the answered part of the hits, "" when there is
    none; `family` is the alert that a storm stands for, else the alert itself.
    """

    name: str
    alert: Alert
    criterion: Criterion
    lookback: float
    hold: float
    static_labels: dict[str, str]
    incident_key: str
    channels: tuple[str, ...]
    pages: bool
    answered: str = ""
    family: str = ""
    keep: float = 0.0

    @property
    def series(self) -> Series:
        """The series whose labels the alert has."""
        return self.criterion.series

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that tell its members apart."""
        return self.criterion.series.labels

    @property
    def op(self) -> str:
        """How what is compared compares with `value`."""
        return self.criterion.op

    @property
    def value(self) -> float:
        """What is compared with, or the lowest that can be."""
        return self.criterion.value

    @property
    def worst(self) -> Literal["max", "min"]:
        """Which of several values is nearer to an alert."""
        return self.criterion.worst

    @property
    def expression(self) -> Expression:
        """When it is true."""
        return self.criterion.expression(self.lookback)
