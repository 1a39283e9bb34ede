"""Platform: providers and models, how fast and how reliable."""

from __future__ import annotations

from typing import Final

from generators.grafana.colours import LINE, UNKNOWN, WATCH
from generators.grafana.expressions import promql, quantile, rate, share, signal
from generators.grafana.panel_data import TEXT, Column, Graph, Table, threshold_of

_DURATION: Final = "llm_request_duration_seconds"

PROVIDER_ERRORS: Final = Graph(
    "Failing attempts by provider",
    "Share of attempts in {window[provider_errors]} that failed on the provider's side (5xx, "
    "network, timeout, its rate limit). Dashed line: the alert's threshold{floor[provider_errors]}.",
    {"{{provider}}": share(signal("provider_errors"), signal("provider_attempts"))},
    unit="percentunit",
    least=0,
    limit="provider_errors",
    levels=threshold_of("provider_errors"),
)
ATTEMPTS: Final = Graph(
    "Attempts per second by provider",
    "Attempts at each provider, including retries and fallbacks. A step shows that a provider took over.",
    {"{{provider}}": rate("llm_attempts_total", by=["provider"])},
    unit="reqps",
    stacked=True,
)
RETRIES: Final = Graph(
    "Attempts for each request",
    "1 is normal. More means retries and fallbacks: a problem that users may not see yet.",
    {"attempts for each request": share(rate("llm_attempts_total"), rate("llm_requests_total"))},
    unit="none",
    colours={"attempts for each request": LINE},
)
DURATIONS: Final = Graph(
    "Duration of attempts",
    "Half of the attempts are faster than the median; 95 % are faster than the second line.",
    {"median": quantile(0.5, _DURATION), "95 %": quantile(0.95, _DURATION), "99 %": quantile(0.99, _DURATION)},
    unit="s",
    colours={"median": LINE, "95 %": WATCH, "99 %": UNKNOWN},
)
BY_MODEL: Final = Graph(
    "Duration of attempts by model, 95th percentile",
    "95 % of each model's attempts are faster than this.",
    {"{{model}}": quantile(0.95, _DURATION, ["model"])},
    unit="s",
)
FIRST_CHUNK: Final = Graph(
    "Time to the first chunk by model, 95th percentile",
    "Streamed answers only. A late first chunk means a queue. An early one with a long duration means a long answer.",
    {"{{model}}": quantile(0.95, "llm_time_to_first_chunk_seconds", ["model"])},
    unit="s",
)
SLOW: Final = Table(
    "Slow models in {window[attempts_by_model]}",
    "Attempts of 30 seconds or longer, and first chunks of 10 seconds or longer. Late first chunks mean a queue; slow "
    "answers with early first chunks are long answers.",
    [
        signal("attempts_by_model"),
        signal("slow_attempts"),
        signal("slow_first_chunk"),
        promql("%s / (%s > 0)", signal("slow_attempts"), signal("attempts_by_model")),
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
            steps=lambda q: ((None, TEXT), (q.limit("slow_attempts") or 1, WATCH)),
        ),
    ],
    width=24,
    height=7,
    sort="Value #D",
    no_value="No attempts now.",
)

PANELS: Final = (PROVIDER_ERRORS, ATTEMPTS, RETRIES, DURATIONS, BY_MODEL, FIRST_CHUNK, SLOW)
