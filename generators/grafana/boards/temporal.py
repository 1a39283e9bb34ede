"""Temporal: when the models are asked, and at what pace."""

from __future__ import annotations

from typing import Final

from generators.grafana.category import board, groups, worst_now, worst_over_time
from generators.grafana.colours import CALM, LINE, PLAIN, UNKNOWN, WATCH
from generators.grafana.expressions import increase, or_zero, promql, rate, share
from generators.grafana.panel_data import Column, Graph, Stat, Table

_REQUESTS: Final = "llm_requests_total"
_OFFHOURS: Final = "llm_requests_offhours_total"
_ALL: Final = rate(_REQUESTS, variables=("gateway", "tenant"))
"""Requests by what off-hours requests can be filtered by too, so that both are of the same whole."""
_OFF: Final = promql("(%s)", or_zero(rate(_OFFHOURS)))
_BY_TENANT: Final = (increase(_REQUESTS, by=["tenant"]), increase(_OFFHOURS, by=["tenant"]))

SHARE_NOW: Final = Stat(
    "Requests off hours",
    "Share of requests outside business hours ({hours}) at the current rate.",
    {"off hours": share(rate(_OFFHOURS), _ALL)},
    unit="percentunit",
    steps=CALM,
    no_value="no requests",
    sparkline=True,
)
AGAINST_YESTERDAY: Final = Stat(
    "Against a day ago",
    "Requests per second relative to the same time a day ago: 100 % is the same. Check a value above 200 %, or below "
    "50 % on a working day.",
    {"of a day ago": share(rate(_REQUESTS), rate(_REQUESTS, ago="1d"))},
    unit="percentunit",
    steps=((None, PLAIN), (2, WATCH)),
    no_value="no history",
)
IN_AND_OUT: Final = Graph(
    "Requests per second in and outside business hours",
    "Business hours: {hours}, from the spec's calendar.",
    {"in business hours": promql("%s\n- %s", _ALL, _OFF), "off hours": _OFF},
    width=12,
    unit="reqps",
    stacked=True,
    colours={"in business hours": PLAIN, "off hours": WATCH},
)
RHYTHM: Final = Graph(
    "Requests per second, now, a day ago and a week ago",
    "People follow a daily and weekly rhythm. A night like a day, or a Sunday like a Monday, is a program. Past lines "
    "appear once Prometheus holds that much history.",
    {"now": rate(_REQUESTS), "a day ago": rate(_REQUESTS, ago="1d"), "a week ago": rate(_REQUESTS, ago="1w")},
    width=12,
    unit="reqps",
    colours={"now": LINE, "a day ago": UNKNOWN, "a week ago": "#5f6068"},
)
BY_TENANT: Final = Graph(
    "Off-hours requests per minute by tenant",
    "Requests outside business hours by tenant. Batch jobs run at the same hours each night; a thief does not.",
    {"{{tenant}}": rate(_OFFHOURS, by=["tenant"], times=60)},
    stacked=True,
)
TENANTS: Final = Table(
    "Tenants",
    "Requests of each tenant over the time range, and how many of them were outside business hours.",
    [*_BY_TENANT, share(_BY_TENANT[1], _BY_TENANT[0])],
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

BOARD: Final = board(
    "temporal",
    "When the models are asked and at what pace: nights and weekends, programs behind people's keys, broken rhythms.",
    (
        SHARE_NOW,
        AGAINST_YESTERDAY,
        worst_now("offhours_requests", "Most off hours", "Off-hours attempts of the most active account"),
        worst_now("burst_requests", "Most at once", "Attempts of the quickest account"),
    ),
    (
        IN_AND_OUT,
        RHYTHM,
        BY_TENANT,
        worst_over_time("offhours_requests", "Off-hours attempts by account", "Attempts outside business hours"),
        worst_over_time(
            "burst_requests", "Attempts at once, by account", "A person reads answers, a program does not. Attempts"
        ),
        groups(
            "Accounts",
            "Many attempts at once mean a program. If a program uses a person's key off hours, call that person.",
            (
                ("offhours_requests", "Off hours"),
                ("burst_requests", "At once"),
                ("requests_by_actor", "Attempts"),
                ("actor_ranges", "Networks"),
            ),
            width=14,
        ),
        TENANTS,
    ),
)
