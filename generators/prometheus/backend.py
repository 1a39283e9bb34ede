"""Prometheus as a backend that alerts are compiled for."""

from __future__ import annotations

from typing import ClassVar

from alerts import AlertRule
from alerts.text import Parts
from generators.prometheus import rule_file
from generators.prometheus.annotations import template
from generators.prometheus.promql import condition


class Prometheus:
    """Rules for Prometheus 2.42 and newer, over recording rules that it names."""

    name: ClassVar[str] = rule_file.BACKEND

    def compile(self, rule: AlertRule) -> str:
        """The expression of the alerting rule."""
        return condition(rule)

    def annotation(self, rule: AlertRule, parts: Parts) -> str:
        """A template in the language of Go, with queries in it."""
        return template(parts, rule)
