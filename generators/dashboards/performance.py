"""Performance: how long answers take, and how long Tocsin does."""

from __future__ import annotations

import itertools
from typing import Final

from generators import panels
from generators.dashboards import now
from generators.dashboards.ask import Ask
from generators.dashboards.category import board, sized
from generators.dashboards.colours import HARM, LINE, PLAIN, WATCH, WELL, up_to
from generators.dashboards.layers import health, platform
from generators.grafana import Query
from generators.panels import Panel

_DURATION: Final = "llm_request_duration_seconds"
_FIRST: Final = "llm_time_to_first_chunk_seconds"
_CALM: Final = ((None, PLAIN),)


def durations_now(ask: Ask) -> Panel:
    """How long users wait."""
    return panels.stat(
        "Duration of attempts",
        "Half of the attempts are faster than the median, 95 % faster than the other value.",
        [Query(ask.quantile(0.5, _DURATION), "median"), Query(ask.quantile(0.95, _DURATION), "95 %")],
        width=6,
        unit="s",
        steps=_CALM,
        no_value="none seen",
        sparkline=True,
    )


def first_now(ask: Ask) -> Panel:
    """How long nothing happens."""
    return panels.stat(
        "First chunk, 95 %",
        "Of streamed answers, 95 % begin within this time. Late first chunks are a queue.",
        [Query(ask.quantile(0.95, _FIRST), "first chunk")],
        width=3,
        unit="s",
        steps=_CALM,
        no_value="none seen",
        sparkline=True,
    )


def slowest_now(ask: Ask) -> Panel:
    """The worst model."""
    limit = ask.limit("slow_attempts")
    high = f" An alert fires from {limit:.0%} on." if limit is not None else ""
    return panels.stat(
        "Slow, worst model",
        f"Share of the attempts at the slowest model that took 30 seconds or longer, in "
        f"{ask.definition('slow_attempts').window}.{high}",
        [Query(f"max({_slow(ask)})", "slow")],
        width=4,
        unit="percentunit",
        steps=up_to(limit, WELL),
        no_value="no attempts",
        sparkline=True,
    )


def bands(ask: Ask) -> Panel:
    """What kind of waiting."""
    bounds = (1, 5, 30)
    below = [ask.rate(f"{_DURATION}_bucket", f'le="{bound}"') for bound in bounds]
    total = f"({ask.rate(f'{_DURATION}_count')} > 0)"
    parts = [below[0], *(f"({high} - {low})" for low, high in itertools.pairwise(below))]
    titles = ["up to 1 s", "1 to 5 s", "5 to 30 s"]
    queries = [Query(f"{part}\n/ {total}", title) for part, title in zip(parts, titles, strict=True)]
    queries.append(Query(f"1 - {below[-1]}\n/ {total}", "over 30 s"))
    return panels.timeseries(
        "Attempts by how long they took",
        "Shares of all attempts. Orange that grows is a provider or a queue; red is users who gave up.",
        queries,
        width=12,
        unit="percentunit",
        stacked=True,
        least=0,
        most=1,
        colours={"up to 1 s": PLAIN, "1 to 5 s": LINE, "5 to 30 s": WATCH, "over 30 s": HARM},
    )


def by_provider(ask: Ask) -> Panel:
    """Whose fault."""
    return panels.timeseries(
        "Duration by provider, 95th percentile",
        "The slowest twentieth of the attempts at each provider starts here.",
        [Query(ask.quantile(0.95, _DURATION, ["provider"]), "{{provider}}")],
        width=8,
        unit="s",
    )


def slow_share(ask: Ask) -> Panel:
    """When it began."""
    limit = ask.limit("slow_attempts")
    floor = ask.floor("slow_attempts")
    least = f", which counts from {floor} attempts on" if floor else ""
    return panels.timeseries(
        "Slow attempts by model",
        f"Share of attempts in {ask.definition('slow_attempts').window} that took 30 seconds or longer. The dashed "
        f"line is the alert's threshold{least}.",
        [Query(_slow(ask), "{{model}}")],
        width=8,
        unit="percentunit",
        least=0,
        limit=limit,
    )


def saved(ask: Ask) -> Panel:
    """Whether the state can be lost."""
    return panels.timeseries(
        "Age of the saved state",
        "How long ago the exporter's state was saved. The dashed line is the alert's threshold.",
        [Query(ask.signal("snapshot_age"), "age")],
        width=8,
        unit="s",
        limit=ask.limit("snapshot_age"),
        levels=up_to(ask.limit("snapshot_age")),
    )


def _slow(ask: Ask) -> str:
    return f"{ask.signal('slow_attempts')}\n/ ({ask.signal('attempts_by_model')} > 0)"


BOARD: Final = board(
    "performance",
    "How long answers take, at which model and provider, and whether Tocsin itself keeps up with the log.",
    (durations_now, first_now, slowest_now, now.behind),
    (
        sized(platform.durations, 12),
        bands,
        platform.by_model,
        platform.first_chunk,
        by_provider,
        slow_share,
        sized(health.lag, 8),
        saved,
        platform.slow,
    ),
)
