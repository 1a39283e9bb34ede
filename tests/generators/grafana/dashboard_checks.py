"""What is wrong with a dashboard that Grafana would not say, or only as an empty panel. One function for each fault."""

from __future__ import annotations

import functools
import itertools
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

import promql_parser as promql
from grafanalib import formatunits

from spec import MetricInfo, names

Board = dict[str, Any]
Metrics = Mapping[str, MetricInfo]

PANEL_TYPES: Final = frozenset({"row", "stat", "table", "timeseries"})
UNITS: Final = {value for name, value in vars(formatunits).items() if name.isupper() and isinstance(value, str)}
MADE_BY_PROMETHEUS: Final = frozenset({"ALERTS", "ALERTS_FOR_STATE"})
TARGET_LABELS: Final = frozenset({"job", "instance"})
RATES: Final = frozenset({"rate", "increase"})
INTERVALS: Final = {"$__rate_interval": "101s", "$__range": "3h"}
_MIN_SCHEMA: Final = 36
_WIDTH: Final = 24
_SHORTEST_DESCRIPTION: Final = 30


def faults(board: Board, metrics: Metrics) -> list[str]:
    """Everything that is wrong, each with the panel's title."""
    return [f"{place}: {text}" for check in CHECKS for place, text in check(board, metrics)]


def panels_of(board: Board) -> list[Board]:
    """All panels that are no rows."""
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def named(board: Board, title: str) -> Board:
    """The only panel of that title."""
    (found,) = (panel for panel in board["panels"] if panel["title"] == title)
    return dict(found)


def rows_of(board: Board) -> dict[str, list[Board]]:
    """Panels by the heading they stand under."""
    rows: dict[str, list[Board]] = {}
    for panel in board["panels"]:
        if panel["type"] == "row":
            rows[panel["title"]] = []
        else:
            list(rows.values())[-1].append(panel)
    return rows


def targets_of(board: Board) -> Iterator[tuple[str, str]]:
    """Title of the panel and PromQL of each query."""
    for panel in panels_of(board):
        yield from ((panel["title"], target["expr"]) for target in panel.get("targets", ()))


def expanded(query: str, values: Mapping[str, str] | None = None) -> str:
    """The query as Grafana sends it, with `values` chosen, else all."""
    for name, text in INTERVALS.items():
        query = query.replace(name, text)
    return re.sub(r"\$(\w+)", lambda found: (values or {}).get(found[1], ".*"), query)


# ------------------------------------------------------------------------------------------------------------- checks
def frame(board: Board, metrics: Metrics) -> Iterator[tuple[str, str]]:
    """The dashboard itself."""
    if board["schemaVersion"] < _MIN_SCHEMA:
        yield "dashboard", f"schema {board['schemaVersion']}"
    for key in ("uid", "title", "description"):
        if not board.get(key):
            yield "dashboard", f"no {key}"
    if board["editable"]:
        yield "dashboard", "editable"


def ids(board: Board, metrics: Metrics) -> Iterator[tuple[str, str]]:
    """Two panels of one id: Grafana draws one of them."""
    for number, count in Counter(panel["id"] for panel in board["panels"]).items():
        if count > 1:
            yield "dashboard", f"{count} panels with id {number}"


def kinds(board: Board, metrics: Metrics) -> Iterator[tuple[str, str]]:
    """Panels that a bare Grafana does not have."""
    yield from ((panel["title"], panel["type"]) for panel in board["panels"] if panel["type"] not in PANEL_TYPES)


def overlaps(board: Board, metrics: Metrics) -> Iterator[tuple[str, str]]:
    """Panels over each other or over the edge."""
    for panel in board["panels"]:
        place = panel["gridPos"]
        if place["x"] + place["w"] > _WIDTH or min(place["w"], place["h"]) < 1:
            yield panel["title"], f"does not fit: {place}"
    for one, other in itertools.combinations(board["panels"], 2):
        if _meet(one["gridPos"], other["gridPos"]):
            yield one["title"], f"lies over {other['title']}"


