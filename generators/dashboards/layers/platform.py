"""Platform: providers and models, how fast and how reliable."""

from __future__ import annotations

from generators import panels
from generators.dashboards.ask import Ask
from generators.dashboards.colours import LINE, UNKNOWN, WATCH, up_to
from generators.grafana import Query
from generators.panels import Column, Panel


def provider_errors(ask: Ask) -> Panel:
    """Whose incident it is."""
    share = f"{ask.signal('provider_errors')}\n/ ({ask.signal('provider_attempts')} > 0)"
    floor = ask.floor("provider_errors")
    least = f", which counts from {floor} attempts on" if floor else ""
    return panels.timeseries(
        "Failing attempts by provider",
        f"Share of attempts in {ask.definition('provider_errors').window} that failed on the provider's side (5xx, "
        f"network, timeout, its rate limit). The dashed line is the alert's threshold{least}.",
        [Query(share, "{{provider}}")],
        width=8,
        unit="percentunit",
        least=0,
        limit=ask.limit("provider_errors"),
        levels=up_to(ask.limit("provider_errors")),
    )


def attempts(ask: Ask) -> Panel:
    """Where the load goes."""
    return panels.timeseries(
        "Attempts per second by provider",
        "Attempts at each provider, retries and fallbacks included. A provider that takes over shows as a step.",
        [Query(ask.rate("llm_attempts_total", by=["provider"]), "{{provider}}")],
        width=8,
        unit="reqps",
        stacked=True,
    )


def retries(ask: Ask) -> Panel:
    """Trouble that users do not see yet."""
    made, settled = ask.rate("llm_attempts_total"), ask.rate("llm_requests_total")
    return panels.timeseries(
        "Attempts for each request",
        "1 is calm. More means retries and fallbacks: trouble that users may not see yet.",
        [Query(f"{made}\n/ ({settled} > 0)", "attempts for each request")],
        width=8,
        unit="none",
        colours={"attempts for each request": LINE},
    )


def durations(ask: Ask) -> Panel:
    """How long users wait."""
    shares = {"median": 0.5, "95 %": 0.95, "99 %": 0.99}
    return panels.timeseries(
        "Duration of attempts",
        "Half of the attempts are faster than the median, 95 % faster than the second line.",
        [Query(ask.quantile(share, "llm_request_duration_seconds"), name) for name, share in shares.items()],
        width=8,
        unit="s",
        colours={"median": LINE, "95 %": WATCH, "99 %": UNKNOWN},
    )


def by_model(ask: Ask) -> Panel:
    """Which model is slow."""
    return panels.timeseries(
        "Duration of attempts by model, 95th percentile",
        "The slowest twentieth of each model starts here.",
        [Query(ask.quantile(0.95, "llm_request_duration_seconds", ["model"]), "{{model}}")],
        width=8,
        unit="s",
    )


def first_chunk(ask: Ask) -> Panel:
    """A queue shows here before it shows in the duration."""
    return panels.timeseries(
        "Time to the first chunk by model, 95th percentile",
        "Streamed answers only. A late first chunk is a queue; a quick one with a long duration is a long answer.",
        [Query(ask.quantile(0.95, "llm_time_to_first_chunk_seconds", ["model"]), "{{model}}")],
        width=8,
        unit="s",
    )


def slow(ask: Ask) -> Panel:
    """Slow answers against all of them."""
    window = ask.definition("attempts_by_model").window
    share = f"{ask.signal('slow_attempts')} / ({ask.signal('attempts_by_model')} > 0)"
    return panels.table(
        f"Slow models in {window}",
        "Attempts that took 30 seconds or longer, and first chunks that took 10. Late first chunks are a queue; slow "
        "answers with quick first chunks are long answers.",
        [
            Query(ask.signal("attempts_by_model")),
            Query(ask.signal("slow_attempts")),
            Query(ask.signal("slow_first_chunk")),
            Query(share),
        ],
        [
            Column("model", "Model"),
            Column(0, "Attempts", width=110),
            Column(1, "Slow", width=110),
            Column(2, "First chunk late", width=150),
            Column(
                3,
                "Share slow",
                unit="percentunit",
                width=110,
                steps=((None, "text"), (ask.limit("slow_attempts") or 1, WATCH)),
            ),
        ],
        width=24,
        height=7,
        sort="Value #D",
        no_value="No attempts now.",
    )


PANELS = (provider_errors, attempts, retries, durations, by_model, first_chunk, slow)
