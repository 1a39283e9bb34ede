"""The text that people read in the night."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator
from typing import ClassVar, Final

from spec import names
from spec.catalogue import catalogue
from spec.checks.base import Gravity, Issue
from spec.duration import Duration
from spec.errors import Path, described, nearest
from spec.model import Spec

_METRIC: Final = re.compile(r"\b(?:llm|tocsin)_[a-z0-9_]+\b")
_ALERT: Final = re.compile(rf"\b{names.ALERT.pattern}\b")
_TABLES: Final = ("fields", "families", "health", "external", "signals")


class RunbookComplete:
    """Every alert says what it means, what happens, why this threshold, where to look and what else it can be."""

    id: ClassVar[str] = "TOC020"
    severity: ClassVar[Gravity] = "error"

    def check(self, spec: Spec) -> Iterator[Issue]:
        """Empty prose."""
        for name, alert in spec.alerts.items():
            path: Path = ("alerts", name)
            for key in ("summary", "meaning", "impact", "why"):
                if not getattr(alert, key).strip():
                    yield Issue("found nothing, expected text", (*path, key))
            for key in ("triage", "false_positives"):
                lines: tuple[str, ...] = getattr(alert, key)
                if not lines:
                    yield Issue("found an empty list, expected at least one line", (*path, key))
                for index, line in enumerate(lines):
                    if not line.strip():
                        yield Issue("found nothing, expected text", (*path, key, index))
        for table in _TABLES:
            for name, entry in getattr(spec, table).items():
                if not entry.help.strip():
                    yield Issue("found nothing, expected text", (table, name, "help"))


class RunbookNamesExist:
    """Metrics and alerts that a runbook names exist."""

    id: ClassVar[str] = "TOC021"
    severity: ClassVar[Gravity] = "error"

    def check(self, spec: Spec) -> Iterator[Issue]:
        """Names in the prose that lead nowhere."""
        metrics = {metric.name for metric in (*catalogue(spec), *catalogue(spec, expand_histograms=True))}
        for name, alert in spec.alerts.items():
            path: Path = ("alerts", name)
            texts: list[tuple[Path, str]] = [
                ((*path, key), getattr(alert, key)) for key in ("summary", "meaning", "impact", "why")
            ]
            texts += [((*path, "triage", index), line) for index, line in enumerate(alert.triage)]
            texts += [((*path, "false_positives", index), line) for index, line in enumerate(alert.false_positives)]
            for here, text in texts:
                for match in _METRIC.finditer(text):
                    word = match[0]
                    if word not in metrics:
                        yield Issue(f"found {word!r}, expected the name of a metric{nearest(word, metrics)}", here)
                for match in _ALERT.finditer(text):
                    word = match[0]
                    if word not in spec.alerts:
                        yield Issue(f"found {word!r}, expected the name of an alert{nearest(word, spec.alerts)}", here)


class ReviewNotOverdue:
    """The spec was reviewed as a whole within `review_every`."""

    id: ClassVar[str] = "TOC022"
    severity: ClassVar[Gravity] = "warning"

    def __init__(self, today: datetime.date) -> None:
        self.today = today

    def check(self, spec: Spec) -> Iterator[Issue]:
        """A review that is overdue, or a date that is none."""
        path: Path = ("metadata", "reviewed")
        try:
            reviewed = datetime.date.fromisoformat(spec.metadata.reviewed)
        except ValueError:
            yield Issue(f"found {described(spec.metadata.reviewed)}, expected a date such as 2026-11-23", path)
            return
        due = reviewed + datetime.timedelta(seconds=spec.metadata.review_every)
        if self.today > due:
            every = Duration(spec.metadata.review_every)
            yield Issue(f"the review was due on {due} ({reviewed} and every {every})", path)
