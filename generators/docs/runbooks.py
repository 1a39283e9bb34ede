"""The runbook page of every alert, and an index: what `runbook_url` opens. Written from the spec's prose."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from alerts import AlertRule, compile_alerts
from alerts.alert_ir import escalation_of
from generators.docs import queries
from generators.docs.markdown import Markdown, page
from generators.errors import GeneratorError
from generators.links import dashboard_url
from generators.prometheus import rule_file
from generators.prometheus.promql import condition, duration
from generators.yaml_text import yaml_text
from spec import MetricInfo, Spec, catalogue, names
from spec.checks.frameworks import framework
from spec.duration import Duration
from spec.log_fields import filled
from spec.model import Alert, Severity

FOLDER: Final = "runbooks"
INDEX: Final = f"{FOLDER}/README.md"

_SLA: Final = (
    ("acknowledge", "acknowledged"),
    ("contain", "contained"),
    ("update_every", "status update every"),
    ("resolve", "resolved"),
    ("review", "reviewed"),
)


@dataclass(frozen=True, slots=True)
class Fact:
    """One line of what the alert is."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Tier:
    """Who is notified, when."""

    after: str
    who: str
    unless: str
    hours: str


def generate(spec: Spec) -> dict[str, str]:
    """A page for each alert that is switched on, one for the storm, and the index."""
    rules = [rule for rule in compile_alerts(spec) if rule.name != names.STORM]
    storms = [rule for rule in compile_alerts(spec) if rule.name == names.STORM]
    metrics = {metric.name: metric for metric in catalogue(spec)}
    pages = {f"{FOLDER}/{names.runbook_page(rule.name)}": _page(spec, rule, metrics) for rule in rules}
    if storms:
        pages[f"{FOLDER}/{names.runbook_page(names.STORM)}"] = _storm_page(spec, storms, rules)
    return {**pages, INDEX: _index(spec, rules, storms)}


# ------------------------------------------------------------------------------------------------------------ pages
def _pseudonym(spec: Spec, rule: AlertRule) -> dict[str, str]:
    """The label of the alert that is a pseudonym, and what it stands for; empty if there is none."""
    found = (label for label in rule.labels if label in spec.fields and spec.fields[label].pseudonym)
    return {label: names.title(label, spec.fields).lower() for label in found}


def _page(spec: Spec, rule: AlertRule, metrics: Mapping[str, MetricInfo]) -> str:
    alert = rule.alert
    return page(
        "runbook.md.j2",
        **_common(spec, rule.name, alert),
        facts=[*_facts(spec, rule)],
        queries=[*queries.of_alert(rule), *queries.of_mentioned(alert, rule, metrics)],
        pseudonym=_pseudonym(spec, rule),
        relatives=[
            other.name
            for other in compile_alerts(spec)
            if other.name not in (rule.name, names.STORM) and other.alert.incident == alert.incident
        ],
        tiers=[*_tiers(spec, rule)],
        incubating=alert.maturity == "incubating",
        states=[*_states(spec, rule)],
        resolve=spec.severities[alert.severity].sla.resolve,
        sla=_sla(spec.severities[alert.severity]),
        frameworks=[*_frameworks(rule.name, alert)],
        overlay=yaml_text(_overlay(rule)),
        storms=[],
    )


def _storm_page(spec: Spec, storms: list[AlertRule], rules: list[AlertRule]) -> str:
    """The pattern's prose with the alerts it can stand for; severity, owner and channels are those of that alert."""
    alert = spec.alerts[names.STORM]
    single = {rule.name: rule for rule in rules}
    facts = [
        Fact("Severity, owner, notified", "those of the alert that it replaces (see below)"),
        Fact("Holds back", "the single alerts of that name, while it fires"),
        Fact("Dashboard", dashboard_url(spec)),
    ]
    families = {storm.family: {"fold": int(storm.value)} for storm in storms[:1]}
    return page(
        "runbook.md.j2",
        **_common(spec, names.STORM, alert),
        facts=facts,
        queries=[*queries.of_storm()],
        pseudonym={},
        relatives=[],
        tiers=[],
        incubating=False,
        states=[],
        resolve="",
        sla="",
        frameworks=[],
        overlay=yaml_text({"alerts": families}),
        storms=[(storm, condition(single[storm.family])) for storm in storms],
    )


def _common(spec: Spec, name: str, alert: Alert) -> dict[str, Any]:
    return {
        "name": name,
        "alert": alert,
        "steps": [filled(step, spec.gateways) for step in alert.triage],
        "incident": spec.incidents[alert.incident].title,
    }


