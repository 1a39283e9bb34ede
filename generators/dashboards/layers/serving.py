"""What models and gateways run on, as other exporters see it: model servers, Kubernetes, database."""

from __future__ import annotations

from generators import panels
from generators.dashboards.ask import RANGE, Ask
from generators.dashboards.colours import LINE, WATCH
from generators.dashboards.layers import external
from generators.grafana import Query
from generators.panels import Panel


def queues(ask: Ask) -> Panel:
    """Requests that wait are users that wait."""
    running, waiting = (f"sum({ask.series(f'vllm:num_requests_{word}')})" for word in ("running", "waiting"))
    return external.lines(
        "Requests in model servers",
        "Requests that model servers work on, and those that wait for one.",
        [Query(running, "running"), Query(waiting, "waiting")],
        external.MODELS,
        colours={"running": LINE, "waiting": WATCH},
    )


def caches(ask: Ask) -> Panel:
    """A full cache makes requests wait."""
    return external.lines(
        "Key-value cache in use",
        "Share of the cache in use, of the fullest server of each model. Near 100 %, requests are put back and wait.",
        [Query(f"max by (model_name) ({ask.series('vllm:kv_cache_usage_perc')})", "{{model_name}}")],
        external.MODELS,
        share=True,
    )


def connections(ask: Ask) -> Panel:
    """A gateway without its database lets nobody in, or everybody."""
    used = f"sum by (instance) ({ask.series('pg_stat_database_numbackends')})"
    allowed = f"max by (instance) ({ask.series('pg_settings_max_connections')})"
    reached = f"min by (instance) ({ask.series('pg_up')})"
    return external.lines(
        "Database connections in use",
        "Share of the allowed connections; 100 % as well when the database cannot be reached. "
        "Keys and budgets are in it: without it a gateway refuses everybody or checks nobody.",
        [Query(f"{used} / {allowed}\nor (1 - {reached}) > 0", "{{instance}}")],
        external.DATABASE,
        share=True,
    )


def pods(ask: Ask) -> Panel:
    """Pods that should run and do not."""
    metric = ask.series("kube_pod_status_phase", 'phase=~"Pending|Failed|Unknown"')
    return external.lines(
        "Pods that do not run, by namespace",
        "Pending, failed and unknown pods.",
        [Query(f"sum by (namespace) ({metric})", "{{namespace}}")],
        external.PODS,
        soft_most=1,
        levels=((None, LINE), (1, WATCH)),
        width=12,
    )


def restarts(ask: Ask) -> Panel:
    """Containers that do not stay up."""
    metric = ask.series("kube_pod_container_status_restarts_total")
    return panels.ranking(
        "Pods that restart most",
        f"Restarts of containers over the whole time range. Source: {external.PODS}.",
        f"round(topk(8, sum by (namespace, pod) (increase({metric}[{RANGE}])) > 0))",
        "pod",
        heading="Pod",
        width=12,
        height=7,
        colour=WATCH,
        value_width=260,
        no_value=f"No restarts, or no {external.PODS} found.",
    )


PANELS = (queues, caches, connections, pods, restarts)
