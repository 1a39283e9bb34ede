"""Performance: how long answers take, and how long Tocsin does."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from generators.grafana.boards import status_panels
from generators.grafana.boards.layers import health, platform
from generators.grafana.category import board
from generators.grafana.colours import CALM, HARM, LINE, PLAIN, WATCH, WELL
from generators.grafana.expressions import Expression, promql, quantile, rate, share, signal
from generators.grafana.panel_data import Graph, Stat, threshold_of

_DURATION: Final = "llm_request_duration_seconds"
_SLOW: Final = share(signal("slow_attempts"), signal("attempts_by_model"))


def _within(seconds: int) -> Expression:
    return rate(f"{_DURATION}_bucket", f'le="{seconds}"')


_ALL: Final = promql("(%s > 0)", rate(f"{_DURATION}_count"))

DURATIONS_NOW: Final = Stat(
    "Duration of attempts",
    "Half of the attempts are faster than the median; 95 % are faster than the other value.",
    {"median": quantile(0.5, _DURATION), "95 %": quantile(0.95, _DURATION)},
    width=6,
    unit="s",
    steps=CALM,
    no_value="none seen",
    sparkline=True,
)
FIRST_NOW: Final = Stat(
    "First chunk, 95 %",
    "95 % of streamed answers start within this time. Late first chunks mean a queue.",
    {"first chunk": quantile(0.95, "llm_time_to_first_chunk_seconds")},
    width=3,
    unit="s",
    steps=CALM,
    no_value="none seen",
    sparkline=True,
)
SLOWEST_NOW: Final = Stat(
    "Slow, worst model",
    "Share of the attempts at the slowest model that took 30 seconds or longer, in "
    "{window[slow_attempts]}.{fires_at[slow_attempts]}",
    {"slow": promql("max(%s)", _SLOW)},
    unit="percentunit",
    steps=threshold_of("slow_attempts", WELL),
    no_value="no attempts",
    sparkline=True,
)
BANDS: Final = Graph(
    "Attempts by how long they took",
    "Shares of all attempts. Growing orange: a slow provider or a queue. Red: users give up.",
    {
        "up to 1 s": promql("%s\n/ %s", _within(1), _ALL),
        "1 to 5 s": promql("(%s - %s)\n/ %s", _within(5), _within(1), _ALL),
        "5 to 30 s": promql("(%s - %s)\n/ %s", _within(30), _within(5), _ALL),
        "over 30 s": promql("1 - %s\n/ %s", _within(30), _ALL),
    },
    width=12,
    unit="percentunit",
    stacked=True,
    least=0,
    most=1,
    colours={"up to 1 s": PLAIN, "1 to 5 s": LINE, "5 to 30 s": WATCH, "over 30 s": HARM},
)
BY_PROVIDER: Final = Graph(
    "Duration by provider, 95th percentile",
    "95 % of the attempts at each provider are faster than this.",
    {"{{provider}}": quantile(0.95, _DURATION, ["provider"])},
    unit="s",
)
SLOW_SHARE: Final = Graph(
    "Slow attempts by model",
    "Share of attempts in {window[slow_attempts]} that took 30 seconds or longer. Dashed line: "
    "the alert's threshold{floor[slow_attempts]}.",
    {"{{model}}": _SLOW},
    unit="percentunit",
    least=0,
    limit="slow_attempts",
)
SAVED: Final = Graph(
    "Age of the saved state",
    "Time since the exporter's state was saved. Dashed line: the alert's threshold.",
    {"age": signal("snapshot_age")},
    unit="s",
    limit="snapshot_age",
    levels=threshold_of("snapshot_age"),
)

BOARD: Final = board(
    "performance",
    "How long answers take, at which model and provider, and whether Tocsin itself keeps up with the log.",
    (DURATIONS_NOW, FIRST_NOW, SLOWEST_NOW, status_panels.BEHIND),
    (
        replace(platform.DURATIONS, width=12),
        BANDS,
        platform.BY_MODEL,
        platform.FIRST_CHUNK,
        BY_PROVIDER,
        SLOW_SHARE,
        replace(health.LAG, width=8),
        SAVED,
        platform.SLOW,
    ),
)
