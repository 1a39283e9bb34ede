"""Forms of Grafana's dashboard JSON that panels and dashboards share. Plain data; grafanalib is not needed for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

Json = dict[str, Any]
Steps = Sequence[tuple[float | None, str]]
"""Colours by the value from which on they count, ascending; the first has none."""

DATASOURCE: Final[Json] = {"type": "prometheus", "uid": "${datasource}"}
"""Whatever is chosen in the variable `datasource`."""


@dataclass(frozen=True, slots=True)
class Query:
    """A PromQL query. `legend` names its series; ``{{label}}`` in it is a label."""

    expr: str
    legend: str = "__auto"


@dataclass(frozen=True, slots=True)
class Link:
    """A link of a panel or dashboard."""

    title: str
    url: str


@dataclass(frozen=True, slots=True)
class Variable:
    """A choice at the top of the dashboard, from a query such as ``label_values(metric, label)``."""

    name: str
    label: str
    query: str


def targets(queries: Sequence[Query], *, instant: bool = False, table: bool = False) -> list[Json]:
    """The queries of a panel: over the time range, or `instant` at its end."""
    return [
        {
            "datasource": DATASOURCE,
            "editorMode": "code",
            "expr": query.expr,
            "format": "table" if table else "time_series",
            "instant": instant,
            "legendFormat": query.legend,
            "range": not instant,
            "refId": chr(ord("A") + place),
        }
        for place, query in enumerate(queries)
    ]


def steps_of(steps: Steps) -> list[Json]:
    """Thresholds as a list, which they have to be."""
    return [{"color": colour, "value": value} for value, colour in steps]


def thresholds(steps: Steps) -> Json:
    """Thresholds in the unit of the value."""
    return {"mode": "absolute", "steps": steps_of(steps)}


def fixed(colour: str) -> Json:
    """One colour, whatever the value."""
    return {"mode": "fixed", "fixedColor": colour}


def override(name: str, properties: Json) -> Json:
    """Field options of one series or column."""
    return {
        "matcher": {"id": "byName", "options": name},
        "properties": [{"id": key, "value": value} for key, value in properties.items()],
    }


def mappings(words: Mapping[str, tuple[str, str]]) -> list[Json]:
    """(text, colour) to show for each value."""
    options = {
        value: {"text": shown, "color": colour, "index": place}
        for place, (value, (shown, colour)) in enumerate(words.items())
    }
    return [{"type": "value", "options": options}] if options else []


def panel_link(link: Link, *, new_tab: bool = True) -> Json:
    """A link in the corner of a panel, or behind the cells of a column."""
    return {"title": link.title, "url": link.url, "targetBlank": new_tab}


def page_link(link: Link) -> Json:
    """A link to a page elsewhere, beside the title of the dashboard."""
    return _top_link(link, icon="doc", targetBlank=True)


def dashboard_link(link: Link, tooltip: str) -> Json:
    """A link to another dashboard, which gets the same time range and choices."""
    return _top_link(link, icon="dashboard", keepTime=True, includeVars=True, tooltip=tooltip)


def _top_link(link: Link, **options: Any) -> Json:
    return {
        "title": link.title,
        "url": link.url,
        "type": "link",
        "targetBlank": False,
        "keepTime": False,
        "includeVars": False,
        "asDropdown": False,
        "tags": [],
        "tooltip": "",
        **options,
    }


def source_variable() -> Json:
    """The choice of the Prometheus that all panels read."""
    return {
        "name": "datasource",
        "label": "Data source",
        "type": "datasource",
        "query": "prometheus",
        "current": {},
        "options": [],
        "regex": "",
        "refresh": 1,
        "hide": 0,
        "includeAll": False,
        "multi": False,
    }


def variable(choice: Variable) -> Json:
    """A choice of any number of values, at first all."""
    return {
        "name": choice.name,
        "label": choice.label,
        "type": "query",
        "datasource": DATASOURCE,
        "definition": choice.query,
        "query": {"query": choice.query, "refId": f"variable-{choice.name}"},
        "refresh": 2,  # when the time range changes too
        "allValue": ".*",  # series that lack the label as well
        "includeAll": True,
        "multi": True,
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
        "options": [],
        "regex": "",
        "sort": 1,
        "hide": 0,
    }


def annotation(name: str, query: Query, colour: str) -> Json:
    """Stretches of time, marked in every graph."""
    return {
        "name": name,
        "datasource": DATASOURCE,
        "enable": True,
        "hide": False,
        "iconColor": colour,
        "expr": query.expr,
        "titleFormat": query.legend,
        "step": "60s",
        "useValueForTime": False,
    }
