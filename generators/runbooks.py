"""The runbook page of every alert, and an index: what `runbook_url` opens. Written from the spec's prose."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from alerts import AlertRule, compile_alerts
from alerts.alert_ir import Heartbeat, History, escalation_of
from generators import prometheus, queries
from generators.errors import GeneratorError
from generators.links import dashboard_url
from generators.markdown import page
from generators.promql import condition, duration, number
from generators.yaml_text import yaml_text
from spec import MetricInfo, Spec, catalogue, names
from spec.checks.frameworks import framework
from spec.log_fields import filled
from spec.lookup import signals_of
from spec.model import Absence, Alert, Baseline, Ratio, Rule, Severity, Signal

FOLDER: Final = "runbooks"
INDEX: Final = f"{FOLDER}/README.md"

_OP: Final = {">=": "at least", ">": "more than", "<=": "at most", "<": "less than"}
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
    """Who hears, when."""

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
def _page(spec: Spec, rule: AlertRule, metrics: Mapping[str, MetricInfo]) -> str:
    alert = rule.alert
    return page(
        "runbook.md.j2",
        **_common(spec, rule.name, alert),
        facts=[*_facts(spec, rule)],
        queries=[*queries.of_alert(rule), *queries.of_mentioned(alert, rule, metrics)],
        about_account="actor" in rule.labels,
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
    """The pattern's prose with the alerts it can stand for; severity, owner and who hears are those of that alert."""
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
        about_account=False,
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
        watchdog=prometheus.WATCHDOG,
        off=[name for name in spec.alerts if name not in known],
        base=spec.settings.runbook_base_url,
    )


# ------------------------------------------------------------------------------------------------------------ facts
def _facts(spec: Spec, rule: AlertRule) -> Iterator[Fact]:
    alert = rule.alert
    yield Fact("Severity", f"{alert.severity}; {_hours(spec.severities[alert.severity], alert)}")
    yield Fact("Owner", alert.owner)
    yield Fact("Incident", f"{spec.incidents[alert.incident].title} (`{rule.incident_key}`)")
    yield Fact("Fires", _when(spec, rule))
    if alert.one_shot:
        yield Fact("Ends", f"{duration(rule.lookback)} after the last hit (latched: one hit is over once it is seen)")
    if alert.fold:
        link = f"[{names.STORM}]({names.runbook_page(names.STORM)})"
        yield Fact("Storm", f"grouped into one {link} at {alert.fold} or more groups")
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


def _when(spec: Spec, rule: AlertRule) -> str:
    signal, *others = (spec.signals[name] for _, name in signals_of(rule.alert))
    if rule.heartbeat:
        return _without_heartbeat(rule, rule.heartbeat, signal, others)
    value = f"{rule.value * 100:g} %" if isinstance(rule.alert.when, Ratio) else _amount(rule.value, signal)
    text = f"when there is {_OP[rule.op]} {value}. What: {signal.help}"
    if rule.baseline:
        text += _above_baseline(rule.baseline)
    if others:
        text += f" As a share of: {others[0].help} At least {number(rule.min_denominator)} of those are needed."
    if signal.window:
        text += f" Within {signal.window}."
    text += _for_each(rule)
    return text + (f" Has to stay so for {duration(rule.hold)}." if rule.hold else "")


def _for_each(rule: AlertRule) -> str:
    return f" For each {' and '.join(f'`{label}`' for label in rule.labels)}." if rule.labels else ""


def _above_baseline(history: History) -> str:
    text = f" And {number(history.deviations)} deviations over its own mean of {duration(history.history)}"
    new = f"{duration(history.enough * history.step)} of history"
    if history.floor_only:
        return f"{text}; with less than {new} known, that much alone is enough."
    return f"{text}; never with less than {new} known."


def _without_heartbeat(rule: AlertRule, heartbeat: Heartbeat, signal: Signal, others: list[Signal]) -> str:
    limit = duration(rule.value) if heartbeat.age else number(rule.value)
    missing = "" if rule.labels else ", or missing"
    text = f"when it is {'old, ' if heartbeat.age else ''}{_OP[rule.op]} {limit}{missing}. What: {signal.help}"
    for other in others:
        text += f" And at least {number(heartbeat.least)} within {duration(heartbeat.window)} of: {other.help}"
    return f"{text}{_for_each(rule)} Has to stay so for {duration(rule.hold)}."


def _amount(value: float, signal: Signal) -> str:
    if signal.unit == "seconds":
        return duration(value)
    return f"{number(value)} {signal.unit.upper() if signal.unit == 'usd' else signal.unit}".strip()


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
    match alert.when:
        case Rule():
            pass
        case Baseline() as when:
            entry["when"] = {"floor": _plain(when.floor), "deviations": _plain(when.deviations)}
        case Absence() as when if when.older_than:
            entry["when"] = {"older_than": str(when.older_than), "busy_at_least": _plain(when.busy_at_least)}
        case Absence():
            pass
        case _:
            entry["when"] = {"value": _plain(rule.value)}
            if isinstance(alert.when, Ratio):
                entry["when"]["min_denominator"] = _plain(rule.min_denominator)
    entry |= {"severity": alert.severity, "maturity": alert.maturity, "for": str(alert.for_)}
    if alert.fold:
        entry["fold"] = alert.fold
    entry["enabled"] = True
    return {"alerts": {rule.name: entry}}


def _plain(value: float) -> float | int:
    return int(value) if value.is_integer() else value