def datasources(board: Board, metrics: Metrics) -> Iterator[tuple[str, str]]:
    """Data sources by name, or none: Grafana takes its default, whatever that is."""
    for where, part in _with_datasource(board):
        if part.get("datasource") != {"type": "prometheus", "uid": "${datasource}"}:
            yield where, f"data source {part.get('datasource')!r}"


def variables(board: Board, metrics: Metrics) -> Iterator[tuple[str, str]]:
    """Choices that a query uses and nobody can make; choices of one value only."""
    found = {variable["name"]: variable for variable in board["templating"]["list"]}
    if found.get("datasource", {}).get("type") != "datasource":
        yield "dashboard", "no variable for the data source"
    for where, query in [*targets_of(board), *((v["name"], _query_of(v)) for v in found.values())]:
        for name in re.findall(r"\$(\w+)", _without_intervals(query)):
            if name not in found:
                yield where, f"no variable {name}"
    for name, variable in found.items():
        if variable["type"] == "query" and not (variable["multi"] and variable["includeAll"]):
            yield name, "cannot be All or several"
        if variable["type"] == "query" and variable["allValue"] != ".*":
            yield name, "All leaves out series without the label"


def words(board: Board, metrics: Metrics) -> Iterator[tuple[str, str]]:
    """Panels that do not say what they are."""
    for panel in panels_of(board):
        if not panel.get("title"):
            yield "panel", "no title"
        if len(panel.get("description", "")) < _SHORTEST_DESCRIPTION:
            yield panel["title"], "no description"
        if not panel.get("targets"):
            yield panel["title"], "no query"


def units(board: Board, metrics: Metrics) -> Iterator[tuple[str, str]]:
    """Units that Grafana does not know print their name."""
    for title, options in _options(board):
        if options.get("unit", "") not in UNITS | {""}:
            yield title, f"unit {options['unit']!r}"


def steps(board: Board, metrics: Metrics) -> Iterator[tuple[str, str]]:
    """Thresholds that are no list, do not begin with the rest, or are out of order."""
    for title, options in _options(board):
        found = options.get("thresholds", {}).get("steps")
        if "thresholds" not in options:
            continue
        if not isinstance(found, list) or not found or found[0]["value"] is not None:
            yield title, f"thresholds {found!r}"
        elif any(low["value"] >= high["value"] for low, high in itertools.pairwise(found[1:])):
            yield title, "thresholds out of order"


def columns(board: Board, metrics: Metrics) -> Iterator[tuple[str, str]]:
    """Tables whose transformations name fields that no query makes, or whose options name no column."""
    for panel in panels_of(board):
        if panel["type"] != "table":
            continue
        steps_by_id = {step["id"]: step["options"] for step in panel["transformations"]}
        renamed = steps_by_id["organize"]["renameByName"]
        letters = [target["refId"] for target in panel["targets"]]
        values = {f"Value #{letter}" for letter in letters} if len(letters) > 1 else {"Value"}
        queries = " ".join(target["expr"] for target in panel["targets"])
        fields = [*renamed, *(rule["field"] for rule in steps_by_id["sortBy"]["sort"])]
        of_alerts = {"alertname", *names.STATIC_LABELS} if "ALERTS" in queries else set()
        for name in fields:
            if name not in values | of_alerts | TARGET_LABELS and not (
                name.isidentifier() and re.search(rf"\b{name}\b", queries)
            ):
                yield panel["title"], f"no field {name}"
        if len(values) > 1 and values - set(renamed):  # of one query, the labels may say everything
            yield panel["title"], f"unused {sorted(set(values) - set(renamed))}"
        for override in panel["fieldConfig"]["overrides"]:
            if override["matcher"]["options"] not in renamed.values():
                yield panel["title"], f"no column {override['matcher']['options']}"


