"""Queries that a person pastes into Prometheus while looking into an alert."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from alerts import AlertRule, Series
from alerts.expression import Age
from generators.prometheus.promql import aggregation, condition, record_of, selector, value
from spec import MetricInfo, names
from spec.model import Alert

SOME: Final = 20
"""How many groups a query lists, the worst first."""
RATE_WINDOW: Final = "5m"

_CODE: Final = re.compile(r"`([^`]+)`")


@dataclass(frozen=True, slots=True)
class Query:
    """A question and its answer in PromQL."""

    title: str
    promql: str


def of_alert(rule: AlertRule) -> Iterator[Query]:
    """What the alert looks at: where it stands, what was answered, one member of its labels over time."""
    yield Query("Current value, worst first" if rule.labels else "Current value", _listed(rule))
    for question in rule.criterion.questions():
        answer = value(rule, question.of)
        yield Query(question.title, _most(answer, rule.labels) if question.listed else answer)
    if rule.answered:
        twin = Series(rule.answered, rule.series.matchers, rule.labels, rule.series.aggregate)
        yield Query("Answered by the model", _most(aggregation(twin), rule.labels))
    if rule.labels:
        compared = rule.criterion.compared
        record = record_of(rule, compared.of if isinstance(compared, Age) else compared)
        one = selector(record, [(label, label.upper()) for label in rule.labels])
        words = " and ".join(f"`{label.upper()}`" for label in rule.labels)
        yield Query(f"One group over time, as a graph (put the values from the page in place of {words})", one)
    yield Query("The alert's condition, with its look-back", condition(rule))
    yield Query("Firing alerts", firing(rule.name))


def of_storm() -> Iterator[Query]:
    """How many groups are over which threshold."""
    yield Query("Groups over the threshold, by alert", f"max by (alert) ({names.VIOLATING_GROUPS})")
    yield Query("Firing alerts", firing(names.STORM))


def of_mentioned(alert: Alert, rule: AlertRule, metrics: Mapping[str, MetricInfo]) -> Iterator[Query]:
    """One query for each metric that the prose names and that `of_alert` does not already ask about."""
    asked = {rule.answered, *(read.series.metric for read in rule.criterion.readings if read.kind != "counter")}
    for name in dict.fromkeys(code for text in alert.triage for code in _CODE.findall(text)):
        if name in metrics and name not in asked:
            yield Query(f"`{name}`: {metrics[name].help}", of_metric(metrics[name]))


def of_metric(metric: MetricInfo) -> str:
    """What one usually asks of a metric: the rate of a counter, the 95th percentile, the greatest of gauges."""
    labels = tuple(label for label in metric.labels if label not in ("job", "instance"))
    match metric.type:
        case "counter":
            return _most(f"sum{_by(labels)} (rate({metric.name}[{RATE_WINDOW}]))", labels)
        case "histogram":
            return f"histogram_quantile(0.95, sum{_by((*labels, 'le'))} (rate({metric.name}_bucket[{RATE_WINDOW}])))"
        case _:
            return _most(f"max{_by(labels)} ({metric.name})", labels)


def firing(alert: str) -> str:
    """The alerts of a name that fire, as Prometheus sees them."""
    return selector("ALERTS", [("alertname", alert), ("alertstate", "firing")])


def _listed(rule: AlertRule) -> str:
    now = value(rule, rule.criterion.compared)
    if not rule.labels:
        return now
    return f"{'bottomk' if rule.worst == 'min' else 'topk'}({SOME}, {now})"


def _most(expression: str, labels: tuple[str, ...]) -> str:
    return f"topk({SOME}, {expression})" if labels else expression


def _by(labels: tuple[str, ...]) -> str:
    return f" by ({', '.join(labels)})" if labels else ""
