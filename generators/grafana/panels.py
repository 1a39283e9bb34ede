"""Panels and dashboards as Grafana's JSON: the only module that knows grafanalib.

grafanalib writes JSON of Grafana 6 (schema 12): data sources by name, retired keys, thresholds as text. So every panel
is brought to one present-day form here; Grafana migrates it forward from `SCHEMA_VERSION`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from grafanalib import _gen, core

from generators.grafana import form
from generators.grafana.form import DATASOURCE, Json, Link, Query, Steps, Variable, fixed, override, thresholds

SCHEMA_VERSION: Final = 39
"""What Grafana 11 writes; older ones warn, newer ones migrate."""
WIDTH: Final = 24
"""Columns of Grafana's grid."""

_PANEL_KEYS: Final = frozenset(
    {"datasource", "description", "fieldConfig", "gridPos", "id", "interval", "links", "options", "targets", "title"}
    | {"transformations", "transparent", "type"}
)
_RETIRED: Final = ("gnetId", "hideControls", "inputs", "rows", "sharedCrosshair", "style", "__inputs")
_CALM_INTERVAL: Final = "1m"
"""The least step of a graph: a rate over less is more noise than news."""
_NEUTRAL: Final = "text"
_CALM: Final[Steps] = ((None, _NEUTRAL),)
_EMPTY_CELL: Final = "–"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: the `source` is a label, or a query of the panel by its position.

    `words` are colours of values; `url` is where a click leads, with ``${__value.raw}`` for the value; `bar` is the
    colour of a bar behind the value.
    """

    source: str | int
    title: str
    unit: str = ""
    width: int = 0
    steps: Steps = _CALM
    words: Mapping[str, str] = field(default_factory=dict)
    url: str = ""
    bar: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """A panel and its size in grid units (a unit of height is 30 pixels)."""

    body: Json
    width: int
    height: int

    @property
    def expressions(self) -> tuple[str, ...]:
        """The PromQL of its queries."""
        return tuple(target["expr"] for target in self.body.get("targets", ()))

    def annotated(self, remark: str, links: Iterable[Link]) -> Panel:
        """The panel with `remark` at the end of its description, and with links."""
        listed = [form.panel_link(link) for link in links]
        description = f"{self.body['description']} {remark}".strip()
        return replace(self, body={**self.body, "description": description, **({"links": listed} if listed else {})})


@dataclass(frozen=True, slots=True)
class Row:
    """A part of a dashboard under a heading."""

    title: str
    panels: tuple[Panel, ...]


def timeseries(
    title: str,
    description: str,
    queries: Sequence[Query],
    *,
    width: int,
    height: int = 8,
    unit: str = "short",
    stacked: bool = False,
    limit: float | None = None,
    least: float | None = None,
    most: float | None = None,
    soft_most: float | None = None,
    colours: Mapping[str, str] | None = None,
    shade: str = "",
    levels: Steps = (),
    no_value: str = "",
) -> Panel:
    """Lines over time.

    `limit` is drawn as a dashed line, and `soft_most` is where the axis ends at least. Colours are those of series by
    name (`colours`), shades of one, or those of a line's last value (`levels`); else Grafana's palette.
    """
    steps = levels or (_CALM if limit is None else ((None, "transparent"), (limit, "orange")))
    made = core.TimeSeries(
        title=title,
        description=description,
        unit=unit,
        targets=form.targets(queries),
        interval=_CALM_INTERVAL,
        fillOpacity=35 if stacked else 8,
        lineWidth=1,
        showPoints="never",
        stacking={"mode": "normal" if stacked else "none", "group": "A"},
        tooltipMode="multi",
        tooltipSort="desc",
        thresholdsStyleMode="off" if limit is None else "dashed",
        overrides=[override(name, {"color": fixed(colour)}) for name, colour in (colours or {}).items()],
    )
    defaults = {
        "color": _series_colour(shade, levels),
        "min": least,
        "max": most,
        "noValue": no_value or None,
        "thresholds": thresholds(steps),
        # A limit far above the lines would be out of sight.
        "custom": {"axisSoftMin": 0, "axisSoftMax": limit if soft_most is None else soft_most},
    }
    return Panel(_modern(made, defaults=defaults, options={"legend": {"showLegend": True}}), width, height)


def stat(
    title: str,
    description: str,
    queries: Sequence[Query],
    *,
    width: int,
    height: int = 4,
    unit: str = "short",
    steps: Steps = _CALM,
    each: Mapping[str, Steps] | None = None,
    urls: Mapping[str, str] | None = None,
    words: Mapping[str, tuple[str, str]] | None = None,
    no_value: str = "",
    sparkline: bool = False,
) -> Panel:
    """One large value for each query.

    `each` are colours by series, `urls` is where a click on a series leads, `words` are (text, colour) by value.
    """
    own: dict[str, Json] = {name: {"thresholds": thresholds(colours)} for name, colours in (each or {}).items()}
    for name, url in (urls or {}).items():
        own.setdefault(name, {})["links"] = [form.panel_link(Link(name, url), new_tab=False)]
    made = core.Stat(
        title=title,
        description=description,
        format=unit,
        targets=form.targets(queries, instant=not sparkline),
        thresholds=form.steps_of(steps),
        reduceCalc="lastNotNull",
        graphMode="area" if sparkline else "none",
        colorMode="value",
        textMode="value_and_name" if len(queries) > 1 else "value",
        overrides=[override(name, properties) for name, properties in own.items()],
    )
    defaults = {
        "color": {"mode": "thresholds"},
        "noValue": no_value or None,
        "mappings": form.mappings(words or {}),
    }
    options = {"wideLayout": False, "showPercentChange": False}
    return Panel(_modern(made, defaults=defaults, options=options), width, height)


def table(
    title: str,
    description: str,
    queries: Sequence[Query],
    columns: Sequence[Column],
    *,
    width: int,
    height: int = 9,
    sort: str,
    descending: bool = True,
    no_value: str = "",
) -> Panel:
    """The series of all queries as one table: a row for each set of labels, sorted by the field `sort`.

    The columns are exactly those given, so that a label that appears some day makes no new column.
    """
    names = {column.source: _source(column, len(queries)) for column in columns}
    transformations: list[Json] = [{"id": "merge", "options": {}}] if len(queries) > 1 else []
    # Sorted before columns are dropped, because the order may come from one that nobody has to see.
    transformations += [
        {"id": "sortBy", "options": {"fields": {}, "sort": [{"field": sort, "desc": descending}]}},
        {"id": "filterFieldsByName", "options": {"include": {"names": list(names.values())}}},
        {
            "id": "organize",
            "options": {
                "excludeByName": {},
                "indexByName": {name: place for place, name in enumerate(names.values())},
                "renameByName": {names[column.source]: column.title for column in columns},
            },
        },
    ]
    made = core.Table(title=title, description=description, targets=form.targets(queries, instant=True, table=True))
    defaults = {
        "thresholds": thresholds(_CALM),
        "color": {"mode": "thresholds"},
        "custom": {"align": "auto", "cellOptions": {"type": "auto"}, "filterable": False},
        "noValue": no_value or None,
    }
    body = _modern(made, defaults=defaults)
    body["fieldConfig"]["overrides"] = [_column(column) for column in columns]
    body["options"] = {"showHeader": True, "cellHeight": "sm", "footer": {"show": False, "reducer": ["sum"]}}
    body["transformations"] = transformations
    return Panel(body, width, height)


def dashboard(
    *,
    uid: str,
    title: str,
    description: str,
    rows: Sequence[Row],
    variables: Sequence[Variable],
    links: Sequence[Json],
    annotation: Query,
    tags: Sequence[str],
) -> str:
    """A dashboard as the text of its file. `annotation` marks stretches of time in every graph."""
    made = core.Dashboard(
        title=title,
        uid=uid,
        description=description,
        editable=False,
        tags=list(tags),
        timezone="browser",
        refresh="30s",
        time=core.Time("now-3h", "now"),
        schemaVersion=SCHEMA_VERSION,
        graphTooltip=core.GRAPH_TOOLTIP_MODE_SHARED_CROSSHAIR,
        version=1,
    )
    body = {key: value for key, value in _plain(made).items() if key not in _RETIRED}
    body["panels"] = _placed(rows)
    body["templating"] = {"list": [form.source_variable(), *(form.variable(choice) for choice in variables)]}
    body["links"] = list(links)
    body["annotations"] = {"list": [form.annotation("Alerts", annotation, "orange")]}
    body["timepicker"] = {}
    return json.dumps(body, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


# ------------------------------------------------------------------------------------------------------------- place
def _placed(rows: Iterable[Row]) -> list[Json]:
    """All panels with ids and places: left to right, the next line below the tallest of the one before."""
    out: list[Json] = []
    top = 0
    for row in rows:
        heading = {"type": "row", "title": row.title, "collapsed": False, "panels": []}
        out.append({**heading, "id": len(out) + 1, "gridPos": _place(0, top, WIDTH, 1)})
        left, tallest, top = 0, 0, top + 1
        for panel in row.panels:
            if left + panel.width > WIDTH:
                left, tallest, top = 0, 0, top + tallest
            place = _place(left, top, panel.width, panel.height)
            out.append({**panel.body, "id": len(out) + 1, "gridPos": place})
            left, tallest = left + panel.width, max(tallest, panel.height)
        top += tallest
    return out


def _place(left: int, top: int, width: int, height: int) -> Json:
    return {"x": left, "y": top, "w": width, "h": height}


# -------------------------------------------------------------------------------------------------------------- form
def _modern(made: core.Panel, *, defaults: Json, options: Json | None = None) -> Json:
    """A panel of grafanalib without retired keys and nulls, with its data source by reference."""
    body = {key: value for key, value in _plain(made).items() if key in _PANEL_KEYS and value not in (None, [])}
    config = body.setdefault("fieldConfig", {})
    config.setdefault("overrides", [])
    config["defaults"] = _without_nulls(_laid_over(config.get("defaults", {}), defaults))
    body["options"] = _laid_over(body.get("options", {}), options or {})
    return {**body, "transparent": False, "datasource": DATASOURCE}


def _plain(made: object) -> Json:
    out: Json = json.loads(json.dumps(made, cls=_gen.DashboardEncoder))
    return out


def _laid_over(under: Json, over: Mapping[str, Any]) -> Json:
    """`over` wins; ``custom`` and ``legend`` are merged key by key."""
    merged = {key: {**under.get(key, {}), **over[key]} for key in ("custom", "legend") if key in over}
    return {**under, **over, **merged}


def _without_nulls(value: Json) -> Json:
    return {
        key: _without_nulls(item) if isinstance(item, dict) else item for key, item in value.items() if item is not None
    }


def _series_colour(shade: str, levels: Steps) -> Json:
    if shade:
        return {"mode": "shades", "fixedColor": shade}
    return {"mode": "thresholds" if levels else "palette-classic"}


def _source(column: Column, queries: int) -> str:
    """The name of the field: Grafana numbers values only where there are several queries."""
    if isinstance(column.source, str):
        return column.source
    return f"Value #{chr(ord('A') + column.source)}" if queries > 1 else "Value"


def _column(column: Column) -> Json:
    properties: Json = {"noValue": _EMPTY_CELL}
    if column.unit:
        properties["unit"] = column.unit
    if column.width:
        properties["custom.width"] = column.width
    if column.words:
        properties["mappings"] = form.mappings({word: (word, colour) for word, colour in column.words.items()})
    if column.words or len(column.steps) > 1:
        properties["custom.cellOptions"] = {"type": "color-text"}
        properties["thresholds"] = thresholds(column.steps)
    if column.bar:
        properties["custom.cellOptions"] = {"type": "gauge", "mode": "basic", "valueDisplayMode": "text"}
        properties["custom.align"] = "left"
        properties["color"] = fixed(column.bar)
        properties["min"] = 0
    if column.url:
        properties["links"] = [form.panel_link(Link("Runbook", column.url))]
    return override(column.title, properties)
