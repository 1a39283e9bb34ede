"""Volumetric: how much is asked of the models, by whom, and what it costs."""

from __future__ import annotations

from typing import Final

from generators import panels
from generators.dashboards.ask import Ask, is_
from generators.dashboards.category import board, groups, sized, worst_now, worst_over_time
from generators.dashboards.colours import LINE, PLAIN, UNKNOWN
from generators.dashboards.layers import application, platform
from generators.grafana import Query
from generators.panels import Column, Panel

_CALM: Final = ((None, PLAIN),)


def requests_now(ask: Ask) -> Panel:
    """Load."""
    return panels.stat(
        "Requests per second",
        "Requests whose outcome is settled, after retries and fallbacks. The line is the time range.",
        [Query(ask.rate("llm_requests_total"), "requests")],
        width=4,
        unit="reqps",
        steps=_CALM,
        no_value="none seen",
        sparkline=True,
    )


def tokens_now(ask: Ask) -> Panel:
    """What models write."""
    return panels.stat(
        "Tokens per second",
        "Tokens into and out of models at the present rate, as billed.",
        [Query(ask.rate("llm_tokens_total", is_(direction=direction)), direction) for direction in ("input", "output")],
        width=4,
        steps=_CALM,
        no_value="none seen",
        sparkline=True,
    )


def cost_now(ask: Ask) -> Panel:
    """Money."""
    return panels.stat(
        "Cost per hour",
        "US dollars an hour at the present rate, as the gateway computes them.",
        [Query(ask.rate("llm_cost_usd_total", times=3600), "cost")],
        width=4,
        unit="currencyUSD",
        steps=_CALM,
        no_value="none seen",
        sparkline=True,
    )


def by_tenant(ask: Ask) -> Panel:
    """Whose load."""
    return panels.timeseries(
        "Requests per second by tenant",
        "Which tenant the load comes from. A step in one tenant is a new job, a loop, or a stolen key.",
        [Query(ask.rate("llm_requests_total", by=["tenant"]), "{{tenant}}")],
        width=8,
        unit="reqps",
        stacked=True,
    )


def counted_twice(ask: Ask) -> Panel:
    """Whether the log tells everything."""
    return panels.timeseries(
        "Requests per second, counted twice",
        "As the gateway's own counter has them, and as its log tells. Far fewer in the log: records are lost, or it is "
        "the log of another gateway.",
        [
            Query(ask.signal("gateway_requests"), "gateway's counter"),
            Query(ask.rate("llm_requests_total", variables=()), "log"),
        ],
        width=8,
        unit="reqps",
        colours={"gateway's counter": UNKNOWN, "log": LINE},
        no_value="No counter of a gateway found.",
    )


def tenants(ask: Ask) -> Panel:
    """Whose bill."""
    return panels.table(
        "Tenants",
        "Requests, tokens and US dollars of each tenant over the whole time range.",
        [
            Query(ask.increase("llm_cost_usd_total", by=["tenant"])),
            Query(ask.increase("llm_requests_total", by=["tenant"])),
            Query(ask.increase("llm_tokens_total", by=["tenant"])),
        ],
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


def models(ask: Ask) -> Panel:
    """What is used."""
    window = ask.definition("attempts_by_model").window
    return panels.table(
        "Models",
        f"Attempts at each model in {window}, and its tokens and US dollars over the whole time range.",
        [
            Query(ask.signal("attempts_by_model")),
            Query(ask.increase("llm_tokens_total", by=["model"])),
            Query(ask.increase("llm_cost_usd_total", by=["model"])),
        ],
        [
            Column("model", "Model"),
            Column(0, f"In {window}", width=74),
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
        requests_now,
        tokens_now,
        cost_now,
        worst_now("requests_by_actor", "Busiest account", "Attempts of the busiest account"),
    ),
    (
        application.requests,
        by_tenant,
        platform.attempts,
        worst_over_time("requests_by_actor", "Attempts of the busiest accounts", "Attempts of each account"),
        worst_over_time("output_tokens_by_actor", "Tokens taken out, by account", "Tokens that each account took out"),
        worst_over_time("spend_by_actor", "Spent, by account", "US dollars that each account spent"),
        worst_over_time("spend_by_tenant", "Spent, by tenant", "US dollars that each tenant spent"),
        worst_over_time("output_tokens_by_tenant", "Tokens taken out, by tenant", "Tokens that each tenant took out"),
        counted_twice,
        application.spend,
        sized(application.tokens, 8, 8),
        sized(application.operations, 8, 8),
        groups(
            "Accounts",
            "The accounts that ask, take and spend most.",
            (("requests_by_actor", "Attempts"), ("output_tokens_by_actor", "Tokens out"), ("spend_by_actor", "Spent")),
            width=10,
        ),
        tenants,
        models,
    ),
)
