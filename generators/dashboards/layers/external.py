"""Panels over metrics of other exporters. Tocsin collects none of them, so each panel says which exporter it needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from generators import panels
from generators.dashboards.ask import Ask, NotInSpecError
from generators.dashboards.colours import FILLING, LINE, UNKNOWN
from generators.grafana import Query, Steps
from generators.panels import Panel

NODE: Final = "node_exporter"
GPU: Final = "dcgm-exporter"
MODELS: Final = "vLLM"
PODS: Final = "kube-state-metrics"
DATABASE: Final = "postgres_exporter"
EXPORTERS: Final = (NODE, GPU, MODELS, PODS, DATABASE)
"""As the table `external` of the spec calls them."""


def found(ask: Ask) -> Panel:
    """Which exporters Prometheus reads, and how many targets of each."""
    return panels.stat(
        "Targets found, by exporter",
        "How many targets of each exporter Prometheus reads. Tocsin does not collect these metrics again; without the "
        "exporter, the panels below stay empty.",
        [Query(f"count(count by (job, instance) ({_any(ask, name)})) or vector(0)", name) for name in EXPORTERS],
        width=panels.WIDTH,
        height=4,
        words={"0": ("no exporter found", UNKNOWN)},
    )


def lines(
    title: str,
    description: str,
    queries: list[Query],
    exporter: str,
    *,
    unit: str = "short",
    share: bool = False,
    soft_most: float | None = None,
    levels: Steps = (),
    colours: Mapping[str, str] | None = None,
    width: int = 8,
    height: int = 7,
) -> Panel:
    """Lines over time; a `share` is drawn from 0 to 100 %, and warmer as it fills."""
    return panels.timeseries(
        title,
        f"{description} Source: {exporter}.",
        queries,
        width=width,
        height=height,
        unit="percentunit" if share else unit,
        least=0,
        most=1 if share else None,
        soft_most=soft_most,
        levels=levels or (FILLING if share else ((None, LINE),)),
        colours=colours,
        no_value=missing(exporter),
    )


def missing(exporter: str) -> str:
    """What an empty panel says."""
    return f"No {exporter} found: nothing to show."


def _any(ask: Ask, exporter: str) -> str:
    """A gauge of the exporter."""
    for name, metric in ask.spec.external.items():
        if metric.exporter == exporter and not name.endswith("_total"):
            return name
    raise NotInSpecError(exporter)
