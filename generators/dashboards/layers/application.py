"""Application: who uses the models, with what success, for how much."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from generators import panels
from generators.dashboards.ask import Ask
from generators.dashboards.colours import DIRECTIONS, ERRORS, HARM, OUTCOMES, PLAIN, WATCH
from generators.grafana import Query, Steps
from generators.panels import Column, Panel

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
    ("spend_by_actor", "Spent"),
)
_UNITS: Final = {"usd": "currencyUSD", "seconds": "s", "bytes": "bytes"}


def requests(ask: Ask) -> Panel:
    """Whether users are served."""
    return panels.timeseries(
        "Requests per second by outcome",
        "Requests when their outcome is settled, after retries and fallbacks.",
        [Query(ask.rate("llm_requests_total", by=["outcome"]), "{{outcome}}")],
        width=8,
        unit="reqps",
        stacked=True,
        colours=OUTCOMES,
    )


def errors(ask: Ask) -> Panel:
    """Why not."""
    return panels.timeseries(
        "Failed attempts per minute by cause",
        "Red: the provider's side. Orange and yellow: the caller's. Blue: a guardrail did its work.",
        [Query(ask.rate("llm_errors_total", by=["error_class"], times=60) + " > 0", "{{error_class}}")],
        width=8,
        stacked=True,
        colours=ERRORS,
        no_value="No attempt failed.",
    )


def spend(ask: Ask) -> Panel:
    """Money."""
    return panels.timeseries(
        "Cost per hour by model",
        "US dollars an hour at the present rate, as the gateway computes them.",
        [Query(ask.rate("llm_cost_usd_total", by=["model"], times=3600), "{{model}}")],
        width=8,
        unit="currencyUSD",
        stacked=True,
    )


def accounts(ask: Ask) -> Panel:
    """Everything that is known of each account, side by side."""
    queries, columns = zip(*_account_columns(ask), strict=True)
    windows = ", ".join(f"{ask.definition(name).window} {words}" for name, words in _ACCOUNT_COLUMNS if ask.has(name))
    return panels.table(
        "Accounts, worst first",
        "The worst accounts of every signal side by side; orange is at or over the threshold of an alert. An attack "
        "together with new networks and rising spend is another thing than an attack alone, and many attempts at once "
        f"are a program rather than a person. In the last: {windows}.",
        queries,
        [Column("actor", "Account"), Column("tenant", "Tenant", width=105), *columns],
        width=24,
        height=10,
        sort="Value #A",
        no_value="No account has done anything in these windows.",
    )


def _account_columns(ask: Ask) -> Iterator[tuple[Query, Column]]:
    made: list[tuple[str, str, str, Steps]] = []
    hits, through = (f"sum by (actor, tenant) (\n  {ask.attacks(answered=answered)}\n)" for answered in (False, True))
    made.append((hits, "Attack hits", "", ((None, "text"),)))
    made.append((through, "Answered", "", ((None, "text"), (1, HARM))))
    for name, words in _ACCOUNT_COLUMNS:
        if not ask.has(name):
            continue
        signal = ask.definition(name)
        limit = ask.limit(name)
        steps: Steps = ((None, "text"), *(((limit, WATCH),) if limit else ()))
        made.append((ask.signal(name), words, _UNITS.get(signal.unit, "short"), steps))
    for place, (query, title, unit, steps) in enumerate(made):
        yield Query(f"{query} > 0"), Column(place, title, unit=unit, width=max(70, 9 * len(title) + 8), steps=steps)


def refused(ask: Ask) -> Panel:
    """Who tries keys."""
    keys, failures = ask.signal("refused_keys"), ask.signal("auth_failures")
    windows = ask.definition("refused_keys").window
    return panels.table(
        "Refused credentials by address range",
        f"In the last {windows}: many different keys are guesses or a leaked list, one key many times is a broken "
        "client. An address that is not trusted may be invented by the caller: never block by it.",
        [Query(keys), Query(failures)],
        [
            Column("source_range", "Address range"),
            Column("trusted", "Trusted", width=90, words={"false": WATCH}),
            Column(0, "Different keys", width=130, steps=((None, "text"), (ask.limit("refused_keys") or 1, WATCH))),
            Column(1, "Refusals", width=100),
        ],
        width=12,
        height=7,
        sort="Value #A",
        no_value="No credentials were refused.",
    )


def auth_failures(ask: Ask) -> Panel:
    """At which door."""
    offhours = ask.rate("llm_requests_offhours_total", times=60)
    return panels.timeseries(
        "Refused credentials and off-hours requests per minute",
        "Attempts whose credential a gateway refused, and requests outside the configured business hours.",
        [
            Query(ask.rate("llm_auth_refusals_total", by=["gateway"], times=60), "refused by {{gateway}}"),
            Query(offhours, "off hours"),
        ],
        width=12,
        height=7,
        shade=WATCH,
        colours={"off hours": PLAIN},
    )


def tokens(ask: Ask) -> Panel:
    """What is carried in and out."""
    return panels.timeseries(
        "Tokens per second by direction",
        "Tokens as billed. Much more output than usual from the same requests can be a model being copied.",
        [Query(ask.rate("llm_tokens_total", by=["direction"]), "{{direction}}")],
        width=12,
        height=7,
        colours=DIRECTIONS,
    )


def tenants(ask: Ask) -> Panel:
    """Who uses more than usual, where no single account stands out."""
    spent, written = ask.signal("spend_by_tenant"), ask.signal("output_tokens_by_tenant")
    window = ask.definition("spend_by_tenant").window
    return panels.table(
        f"Tenants in the last {window}",
        "What each tenant spent and how many tokens models wrote for it. Alerts compare it with the tenant's own past: "
        "look at the same hours of other days.",
        [Query(spent), Query(written)],
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


def operations(ask: Ask) -> Panel:
    """What the models are used for."""
    return panels.timeseries(
        "Requests per second by operation",
        "What was asked for: chat, embeddings and so on. Batch jobs show here first.",
        [Query(ask.rate("llm_requests_by_operation_total", by=["operation"]) + " > 0", "{{operation}}")],
        width=12,
        height=7,
        unit="reqps",
        stacked=True,
    )


PANELS = (requests, errors, spend, accounts, refused, auth_failures, tokens, tenants, operations)
