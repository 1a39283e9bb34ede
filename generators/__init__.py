"""Artefacts that follow from the severity spec: rules, routes, dashboards, runbook pages.

A folder for each kind of artefact: `prometheus/` (rules and their tests), `alertmanager/` (routes and receivers),
`grafana/` (dashboards), `docs/` (runbooks, reference pages, the schema for editors). A generator is a module with one
function ``generate(spec: Spec) -> dict[str, str]``: texts by their path relative to the root of the repository. It
reads nothing but the spec, so the same spec gives the same bytes.
"""

from __future__ import annotations

from typing import Final

GENERATORS: Final = (
    "prometheus.rule_file",
    "prometheus.promtool_tests",
    "prometheus.baseline_tests",
    "alertmanager.configuration",
    "prometheus.escalation",
    "prometheus.escalation_tests",
    "grafana",
    "docs.runbooks",
    "docs.metrics_page",
    "docs.spec_page",
    "docs.schema",
)
"""Modules of this folder that generate files, in the order they are run."""
