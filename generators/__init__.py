"""Artefacts that follow from the severity spec: rules, routes, dashboards, runbook pages.

Each generator is a module of this folder with one function ``generate(spec: Spec) -> dict[str, str]``: texts by their
path relative to the root of the repository. It reads nothing but the spec, so the same spec gives the same bytes.
"""

from __future__ import annotations

from typing import Final

GENERATORS: Final = (
    "prometheus",
    "promtool_tests",
    "baseline_tests",
    "alertmanager",
    "escalation",
    "escalation_tests",
    "grafana",
    "runbooks",
    "metrics_page",
    "spec_page",
    "schema",
)
"""Modules of this folder that generate files, in the order they are run."""
