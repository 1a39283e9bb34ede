"""What is wrong now: the first thing to read, never filtered, so that nothing hides behind a chosen tenant."""

from __future__ import annotations

from typing import Final

from alerts import AlertRule, compile_alerts
from generators.grafana import panels
from generators.grafana.boards.attacks import EACH
from generators.grafana.boards.coverage_panels import UNSEEN, WATCHING, WHY_NOT
from generators.grafana.colours import HARM, SEVERITIES, UNKNOWN, WATCH, WELL
from generators.grafana.expressions import attacks, promql, signal
from generators.grafana.form import Query, Steps
from generators.grafana.panel_data import Stat, threshold_of
from generators.grafana.panels import Column, Panel
from generators.grafana.query_builder import QueryBuilder, firing, is_
from generators.links import CATEGORIES, board_path, category_uid, runbook_url
from generators.prometheus.promql import duration
from spec.model import SeverityName

_LAYERS: Final = ("infrastructure", "platform", "application", "model", "control")


def firing_count(q: QueryBuilder) -> Panel:
    """Firing alerts by severity."""
    names = severities(q)
    return panels.stat(
        "Alerts firing",
        "Tocsin alerts that fire now, by severity, including single alerts that a storm holds back. The line shows the "
        "time range.",
        [Query(f"count({firing(is_(tocsin_severity=name))}) or vector(0)", name) for name in names],
        width=9,
        each={name: ((None, WELL), (1, SEVERITIES[name])) for name in names},
        sparkline=True,
    )


_ANSWERED, _HITS = (
    promql("(sum(\n  %s\n) or vector(0))", attacks(answered=part, variables=())) for part in (True, False)
)
HITS: Final = Stat(
    "Attack hits: answered or stopped",
    "Hits of all attack signals in their windows. Answered: the model answered, so read those answers first. Stopped: "
    "a guardrail or the provider refused it, or it failed.",
    {"answered": _ANSWERED, "stopped": promql("%s\n- %s", _HITS, _ANSWERED)},
    width=6,
    each=EACH,
    sparkline=True,
)
OVER: Final = Stat(
    "Over a threshold",
    "Groups (accounts, address ranges, ...) over an alert's threshold now, counted once per alert.",
    {"groups": promql("sum(%s) or vector(0)", signal("violating_groups"))},
    width=3,
    steps=((None, WELL), (1, WATCH)),
    sparkline=True,
)
BEHIND: Final = Stat(
    "Reading behind",
    "How far Tocsin is behind the gateways' logs. Everything on this page is at least this old.",
    {"lag": promql("max(%s)", signal("feed_lag"))},
    width=3,
    unit="s",
    steps=threshold_of("feed_lag", WELL),
    no_value="unknown",
)


def alerts(q: QueryBuilder) -> Panel:
    """The alerts themselves."""
    fires = firing()
    since = f"1000 * (\n  ALERTS_FOR_STATE\n  and ignoring (alertstate)\n  {fires}\n)"
    queries, columns = [Query(_described(q, since))], []
    rules = [rule for rule in compile_alerts(q.spec) if rule.answered]
    if rules:
        for place, (title, answered) in enumerate((("Answered", True), ("of hits", False)), start=1):
            found = f"(\n  {_peaks(rules, answered=answered)}\n)"
            queries.append(Query(_described(q, f"{fires}\n* on ({', '.join(_joined(rules))}) group_left ()\n{found}")))
            steps: Steps = ((None, "text"), (0, WELL), (1, HARM)) if answered else ((None, "text"),)
            columns.append(Column(place, title, width=82, steps=steps))
    return panels.table(
        "What fires, and was it answered",
        "Every firing alert, most severe first, with its peak hits and how many of them the model answered. Click an "
        "alert to open its runbook.",
        queries,
        [
            Column("tocsin_severity", "Severity", width=84, words=SEVERITIES),
            Column("alertname", "Alert", width=235, url=runbook_url(q.spec, "${__value.raw}")),
            Column("about", "About"),
            Column("tenant", "Tenant", width=100),
            *columns,
            Column("owner", "Owner", width=80),
            Column(0, "Since", unit="dateTimeFromNow", width=125),
        ],
        width=16,
        sort="order",
        descending=False,
        no_value="No alert fires. That counts only while Tocsin is watching.",
    )


