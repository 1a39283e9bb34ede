"""The backends that alerts are compiled for."""

from __future__ import annotations

from typing import ClassVar, Final

from alerts import AlertRule
from alerts.backends import Backend
from alerts.text import Parts
from generators import prometheus
from generators.annotations import template
from generators.promql import condition


class Prometheus:
    """Rules for Prometheus 2.42 and newer, over recording rules that it names."""

    name: ClassVar[str] = prometheus.BACKEND

    def compile(self, rule: AlertRule) -> str:
        """The expression of the alerting rule."""
        return condition(rule)

    def annotation(self, rule: AlertRule, parts: Parts) -> str:
        """A template in the language of Go, with queries in it."""
        return template(parts, rule)


BACKENDS: Final[tuple[Backend, ...]] = (Prometheus(),)
"""Every backend; each alert has to compile on each, or skip it with a reason."""
