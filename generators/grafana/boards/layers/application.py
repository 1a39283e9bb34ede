"""Application: who uses the models, with what success, for how much."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from generators.grafana import panels
from generators.grafana.colours import DIRECTIONS, ERRORS, HARM, OUTCOMES, PLAIN, WATCH
from generators.grafana.expressions import above_zero, rate, signal
from generators.grafana.form import Query, Steps
from generators.grafana.panel_data import TEXT, Column, Graph, Table
from generators.grafana.panels import Panel
from generators.grafana.query_builder import QueryBuilder

REQUESTS: Final = Graph(
    "Requests per second by outcome",
    "Requests by final outcome, after retries and fallbacks.",
    {"{{outcome}}": rate("llm_requests_total", by=["outcome"])},
    unit="reqps",
    stacked=True,
    colours=OUTCOMES,
)
ERROR_CAUSES: Final = Graph(
    "Failed attempts per minute by cause",
    "Red: the provider failed. Orange and yellow: the caller's mistake. Blue: a guardrail blocked it.",
    {"{{error_class}}": above_zero(rate("llm_errors_total", by=["error_class"], times=60))},
    stacked=True,
    colours=ERRORS,
    no_value="No attempt failed.",
)
SPEND: Final = Graph(
    "Cost per hour by model",
    "US dollars per hour at the current rate, as calculated by the gateway.",
    {"{{model}}": rate("llm_cost_usd_total", by=["model"], times=3600)},
    unit="currencyUSD",
    stacked=True,
)
REFUSED: Final = Table(
    "Refused credentials by address range",
    "In the last {window[refused_keys]}. Many different keys: guesses or a leaked list. One key many times: a broken "
    "client. The caller can forge an address that is not trusted: never block by it.",
    [signal("refused_keys"), signal("auth_failures")],
    [
        Column("source_range", "Address range"),
        Column("trusted", "Trusted", width=90, words={"false": WATCH}),
        Column(0, "Different keys", width=130, steps=lambda q: ((None, TEXT), (q.limit("refused_keys") or 1, WATCH))),
        Column(1, "Refusals", width=100),
    ],
    width=12,
    height=7,
    sort="Value #A",
    no_value="No credentials were refused.",
)
AUTH_FAILURES: Final = Graph(
    "Refused credentials and off-hours requests per minute",
    "Attempts with a credential that a gateway refused, and requests outside business hours.",
    {
        "refused by {{gateway}}": rate("llm_auth_refusals_total", by=["gateway"], times=60),
        "off hours": rate("llm_requests_offhours_total", times=60),
    },
    width=12,
    height=7,
    shade=WATCH,
    colours={"off hours": PLAIN},
)
TOKENS: Final = Graph(
    "Tokens per second by direction",
    "Tokens as billed. Far more output than usual from the same number of requests can mean that somebody copies a "
    "model.",
    {"{{direction}}": rate("llm_tokens_total", by=["direction"])},
    width=12,
    height=7,
    colours=DIRECTIONS,
)
TENANTS: Final = Table(
    "Tenants in the last {window[spend_by_tenant]}",
    "Cost and output tokens of each tenant. Alerts compare them with the tenant's own past, so look at the same hours "
    "of other days.",
    [signal("spend_by_tenant"), signal("output_tokens_by_tenant")],
    [
        Column("tenant", "Tenant"),
        Column(0, "Spent", unit="currencyUSD", width=100),
        Column(1, "Tokens out", unit="short", width=110),
    ],
    width=12,
    height=7,
    sort="Value #A",
    no_value="No tenant has used a model.",
)
OPERATIONS: Final = Graph(
    "Requests per second by operation",
    "Requests by type: chat, embeddings and so on. Batch jobs show here first.",
    {"{{operation}}": above_zero(rate("llm_requests_by_operation_total", by=["operation"]))},
    width=12,
    height=7,
    unit="reqps",
    stacked=True,
)

# ----------------------------------------------------------------------------------------------------------- accounts
_ACCOUNT_COLUMNS: Final = (
    ("guardrail_blocks", "Blocked"),
    ("guardrail_would_blocks", "Would block"),
    ("requests_by_actor", "Attempts"),
    ("burst_requests", "At once"),
    ("caller_rate_limited", "Limited"),
    ("validation_errors", "Malformed"),
    ("long_prompts", "Long prompts"),
    ("offhours_requests", "Off hours"),
    ("actor_ranges", "Networks"),
    ("output_tokens_by_actor", "Tokens out"),
    ("excess_output_by_actor", "Taken out"),
    ("spend_by_actor", "Spent"),
)
_UNITS: Final = {"usd": "currencyUSD", "seconds": "s", "bytes": "bytes"}


def accounts(q: QueryBuilder) -> Panel:
    """Everything that is known of each account, side by side: a column for each signal that the spec has."""
    queries, columns = zip(*_account_columns(q), strict=True)
    windows = ", ".join(f"{q.definition(name).window} {words}" for name, words in _ACCOUNT_COLUMNS if q.has(name))
    return panels.table(
        "Accounts, worst first",
        "The worst accounts of every signal side by side. Orange: at or over an alert's threshold. An attack together "
        "with new networks and rising spend is more serious than an attack alone. Many attempts at once mean a "
        f"program, not a person. In the last: {windows}.",
        queries,
        [panels.Column("actor", "Account"), panels.Column("tenant", "Tenant", width=105), *columns],
        width=24,
        height=10,
        sort="Value #A",
        no_value="No account has done anything in these windows.",
    )


def _account_columns(q: QueryBuilder) -> Iterator[tuple[Query, panels.Column]]:
    made: list[tuple[str, str, str, Steps]] = []
    hits, through = (q.attacks(by="actor", answered=answered) for answered in (False, True))
    made.append((f"sum by (actor, tenant) (\n  {hits}\n)", "Attack hits", "", ((None, TEXT),)))
    made.append((f"sum by (actor, tenant) (\n  {through}\n)", "Answered", "", ((None, TEXT), (1, HARM))))
    for name, words in _ACCOUNT_COLUMNS:
        if not q.has(name):
            continue
        definition = q.definition(name)
        limit = q.limit(name)
        steps: Steps = ((None, TEXT), *(((limit, WATCH),) if limit else ()))
        made.append((q.signal(name), words, _UNITS.get(definition.unit, "short"), steps))
    for place, (query, title, unit, steps) in enumerate(made):
        width = max(70, 9 * len(title) + 8)
        yield Query(f"{query} > 0"), panels.Column(place, title, unit=unit, width=width, steps=steps)


PANELS: Final = (REQUESTS, ERROR_CAUSES, SPEND, accounts, REFUSED, AUTH_FAILURES, TOKENS, TENANTS, OPERATIONS)
