"""What the dashboards of the six categories of signals share: alerts, the worst groups, whatever else the spec has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Final

from alerts import AlertRule, compile_alerts
from alerts.series import signal_series
from alerts.wording import within
from generators.grafana import panels
from generators.grafana.boards import coverage_panels, status_panels
from generators.grafana.colours import HARM, PLAIN, SEVERITIES, UNKNOWN, WATCH, WELL, up_to
from generators.grafana.dashboard import Board, Maker
from generators.grafana.form import Query, Steps
from generators.grafana.panels import Column, Panel
from generators.grafana.query_builder import RANGE, NotInSpecError, QueryBuilder, firing, is_, shows
from generators.links import category_uid, runbook_url
from generators.prometheus.promql import number
from spec import names
from spec.lookup import identities, own_stream, signals_of
from spec.model import Family

UNITS: Final = {"usd": "currencyUSD", "seconds": "s", "bytes": "bytes"}
"""Grafana's units by those of signals."""
_WORST: Final = 5
"""Groups in a graph of the worst."""
_FIRING_WIDTH: Final = 5
_TABLE_WIDTH: Final = 16


def board(category: str, about: str, now_row: Sequence[Maker], history: Sequence[Maker]) -> Board:
    """The dashboard of a category: single values with its alerts, then how it developed and who is in it.

    What the spec has of the category and none of these shows gets panels of its own at the end.
    """
    heading = f"Now: {about[0].lower()}{about[1:].rstrip('.')}"
    return Board(
        uid=category_uid(category),
        name=category.capitalize(),
        category=category,
        about=about,
        rows=(
            (heading, (partial(_firing, category), *now_row, coverage_panels.WATCHING, *_alerts(category))),
            ("How it developed, and who and what it is made of", tuple(history)),
        ),
        rest=partial(_rest, category),
    )


def worst_now(name: str, title: str, about: str, *, width: int = 4) -> Maker:
    """The greatest value of a signal; green below the threshold of an alert, orange from it on."""

    def made(q: QueryBuilder) -> Panel:
        signal, limit = q.definition(name), q.limit(name)
        return panels.stat(
            title,
            f"{about}{within(signal)}.{_threshold(q, name)}",
            [Query(f"max({q.signal(name)})", "worst")],
            width=width,
            unit=UNITS.get(signal.unit, "short"),
            steps=((None, PLAIN),) if limit is None else up_to(limit, WELL),
            no_value="none seen",
            sparkline=True,
        )

    return made


def worst_over_time(name: str, title: str, about: str, *, width: int = 8, height: int = 8) -> Maker:
    """The worst groups of a signal as lines, with the threshold of an alert."""

    def made(q: QueryBuilder) -> Panel:
        signal, limit = q.definition(name), q.limit(name)
        labels = signal_series(q.spec, name).labels
        anybody = signal.by in identities(q.spec.fields)
        query = q.signal(name)
        if labels:
            # Anybody can be at 0; of what is bounded, 0 is an answer.
            query = f"topk({_WORST}, {query}{' > 0' if anybody else ''})"
        line = " Dashed line: the alert's threshold." if limit is not None else ""
        return panels.timeseries(
            title,
            f"{about}{within(signal)}.{line}",
            [Query(query, _legend(labels) or name.replace("_", " "))],
            width=width,
            height=height,
            unit=UNITS.get(signal.unit, "short"),
            limit=limit,
            no_value="Nobody in this time." if anybody else "Nothing in this time.",
        )

    return made


def groups(title: str, about: str, signals: Sequence[tuple[str, str]], *, width: int, height: int = 8) -> Maker:
    """A table of accounts or the like: a column for each (signal, heading); worst in the first on top."""

    def made(q: QueryBuilder) -> Panel:
        found = [(name, heading) for name, heading in signals if q.has(name)]
        if not found:
            raise NotInSpecError(title)
        labels = signal_series(q.spec, found[0][0]).labels
        queries, columns = [], []
        for place, (name, heading) in enumerate(found):
            signal, limit = q.definition(name), q.limit(name)
            steps: Steps = ((None, "text"), *(((limit, WATCH),) if limit is not None else ()))
            queries.append(Query(f"{q.signal(name)} > 0"))
            unit = UNITS.get(signal.unit, "short")
            columns.append(Column(place, heading, unit=unit, width=max(80, 8 * len(heading) + 14), steps=steps))
        widths = {"tenant": 95, "trusted": 80}
        windows = ", ".join(f"{q.definition(name).window} {heading}" for name, heading in found)
        return panels.table(
            title,
            f"{about} Orange: at or over an alert's threshold. In the last: {windows}.",
            queries,
            [
                *(Column(label, names.title(label, q.spec.fields), width=widths.get(label, 0)) for label in labels),
                *columns,
            ],
            width=width,
            height=height,
            sort="Value #A" if len(found) > 1 else "Value",
            no_value="Nobody now.",
        )

    return made