def queries(board: Board, metrics: Metrics) -> Iterator[tuple[str, str]]:
    """PromQL that does not parse, or names what nobody publishes."""
    for title, query in targets_of(board):
        try:
            tree = _tree(query)
        except ValueError as error:
            yield title, f"does not parse: {error}"
            continue
        made = set(re.findall(r'label_(?:replace|join)\([^"]*"(\w+)"', query)) | set(re.findall(r',\s*"(\w+)"', query))
        for selector in _selectors(tree):
            name = selector.name or ""
            if name not in metrics and name not in MADE_BY_PROMETHEUS:
                yield title, f"no metric {name}"
            elif name in metrics:
                for matcher in selector.matchers.matchers:
                    if matcher.name not in {*metrics[name].labels, *TARGET_LABELS}:
                        yield title, f"{name} has no label {matcher.name}"
        for node in _nodes(tree):
            if isinstance(node, promql.AggregateExpr) and node.modifier is not None:
                below = [metrics[selector.name or ""] for selector in _selectors(node) if selector.name in metrics]
                known = {label for metric in below for label in metric.labels}
                if any(selector.name in MADE_BY_PROMETHEUS for selector in _selectors(node)):
                    known |= {"alertname", *names.STATIC_LABELS}
                for label in set(node.modifier.labels) - known - TARGET_LABELS - made:
                    yield title, f"nothing has the label {label} to group by"


def counters(board: Board, metrics: Metrics) -> Iterator[tuple[str, str]]:
    """Counters outside a rate, rates of something else, and rates over a fixed time."""
    for title, query in targets_of(board):
        for function, interval in re.findall(r"\b(rate|increase)\((?:[^()]|\([^()]*\))*\[([^\]]+)\]", query):
            if interval != {"rate": "$__rate_interval", "increase": "$__range"}[function]:
                yield title, f"{function} over {interval}"
        try:
            tree = _tree(query)
        except ValueError:
            continue
        inside = [
            selector.name
            for node in _nodes(tree)
            if isinstance(node, promql.Call) and node.func.name in RATES
            for selector in _selectors(node)
        ]
        for name in (selector.name or "" for selector in _selectors(tree)):
            counts = name.endswith(("_total", "_bucket", "_count", "_sum"))
            if counts and name not in inside:
                yield title, f"{name} is a counter"
            if not counts and name in inside:
                yield title, f"{name} is no counter"


CHECKS: Final[tuple[Callable[[Board, Metrics], Iterable[tuple[str, str]]], ...]] = (
    frame,
    ids,
    kinds,
    overlaps,
    datasources,
    variables,
    words,
    units,
    steps,
    columns,
    queries,
    counters,
)


# -------------------------------------------------------------------------------------------------------------- parts
def _with_datasource(board: Board) -> Iterator[tuple[str, Board]]:
    for panel in panels_of(board):
        yield panel["title"], panel
        yield from ((panel["title"], target) for target in panel.get("targets", ()))
    yield from ((v["name"], v) for v in board["templating"]["list"] if v["type"] != "datasource")
    yield from ((note["name"], note) for note in board["annotations"]["list"])


def _options(board: Board) -> Iterator[tuple[str, Board]]:
    """Field options: the panel's, and those of each series or column."""
    for panel in panels_of(board):
        config = panel["fieldConfig"]
        yield panel["title"], config["defaults"]
        for override in config["overrides"]:
            yield panel["title"], {item["id"]: item["value"] for item in override["properties"]}


def _query_of(variable: Board) -> str:
    query = variable["query"]
    return str(query["query"] if isinstance(query, dict) else query)


def _without_intervals(query: str) -> str:
    for name in INTERVALS:
        query = query.replace(name, "")
    return query


def _meet(one: Mapping[str, int], other: Mapping[str, int]) -> bool:
    across = one["x"] < other["x"] + other["w"] and other["x"] < one["x"] + one["w"]
    return across and one["y"] < other["y"] + other["h"] and other["y"] < one["y"] + one["h"]


@functools.cache
def _tree(query: str) -> promql.Expr:
    """Cached, because a broken dashboard differs from the good one in a single place."""
    return promql.parse(expanded(query))


@functools.cache
def _nodes(expression: promql.Expr) -> list[promql.Expr]:
    nodes: list[promql.Expr] = []
    promql.walk(expression, nodes.append)
    return nodes


def _selectors(expression: promql.Expr) -> list[promql.VectorSelector]:
    return [node for node in _nodes(expression) if isinstance(node, promql.VectorSelector)]
