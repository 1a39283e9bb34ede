"""Every name that Tocsin gives to a metric, a label or an incident, in one place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from spec.model import Field, Signal

METRIC: Final = re.compile(r"[a-z][a-z0-9_]*")
"""Our part of the Prometheus grammar for metrics: ASCII snake case, no colon (colons are for recording rules)."""
LABEL: Final = re.compile(r"(?!__)[a-z_][a-z0-9_]*")
ALERT: Final = re.compile(r"(LLM|Tocsin)([A-Z][a-z0-9]*)+")
RESERVED_LABELS: Final = frozenset({"le", "quantile", "job", "instance"})
"""Labels that Prometheus gives a meaning to; ours never use them."""

STATIC_LABELS: Final = (
    "severity",
    "tocsin_severity",
    "owner",
    "incident",
    "category",
    "layer",
    "anomaly",
    "maturity",
    "confidence",
    "alert_family",
)
"""Labels that every alert has, beside those of its series."""

SIGNAL_PREFIX: Final = "llm_"
HEALTH_PREFIX: Final = "tocsin_"
HOOK_PREFIX: Final = "tocsin_hook_"
"""Of what the hook in a gateway says of itself: Tocsin passes it on, by another way than the log."""
ANSWERED_SUFFIX: Final = "_answered"
HISTOGRAM_SUFFIXES: Final = ("_bucket", "_sum", "_count")

STORM: Final = "LLMAlertStorm"
"""The alert that replaces many of one kind; its entry in the spec is the pattern."""
VIOLATING_GROUPS: Final = "llm_violating_groups"

TIER: Final = "tier"
"""The label of an escalation: "2" is the second that is notified. What has it is never an alert that is escalated."""
ESCALATIONS: Final = {
    "acknowledged": "TocsinNotAcknowledged",
    "contained": "TocsinNotContained",
    "": "TocsinStillFiring",
}
"""The alerts of later tiers, by what would have kept the tier silent."""
INCIDENT_STATES: Final = {"acknowledged": "llm_alert_acknowledged", "contained": "llm_alert_contained"}
"""Metrics that are 1 for an `incident_key` in that state."""
INCIDENTS_FIRING: Final = "incident:llm_alerts_firing:max"
"""The recording rule of incidents that have a firing alert."""


def signal_metric(name: str, signal: Signal) -> str:
    """The metric a signal is read from: its own gauge, or the health or external metric that it names."""
    return signal.metric or SIGNAL_PREFIX + name


def answered_metric(name: str) -> str:
    """The gauge of a signal's hits that the model answered."""
    return SIGNAL_PREFIX + name + ANSWERED_SUFFIX


def signal_labels(signal: Signal, fields: Mapping[str, Field]) -> tuple[str, ...]:
    """The labels of a signal's series: what it is grouped `by`, with what always comes along."""
    if not signal.by:
        return ()
    field = fields.get(signal.by)
    if field is None or not field.companion or signal.stream in ("health", "external"):
        return (signal.by,)
    return (signal.by, field.companion)


def title(name: str, fields: Mapping[str, Field]) -> str:
    """The heading of a field: ``Address range``."""
    field = fields.get(name)
    return (field.title if field else "") or name.replace("_", " ").capitalize()


def snake_case(name: str) -> str:
    """``LLMPromptInjectionRepeated`` as ``llm_prompt_injection_repeated``; anything odd becomes an underscore."""
    name = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", name)
    name = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name)
    return re.sub(r"[^a-z0-9_]", "_", name.lower())


def incident_key(incident: str, entity: str) -> str:
    """The key template of an incident: ``prompt_injection/{actor}``, or the type alone when there is no entity."""
    return f"{incident}/{{{entity}}}" if entity else incident


def placeholders(template: str) -> tuple[str, ...]:
    """The names in braces in a summary or key."""
    return tuple(re.findall(r"\{([^{}]*)\}", template))


def runbook_page(alert: str) -> str:
    """The file of an alert's runbook page."""
    return f"{alert}.md"
