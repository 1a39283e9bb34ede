"""What promtool does not see in a rule file, after the checks of pint: every function here finds one sort of fault.

The metrics that a rule may name, and the labels they have, come from the spec's catalogue.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import promql_parser as promql

from spec import MetricInfo
from spec.names import STATIC_LABELS

COUNTER_FUNCTIONS: Final = frozenset({"rate", "irate", "increase", "resets"})
COMPARISONS: Final = frozenset({">=", ">", "<=", "<", "==", "!="})
TARGET_LABELS: Final = ("job", "instance")
GROUP_KEYS: Final = frozenset({"name", "interval", "rules"})
RULE_KEYS: Final = {
    "record": frozenset({"record", "expr", "labels"}),
    "alert": frozenset({"alert", "expr", "for", "keep_firing_for", "labels", "annotations"}),
}

_QUERY: Final = re.compile(r'printf "((?:[^"\\]|\\.)*)"')
_LABEL: Final = re.compile(r"\$labels\.([A-Za-z_][A-Za-z0-9_]*)")


@dataclass(frozen=True, slots=True)
class Known:
    """What names mean: the catalogue's metrics and the file's own recording rules, expressions by name."""

    metrics: Mapping[str, MetricInfo]
    records: Mapping[str, promql.Expr]


def faults(document: Mapping[str, Any], metrics: Mapping[str, MetricInfo]) -> list[str]:
    """Everything wrong with a rule file, each with the name of the rule."""
    rules = [rule for group in document["groups"] for rule in group["rules"]]
    known = Known(metrics, records_of(document))
    found = [f"group {group['name']}: {text}" for group in document["groups"] for text in newer_keys(group)]
    found += duplicates(rules)
    for rule in rules:
        name = rule.get("alert") or rule["record"]
        found += [f"{name}: {text}" for check in CHECKS for text in check(rule, known)]
    return found


def records_of(document: Mapping[str, Any]) -> dict[str, promql.Expr]:
    """The recording rules of a file, expressions by name."""
    rules = [rule for group in document["groups"] for rule in group["rules"]]
    return {rule["record"]: promql.parse(rule["expr"]) for rule in rules if "record" in rule}


def newer_keys(group: Mapping[str, Any]) -> Iterator[str]:
    """Keys that Prometheus 2.42 refuses, or that we have no use for."""
    yield from (f"key {key!r}" for key in sorted(set(group) - GROUP_KEYS))
    for rule in group["rules"]:
        kind = "alert" if "alert" in rule else "record"
        yield from (f"{rule[kind]}: key {key!r}" for key in sorted(set(rule) - RULE_KEYS[kind]))


def duplicates(rules: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Rules of the same name and static labels: their series would overwrite each other."""
    names = [(rule.get("alert") or rule["record"], sorted(rule.get("labels", {}).items())) for rule in rules]
    yield from (f"{name}: there twice" for place, (name, labels) in enumerate(names) if (name, labels) in names[:place])


def unknown_metrics(rule: Mapping[str, Any], known: Known) -> Iterator[str]:
    """Names that nobody publishes, also in queries of templates."""
    for expression in _expressions(rule):
        for selector in _selectors(expression):
            if selector.name not in known.metrics and selector.name not in known.records:
                yield f"no metric {selector.name}"


def unknown_matchers(rule: Mapping[str, Any], known: Known) -> Iterator[str]:
    """Matchers on labels that the metric does not have: they select nothing."""
    for expression in _expressions(rule):
        for selector in _selectors(expression):
            has = _labels_of(selector, known)
            for matcher in selector.matchers.matchers:
                if has is not None and matcher.name not in has:
                    yield f"{selector.name} has no label {matcher.name}"


def no_comparison(rule: Mapping[str, Any], known: Known) -> Iterator[str]:
    """An alert that is true whenever there is data."""
    if "alert" in rule and not any(_operator(node) in COMPARISONS for node in _nodes(promql.parse(rule["expr"]))):
        yield "compares with nothing"


def rate_of_gauge(rule: Mapping[str, Any], known: Known) -> Iterator[str]:
    """Functions for counters over something else, or over a sum, which hides resets."""
    for node in _nodes(promql.parse(rule["expr"])):
        if isinstance(node, promql.Call) and node.func.name in COUNTER_FUNCTIONS:
            for argument in node.args:
                if isinstance(argument, promql.SubqueryExpr):
                    yield f"{node.func.name} over a subquery"
                for selector in _selectors(argument):
                    metric = known.metrics.get(selector.name or "")
                    if metric is None or metric.type != "counter":
                        yield f"{node.func.name} over {selector.name}, which is no counter"


def gauge_of_counter(rule: Mapping[str, Any], known: Known) -> Iterator[str]:
    """A bare counter compared with a value: it only ever grows."""
    if not any(isinstance(node, promql.Call) for node in _nodes(promql.parse(rule["expr"]))):
        for selector in _selectors(promql.parse(rule["expr"])):
            metric = known.metrics.get(selector.name or "")
            if metric is not None and metric.type == "counter":
                yield f"{selector.name} is a counter"


