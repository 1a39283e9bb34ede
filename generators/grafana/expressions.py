"""PromQL as data: an expression is written once, and becomes text when the spec and its variables are known.

Each function returns an `Expression`; `promql` combines several. What they ask is in `QueryBuilder`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from generators.grafana.query_builder import QueryBuilder

Expression = Callable[[QueryBuilder], str]
"""Makes PromQL; raises `NotInSpecError` when the spec lacks a metric or signal in it."""


def promql(template: str, *parts: Expression) -> Expression:
    """`template` with each ``%s`` replaced by the next of `parts`: ``promql("max(%s)", signal("feed_lag"))``."""
    return lambda q: template % tuple(part(q) for part in parts)


def series(metric: str, *matchers: str) -> Expression:
    """The series of a metric that the dashboard's variables leave."""
    return lambda q: q.series(metric, *matchers)


def rate(
    counter: str,
    *matchers: str,
    by: Iterable[str] = (),
    times: int = 1,
    ago: str = "",
    variables: Iterable[str] | None = None,
) -> Expression:
    """Per second; `times` 60 makes it per minute; `ago` (``1d``) is how much earlier."""
    return lambda q: q.rate(counter, *matchers, by=by, times=times, ago=ago, variables=variables)


def increase(counter: str, *matchers: str, by: Iterable[str] = ()) -> Expression:
    """Over the whole range of the dashboard."""
    return lambda q: q.increase(counter, *matchers, by=by)


def quantile(share: float, histogram: str, by: Iterable[str] = ()) -> Expression:
    """The value that a `share` of the observations stays below."""
    return lambda q: q.quantile(share, histogram, by)


def gauge(aggregate: str, metric: str, *, by: Iterable[str] = ()) -> Expression:
    """A gauge merged over exporters."""
    return lambda q: q.gauge(aggregate, metric, by=by)


def signal(name: str, *, answered: bool = False) -> Expression:
    """A signal merged over exporters as alerts merge it; `answered`: the part that the model answered."""
    return lambda q: q.signal(name, answered=answered)


def attacks(
    *, named: bool = False, answered: bool = False, category: str = "", variables: Iterable[str] | None = None
) -> Expression:
    """The hits of every attack signal (of a category) by caller; see `QueryBuilder.attacks`."""
    return lambda q: q.attacks(named=named, answered=answered, category=category, variables=variables)


def share(part: Expression, whole: Expression) -> Expression:
    """A part of a whole; no series where the whole is 0."""
    return promql("%s\n/ (%s > 0)", part, whole)


def or_zero(expression: Expression) -> Expression:
    """0 where there is no series."""
    return promql("%s or vector(0)", expression)


def above_zero(expression: Expression) -> Expression:
    """Only the series that are not 0."""
    return promql("%s > 0", expression)
