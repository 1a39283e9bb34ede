"""What the live page shows, and where it reads it: from Prometheus through its API."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from exercises.servers import Prometheus

SPAN: Final = 300.0
"""Seconds that a chart shows."""
STEP: Final = 2.0
RATE_WINDOW: Final = 10.0
"""Seconds over which a rate is taken: ten scrapes."""
MOST_LINES: Final = 5

Points = Sequence[tuple[float, float]]
"""Unix seconds and value, ascending."""


@dataclass(frozen=True, slots=True)
class Panel:
    """A chart: a metric by a label, as it is or as a rate per minute."""

    title: str
    metric: str
    by: str
    rate: bool = False
    where: Mapping[str, str] = field(default_factory=dict)
    """Label and regular expression that has to match the whole value."""
    unit: str = ""
    """What is counted."""

    @property
    def promql(self) -> str:
        """The query: of a rate the sum, else the greatest."""
        matchers = ",".join(f"{label}=~{json.dumps(value)}" for label, value in self.where.items())
        series = f"{self.metric}{{{matchers}}}" if matchers else self.metric
        if self.rate:
            return f"60 * sum by ({self.by}) (rate({series}[{RATE_WINDOW:g}s]))"
        return f"max by ({self.by}) ({series})"


@dataclass(frozen=True, slots=True)
class Figure:
    """One number: the sum of a metric."""

    title: str
    metric: str
    where: Mapping[str, str] = field(default_factory=dict)
    """As in `Panel`."""
    unit: str = ""

    @property
    def promql(self) -> str:
        """The query."""
        matchers = ",".join(f"{label}=~{json.dumps(value)}" for label, value in self.where.items())
        return f"sum({self.metric}{{{matchers}}})" if matchers else f"sum({self.metric})"


FIGURES: Final = (
    Figure("Attempts", "llm_attempts_total"),
    Figure("Blocked", "llm_guardrail_verdicts_total", {"verdict": "block"}),
    Figure("Detections", "llm_detections_total"),
    Figure("Canary hits", "llm_canary_hits"),
    Figure("Cost", "llm_cost_usd_total", unit="USD"),
    Figure("Records not read", "tocsin_records_rejected_total"),
)
PANELS: Final = (
    Panel("Requests", "llm_requests_total", "outcome", rate=True, unit="a minute"),
    Panel(
        "Guardrails stepped in",
        "llm_guardrail_verdicts_total",
        "verdict",
        rate=True,
        where={"verdict": "block|mask|would_block|error"},
        unit="a minute",
    ),
    Panel("Jailbreak attempts by account", "llm_jailbreak_hits", "actor", unit="in 10 minutes"),
    Panel("Sensitive answers by account", "llm_sensitive_output", "actor", unit="in 10 minutes"),
    Panel("Detections in prompts and answers", "llm_detections_total", "detector", rate=True, unit="a minute"),
    Panel("Tokens", "llm_tokens_total", "direction", rate=True, unit="a minute"),
)


@dataclass(frozen=True, slots=True)
class Firing:
    """An alert that fires now."""

    name: str
    severity: str
    summary: str
    since: float
    """Unix seconds."""
    runbook_url: str


class Numbers:
    """Reads from a running Prometheus. Every method raises `ServerFailedError` when it does not answer."""

    def __init__(self, prometheus: Prometheus, since: float) -> None:
        """Show nothing from before `since` (Unix seconds)."""
        self._prometheus = prometheus
        self._since = since

    def firing(self) -> list[Firing]:
        """What fires, the most severe first."""
        return _gravest_first(_firing(self._prometheus.get("/api/v1/alerts")["data"]["alerts"]))

    def value(self, figure: Figure) -> float | None:
        """A figure now; nothing when it is not known yet."""
        found = self._prometheus.query(figure.promql)
        return found[0].value if found else None

    def lines(self, panel: Panel) -> dict[str, Points]:
        """The lines of a chart by the value of its label, the greatest first, at most `MOST_LINES`."""
        now = time.time()
        answer = self._prometheus.get(
            "/api/v1/query_range",
            query=panel.promql,
            start=f"{max(self._since, now - SPAN):.3f}",
            end=f"{now:.3f}",
            step=f"{STEP:g}s",
        )
        return greatest(
            {
                series["metric"].get(panel.by, ""): [(float(at), float(value)) for at, value in series["values"]]
                for series in answer["data"]["result"]
            }
        )


def _firing(alerts: Sequence[Mapping[str, object]]) -> Iterator[Firing]:
    for alert in alerts:
        labels, annotations = alert["labels"], alert["annotations"]
        if not isinstance(labels, dict) or not isinstance(annotations, dict) or alert["state"] != "firing":
            continue
        if "runbook_url" not in annotations:  # the watchdog, which always fires
            continue
        yield Firing(
            name=labels["alertname"],
            severity=labels["tocsin_severity"],
            summary=annotations["summary"],
            since=datetime.fromisoformat(str(alert["activeAt"])).timestamp(),
            runbook_url=annotations["runbook_url"],
        )


_ORDER: Final = ("critical", "high", "medium", "low")


def _gravest_first(firing: Iterator[Firing]) -> list[Firing]:
    """Sorted by severity, then by time."""
    return sorted(
        firing, key=lambda one: (_ORDER.index(one.severity) if one.severity in _ORDER else len(_ORDER), one.since)
    )


def greatest(lines: Mapping[str, Points]) -> dict[str, Points]:
    """The lines that rise highest, without those that are 0 all the time."""
    peaks = {name: max((value for _, value in points), default=0.0) for name, points in lines.items()}
    names = sorted((name for name, peak in peaks.items() if peak > 0), key=lambda name: (-peaks[name], name))
    return {name: lines[name] for name in names[:MOST_LINES]}