def _index(spec: Spec, rules: list[AlertRule], storms: list[AlertRule]) -> str:
    severities = sorted(spec.severities, key=lambda name: spec.severities[name].order)
    groups = {name: [rule for rule in rules if rule.alert.severity == name] for name in severities}
    known = {rule.name for rule in rules} | {names.STORM}
    return page(
        "runbooks.md.j2",
        groups={name: members for name, members in groups.items() if members},
        sla={name: _sla(spec.severities[name]) for name in severities},
        storm=names.STORM if storms else "",
        watchdog=rule_file.WATCHDOG,
        off=[name for name in spec.alerts if name not in known],
        base=spec.settings.runbook_base_url,
    )


# ------------------------------------------------------------------------------------------------------------ facts
def _facts(spec: Spec, rule: AlertRule) -> Iterator[Fact]:
    alert = rule.alert
    yield Fact("Severity", f"{alert.severity}; {_hours(spec.severities[alert.severity], alert)}")
    yield Fact("Owner", alert.owner)
    yield Fact("Incident", f"{spec.incidents[alert.incident].title} (`{rule.incident_key}`)")
    yield Fact("Fires", rule.criterion.fires(spec, rule))
    if alert.one_shot:
        yield Fact("Ends", f"{duration(rule.lookback)} after the last hit (latched: one hit is over once it is seen)")
    if alert.fold:
        link = f"[{names.STORM}]({names.runbook_page(names.STORM)})"
        yield Fact("Storm", Markdown(f"grouped into one {link} at {alert.fold} or more groups"))
    yield Fact("Confidence", f"{alert.confidence}; {alert.maturity}")
    yield Fact("Dashboard", dashboard_url(spec))


def _hours(severity: Severity, alert: Alert) -> str:
    if alert.maturity == "incubating":
        return "goes to chat only, until it has proved itself"
    match severity.page:
        case "always":
            return "pages at any hour"
        case "never":
            return "never pages"
        case calendar:
            return f"pages only in the hours of `{calendar}`"


def _tiers(spec: Spec, rule: AlertRule) -> Iterator[Tier]:
    tiers = escalation_of(spec, rule.alert).tiers
    for place, tier in enumerate(tiers):
        if place and rule.alert.maturity == "incubating":
            return
        who = tier.notify if place else rule.channels
        unless = f"not {tier.unless}" if tier.unless else ""
        yield Tier(f"{tier.after}" if place else "at once", ", ".join(who), unless, tier.during)


def _states(spec: Spec, rule: AlertRule) -> Iterator[tuple[str, str]]:
    """The alerts of later tiers that a person can hold back, with the words to say so."""
    later = escalation_of(spec, rule.alert).tiers[1:] if rule.alert.maturity == "stable" else ()
    for state in dict.fromkeys(tier.unless for tier in later if tier.unless):
        yield names.ESCALATIONS[state], f"{state} by ..."


def _sla(severity: Severity) -> str:
    """``acknowledged within 15m, contained within 2h``."""
    said = []
    for key, words in _SLA:
        limit = getattr(severity.sla, key)
        if limit is not None:
            said.append(f"{words} {limit}" if key == "update_every" else f"{words} within {limit}")
    return ", ".join(said)


def _frameworks(name: str, alert: Alert) -> Iterator[Fact]:
    for ids, lists in (
        (alert.atlas, ("atlas",)),
        (alert.attack, ("attack",)),
        (alert.owasp, ("owasp_llm", "owasp_agentic")),
    ):
        for number_ in ids:
            found = next((pinned for pinned in map(framework, lists) if number_ in pinned.ids), None)
            if found is None:
                raise GeneratorError(f"{name}: found {number_!r}, in no pinned framework")
            yield Fact(f"{found.framework} {found.edition}", f"`{number_}` {found.ids[number_]}")


def _overlay(rule: AlertRule) -> dict[str, Any]:
    """What one usually tunes, with the values that are in force."""
    alert = rule.alert
    entry: dict[str, Any] = {}
    tuned = {key: getattr(alert.when, key) for key in alert.when.TUNABLE}
    if when := {key: _plain(value) for key, value in tuned.items() if value}:
        entry["when"] = when
    entry |= {"severity": alert.severity, "maturity": alert.maturity, "for": str(alert.for_)}
    if alert.keep_firing_for:
        entry["keep_firing_for"] = str(alert.keep_firing_for)
    if alert.fold:
        entry["fold"] = alert.fold
    entry["enabled"] = True
    return {"alerts": {rule.name: entry}}


def _plain(value: float) -> str | float | int:
    if isinstance(value, Duration):
        return str(value)
    return int(value) if value.is_integer() else value
