"""What stands in where Prometheus and Alertmanager cannot be had: the replay evaluator, on the exporter's own scrapes.

It shows who would be notified first. What Alertmanager does with time (waiting, repeating, quiet hours) and the later
tiers of an escalation are left out.
"""

from __future__ import annotations

import re
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Final

import numpy as np
from prometheus_client.parser import text_string_to_metric_families

from alerts import Episode, Evaluator, compile_alerts
from alerts.incidents import notified
from alerts.text import Firing as Filled
from alerts.text import text
from exercises.demo.configs import INTERVAL
from exercises.demo.numbers import RATE_WINDOW, SPAN, Figure, Firing, Panel, Points, gravest_first, greatest
from exercises.demo.pages import Alert, Page
from exporters.samples import Table
from generators.prometheus.annotations import annotations_of
from spec import Spec

_SCRAPES: Final = round(SPAN / INTERVAL)
Scrape = Mapping[str, Table]


class StandIn:
    """Evaluates one scrape after the other, and remembers the last minutes of them for the live page."""

    source = "the exporter itself, as there is no Prometheus here"

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self._evaluator = Evaluator(compile_alerts(spec))
        self._lock = threading.Lock()  # the live page reads in threads of its own
        self._scrapes: deque[tuple[float, Scrape]] = deque(maxlen=_SCRAPES)
        self._episodes: list[Episode] = []

    def step(self, now: float, metrics: str) -> list[Page]:
        """Evaluate what the exporter shows at `now`; the pages that this causes."""
        scrape = tables(metrics)
        scrape["up"] = Table("up", "gauge", "", ("job",), [("tocsin",)], np.ones(1))
        changed = self._evaluator.step(now, scrape.values())
        with self._lock:
            self._scrapes.append((now, scrape))
            self._episodes += [episode for episode in changed if episode.resolved_at is None]
            self._episodes = [episode for episode in self._episodes if episode.resolved_at is None]
        return list(self._pages([episode for episode in changed if episode.resolved_at is None], now))

    # ---------------------------------------------------------------------------------------------------------- pages
    def _pages(self, episodes: Iterable[Episode], now: float) -> Iterator[Page]:
        for (channel, incident), members in notified(episodes, self._episodes).items():
            first, settings = members[0].rule, self._spec.channels[channel]
            alerts = tuple(self._alert(episode) for episode in members)
            more = f" ({len(alerts)} alerts)" if len(alerts) > 1 else ""
            yield Page(
                channel=channel,
                via=settings.type,
                target=settings.target if settings.type == "slack" else "",
                status="firing",
                severity=first.alert.severity,
                title=f"[{first.alert.severity.upper()}] {alerts[0].summary}{more}",
                incident=incident,
                owner=first.alert.owner,
                alerts=alerts,
                at=now,
            )

    def _alert(self, episode: Episode) -> Alert:
        texts = self._texts(episode)
        description, _, answered = texts["description"].partition(" Answered by the model: ")
        return Alert(
            name=episode.rule.name,
            summary=texts["summary"],
            description=description,
            answered=answered.removesuffix("."),
            confidence=episode.rule.static_labels.get("confidence", ""),
            since=_utc(episode.fired_at),
            runbook_url=texts["runbook_url"],
            dashboard_url=texts["dashboard_url"],
        )

    def _texts(self, episode: Episode) -> dict[str, str]:
        rule = episode.rule
        labels = {label: episode.labels.get(label, "") for label in rule.labels}
        filled = Filled({**rule.static_labels, **labels}, episode.value, episode.answered)
        parts = annotations_of(self._spec, rule)
        return {name: text(told, filled) for name, told in parts.items()}

    # -------------------------------------------------------------------------------------------------------- numbers
    def firing(self) -> list[Firing]:
        """As in `exercises.demo.numbers.Numbers`."""
        with self._lock:
            episodes = list(self._episodes)
        return gravest_first(
            Firing(
                episode.rule.name,
                episode.rule.alert.severity,
                (texts := self._texts(episode))["summary"],
                episode.fired_at,
                texts["runbook_url"],
            )
            for episode in episodes
        )

    def value(self, figure: Figure) -> float | None:
        """As in `exercises.demo.numbers.Numbers`."""
        with self._lock:
            scrape = self._scrapes[-1][1] if self._scrapes else {}
        table = scrape.get(figure.metric)
        return sum(value for _, value in _selected(table, figure.where)) if table is not None else None

    def lines(self, panel: Panel) -> dict[str, Points]:
        """As in `exercises.demo.numbers.Numbers`."""
        with self._lock:
            scrapes = list(self._scrapes)
        told: dict[str, list[tuple[float, float]]] = {}
        for at, scrape in scrapes:
            now: dict[str, float] = {}
            for labels, value in _selected(scrape.get(panel.metric), panel.where):
                name = labels.get(panel.by, "")
                now[name] = now.get(name, 0.0) + value if panel.rate else max(now.get(name, value), value)
            for name, value in now.items():
                told.setdefault(name, []).append((at, value))
        return greatest({name: _rates(points) if panel.rate else points for name, points in told.items()})


def tables(exposition: str) -> dict[str, Table]:
    """An exposition as tables, by the name of the metric; parts of histograms are left out."""
    found: dict[str, Table] = {}
    for family in text_string_to_metric_families(exposition):
        if family.type not in ("counter", "gauge") or not family.samples:
            continue
        labels = tuple(family.samples[0].labels)
        name = family.samples[0].name
        keys = [tuple(sample.labels.get(label, "") for label in labels) for sample in family.samples]
        values = np.array([sample.value for sample in family.samples])
        found[name] = Table(
            name, "counter" if family.type == "counter" else "gauge", family.documentation, labels, keys, values
        )
    return found


def _selected(table: Table | None, where: Mapping[str, str]) -> Iterator[tuple[dict[str, str], float]]:
    for labels, value in table.samples() if table is not None else ():
        if all(re.fullmatch(pattern, labels.get(label, "")) for label, pattern in where.items()):
            yield labels, value


def _rates(points: Points) -> Points:
    """The increase of a counter over `RATE_WINDOW`, a minute; a counter of this page is never reset."""
    rates, before = [], 0
    for place, (at, value) in enumerate(points):
        while at - points[before][0] > RATE_WINDOW:
            before += 1
        if before < place:
            rates.append((at, 60 * (value - points[before][1]) / (at - points[before][0])))
    return rates


def _utc(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
