"""Errors: what fails, on whose side, and who is turned away."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from generators.grafana.boards.layers import application, platform
from generators.grafana.category import board, groups, worst_now
from generators.grafana.colours import ERRORS, HARM, WATCH, WELL
from generators.grafana.expressions import above_zero, increase, promql, rate, share, signal
from generators.grafana.panel_data import TEXT, Column, Graph, Stat, Table, threshold_of

_ERRORS: Final = "llm_errors_total"
_ATTEMPTS: Final = "llm_attempts_total"
_PROVIDERS: Final = share(signal("provider_errors"), signal("provider_attempts"))

SHARE_NOW: Final = Stat(
    "Attempts that fail",
    "Share of attempts that fail for any cause, at the current rate. Retries hide part of it from users.",
    {"failing": share(rate(_ERRORS), rate(_ATTEMPTS))},
    unit="percentunit",
    steps=((None, WELL), (0.05, WATCH), (0.25, HARM)),
    no_value="no attempts",
    sparkline=True,
)
PROVIDERS_NOW: Final = Stat(
    "Worst provider",
    "Share of the attempts at the worst provider that fail on its side, in "
    "{window[provider_errors]}.{fires_at[provider_errors]}",
    {"failing": promql("max(%s)", _PROVIDERS)},
    unit="percentunit",
    steps=threshold_of("provider_errors", WELL),
    no_value="no attempts",
    sparkline=True,
)
BY_MODEL: Final = Graph(
    "Attempts that fail, by model",
    "Share of the attempts at each model that fail, for any cause. One model: its provider or its limits. "
    "All of them: the gateway, its database or its network.",
    {"{{model}}": share(rate(_ERRORS, by=["model"]), rate(_ATTEMPTS, by=["model"]))},
    width=12,
    unit="percentunit",
    least=0,
)
REFUSALS: Final = Graph(
    "Refused credentials per minute by gateway",
    "Attempts with a credential that a gateway refused, from all address ranges.",
    {"{{gateway}}": rate("llm_auth_refusals_total", by=["gateway"], times=60)},
    shade=WATCH,
)
BY_TENANT: Final = Graph(
    "Failed attempts per minute by tenant",
    "Failed attempts of each tenant, for any cause.",
    {"{{tenant}}": above_zero(rate(_ERRORS, by=["tenant"], times=60))},
    stacked=True,
    no_value="No attempt failed.",
)
CAUSES: Final = Table(
    "Where errors are",
    "Failed attempts over the time range, by tenant, model and cause; the twelve most frequent.",
    [promql("round(topk(12, %s > 0))", increase(_ERRORS, by=["tenant", "model", "error_class"]))],
    [
        Column("error_class", "Cause", words=ERRORS),
        Column("model", "Model"),
        Column("tenant", "Tenant", width=120),
        Column(0, "Failed", width=150, bar=WATCH),
    ],
    width=12,
    height=8,
    sort="Value",
    no_value="No attempt failed.",
)
PROVIDERS: Final = Table(
    "Providers in {window[provider_errors]}",
    "Attempts at each provider, and those that failed on its side (5xx, network, timeout, its rate limit).",
    [_PROVIDERS, signal("provider_attempts"), signal("provider_errors")],
    [
        Column("provider", "Provider"),
        Column(1, "Attempts", width=100),
        Column(2, "Failed", width=100),
        Column(0, "Share", unit="percentunit", width=100, steps=threshold_of("provider_errors", TEXT)),
    ],
    width=12,
    height=7,
    sort="Value #A",
    no_value="No attempts now.",
)

BOARD: Final = board(
    "error",
    "What fails and on whose side: providers that break, limits that bite, wrong requests, keys that are tried.",
    (
        SHARE_NOW,
        PROVIDERS_NOW,
        worst_now("refused_keys", "Most refused keys", "Different refused keys from one address range"),
        worst_now("validation_errors", "Most malformed", "Malformed requests of one account"),
    ),
    (
        replace(application.ERROR_CAUSES, width=12),
        BY_MODEL,
        platform.PROVIDER_ERRORS,
        REFUSALS,
        BY_TENANT,
        CAUSES,
        replace(application.REFUSED, width=12, height=8),
        PROVIDERS,
        groups(
            "Accounts that are turned away",
            "Malformed: a broken client, or somebody who probes. Limited: refused by the rate limit.",
            (("validation_errors", "Malformed"), ("caller_rate_limited", "Limited"), ("requests_by_actor", "Attempts")),
            width=12,
            height=7,
        ),
    ),
)
