"""What unit tests of rules are made of: clocks, groups, input series and expected alerts, for `promtool test rules`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import floor
from typing import Any, Final

from alerts import AlertRule, Series
from generators.annotations import Firing, annotations_of, filled, text
from generators.promql import duration, selector
from spec import Spec

INSTANCES: Final = ("tocsin-0:9464", "tocsin-1:9464")
_OVER: Final = {"trusted": "false"}
Case = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Clock:
    """The steps of the tests, in seconds: a sample each `scrape`, an evaluation each `evaluation`, both from 0."""

    scrape: float
    evaluation: float

    @property
    def slack(self) -> float:
        """After this long, what was scraped has been evaluated."""
        return self.scrape + self.evaluation


@dataclass(frozen=True, slots=True)
class Group:
    """One member of an alert's labels: its labels and what its series read."""

    labels: dict[str, str]
    value: float
    denominator: float = 0.0
    answered: float | None = None
    recorded: Mapping[str, float] = field(default_factory=dict)

    @property
    def compared(self) -> float:
        """What the alert compares."""
        return self.value / self.denominator if self.denominator else self.value


def labels_of(rule: AlertRule, member: str) -> dict[str, str]:
    """The labels of a made-up member, with what would spoil a query or an address in its names."""
    fixed = dict(rule.series.matchers)
    names = {label: _OVER.get(label, f"{member} {label} & <co>") for label in rule.labels}
    return {label: fixed.get(label, name) for label, name in names.items()}


def small_step(value: float) -> float:
    """A small step: 1 for whole numbers, else a hundredth."""
    return 1.0 if value.is_integer() else value / 100


def instance_values(series: Series, value: float) -> tuple[float, float]:
    """What each instance says, so that a wrong way to merge them gives a wrong value."""
    match series.aggregate:
        case "sum":
            half = float(floor(value / 2)) if float(value).is_integer() else value / 2
            return half, value - half
        case "min":
            return value, value + 1
        case _:
            return value, value if value < 1 else value - 1


def input_of(
    series: Series, labels: dict[str, str], instance: str, value: float, clock: Clock, last: float
) -> dict[str, str]:
    """A series of an instance that keeps its value until `last`."""
    return series_of(series, labels, instance, f"{value:.15g}+0x{round(last / clock.scrape)} stale")


def series_of(series: Series, labels: dict[str, str], instance: str, values: str) -> dict[str, str]:
    """A series of an instance; `values` is promtool's notation."""
    identity = {"job": "tocsin", "instance": instance, **labels, **dict(series.matchers)}
    return {"series": selector(series.metric, identity.items()), "values": values}


def expected_alert(spec: Spec, rule: AlertRule, group: Group) -> dict[str, Any]:
    """The alert of a group as promtool has to find it."""
    firing = Firing(group.labels, group.compared, group.answered, recorded=group.recorded)
    labels = {**group.labels, **rule.static_labels, "incident_key": text(filled(rule.incident_key), firing)}
    notes = {name: text(parts, firing) for name, parts in annotations_of(spec, rule).items()}
    return {"exp_labels": labels, "exp_annotations": notes}


def case_of(
    clock: Clock, name: str, inputs: list[dict[str, str]], checks: dict[str, list[tuple[float, list[Any]]]]
) -> Case:
    """A case; `checks` are, for each alert, times and what has to fire then."""
    alerts = [
        {"eval_time": duration(time), "alertname": alert, "exp_alerts": expected}
        for alert, times in checks.items()
        for time, expected in times
    ]
    return {"name": name, "interval": duration(clock.scrape), "input_series": inputs, "alert_rule_test": alerts}