# ------------------------------------------------------------------------------------------------------------- alerts
def _firing(category: str, q: QueryBuilder) -> Panel:
    """Firing alerts of the category by severity, of the severities that it has."""
    found = {rule.static_labels["tocsin_severity"] for rule in _rules(q, category)}
    present = [name for name in status_panels.severities(q) if name in found]
    if not present:
        raise NotInSpecError(category)
    return panels.stat(
        "Alerts firing",
        f"Alerts on {category} signals that fire now, by severity. The line shows the time range.",
        [
            Query(f"count({firing(is_(category=category), is_(tocsin_severity=name))}) or vector(0)", name)
            for name in present
        ],
        width=_FIRING_WIDTH,
        each={name: ((None, WELL), (1, SEVERITIES[name])) for name in present},
        sparkline=True,
    )


def _alerts(category: str) -> tuple[Maker, ...]:
    return partial(_alert_table, category), partial(_alert_history, category)


def _alert_table(category: str, q: QueryBuilder) -> Panel:
    """Every alert, firing or not, with what it waits for."""
    rules = _rules(q, category)
    if not rules:
        raise NotInSpecError(category)
    counts = "\nor ".join(_described(q, rule) for rule in rules)
    queries = [Query(counts)]
    columns = [Column(0, "Firing", width=70, steps=((None, UNKNOWN), (1, HARM)))]
    counted = [rule.name for rule in rules if own_stream(q.definition(signals_of(rule.alert)[0][1]))]
    if counted:
        zero = "\nor ".join(f'label_replace(vector(0), "alertname", "{name}", "", "")' for name in counted)
        matcher = f'alert=~"{"|".join(counted)}"'
        over = f"max by (alert) ({q.series(names.VIOLATING_GROUPS, matcher)})"
        crossed = f"round(sum by (alert) (increase({q.series('llm_threshold_crossings_total', matcher)}[{RANGE}])))"
        for place, (query, title, width) in enumerate(((over, "Over now", 85), (crossed, "Crossings", 90)), start=1):
            named = f'sum by (alertname) (label_join({query}, "alertname", "", "alert"))'
            queries.append(Query(f"{named}\nor on (alertname) ({zero})"))
            columns.append(
                Column(place, title, width=width, steps=((None, UNKNOWN), (1, WATCH if place == 1 else "text")))
            )
    return panels.table(
        f"Alerts on {category} signals",
        "Every alert of this category and its condition. Click one to open its runbook. Over now: groups over the "
        "threshold now. Crossings: how often a group went over it in the time range. An alert without groups shows "
        "neither. σ up: standard deviations above the group's own mean.",
        queries,
        [
            Column("tocsin_severity", "Severity", width=76, words=SEVERITIES),
            Column("alertname", "Alert", width=225, url=runbook_url(q.spec, "${__value.raw}")),
            Column("condition", "Fires at"),
            *columns,
            Column("owner", "Owner", width=74),
        ],
        width=_TABLE_WIDTH,
        height=_table_height(len(rules)),
        sort="order",
        descending=False,
    )


def _alert_history(category: str, q: QueryBuilder) -> Panel:
    """When they fired."""
    rules = _rules(q, category)
    if not rules:
        raise NotInSpecError(category)
    return panels.timeseries(
        "Firing, by alert",
        f"Alerts on {category} signals that fired over time. A storm counts as one.",
        [Query(f"count by (alert_family) ({firing(is_(category=category))})", "{{alert_family}}")],
        width=panels.WIDTH - _TABLE_WIDTH,
        height=_table_height(len(rules)),
        stacked=True,
        soft_most=2,
        colours=_shades(rules),
        no_value="No alert of this category fired.",
    )


