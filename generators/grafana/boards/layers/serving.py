"""What models and gateways run on, as other exporters see it: model servers, Kubernetes, database."""

from __future__ import annotations

from typing import Final

from generators.grafana.boards.layers.external import DATABASE, MODELS, PODS, external
from generators.grafana.colours import LINE, WATCH
from generators.grafana.expressions import promql, series
from generators.grafana.panel_data import Ranking
from generators.grafana.query_builder import RANGE

PANELS: Final = (
    external(
        "Requests in model servers",
        "Requests that model servers process, and requests that wait.",
        {word: promql("sum(%s)", series(f"vllm:num_requests_{word}")) for word in ("running", "waiting")},
        MODELS,
        colours={"running": LINE, "waiting": WATCH},
    ),
    external(
        "Key-value cache in use",
        "Share of the cache in use on the fullest server of each model. Near 100 %, requests go back to the queue.",
        {"{{model_name}}": promql("max by (model_name) (%s)", series("vllm:kv_cache_usage_perc"))},
        MODELS,
        share=True,
    ),
    external(
        "Database connections in use",
        "Share of the allowed connections; also 100 % if the database cannot be reached. It holds keys and budgets: "
        "without it a gateway refuses everybody or checks nobody.",
        {
            "{{instance}}": promql(
                "sum by (instance) (%s) / max by (instance) (%s)\nor (1 - min by (instance) (%s)) > 0",
                series("pg_stat_database_numbackends"),
                series("pg_settings_max_connections"),
                series("pg_up"),
            )
        },
        DATABASE,
        share=True,
    ),
    external(
        "Pods that do not run, by namespace",
        "Pending, failed and unknown pods.",
        {
            "{{namespace}}": promql(
                "sum by (namespace) (%s)", series("kube_pod_status_phase", 'phase=~"Pending|Failed|Unknown"')
            )
        },
        PODS,
        soft_most=1,
        levels=((None, LINE), (1, WATCH)),
        width=12,
    ),
    Ranking(
        "Pods that restart most",
        f"Container restarts over the time range. Source: {PODS}.",
        promql(
            f"round(topk(8, sum by (namespace, pod) (increase(%s[{RANGE}])) > 0))",
            series("kube_pod_container_status_restarts_total"),
        ),
        "pod",
        "Pod",
        width=12,
        height=7,
        colour=WATCH,
        value_width=260,
        no_value=f"No restarts, or no {PODS} found.",
    ),
)
