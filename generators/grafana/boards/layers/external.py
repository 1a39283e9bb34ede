"""Panels over metrics of other exporters. Tocsin collects none of them, so each panel says which exporter it needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from generators.grafana import panels
from generators.grafana.colours import FILLING, LINE, UNKNOWN
from generators.grafana.expressions import Expression
from generators.grafana.form import Steps
from generators.grafana.panel_data import Graph, Stat
from generators.grafana.query_builder import QueryBuilder

NODE: Final = "node_exporter"
GPU: Final = "dcgm-exporter"
MODELS: Final = "vLLM"
PODS: Final = "kube-state-metrics"
DATABASE: Final = "postgres_exporter"
EXPORTERS: Final = (NODE, GPU, MODELS, PODS, DATABASE)
"""As the table `external` of the spec calls them."""


def external(
    title: str,
    about: str,
    queries: Mapping[str, Expression],
    exporter: str,
    *,
    unit: str = "short",
    share: bool = False,
    soft_most: float | None = None,
    levels: Steps = (),
    colours: Mapping[str, str] | None = None,
    width: int = 8,
) -> Graph:
    """A graph of another exporter; a `share` is drawn from 0 to 100 %, and warmer as it fills."""
    return Graph(
        title,
        f"{about} Source: {exporter}.",
        queries,
        width=width,
        height=7,
        unit="percentunit" if share else unit,
        least=0,
        most=1 if share else None,
        soft_most=soft_most,
        levels=levels or (FILLING if share else ((None, LINE),)),
        colours=colours or {},
        no_value=f"No {exporter} found: nothing to show.",
    )


def _targets(exporter: str) -> Expression:
    """How many targets of an exporter there are, by one of its gauges."""

    def made(q: QueryBuilder) -> str:
        for name, metric in q.spec.external.items():
            if metric.exporter == exporter and not name.endswith("_total"):
                return f"count(count by (job, instance) ({name})) or vector(0)"
        raise q.absent(exporter)

    return made


FOUND: Final = Stat(
    "Targets found, by exporter",
    "Targets of each exporter that Prometheus scrapes. Tocsin does not collect these metrics itself. Without the "
    "exporter, the panels below stay empty.",
    {name: _targets(name) for name in EXPORTERS},
    width=panels.WIDTH,
    words={"0": ("no exporter found", UNKNOWN)},
)
