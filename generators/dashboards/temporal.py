"""Temporal: when the models are asked, and at what pace."""

from __future__ import annotations

from typing import Final

from generators import panels
from generators.dashboards.ask import Ask
from generators.dashboards.category import board, groups, worst_now, worst_over_time
from generators.dashboards.colours import LINE, PLAIN, UNKNOWN, WATCH
from generators.grafana import Query
from generators.panels import Column, Panel

_REQUESTS: Final = "llm_requests_total"
_OFFHOURS: Final = "llm_requests_offhours_total"


def share_now(ask: Ask) -> Panel:
    """Whether it is night."""
    return panels.stat(
        "Requests off hours",
        f"Share of requests outside business hours ({_hours(ask)}) at the present rate.",
        [Query(f"{ask.rate(_OFFHOURS)}\n/ ({_all(ask)} > 0)", "off hours")],
        width=4,
        unit="percentunit",
        steps=((None, PLAIN),),
        no_value="no requests",
        sparkline=True,
    )


def against_yesterday(ask: Ask) -> Panel:
    """More or less than this time yesterday."""
    return panels.stat(
        "Against a day ago",
        "Requests per second as a share of those at this time a day ago: 100 % is the same. Double of it, or half on "
        "a working day, is worth a look.",
        [Query(f"{ask.rate(_REQUESTS)}\n/ ({ask.rate(_REQUESTS, ago='1d')} > 0)", "of a day ago")],
        width=4,
        unit="percentunit",
        steps=((None, PLAIN), (2, WATCH)),
        no_value="no history",
    )


def in_and_out(ask: Ask) -> Panel:
    """Day and night."""
    off = f"({ask.rate(_OFFHOURS)} or vector(0))"
    return panels.timeseries(
        "Requests per second in and outside business hours",
        f"Business hours are {_hours(ask)}; the spec's calendar says so.",
        [Query(f"{_all(ask)}\n- {off}", "in business hours"), Query(off, "off hours")],
        width=12,
        unit="reqps",
        stacked=True,
        colours={"in business hours": PLAIN, "off hours": WATCH},
    )


def rhythm(ask: Ask) -> Panel:
    """The same hour of other days."""
    return panels.timeseries(
        "Requests per second, now, a day ago and a week ago",
        "People keep a rhythm. A night like a day, or a Sunday like a Monday, is a program. "
        "Lines of the past are there once Prometheus holds that much history.",
        [
            Query(ask.rate(_REQUESTS), "now"),
            Query(ask.rate(_REQUESTS, ago="1d"), "a day ago"),
            Query(ask.rate(_REQUESTS, ago="1w"), "a week ago"),
        ],
        width=12,
        unit="reqps",
        colours={"now": LINE, "a day ago": UNKNOWN, "a week ago": "#5f6068"},
    )


def by_tenant(ask: Ask) -> Panel:
    """Whose nights."""
    return panels.timeseries(
        "Off-hours requests per minute by tenant",
        "Requests outside business hours by tenant. Batch jobs keep the same hours each night; a thief does not.",
        [Query(ask.rate(_OFFHOURS, by=["tenant"], times=60), "{{tenant}}")],
        width=8,
        stacked=True,
    )


def tenants(ask: Ask) -> Panel:
    """What is usual for whom."""
    off = ask.increase(_OFFHOURS, by=["tenant"])
    everything = ask.increase(_REQUESTS, by=["tenant"])
    return panels.table(
        "Tenants",
        "Requests of each tenant over the whole time range, and those of them outside business hours.",
        [Query(everything), Query(off), Query(f"{off}\n/ ({everything} > 0)")],
        [
            Column("tenant", "Tenant"),
            Column(0, "Requests", width=100),
            Column(1, "Off hours", width=100),
            Column(2, "Share", unit="percentunit", width=80),
        ],
        width=10,
        height=8,
        sort="Value #B",
        no_value="No requests in this time.",
    )


def _all(ask: Ask) -> str:
    """Requests by what off-hours requests can be filtered by too, so that both are of the same whole."""
    return ask.rate(_REQUESTS, variables=("gateway", "tenant"))


def _hours(ask: Ask) -> str:
    calendar = ask.spec.calendars[ask.spec.settings.offhours_calendar]
    days = " ".join(day.capitalize() for day in calendar.days)
    return f"{days}, {calendar.from_} to {calendar.to} {calendar.timezone}"


BOARD: Final = board(
    "temporal",
    "When the models are asked and at what pace: nights and weekends, programs behind people's keys, broken rhythms.",
    (
        share_now,
        against_yesterday,
        worst_now("offhours_requests", "Most off hours", "Off-hours attempts of the most active account"),
        worst_now("burst_requests", "Most at once", "Attempts of the quickest account"),
    ),
    (
        in_and_out,
        rhythm,
        by_tenant,
        worst_over_time("offhours_requests", "Off-hours attempts by account", "Attempts outside business hours"),
        worst_over_time(
            "burst_requests", "Attempts at once, by account", "A person reads answers, a program does not: attempts"
        ),
        groups(
            "Accounts",
            "Many attempts at once are a program; a program off hours on a person's key is worth a call.",
            (
                ("offhours_requests", "Off hours"),
                ("burst_requests", "At once"),
                ("requests_by_actor", "Attempts"),
                ("actor_ranges", "Networks"),
            ),
            width=14,
        ),
        tenants,
    ),
)