def _shades(rules: Sequence[AlertRule]) -> dict[str, str]:
    """The colour of each alert's severity, each of one severity in another shade."""
    shades = ("", "dark-", "light-", "semi-dark-", "super-light-")
    seen: Counter[str] = Counter()
    colours: dict[str, str] = {}
    for rule in rules:
        severity = rule.static_labels["tocsin_severity"]
        colours[rule.name] = shades[seen[severity] % len(shades)] + SEVERITIES[severity]
        seen[severity] += 1
    return colours


def _described(q: QueryBuilder, rule: AlertRule) -> str:
    """How many of an alert fire, 0 included, with what a person wants to know of it in labels."""
    found = {
        "alertname": rule.name,
        "tocsin_severity": rule.static_labels["tocsin_severity"],
        "owner": rule.static_labels["owner"],
        "condition": rule.criterion.brief(q.spec, rule),
        "order": str(q.spec.severities[rule.alert.severity].order),
    }
    query = f"(count({firing(is_(alert_family=rule.name))}) or vector(0))"
    for label, value in found.items():
        query = f'label_replace({query}, "{label}", "{value}", "", "")'
    return query


def _rules(q: QueryBuilder, category: str) -> list[AlertRule]:
    """Alerts of the category, without the storms that stand for them."""
    return [
        rule
        for rule in compile_alerts(q.spec)
        if rule.name == rule.family and rule.static_labels["category"] == category
    ]


def _table_height(count: int) -> int:
    """Title and heading take two units; a line is about one."""
    return min(12, max(5, count + 3))


# --------------------------------------------------------------------------------------------------------------- rest
def _rest(category: str, q: QueryBuilder, shown: Sequence[str]) -> tuple[str, tuple[Maker, ...]]:
    """A panel for each signal and family of the category that is on none yet."""
    text = " ".join(shown)
    makers: list[Maker] = []
    for name, family in q.spec.families.items():
        if family.category == category and not shows(text, name):
            makers.append(partial(_family, name, family))
    for name, signal in q.spec.signals.items():
        if signal.category == category and not shows(text, names.signal_metric(name, signal)):
            title = f"{name.replace('_', ' ').capitalize()}{within(signal)}"
            makers.append(worst_over_time(name, title, signal.help.rstrip(".")))
        if signal.category == category and signal.answered and not shows(text, names.answered_metric(name)):
            makers.append(partial(_answered, name))
    return f"More {category} signals", tuple(makers)


def _family(name: str, family: Family, q: QueryBuilder) -> Panel:
    """A family as it is: the rate of a counter by its last label, the 95th percentile of a histogram."""
    words = name.removeprefix("llm_").removesuffix("_total").replace("_", " ").capitalize()
    by = [label for label in family.labels if label not in ("gateway", "tenant")][-1:]
    legend = _legend(tuple(by)) or words
    match family.type:
        case "counter":
            query, title, unit = q.rate(name, by=by, times=60), f"{words} per minute", "short"
        case "histogram":
            query, title = q.quantile(0.95, name, by), f"{words}, 95th percentile"
            unit = "s" if name.endswith("_seconds") else "short"
        case _:
            query, title, unit = q.gauge("max", name, by=by), words, "short"
    return panels.timeseries(title, f"{family.help}", [Query(query, legend)], width=8, unit=unit)


def _answered(name: str, q: QueryBuilder) -> Panel:
    """The part of a signal's hits that the model answered."""
    signal = q.definition(name)
    labels = signal_series(q.spec, name).labels
    return panels.timeseries(
        f"{name.replace('_', ' ').capitalize()}, answered",
        f"{signal.help} Only those that the model answered{within(signal)}.",
        [Query(f"topk({_WORST}, {q.signal(name, answered=True)})", _legend(labels) or "answered")],
        width=8,
        shade=HARM,
    )


# -------------------------------------------------------------------------------------------------------------- words
def _legend(labels: tuple[str, ...]) -> str:
    """The first label says whom; the second only belongs to it."""
    return f"{{{{{labels[0]}}}}}" if labels else ""


def _threshold(q: QueryBuilder, name: str) -> str:
    limit = q.limit(name)
    return f" An alert fires at {number(limit)} or more." if limit is not None else ""
