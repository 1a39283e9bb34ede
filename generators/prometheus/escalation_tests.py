"""Unit tests of the escalation rules, for `promtool test rules`: every tier in its time, and what keeps it silent."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any, Final

from alerts.cases import Clock
from alerts.text import Firing, text
from generators.files import header
from generators.prometheus import escalation
from generators.prometheus.escalation import Step
from generators.prometheus.promql import duration, selector
from generators.yaml_text import yaml_text
from spec import Spec, names

PATH: Final = "alert_rules/tocsin-escalation.tests.yaml"

_INCIDENT: Final = "campaign"
_Series = dict[str, str]


def generate(spec: Spec) -> dict[str, str]:
    """The test file; it names the rule file beside it."""
    clock = Clock(float(spec.settings.scrape_interval), float(spec.settings.evaluation_interval))
    chains = itertools.groupby(escalation.steps(spec), key=lambda step: (step.severity, step.owner))
    document = {
        "rule_files": [escalation.PATH.rpartition("/")[2]],
        "evaluation_interval": duration(clock.evaluation),
        "tests": [_chain(spec, clock, list(steps)) for _, steps in chains],
    }
    return {PATH: header() + yaml_text(document)}


def _chain(spec: Spec, clock: Clock, steps: Sequence[Step]) -> dict[str, Any]:
    """All tiers of a severity and an owner: before it is due and when it is, and nothing when all is over."""
    last = float(steps[-1].tier.after) + 4 * clock.slack
    times = [time for step in steps for time in (step.tier.after - clock.evaluation, step.tier.after + clock.slack)]
    alerts = dict.fromkeys(step.alert for step in steps)
    checks = [
        {"eval_time": duration(time), "alertname": alert, "exp_alerts": list(_expected(spec, steps, alert, time))}
        for time in times
        for alert in alerts
    ]
    over = duration(last + 2 * clock.slack)
    checks += [{"eval_time": over, "alertname": alert, "exp_alerts": []} for alert in alerts]
    return {
        "name": f"later tiers of {steps[0].severity} for {steps[0].owner}",
        "interval": duration(clock.scrape),
        "input_series": [*_inputs(spec, clock, steps[0], last)],
        "alert_rule_test": checks,
    }


def _inputs(spec: Spec, clock: Clock, step: Step, last: float) -> Iterator[_Series]:
    """Incidents that fire from the beginning until `last`, and what is known of them."""
    samples = f"1+0x{round(last / clock.scrape)} stale"

    def firing(alert: str, key: str, family: str = "", maturity: str = "stable", state: str = "firing") -> _Series:
        labels = {
            "alertname": alert,
            "alertstate": state,
            "alert_family": family or alert,
            "incident": _INCIDENT,
            "incident_key": f"{_INCIDENT}/{key}",
            "maturity": maturity,
            "owner": step.owner,
            "tocsin_severity": step.severity,
        }
        return {"series": selector("ALERTS", labels.items()), "values": samples}

    yield firing("LLMOne", "open")
    yield firing("LLMTwo", "open")
    yield firing("LLMOne", "pending", state="pending")
    yield firing("LLMOne", "incubating", maturity="incubating")
    for state, metric in names.INCIDENT_STATES.items():
        yield firing("LLMOne", state)
        known = {"incident_key": f"{_INCIDENT}/{state}", "instance": "incidents:9465"}
        yield {"series": selector(metric, known.items()), "values": samples}
        other = {"incident_key": f"{_INCIDENT}/open", "instance": "incidents:9465"}
        yield {"series": selector(metric, other.items()), "values": samples.replace("1+", "0+")}
    if names.STORM in spec.alerts:
        yield firing("LLMFolded", "folded")
        yield firing(names.STORM, "storm", family="LLMFolded")


def _expected(spec: Spec, steps: Sequence[Step], alert: str, time: float) -> Iterator[dict[str, Any]]:
    """What fires at a time: each tier that is due, for each incident whose state does not hold it back."""
    known = {"open": ("LLMOne", "LLMTwo"), **dict.fromkeys(names.INCIDENT_STATES, ("LLMOne",))}
    if names.STORM in spec.alerts:
        known["storm"] = (names.STORM,)
    for step in steps:
        if step.alert != alert or step.tier.after > time:
            continue
        for key, alerts in known.items():
            if key != step.tier.unless:
                labels = {
                    "incident": _INCIDENT,
                    "incident_key": f"{_INCIDENT}/{key}",
                    **escalation.labels_of(spec, step),
                }
                notes = escalation.annotations_of(spec, step)
                fired = Firing(labels, 1.0, alerts=alerts)
                yield {
                    "exp_labels": labels,
                    "exp_annotations": {name: text(parts, fired) for name, parts in notes.items()},
                }
