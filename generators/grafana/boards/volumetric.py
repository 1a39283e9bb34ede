"""Volumetric: how much is asked of the models, by whom, and what it costs."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from generators.grafana.boards.layers import application, platform
from generators.grafana.category import board, groups, worst_now, worst_over_time
from generators.grafana.colours import CALM, LINE, UNKNOWN
from generators.grafana.expressions import increase, rate, signal
from generators.grafana.panel_data import Column, Graph, Stat, Table
from generators.grafana.query_builder import is_

_REQUESTS: Final = "llm_requests_total"
_COST: Final = "llm_cost_usd_total"
_TOKENS: Final = "llm_tokens_total"

REQUESTS_NOW: Final = Stat(
    "Requests per second",
    "Requests with a final outcome, after retries and fallbacks. The line shows the time range.",
    {"requests": rate(_REQUESTS)},
    unit="reqps",
    steps=CALM,
    no_value="none seen",
    sparkline=True,
)
TOKENS_NOW: Final = Stat(
    "Tokens per second",
    "Input and output tokens at the current rate, as billed.",
    {direction: rate(_TOKENS, is_(direction=direction)) for direction in ("input", "output")},
    steps=CALM,
    no_value="none seen",
    sparkline=True,
)
COST_NOW: Final = Stat(
    "Cost per hour",
    "US dollars per hour at the current rate, as calculated by the gateway.",
    {"cost": rate(_COST, times=3600)},
    unit="currencyUSD",
    steps=CALM,
    no_value="none seen",
    sparkline=True,
)
BY_TENANT: Final = Graph(
    "Requests per second by tenant",
    "Load by tenant. A step in one tenant is a new job, a loop, or a stolen key.",
    {"{{tenant}}": rate(_REQUESTS, by=["tenant"])},
    unit="reqps",
    stacked=True,
)
COUNTED_TWICE: Final = Graph(
    "Requests per second, counted twice",
    "From the gateway's own counter, and from its log. Far fewer in the log: records are lost, or it is the log of "
    "another gateway.",
    {"gateway's counter": signal("gateway_requests"), "log": rate(_REQUESTS, variables=())},
    unit="reqps",
    colours={"gateway's counter": UNKNOWN, "log": LINE},
    no_value="No counter of a gateway found.",
)
TENANTS: Final = Table(
    "Tenants",
    "Requests, tokens and US dollars of each tenant over the time range.",
    [increase(_COST, by=["tenant"]), increase(_REQUESTS, by=["tenant"]), increase(_TOKENS, by=["tenant"])],
    [
        Column("tenant", "Tenant"),
        Column(1, "Requests", unit="short", width=78),
        Column(2, "Tokens", unit="short", width=70),
        Column(0, "Cost", unit="currencyUSD", width=66),
    ],
    width=7,
    height=8,
    sort="Value #A",
    no_value="No requests in this time.",
)
MODELS: Final = Table(
    "Models",
    "Attempts at each model in {window[attempts_by_model]}, and its tokens and US dollars over the time range.",
    [signal("attempts_by_model"), increase(_TOKENS, by=["model"]), increase(_COST, by=["model"])],
    [
        Column("model", "Model"),
        Column(0, "In {window[attempts_by_model]}", width=74),
        Column(1, "Tokens", unit="short", width=70),
        Column(2, "Cost", unit="currencyUSD", width=66),
    ],
    width=7,
    height=8,
    sort="Value #A",
    no_value="No attempts in this time.",
)

BOARD: Final = board(
    "volumetric",
    "How much is asked of the models, by whom, and what it costs: floods, runaway jobs, copied models, burnt budgets.",
    (
        REQUESTS_NOW,
        TOKENS_NOW,
        COST_NOW,
        worst_now("requests_by_actor", "Busiest account", "Attempts of the busiest account"),
    ),
    (
        application.REQUESTS,
        BY_TENANT,
        platform.ATTEMPTS,
        worst_over_time("requests_by_actor", "Attempts of the busiest accounts", "Attempts of each account"),
        worst_over_time(
            "excess_output_by_actor",
            "Tokens taken out, by account",
            "Tokens that each account took out beyond twice what it sent",
        ),
        worst_over_time("spend_by_actor", "Spent, by account", "US dollars that each account spent"),
        worst_over_time("spend_by_tenant", "Spent, by tenant", "US dollars that each tenant spent"),
        worst_over_time("output_tokens_by_tenant", "Tokens taken out, by tenant", "Tokens that each tenant took out"),
        COUNTED_TWICE,
        application.SPEND,
        replace(application.TOKENS, width=8, height=8),
        replace(application.OPERATIONS, width=8, height=8),
        groups(
            "Accounts",
            "The accounts that ask, take and spend most.",
            (("requests_by_actor", "Attempts"), ("output_tokens_by_actor", "Tokens out"), ("spend_by_actor", "Spent")),
            width=10,
        ),
        TENANTS,
        MODELS,
    ),
)
