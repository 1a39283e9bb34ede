"""Alerts that every backend has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

from alerts.alert_ir import compile_alerts
from alerts.backends import Backend, CannotExpressError
from spec import names
from spec.checks.base import Gravity, Issue
from spec.errors import Path, nearest
from spec.model import Spec


class AlertsCompile:
    """Each backend can express each alert, or the alert skips it with a reason."""

    id: ClassVar[str] = "TOC043"
    severity: ClassVar[Gravity] = "error"

    def __init__(self, backends: Sequence[Backend]) -> None:
        self._backends = backends

    def check(self, spec: Spec) -> Iterator[Issue]:
        """Alerts that would be missing somewhere without a word."""
        known = [backend.name for backend in self._backends]
        for name, alert in spec.alerts.items():
            for word, reason in alert.skip.items():
                path: Path = ("alerts", name, "skip", word)
                if word not in known:
                    expected = ", ".join(known) or "nothing"
                    yield Issue(f"found {word!r}, expected a backend ({expected}){nearest(word, known)}", path)
                elif not reason.strip():
                    yield Issue("found no reason, expected why this backend skips the alert", path)
        for rule in compile_alerts(spec):
            for backend in self._backends:
                if backend.name in spec.alerts[rule.family].skip or rule.name == names.STORM:
                    continue
                try:
                    backend.compile(rule)
                except CannotExpressError as error:
                    text = f"{backend.name} cannot express it: {error}. Change it, or name the backend in `skip`"
                    yield Issue(text, ("alerts", rule.name))