def layers(q: QueryBuilder) -> Panel:
    """Where it burns, and where nobody looks."""
    rules = [rule for rule in compile_alerts(q.spec) if rule.name == rule.family]  # a storm is no rule of its own
    numbers = dict(zip(_LAYERS, range(1, len(_LAYERS) + 1), strict=True))
    watched = {layer: sum(rule.static_labels["layer"] == layer for rule in rules) for layer in _LAYERS}

    def rows(values: dict[str, str]) -> Query:
        named = (
            f'label_replace({value}, "layer", "{numbers[layer]} {layer}", "", "")' for layer, value in values.items()
        )
        return Query("\nor ".join(named))

    columns, queries = [], []
    for place, name in enumerate(severities(q)):
        counts = {
            layer: f"count({firing(is_(layer=layer), is_(tocsin_severity=name))}) or vector(0)"
            for layer in _LAYERS
            if watched[layer]
        }
        queries.append(rows(counts))
        columns.append(Column(place, name.capitalize(), width=66, steps=((None, UNKNOWN), (1, SEVERITIES[name]))))
    queries.append(rows({layer: f"vector({count})" for layer, count in watched.items()}))
    columns.append(Column(len(columns), "Rules", width=56))
    return panels.table(
        "Firing by layer",
        "Alerts that fire now, by layer. Rules: how many alerts exist for the layer. A layer without rules is shown "
        "further down, but nobody is notified about it.",
        queries,
        [Column("layer", "Layer", width=125), *columns],
        width=8,
        sort="layer",
        descending=False,
    )


def categories(q: QueryBuilder) -> Panel:
    """The way to the other dashboards."""
    return panels.stat(
        "Firing by category",
        "Alerts that fire now, by signal category. Click a category to open its dashboard with the same time range and "
        "filters.",
        [Query(f"count({firing(is_(category=category))}) or vector(0)", category) for category in CATEGORIES],
        width=panels.WIDTH,
        height=3,
        each=dict.fromkeys(CATEGORIES, ((None, WELL), (1, WATCH))),
        urls={category: board_path(category_uid(category), keep=True) for category in CATEGORIES},
    )


def _described(q: QueryBuilder, alerts: str) -> str:
    """Alerts with what they are about in one label, and their order in another."""
    about = ", ".join(f'"{label}"' for label in _entities(q))
    query = f'label_join({alerts}, "about", "", {about})' if about else alerts
    for name, severity in q.spec.severities.items():
        query = f'label_replace({query},\n"order", "{severity.order}", "tocsin_severity", "{name}")'
    return query


def _peaks(rules: list[AlertRule], *, answered: bool) -> str:
    """The most hits of each alert within its look-back: a latched alert outlives the windows of its signal."""
    parts = []
    for rule in rules:
        metric = rule.answered if answered else rule.series.metric
        peak = f"max by ({', '.join(rule.labels)}) (max_over_time({metric}[{duration(rule.lookback)}]))"
        parts.append(f'label_replace({peak}, "alertname", "{rule.name}", "", "")')
    return "\n  or ".join(parts)


def _joined(rules: list[AlertRule]) -> list[str]:
    return ["alertname", *dict.fromkeys(label for rule in rules for label in rule.labels)]


def severities(q: QueryBuilder) -> list[SeverityName]:
    """Most severe first."""
    return sorted(q.spec.severities, key=lambda name: q.spec.severities[name].order)


def _entities(q: QueryBuilder) -> list[str]:
    """The labels that say whom or what an alert is about; an alert has one of them."""
    labels = dict.fromkeys(label for rule in compile_alerts(q.spec) for label in rule.labels)
    companions = {field.companion for field in q.spec.fields.values()}
    return [label for label in labels if label not in companions]


PANELS: Final = (firing_count, HITS, OVER, WATCHING, BEHIND, alerts, layers, categories, WHY_NOT, UNSEEN)
