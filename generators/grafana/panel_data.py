"""Panels as data: what a panel shows and how it looks, written down once and drawn for any spec.

A panel here is a callable from the query builder of a spec to the finished panel, as is every other `Maker`. In titles,
descriptions and column headings stand placeholders for what the spec says: ``{window[SIGNAL]}``, ``{fires_at[SIGNAL]}``
(a sentence with the alert's threshold, or nothing), ``{floor[SIGNAL]}`` and ``{hours}``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Final

from generators.grafana import panels
from generators.grafana.colours import LINE, WATCH, up_to
from generators.grafana.expressions import Expression
from generators.grafana.form import Query, Steps
from generators.grafana.panels import Panel
from generators.grafana.query_builder import QueryBuilder
from generators.links import runbook_url

StepsOf = Steps | Callable[[QueryBuilder], Steps]
"""Colours by value, or how to find them in the spec."""

TEXT: Final = "text"
"""The colour of ordinary text in Grafana's themes."""


def threshold_of(signal: str, calm: str = LINE, over: str = WATCH) -> Callable[[QueryBuilder], Steps]:
    """`calm` below the threshold of the alert on a signal, `over` from there on."""
    return lambda q: up_to(q.limit(signal), calm, over)


@dataclass(frozen=True, slots=True)
class _Queries:
    """What panels have that show queries by legend; `no_value` stands where they give nothing."""

    title: str
    about: str
    queries: Mapping[str, Expression]
    _: KW_ONLY
    unit: str = "short"
    no_value: str = ""

    def _texts(self, q: QueryBuilder) -> tuple[str, str]:
        return _filled(q, self.title), _filled(q, self.about)

    def _drawn(self, q: QueryBuilder) -> list[Query]:
        return [Query(make(q), legend) for legend, make in self.queries.items()]


@dataclass(frozen=True, slots=True)
class Graph(_Queries):
    """Lines over time, by legend. `limit` names the signal whose alert threshold is drawn as a dashed line."""

    _: KW_ONLY
    width: int = 8
    height: int = 8
    stacked: bool = False
    limit: str = ""
    least: float | None = None
    most: float | None = None
    soft_most: float | None = None
    colours: Mapping[str, str] = field(default_factory=dict)
    shade: str = ""
    levels: StepsOf = ()

    def __call__(self, q: QueryBuilder) -> Panel:
        """The panel for a spec."""
        return panels.timeseries(
            *self._texts(q),
            self._drawn(q),
            width=self.width,
            height=self.height,
            unit=self.unit,
            no_value=self.no_value,
            stacked=self.stacked,
            limit=q.limit(self.limit) if self.limit else None,
            least=self.least,
            most=self.most,
            soft_most=self.soft_most,
            colours=self.colours,
            shade=self.shade,
            levels=_steps(q, self.levels),
        )


@dataclass(frozen=True, slots=True)
class Stat(_Queries):
    """One large value for each query, by legend; `each` are colours by legend, `words` (text, colour) by value."""

    _: KW_ONLY
    width: int = 4
    height: int = 4
    steps: StepsOf = ((None, TEXT),)
    each: Mapping[str, Steps] = field(default_factory=dict)
    words: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    sparkline: bool = False

    def __call__(self, q: QueryBuilder) -> Panel:
        """The panel for a spec."""
        return panels.stat(
            *self._texts(q),
            self._drawn(q),
            width=self.width,
            height=self.height,
            unit=self.unit,
            no_value=self.no_value,
            steps=_steps(q, self.steps),
            each=self.each,
            words=self.words,
            sparkline=self.sparkline,
        )


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: `source` is a label, or a query of the panel by its position.

    `words` are colours of values, `bar` the colour of a bar behind the value. `runbook`: the value is an alert, and a
    click opens its runbook page.
    """

    source: str | int
    title: str
    _: KW_ONLY
    unit: str = ""
    width: int = 0
    steps: StepsOf = ((None, TEXT),)
    words: Mapping[str, str] = field(default_factory=dict)
    bar: str = ""
    runbook: bool = False

    def drawn(self, q: QueryBuilder) -> panels.Column:
        """The column for a spec."""
        return panels.Column(
            self.source,
            _filled(q, self.title),
            unit=self.unit,
            width=self.width,
            steps=_steps(q, self.steps),
            words=self.words,
            url=runbook_url(q.spec, "${__value.raw}") if self.runbook else "",
            bar=self.bar,
        )


@dataclass(frozen=True, slots=True)
class Table:
    """The series of all queries as one table, sorted by the field `sort` (``Value #A``: the first query)."""

    title: str
    about: str
    queries: Sequence[Expression]
    columns: Sequence[Column]
    _: KW_ONLY
    width: int
    height: int = 9
    sort: str
    descending: bool = True
    no_value: str = ""

    def __call__(self, q: QueryBuilder) -> Panel:
        """The panel for a spec."""
        return panels.table(
            _filled(q, self.title),
            _filled(q, self.about),
            [Query(make(q)) for make in self.queries],
            [column.drawn(q) for column in self.columns],
            width=self.width,
            height=self.height,
            sort=self.sort,
            descending=self.descending,
            no_value=self.no_value,
        )


@dataclass(frozen=True, slots=True)
class Ranking:
    """The greatest values of one query, as bars beside the value of its `label`; `value_width` is the bars' column."""

    title: str
    about: str
    query: Expression
    label: str
    heading: str
    _: KW_ONLY
    width: int
    height: int = 8
    colour: str
    value_width: int
    runbook: bool = False
    no_value: str = ""

    def __call__(self, q: QueryBuilder) -> Panel:
        """The panel for a spec."""
        return Table(
            self.title,
            self.about,
            [self.query],
            [
                Column(self.label, self.heading, runbook=self.runbook),
                Column(0, "Value", width=self.value_width, bar=self.colour),
            ],
            width=self.width,
            height=self.height,
            sort="Value",
            no_value=self.no_value,
        )(q)


# ------------------------------------------------------------------------------------------------------ placeholders
class _BySignal:
    """``{name[SIGNAL]}`` in a text: what `find` says of the signal."""

    def __init__(self, find: Callable[[str], str]) -> None:
        self._find = find

    def __getitem__(self, signal: str) -> str:
        return self._find(signal)


def _filled(q: QueryBuilder, text: str) -> str:
    if "{" not in text:
        return text
    return text.format(
        window=_BySignal(lambda name: f"{q.definition(name).window}"),
        fires_at=_BySignal(lambda name: _fires_at(q, name)),
        floor=_BySignal(lambda name: _floor(q, name)),
        hours=q.business_hours(),
    )


def _fires_at(q: QueryBuilder, signal: str) -> str:
    limit = q.limit(signal)
    return f" An alert fires at {limit:.0%} or more." if limit is not None else ""


def _floor(q: QueryBuilder, signal: str) -> str:
    floor = q.floor(signal)
    return f", which needs at least {floor} attempts" if floor else ""


def _steps(q: QueryBuilder, steps: StepsOf) -> Steps:
    return steps(q) if callable(steps) else steps
