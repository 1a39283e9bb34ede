"""Errors: what fails, on whose side, and who is turned away."""

from __future__ import annotations

from typing import Final

from generators import panels
from generators.dashboards.ask import Ask
from generators.dashboards.category import board, groups, sized, worst_now
from generators.dashboards.colours import ERRORS, HARM, WATCH, WELL
from generators.dashboards.layers import application, platform
from generators.grafana import Query
from generators.panels import Column, Panel


def share_now(ask: Ask) -> Panel:
    """How bad."""
    return panels.stat(
        "Attempts that fail",
        "Share of attempts that fail for any cause, at the present rate. Users feel less of it, because of retries.",
        [Query(_share(ask), "failing")],
        width=4,
        unit="percentunit",
        steps=((None, WELL), (0.05, WATCH), (0.25, HARM)),
        no_value="no attempts",
        sparkline=True,
    )


def providers_now(ask: Ask) -> Panel:
    """Whose fault."""
    limit = ask.limit("provider_errors")
    high = f" An alert fires from {limit:.0%} on." if limit is not None else ""
    return panels.stat(
        "Worst provider",
        "Share of the attempts at the worst provider that fail on its side, in "
        f"{ask.definition('provider_errors').window}.{high}",
        [Query(f"max({ask.signal('provider_errors')}\n/ ({ask.signal('provider_attempts')} > 0))", "failing")],
        width=4,
        unit="percentunit",
        steps=((None, WELL), *(((limit, WATCH),) if limit is not None else ())),
        no_value="no attempts",
        sparkline=True,
    )


def by_model(ask: Ask) -> Panel:
    """Where."""
    failed = ask.rate("llm_errors_total", by=["model"])
    return panels.timeseries(
        "Attempts that fail, by model",
        "Share of the attempts at each model that fail, for any cause. One model: its provider or its limits. "
        "All of them: the gateway, its database or its network.",
        [Query(f"{failed}\n/ ({ask.rate('llm_attempts_total', by=['model'])} > 0)", "{{model}}")],
        width=12,
        unit="percentunit",
        least=0,
    )


def refusals(ask: Ask) -> Panel:
    """At which door."""
    return panels.timeseries(
        "Refused credentials per minute by gateway",
        "Attempts whose credential a gateway refused, from all address ranges together.",
        [Query(ask.rate("llm_auth_refusals_total", by=["gateway"], times=60), "{{gateway}}")],
        width=8,
        shade=WATCH,
    )


def by_tenant(ask: Ask) -> Panel:
    """Who suffers."""
    return panels.timeseries(
        "Failed attempts per minute by tenant",
        "Failed attempts of each tenant, for any cause.",
        [Query(ask.rate("llm_errors_total", by=["tenant"], times=60) + " > 0", "{{tenant}}")],
        width=8,
        stacked=True,
        no_value="No attempt failed.",
    )


def causes(ask: Ask) -> Panel:
    """What exactly."""
    found = ask.increase("llm_errors_total", by=["tenant", "model", "error_class"])
    return panels.table(
        "Where errors are",
        "Failed attempts over the whole time range, by tenant, model and cause; the twelve most frequent.",
        [Query(f"round(topk(12, {found} > 0))")],
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


def providers(ask: Ask) -> Panel:
    """Each provider's record."""
    window = ask.definition("provider_errors").window
    failed, tried = ask.signal("provider_errors"), ask.signal("provider_attempts")
    limit = ask.limit("provider_errors")
    return panels.table(
        f"Providers in {window}",
        "Attempts at each provider, and those that failed on its side (5xx, network, timeout, its rate limit).",
        [Query(f"{failed}\n/ ({tried} > 0)"), Query(tried), Query(failed)],
        [
            Column("provider", "Provider"),
            Column(1, "Attempts", width=100),
            Column(2, "Failed", width=100),
            Column(
                0,
                "Share",
                unit="percentunit",
                width=100,
                steps=((None, "text"), *(((limit, WATCH),) if limit is not None else ())),
            ),
        ],
        width=12,
        height=7,
        sort="Value #A",
        no_value="No attempts now.",
    )


def _share(ask: Ask) -> str:
    return f"{ask.rate('llm_errors_total')}\n/ ({ask.rate('llm_attempts_total')} > 0)"


BOARD: Final = board(
    "error",
    "What fails and on whose side: providers that break, limits that bite, wrong requests, keys that are tried.",
    (
        share_now,
        providers_now,
        worst_now("refused_keys", "Most refused keys", "Different refused keys from one address range"),
        worst_now("validation_errors", "Most malformed", "Malformed requests of one account"),
    ),
    (
        sized(application.errors, 12),
        by_model,
        platform.provider_errors,
        refusals,
        by_tenant,
        causes,
        sized(application.refused, 12, 8),
        providers,
        groups(
            "Accounts that are turned away",
            "Malformed requests are a broken client or somebody who probes; the rate limit did its work, and shows who "
            "pushes against it.",
            (("validation_errors", "Malformed"), ("caller_rate_limited", "Limited"), ("requests_by_actor", "Attempts")),
            width=12,
            height=7,
        ),
    ),
)
