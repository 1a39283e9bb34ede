"""Alerts as PromQL that Prometheus 2.42 understands. Text only; nothing is evaluated here.

Prometheus reads what others recorded, so a series, an increase and a quantity of an alert each become a recording rule,
and the alert is written over their names.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from typing import Final

from alerts import AlertRule, Series
from alerts.backends import CannotExpressError
from alerts.expression import (
    Age,
    AtLeast,
    Compare,
    Expression,
    Increase,
    Node,
    OrMissing,
    OverTime,
    Quantity,
    Samples,
    Scaled,
    Share,
    Sum,
    Vector,
    While,
)
from alerts.wording import duration, number
from spec import names

__all__ = [
    "Recorded",
    "aggregation",
    "condition",
    "duration",
    "number",
    "record_of",
    "recorded_by",
    "recordings",
    "selector",
    "slow_recordings",
    "value",
]

Recorded = Series | Increase | Samples | Quantity
"""What has a recording rule."""

_OVER_TIME: Final = {"max": "max", "min": "min", "mean": "avg", "deviation": "stddev"}
_OR, _AND, _COMPARISON, _SUM, _PRODUCT, _ATOM = range(6)
"""How tightly an operator binds."""


@dataclass(frozen=True, slots=True)
class _Text:
    promql: str
    binds: int = _ATOM

    def within(self, binds: int) -> str:
        """The text as an operand of an operator, in parentheses where it needs them."""
        return self.promql if self.binds >= binds else f"({self.promql})"


# -------------------------------------------------------------------------------------------------------------- names
def level(labels: tuple[str, ...]) -> str:
    """The first part of a recording rule's name: the labels that it keeps."""
    return "_".join(labels) or "global"


def series_record(series: Series, operation: str) -> str:
    """``level:metric:operation``; matchers join the metric's part, because another selection is another series."""
    parts = [series.metric, *(f"{label}_{value}" for label, value in series.matchers)]
    return f"{level(series.labels)}:{'_'.join(names.snake_case(part) for part in parts)}:{operation}"


def record_of(rule: AlertRule, node: Recorded) -> str:
    """The name of the recording rule of a part of an alert."""
    match node:
        case Series():
            return series_record(node, node.aggregate)
        case Increase():
            return series_record(node.of, f"increase{duration(node.window)}")
        case Samples():
            return f"{level(rule.labels)}:{names.snake_case(rule.name)}:sample"
        case Quantity():
            return f"{level(rule.labels)}:{names.snake_case(rule.name)}:{node.name}"


# --------------------------------------------------------------------------------------------------------- recordings
def recordings(rule: AlertRule) -> dict[str, str]:
    """The recording rules that an alert reads at each evaluation, expressions by name, each after those it reads."""
    found = dict.fromkeys(_recorded(rule.expression, stepped=False))
    return {record_of(rule, node): recorded_by(rule, node) for node in found}


def slow_recordings(rule: AlertRule) -> dict[str, str]:
    """The recording rules that are evaluated at the steps of the alert's quantities, each after those it reads.

    Samples read themselves, so that a member that is quiet counts as 0 as long as it is known.
    """
    found = dict.fromkeys(_recorded(rule.expression, stepped=True))
    return {record_of(rule, node): recorded_by(rule, node) for node in found}


def _recorded(node: Node, *, stepped: bool, inside: bool = False) -> Iterator[Recorded]:
    """What is recorded at the steps of quantities, or else at each evaluation; parts first."""
    if isinstance(node, Increase):  # reads the counter itself, as only that has its resets
        if inside == stepped:
            yield node
        return
    inside = inside or (isinstance(node, Quantity) and bool(node.step))
    for field in fields(node):
        part = getattr(node, field.name)
        if isinstance(part, Node):
            yield from _recorded(part, stepped=stepped, inside=inside)
    if inside == stepped and isinstance(node, Recorded) and not (inside and isinstance(node, Series)):
        yield node


def recorded_by(rule: AlertRule, node: Recorded) -> str:
    """The expression of a recording rule."""
    match node:
        case Series():
            return aggregation(node)
        case Increase():
            of = node.of
            counter = selector(of.metric, of.matchers)
            return f"{of.aggregate}{_by(of)} (increase({counter}[{duration(node.window)}]))"
        case Samples():
            own = f"{record_of(rule, node)}[{duration(node.history)}]"
            return f"{aggregation(node.of)} or 0 * (max_over_time({own}) > 0)"
        case Quantity():
            return _Printer(rule, inside=bool(node.step)).vector(node.of).promql


# -------------------------------------------------------------------------------------------------------- expressions
def condition(rule: AlertRule) -> str:
    """When the alert is true.

    Before Prometheus 3 a range includes its oldest instant, so a latched alert stays up one evaluation longer there.

    Raises:
        CannotExpressError: PromQL cannot say it over recorded series.
    """
    return _Printer(rule).expression(rule.expression).promql