def absence(rule: Mapping[str, Any], known: Known) -> Iterator[str]:
    """`absent()` of what passes through, which cannot tell quiet from broken; of a heartbeat it can."""
    for node in _nodes(promql.parse(rule["expr"])):
        if not isinstance(node, promql.Call) or node.func.name not in ("absent", "absent_over_time"):
            continue
        if not all(_is_health(selector, known) for part in node.args for selector in _selectors(part)):
            yield f"uses {node.func.name}()"


def lost_labels(rule: Mapping[str, Any], known: Known) -> Iterator[str]:
    """Labels in templates that the expression does not keep: they would be empty in the page."""
    texts = [*rule.get("labels", {}).values(), *rule.get("annotations", {}).values()]
    used = {label for text in texts for label in _LABEL.findall(text)}
    kept = _labels(promql.parse(rule["expr"]), known)
    if kept is not None:
        yield from (f"label {label} does not survive" for label in sorted(used - kept))


def unstable_labels(rule: Mapping[str, Any], known: Known) -> Iterator[str]:
    """Labels that make a new alert of the same trouble: the instance that saw it, or the value."""
    if "alert" not in rule:
        return
    kept = _labels(promql.parse(rule["expr"]), known)
    yield from (f"label {label} is kept" for label in sorted((kept or set()) & set(TARGET_LABELS)))
    yield from (f"label {name} has the value" for name, text in rule["labels"].items() if "$value" in text)


ALERTS: Final = MetricInfo(
    "ALERTS",
    "gauge",
    "Made by Prometheus.",
    ("alertname", "alertstate", *STATIC_LABELS, "incident_key", "tier"),
    "",
    "",
    "",
    "external",
)
"""What Prometheus itself says of alerts; its labels are those of our rules."""

CHECKS: Final[tuple[Callable[[Mapping[str, Any], Known], Iterator[str]], ...]] = (
    unknown_metrics,
    unknown_matchers,
    no_comparison,
    rate_of_gauge,
    gauge_of_counter,
    absence,
    lost_labels,
    unstable_labels,
)


# ------------------------------------------------------------------------------------------------------ expressions
def _expressions(rule: Mapping[str, Any]) -> Iterator[promql.Expr]:
    """The rule's expression, and those that its annotations query with any label value."""
    yield promql.parse(rule["expr"])
    for text in rule.get("annotations", {}).values():
        yield from (promql.parse(query.replace("%q", '"x"')) for query in _QUERY.findall(text))


def _nodes(expression: promql.Expr) -> list[promql.Expr]:
    nodes: list[promql.Expr] = []
    promql.walk(expression, nodes.append)
    return nodes


def _selectors(expression: promql.Expr) -> list[promql.VectorSelector]:
    return [node for node in _nodes(expression) if isinstance(node, promql.VectorSelector)]


def _is_health(selector: promql.VectorSelector, known: Known) -> bool:
    """Whether a series is there also when nothing passes through."""
    name = selector.name or ""
    if name in known.records:
        return all(_is_health(inner, known) for inner in _selectors(known.records[name]))
    metric = known.metrics.get(name)
    return metric is not None and metric.source in ("health", "external")


def _operator(node: promql.Expr) -> str:
    return str(node.op) if isinstance(node, promql.BinaryExpr) else ""


def _labels_of(selector: promql.VectorSelector, known: Known) -> set[str] | None:
    name = selector.name or ""
    if name in known.records:
        return _labels(known.records[name], known)
    metric = known.metrics.get(name)
    return {*metric.labels, *TARGET_LABELS} if metric else None


def _labels(node: Any, known: Known) -> set[str] | None:
    """The labels that an expression's result can have; None when that is not known."""
    match node:
        case promql.VectorSelector():
            return _labels_of(node, known)
        case promql.MatrixSelector():
            return _labels_of(node.vector_selector, known)
        case promql.AggregateExpr():
            inner = _labels(node.expr, known)
            if node.modifier is None:
                return set()
            named = set(node.modifier.labels)
            if node.modifier.type == promql.AggModifierType.By:
                return named if inner is None else named & inner
            return None if inner is None else inner - named
        case promql.BinaryExpr():
            # Of two alternatives the first will do: they have to agree, and samples of a baseline read themselves.
            if isinstance(node.rhs, promql.NumberLiteral) or _operator(node) in ("and", "unless", "or"):
                return _labels(node.lhs, known)
            return _labels(node.rhs, known)
        case promql.Call():
            return _labels(node.args[0], known) if node.args else set()
        case promql.ParenExpr() | promql.UnaryExpr() | promql.SubqueryExpr():
            return _labels(node.expr, known)
        case _:
            return set()
