"""Escalation without an on-call product: rules that fire when an incident has waited for a tier's time.

An incident that fires now and fired `after` ago, and that nobody has acknowledged (or contained) since, goes to the
next tier. The clock is the alert's own history in Prometheus, so it goes on through restarts; a gap shorter than
`FLAP_EVALUATIONS` does not stop it. The states come from metrics: without them nothing is held back.

A file of its own, because where a pager escalates by itself it is not loaded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from alerts.text import Firing, Fixed, Label, Parts
from generators.files import comment, header
from generators.links import dashboard_url
from generators.prometheus.annotations import Templated, template
from generators.prometheus.layout import laid_out
from generators.prometheus.promql import duration, selector
from generators.yaml_text import yaml_text
from spec import Spec, names
from spec.model import Owner, SeverityName, Tier

PATH: Final = "alert_rules/tocsin-escalation.rules.yaml"
FLAP_EVALUATIONS: Final = 8

_KEPT: Final = ("incident_key", "incident", "owner", "tocsin_severity")
_ABOUT: Final = (
    "Later tiers of the escalations. Load it beside tocsin.rules.yaml where nothing else escalates; leave it out where "
    "your pager does. Without an incident service, acknowledge by silencing the tier's alert for the incident: every "
    "runbook page has the command."
)
_MISSING: Final = {"acknowledged": "unacknowledged", "contained": "not contained", "": "still firing"}
_NEEDED: Final = {
    "acknowledged": "acknowledge it, or find somebody who owns it",
    "contained": "find somebody who owns it, or decide how to contain it",
    "": "find somebody who owns it",
}


@dataclass(frozen=True, slots=True)
class Step:
    """A later tier of what alerts of a severity and an owner set off; `number` 2 is notified second."""

    severity: SeverityName
    owner: Owner
    number: int
    tier: Tier

    @property
    def alert(self) -> str:
        """The name of its alert."""
        return names.ESCALATIONS[self.tier.unless]


@dataclass(frozen=True, slots=True)
class _Alerts(Templated):
    """The alerts of the incident that fire now, by name: all of them, or the first."""

    first: bool = False
    otherwise: str = "what has just ended"

    def template(self) -> str:
        query = f"ALERTS{{alertstate='firing',{names.TIER}='',incident_key=%q}}"
        shown = '{{ . | first | label "alertname" }}' if self.first else self._each()
        found = f'{{{{ with printf "{query}" $labels.incident_key | query | sortByLabel "alertname" }}}}{shown}'
        return f"{found}{{{{ else }}}}{self.otherwise}{{{{ end }}}}"

    def text(self, firing: Firing) -> str:
        return firing.alerts[0] if self.first else ", ".join(firing.alerts)

    @staticmethod
    def _each() -> str:
        return '{{ range $place, $alert := . }}{{ if $place }}, {{ end }}{{ $alert | label "alertname" }}{{ end }}'


def generate(spec: Spec) -> dict[str, str]:
    """The rule file."""
    rules: list[dict[str, Any]] = [{"record": names.INCIDENTS_FIRING, "expr": laid_out(_firing(spec))}]
    rules += [_rule(spec, step) for step in steps(spec)]
    group = {"name": "tocsin-escalation", "interval": duration(spec.settings.evaluation_interval), "rules": rules}
    return {PATH: header() + comment(_ABOUT) + yaml_text({"groups": [group]})}


def steps(spec: Spec) -> Iterator[Step]:
    """Every later tier, the highest severity first."""
    for severity in sorted(spec.severities, key=lambda name: spec.severities[name].order):
        for owner, escalation in spec.severities[severity].escalation.items():
            for number, tier in enumerate(spec.escalations[escalation].tiers[1:], start=2):
                yield Step(severity, owner, number, tier)


def labels_of(spec: Spec, step: Step) -> dict[str, str]:
    """The labels of a step's alert beside the incident's."""
    return {
        **spec.settings.extra_labels,
        "severity": spec.settings.severity_words[step.severity],
        "tocsin_severity": step.severity,
        "owner": step.owner,
        names.TIER: str(step.number),
    }


def annotations_of(spec: Spec, step: Step) -> Mapping[str, Parts]:
    """The annotations of a step's alert."""
    since = duration(step.tier.after)
    return {
        "summary": (Label("incident_key"), Fixed(f": {_MISSING[step.tier.unless]} after {since} (tier {step.number})")),
        "description": (
            Fixed(f"The first page was {since} ago or earlier. Firing: "),
            _Alerts(),
            Fixed(f". Needed from you: {_NEEDED[step.tier.unless]}."),
        ),
        "runbook_url": (Fixed(spec.settings.runbook_base_url), _Alerts(first=True, otherwise="README"), Fixed(".md")),
        "dashboard_url": (Fixed(dashboard_url(spec)),),
    }


def _firing(spec: Spec) -> str:
    """Incidents with an alert that fires. A storm stands for its single alerts here too, or each of them would page."""
    inner = f'ALERTS{{alertstate="firing",incident_key!="",maturity="stable",{names.TIER}=""}}'
    if names.STORM in spec.alerts:
        storm = selector("ALERTS", [("alertname", names.STORM), ("alertstate", "firing"), ("maturity", "stable")])
        inner = f"{inner} unless on (alert_family) {storm} or {storm}"
    return f"max by ({', '.join(_KEPT)}) ({inner})"


def _rule(spec: Spec, step: Step) -> dict[str, Any]:
    mine = selector(names.INCIDENTS_FIRING, [("tocsin_severity", step.severity), ("owner", step.owner)])
    window = duration(FLAP_EVALUATIONS * spec.settings.evaluation_interval)
    expression = f"{mine} and max_over_time({mine}[{window}] offset {duration(step.tier.after)})"
    expression = f"({expression}) == 1"
    if step.tier.unless:
        expression += f" unless on (incident_key) {names.INCIDENT_STATES[step.tier.unless]} == 1"
    notes = {name: template(parts) for name, parts in annotations_of(spec, step).items()}
    return {"alert": step.alert, "expr": expression, "labels": labels_of(spec, step), "annotations": notes}