def value(rule: AlertRule, node: Vector) -> str:
    """A part of an alert as it stands now.

    Raises:
        CannotExpressError: PromQL cannot say it over recorded series.
    """
    return _Printer(rule).vector(node).promql


class _Printer:
    """`inside` a quantity that has steps, series are read as they are, and quantities at the same step."""

    def __init__(self, rule: AlertRule, *, inside: bool = False) -> None:
        self._rule = rule
        self._inside = inside

    def expression(self, node: Expression) -> _Text:
        if isinstance(node, While):
            grew = self.vector(node.grew).within(_COMPARISON)
            return _Text(f"{self._compare(node.of).within(_AND)} and {grew} >= {number(node.least)}", _AND)
        return self._compare(node)

    def _compare(self, node: Compare) -> _Text:
        limit = number(node.limit) if isinstance(node.limit, float) else self.vector(node.limit).within(_SUM)
        compared = f"{node.op} {limit}"
        if isinstance(node.of, OrMissing):
            of = node.of.of
            there = self.vector(of).within(_COMPARISON)
            series = record_of(self._rule, of.of if isinstance(of, Age) else of)
            return _Text(f"{there} {compared} or {_absent(series, node.of.value)} {compared}", _OR)
        value = self.vector(node.of).within(_SUM)
        above = f"{value} {compared}"
        if node.otherwise is None:
            return _Text(above, _COMPARISON)
        return _Text(f"{above} or ({value} {node.op} {number(node.otherwise)} unless {limit})", _OR)

    def vector(self, node: Vector) -> _Text:
        match node:
            case Series():
                return _Text(aggregation(node) if self._inside else record_of(self._rule, node))
            case Increase() | Samples():
                return _Text(record_of(self._rule, node))
            case Quantity():
                return _Text(self._quantity(node))
            case Share():
                part, whole = self.vector(node.part).promql, self.vector(node.whole).promql
                text = f"{part} / {whole} and {whole} >= {number(node.least)}"
                return _Text(f"{text} and {part} >= {number(node.least_part)}" if node.least_part else text, _AND)
            case Age():
                return _Text(f"time() - {self.vector(node.of).within(_PRODUCT)}", _SUM)
            case OverTime():
                return self._over_time(node)
            case Scaled():
                return _Text(f"{number(node.factor)} * {self.vector(node.of).within(_ATOM)}", _PRODUCT)
            case Sum():
                return _Text(f"{self.vector(node.left).within(_SUM)} + {self.vector(node.right).within(_SUM)}", _SUM)
            case AtLeast():
                return _Text(f"clamp_min({self._greater(node)}, {number(node.floor)})")
            case OrMissing():
                raise CannotExpressError("a missing series outside of a comparison")

    def _quantity(self, node: Quantity) -> str:
        """What was last worked out, which is done seldom; each value is good for two steps."""
        record = record_of(self._rule, node)
        return record if self._inside or not node.step else f"last_over_time({record}[{duration(2 * node.step)}])"

    def _over_time(self, node: OverTime) -> _Text:
        """A function over a range, which PromQL has only of what was recorded."""
        of = node.of
        recorded = isinstance(of, Samples | Increase | Quantity) or (isinstance(of, Series) and not self._inside)
        if not recorded or (isinstance(of, Quantity) and of.step and not self._inside):
            raise CannotExpressError(f"a {node.statistic} over time of what is not recorded at each evaluation")
        before = f" offset {duration(node.before)}" if node.before else ""
        values = f"{self.vector(of).promql}[{duration(node.window)}]{before}"
        if node.statistic == "forecast":
            text = f"predict_linear({values}, {number(node.ahead)})"
        else:
            text = f"{_OVER_TIME[node.statistic]}_over_time({values})"
        if not node.least:
            return _Text(text)
        return _Text(f"{text} and count_over_time({values}) >= {node.least}", _AND)

    def _greater(self, node: AtLeast) -> str:
        of = self.vector(node.of)
        if node.other is None:
            return of.promql
        other = self.vector(node.other)
        return f"{of.within(_SUM)} > {other.within(_SUM)} or {other.within(_AND)}"


def _absent(record: str, value: float) -> str:
    """The value of a series that is not there; `absent` itself is 1."""
    if value == float("inf"):
        return f"absent({record}) * Inf"
    return f"absent({record}) - 1" if value == 0 else f"absent({record}) * {number(value)}"


def selector(metric: str, matchers: Iterable[tuple[str, str]] = ()) -> str:
    """``up{job="tocsin"}``; values are quoted."""
    inner = ",".join(f"{label}={json.dumps(value, ensure_ascii=False)}" for label, value in matchers)
    return f"{metric}{{{inner}}}" if inner else metric


def aggregation(series: Series) -> str:
    """Instances and partitions merged: ``max by (actor, tenant) (llm_jailbreak_hits)``."""
    return f"{series.aggregate}{_by(series)} ({selector(series.metric, series.matchers)})"


def _by(series: Series) -> str:
    return f" by ({', '.join(series.labels)})" if series.labels else ""
