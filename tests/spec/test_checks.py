"""Each check lets the shipped spec pass, and stops one example of what it is for."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import NamedTuple

import pytest

from alerts.checks import checks, run_checks
from spec.checks.addresses import AddressesLeadSomewhere
from spec.checks.base import Issue
from spec.errors import dotted
from spec.load import load_with_places, shipped_files
from spec.model import Spec
from spec.validate import conform
from spec.yaml_source import Document, merged, parse_document, read_document

TODAY = datetime.date(2026, 11, 24)
CHECKS = {check.id: check for check in checks(TODAY)}


OWN_ADDRESSES = """
settings:
  {runbook_base_url: "https://wiki.acme.io/r/", dashboard_base_url: "http://[::1]:3000/d/", smtp_from: t@acme.io}
channels: {tickets: {target: "https://tickets.acme.io/hook"}, privacy: {target: privacy@contest.io}}
"""
"""Addresses in the place of those that are shipped."""


class Example(NamedTuple):
    """An overlay, and what the check has to say about it."""

    check: str
    overlay: str
    path: str
    text: str


EXAMPLES = [
    Example("TOC001", "alerts: {LLMSpendBurst: {incident: nope}}", "alerts.LLMSpendBurst.incident",
            "found 'nope', expected the name of an incident"),
    Example("TOC001", "settings: {severity_words: ~}\nseverities: {low: {page: nights}}", "severities.low.page",
            "found 'nights', expected the name of a calendar, or always or never"),
    Example("TOC001", "alerts: {LLMSpendBurst: {triage: ['read it {log:prompt,anwser}']}}",
            "alerts.LLMSpendBurst.triage[0]",
            "found 'anwser', expected the name of a place in a gateway's log (did you mean 'answer'?)"),
    Example("TOC001", "gateways: {kong: {title: Kong, log: {promt: body}}}", "gateways.kong.log.promt",
            "found 'promt', expected the name of a place in a gateway's log (did you mean 'prompt'?)"),
    Example("TOC002", "alerts: {LLMSpendBurst: {atlas: [AML.T9999]}}", "alerts.LLMSpendBurst.atlas[0]",
            "found 'AML.T9999', expected an id of MITRE ATLAS 5.6.0"),
    Example("TOC002", "alerts: {LLMSpendBurst: {owasp: [ASI02, LLM10]}}", "alerts.LLMSpendBurst.owasp[1]",
            "found 'LLM10', expected an id of OWASP Top 10 for LLM Applications 2025 or OWASP Top 10 for Agentic"
            " Applications 2026 (did you mean 'LLM10:2025'?)"),
    Example("TOC002", "alerts: {LLMSpendBurst: {owasp: ['LLM10:2026']}}", "alerts.LLMSpendBurst.owasp[0]",
            "found 'LLM10:2026', expected"),
    Example("TOC002", "alerts: {LLMSpendBurst: {attack: [T0000]}}", "alerts.LLMSpendBurst.attack[0]",
            "found 'T0000', expected an id of MITRE ATT&CK Enterprise 16.1"),
    Example("TOC002", "metadata: {owasp_llm: '2026'}", "metadata.owasp_llm",
            "OWASP Top 10 for LLM Applications: found edition '2026', expected '2025', the edition of the pinned list"),
    Example("TOC003", "escalations: {security-low: {tiers: []}}", "escalations.security-low.tiers",
            "found no tier, expected at least one"),
    Example("TOC003", "escalations: {security-low: {tiers: [{after: 1m, notify: [tickets]}]}}",
            "escalations.security-low.tiers[0].after", "found 1m, expected 0m for the first tier"),
    Example("TOC003", "escalations: {security-low: {tiers: [{after: 0m, notify: [tickets]},"
            " {after: 0m, notify: [tickets]}]}}",
            "escalations.security-low.tiers[1].after", "found 0s, expected more than 0s, the tier before"),
    Example("TOC003", "escalations: {security-low: {tiers: [{after: 0m, notify: []}]}}",
            "escalations.security-low.tiers[0].notify", "found nobody to notify, expected at least one channel"),
    Example("TOC004", "escalations: {security-high: {tiers: [{after: 0m, notify: [pager-security]}]}}",
            "escalations.security-high.tiers", "found 1 tier, expected at least two for high"),
    Example("TOC004", "channels: {pager-platform: {pages: false}}", "escalations.platform-critical.tiers",
            "found no paging channel in the first tier, expected one for critical"),
    Example("TOC004", "severities: {critical: {page: business}}", "severities.critical.page",
            "found 'business', expected 'always' for critical"),
    Example("TOC005", "channels: {tickets: {pages: true}}", "escalations.security-low.tiers[0].notify",
            "found a paging channel, expected none for low, which never pages"),
    Example("TOC005", "severities: {low: {page: always}}", "severities.low.page",
            "found 'always', expected 'never' for low"),
    Example("TOC005", "severities: {medium: {page: never}}", "escalations.security-medium.tiers[1].notify",
            "found a paging channel, expected none for medium, which never pages"),
    Example("TOC006", "escalations: {security-medium: {tiers: [{after: 0m, notify: [pager-security]}]}}",
            "escalations.security-medium.tiers[0]",
            "found a paging channel without `during: business`, expected it for medium"),
    Example("TOC007", "severities: {high: {sla: {acknowledge: 10m}}}", "escalations.security-high.tiers[1].after",
            "found 15m, expected at most 10m, the SLA of high to be acknowledged"),
    Example("TOC007", "severities: {critical: {sla: {contain: 20m}}}", "escalations.security-critical.tiers[3].after",
            "found 30m, expected at most 20m, the SLA of critical to be contained"),
    Example("TOC008", "channels: {chat-security: {secret: 'https://hooks.example/T0/B0/x'}}",
            "channels.chat-security.secret", "expected the plain name of a file in settings.secrets_folder"),
    Example("TOC008", "channels: {chat-security: {secret: ../../etc/passwd}}",
            "channels.chat-security.secret", "expected the plain name of a file in settings.secrets_folder"),
    Example("TOC008", "channels: {chat-security: {secret: ''}}", "channels.chat-security",
            "key 'secret' is missing: the file that holds the secret of the slack"),
    Example("TOC008", "channels: {chat-security: {target: 'https://hooks.example/T0/B0/x'}}", "channels.chat-security",
            "found an address, expected it in the secret file: such addresses are secrets"),
    Example("TOC008", "channels: {tickets: {target: 'https://t.example/?token=x'}}", "channels.tickets.target",
            "expected an address without user, password or query: such parts are secrets"),
    Example("TOC008", "channels: {tickets: {target: 'https://u:x@t.example/'}}", "channels.tickets.target",
            "expected an address without user, password or query: such parts are secrets"),
    Example("TOC008", "channels: {privacy: {target: privacy-office}}", "channels.privacy.target",
            "expected a mail address as target"),
    Example("TOC009", "calendars: {business: {timezone: Europe/Pariss}}", "calendars.business.timezone",
            "found 'Europe/Pariss', expected a time zone, e.g. 'UTC'"),
    Example("TOC009", "calendars: {business: {timezone: ../../etc/passwd}}", "calendars.business.timezone",
            "found '../../etc/passwd', expected a time zone"),
    Example("TOC009", "calendars: {business: {from: 8am}}", "calendars.business.from",
            "found '8am', expected a time of day, e.g. '08:00'"),
    Example("TOC009", "calendars: {business: {to: '07:00'}}", "calendars.business.to",
            "found '07:00', expected later than '08:00'"),
    Example("TOC009", "calendars: {business: {days: []}}", "calendars.business.days",
            "found no day, expected at least one"),
    Example("TOC010", "alerts: {LLMProviderFailing: {when: {min_denominator: 0}}}",
            "alerts.LLMProviderFailing.when.min_denominator",
            "found 0, expected more than 0: 1 of 1 is no failure rate"),
    Example("TOC010", "alerts: {LLMProviderFailing: {when: {denominator: violating_actors}}}",
            "alerts.LLMProviderFailing.when.denominator",
            "found a signal by 'nothing', expected by 'provider', as the numerator"),
    Example("TOC010", "signals: {provider_attempts: {window: 10m}}", "alerts.LLMProviderFailing.when.denominator",
            "found a window of 10m, expected 5m, as the numerator"),
    Example("TOC011", "settings: {latch_margin: 20s}", "settings.latch_margin",
            "LLMCanaryLeaked is latched for 1820 s, expected at least 1830 s: its last tier is at 30m"),
    Example("TOC011", "alerts: {LLMCanaryLeaked: {for: 1m}}", "alerts.LLMCanaryLeaked.for",
            "found 1m, expected 0: a one-shot event does not last"),
    Example("TOC012", "alerts: {LLMSpendBurst: {when: {value: 0}}}", "alerts.LLMSpendBurst.when.value",
            "found 0, expected more than 0"),
    Example("TOC012", "alerts: {LLMSpendBurst: {when: {value: -.inf}}}", "alerts.LLMSpendBurst.when.value",
            "found -inf, expected more than 0"),
    Example("TOC010", "alerts: {LLMProviderFailing: {when: {value: 30}}}", "alerts.LLMProviderFailing.when.value",
            "found 30, expected a share, at most 1"),
    Example("TOC012", "alerts: {LLMSpendBurst: {when: {op: '<'}}}", "alerts.LLMSpendBurst.when.op",
            "found '<', expected '>=' or '>' on a window: a quiet group has no series, so it can never be below"),
    Example("TOC013", "signals: {snapshot_age: {metric: tocsin_snapshot_failures_total}}",
            "alerts.TocsinStateNotSaved.when.signal",
            "found a signal over the counter tocsin_snapshot_failures_total, expected a window or a gauge"),
    Example("TOC014", "alerts: {LLMSpendBurst: {summary: '{acter} spends'}}", "alerts.LLMSpendBurst.summary",
            "found {acter}, expected a label of the alert (actor, tenant) (did you mean 'actor'?)"),
    Example("TOC014", "alerts: {TocsinDown: {summary: '{source} is down'}}", "alerts.TocsinDown.summary",
            "found {source}, expected a label of the alert (it has none)"),
    Example("TOC014", 'alerts: {TocsinDown: {summary: "one\\ntwo"}}', "alerts.TocsinDown.summary",
            "expected one line of at most 120 characters"),
    Example("TOC015", "alerts: {SpendBurst: *spend}", "alerts.SpendBurst",
            "found 'SpendBurst', expected CamelCase beginning with LLM or Tocsin, without underscores"),
    Example("TOC015", "alerts: {LLM_Spend: *spend}", "alerts.LLM_Spend", "found 'LLM_Spend', expected CamelCase"),
    Example("TOC016", "alerts: {LLMSpendBurst: {fold: 1}}", "alerts.LLMSpendBurst.fold",
            "found 1, expected 2 or more, or 0 for never"),
    Example("TOC016", "alerts: {TocsinDown: {fold: 10}}", "alerts.TocsinDown.fold",
            "expected a threshold or rule on a signal with groups: only those fire many at once"),
    Example("TOC016", "alerts: {LLMProviderFailing: {fold: 10}}", "alerts.LLMProviderFailing.fold",
            "expected a threshold or rule on a signal with groups"),
    Example("TOC017", "alerts: {LLMOneMore: *spend, LLMToolMisuse: {severity: high}}", "alerts",
            "17 alerts page, expected at most 16"),
    Example("TOC018", "alerts: {LLMRequestFlood: {incident: budget_abuse}}", "incidents.budget_abuse",
            "found LLMRequestFlood (platform) and LLMSpendBurst (security), expected one owner for all its alerts"),
    Example("TOC020", "alerts: {LLMSpendBurst: {meaning: ' '}}", "alerts.LLMSpendBurst.meaning",
            "found nothing, expected text"),
    Example("TOC020", "alerts: {LLMSpendBurst: {triage: []}}", "alerts.LLMSpendBurst.triage",
            "found an empty list, expected at least one line"),
    Example("TOC020", "alerts: {LLMSpendBurst: {false_positives: [x, '']}}", "alerts.LLMSpendBurst.false_positives[1]",
            "found nothing, expected text"),
    Example("TOC020", "signals: {feed_lag: {help: ''}}", "signals.feed_lag.help", "found nothing, expected text"),
    Example("TOC021", "alerts: {LLMSpendBurst: {triage: [the panel, 'see `llm_spend`']}}",
            "alerts.LLMSpendBurst.triage[1]",
            "found 'llm_spend', expected the name of a metric (did you mean 'llm_spend_by_actor'?)"),
    Example("TOC021", "alerts: {LLMSpendBurst: {impact: 'as in LLMSpendBrust'}}", "alerts.LLMSpendBurst.impact",
            "found 'LLMSpendBrust', expected the name of an alert (did you mean 'LLMSpendBurst'?)"),
    Example("TOC022", "metadata: {reviewed: '2026-08-25'}", "metadata.reviewed",
            "the review was due on 2026-11-23 (2026-08-25 and every 90d)"),
    Example("TOC022", "metadata: {reviewed: last summer}", "metadata.reviewed",
            "found 'last summer', expected a date such as 2026-11-23"),
    Example("TOC030", "fields: {actor: {top: 0, cap: 1000}}", "fields.actor",
            "found no `top`, expected one: the signal requests_by_actor is grouped by it"),
    Example("TOC031", "families: {llm_requests_total: {labels: [gateway, actor]}}",
            "families.llm_requests_total.labels[1]",
            "found 'actor', expected a bounded field; a signal can show its worst values"),
    Example("TOC031", "families: {llm_requests_total: {labels: [key]}}", "families.llm_requests_total.labels[0]",
            "found 'key', expected a field with `cap` or `values`"),
    Example("TOC031", "families: {llm_requests_total: {labels: [sesion]}}", "families.llm_requests_total.labels[0]",
            "found 'sesion', expected a field"),
    Example("TOC031", "signals: {actor_ranges: {by: key}}", "signals.actor_ranges.by",
            "found 'key', expected a field with `top`, `cap` or `values`"),
    Example("TOC032", "fields: {actor: {top: 1000}}", "settings.max_series",
            "signals can need "),
    Example("TOC032", "families: {llm_requests_total: {labels: [gateway, outcome, error_class, verdict]}}",
            "settings.max_series", "one combination of open labels takes "),
    Example("TOC033", "families: {llm_spend: {help: h, type: counter, category: error, layer: model}}",
            "families.llm_spend", "found the counter 'llm_spend', expected '_total' at the end of counters"),
    Example("TOC033", "families: {my_total: {help: h, type: counter, category: error, layer: model}}",
            "families.my_total", "found 'my_total', expected snake case beginning with llm_"),
    Example("TOC033", "health: {tocsin_x_total: {help: h, type: gauge}}", "health.tocsin_x_total",
            "found the gauge 'tocsin_x_total', expected '_total' at the end of counters and of nothing else"),
    Example("TOC033", "health: {tocsin_x: {help: h, type: gauge, labels: [le]}}", "health.tocsin_x.labels[0]",
            "found the label 'le', expected snake case that Prometheus does not reserve"),
    Example("TOC033", "signals: {Burst-x: *burst}", "signals.Burst-x", "found 'llm_Burst-x', expected snake case"),
    Example("TOC033", "signals: {burst_count: *burst}", "signals.burst_count",
            "found 'llm_burst_count', expected another ending: histograms use _bucket, _sum and _count"),
    Example("TOC033", "fields: {Team: {help: h, ecs: e}}", "fields.Team",
            "found the label 'Team', expected snake case"),
    Example("TOC033", "settings: {extra_labels: {owner: me}}", "settings.extra_labels.owner",
            "found the label 'owner', expected another name: every alert has this label"),
    Example("TOC034", "signals: {jailbreak_hits_answered: *burst}", "signals.jailbreak_hits_answered",
            "the metric llm_jailbreak_hits_answered is published 2 times, expected once"),
    Example("TOC034", "signals: {attempts: *burst}", "signals.attempts",
            "the name is that of the counter llm_attempts_total without _total; choose another one"),
    Example("TOC035", "alerts: {LLMSpendBurst: {enabled: false}}", "signals.spend_by_actor",
            "no alert uses this signal; say why in `no_alert`, or disable it"),
    Example("TOC035", "signals: {spend_by_actor: {no_alert: because}}", "signals.spend_by_actor.no_alert",
            "an alert uses this signal; remove `no_alert`"),
    Example("TOC036", "families: {llm_requests_offhours_total: {category: error}}\n"
            "signals: {offhours_requests: {category: error}}", "signals",
            "found 1 of category 'temporal', expected at least two"),
    Example("TOC037", "signals: {jailbreak_hits: {where: {detector: [jailbrake]}}}",
            "signals.jailbreak_hits.where.detector[0]",
            "found 'jailbrake', expected one of prompt_injection, indirect_injection, jailbreak,"
            " system_prompt_extraction, sensitive_output, canary_token, tool_misuse (did you mean 'jailbreak'?)"),
    Example("TOC037", "signals: {jailbreak_hits: {where: {detector: []}}}", "signals.jailbreak_hits.where.detector",
            "found an empty list, expected at least one word"),
    Example("TOC037", "signals: {exporter_up: {where: {job: [a, b]}}}", "signals.exporter_up.where.job",
            "found 2 words, expected one: the metric is read as it is"),
    Example("TOC037", "families: {llm_tokens_total: {split: {direction: {inbound: input_tokens}}}}",
            "families.llm_tokens_total.split.direction[4]",
            "found 'inbound', expected one of input, output, cached, reasoning"),
    Example("TOC038", "fields: {verdict: {values: [none, pass, block, blocked]}}", "fields.verdict",
            "found words that differ from those of events: blocked, error, mask, would_block"),
    Example("TOC038", "fields: {tenant: {top: 5}}", "fields.tenant", "expected exactly one of cap, top and values"),
    Example("TOC039", "signals: {jailbreak_hits: {window: 0}}", "signals.jailbreak_hits.window",
            "found no window, expected a duration such as 10m"),
    Example("TOC039", "signals: {jailbreak_hits: {window: 25h}}", "signals.jailbreak_hits.window",
            "found 1d1h, expected at most 1d"),
    Example("TOC039", "signals: {feed_lag: {window: 5m}}", "signals.feed_lag.window",
            "found 5m, expected none: the metric is read as it is"),
    Example("TOC040", "families: {llm_input_characters: {buckets: [10, 5]}}", "families.llm_input_characters.buckets",
            "expected at least one bucket, in ascending order"),
    Example("TOC040", "families: {llm_requests_total: {buckets: [1]}}", "families.llm_requests_total.buckets",
            "found buckets, expected none for a counter"),
    Example("TOC040", "families: {llm_tokens_total: {labels: [gateway]}}", "families.llm_tokens_total.split",
            "expected one label of the family"),
    Example("TOC040", "signals: {jailbreak_hits: {measure: gauge}}", "signals.jailbreak_hits.measure",
            "found 'gauge', expected count, sum or distinct"),
    Example("TOC040", "signals: {feed_lag: {measure: count}}", "signals.feed_lag.measure",
            "found 'count', expected gauge or counter"),
    Example("TOC040", "signals: {rejected_records: {answered: true}}", "signals.rejected_records.answered",
            "found true, expected false: its stream has no attempts"),
    Example("TOC045", "fields: {device: {help: h, ecs: e, title: Device, unbounded: true, merge: max}}",
            "fields.device.unbounded", "found an unknown identity, expected one of actor, "),
    Example("TOC045", "fields: {actor: {unbounded: false}}", "fields.actor.unbounded",
            "found false, expected true: it says who sent a request"),
    Example("TOC045", "fields: {key: {values: [a, b]}}", "fields.key",
            "found `values`, expected `top` or nothing: unbounded values are not listed"),
    Example("TOC045", "fields: {key: {cap: 9}}",
            "fields.key", "found `cap`, expected `top` or nothing: unbounded values are not listed"),
    Example("TOC045", "fields: {actor: {title: ''}}", "fields.actor.title",
            "found no title, expected one such as Account"),
    Example("TOC045", r'fields: {tenant: {title: "Te\nam"}}', "fields.tenant.title",
            r"found 'Te\nam', expected a heading of one line"),
    Example("TOC045", "fields: {actor: {merge: sum}}", "fields.actor.merge",
            "found 'sum', expected 'max': each exporter counts a whole member, and a sum would count it twice"),
    Example("TOC045", "fields: {model: {cap: 0, top: 9}}", "fields.model.top",
            "found `top`, expected `unbounded: true` beside it, or `cap`"),
    Example("TOC045", "fields: {model: {companion: provider}}", "fields.model.companion",
            "found `companion`, expected it only beside `unbounded: true`"),
    Example("TOC045", "fields: {tenant: {pseudonym: true}}", "fields.tenant.pseudonym",
            "found `pseudonym`, expected it only beside `unbounded: true`"),
    Example("TOC045", "fields: {model: {client_chosen: true}}", "fields.model.client_chosen",
            "found `client_chosen`, expected it only beside `unbounded: true`"),
    Example("TOC045", "fields: {actor: {companion: actor}}", "fields.actor.companion",
            "found 'actor', expected another field"),
    Example("TOC045", "fields: {actor: {companion: tenent}}", "fields.actor.companion",
            "found 'tenent', expected a field (did you mean 'tenant'?)"),
    Example("TOC045", "fields: {actor: {companion: key}}", "fields.actor.companion",
            "found 'key', expected a field with `cap` or `values`"),
    Example("TOC045", "fields: {actor: {companion: rule}}", "fields.actor.companion",
            "found 'rule', expected a column of attempts: gateway, tenant, "),
    Example("TOC046", "fields: {actor: {client_chosen: true}}", "alerts.LLMCanaryLeaked.confidence",
            "found 'high', expected 'medium' or 'low': a client can choose its actor"),
    Example("TOC013", "signals: {exporter_up: {measure: counter}}", "alerts.TocsinDown.when.signal",
            "found a signal over the counter up, expected a window or a gauge"),
    Example("TOC041", "alerts: {LLMSpendBurst: {when: {technique: baseline, signal: attempts_by_model, floor: 0}}}",
            "alerts.LLMSpendBurst.when.floor", "found 0, expected more than 0: over a flat history everything is"),
    Example("TOC044",
            "alerts: {LLMSpendBurst: {when: {technique: trend, signal: feed_lag, value: 9, window: 1h, ahead: 2d}}}",
            "alerts.LLMSpendBurst.when.ahead", "found 2d, expected more than 0 and at most 10h"),
    Example("TOC042", "alerts: {LLMSpendBurst: {when: {technique: absence, signal: attempts_by_model, below: 1}}}",
            "alerts.LLMSpendBurst.when.signal", "found a signal over events, expected a health gauge: without traffic"),
    Example("TOC047", "settings: {dashboard_base_url: 'https://Grafana.Example.org/d/'}", "settings.dashboard_base_url",
            "grafana.example.org is a placeholder"),
    Example("TOC047", "channels: {tickets: {target: 'http://tickets.invalid:80/x'}}", "channels.tickets.target",
            "tickets.invalid is a placeholder"),
    Example("TOC047", "channels: {chat-security: {type: email, secret: '', target: a@b.test}}",
            "channels.chat-security.target", "b.test is a placeholder"),
    Example("TOC047", "settings: {smtp_smarthost: 'mail.example.com:587'}", "settings.smtp_smarthost",
            "mail.example.com is a placeholder"),
    Example("TOC048", "settings: {runbook_base_url: 'https://wiki.acme.io/on call/'}", "settings.runbook_base_url",
            "expected http:// or https://"),
    Example("TOC048", "settings: {dashboard_base_url: 'grafana.acme.io/d/'}", "settings.dashboard_base_url",
            "expected http:// or https://"),
    Example("TOC048", "channels: {chat-security: {target: '{{ .GroupLabels.alertname }}'}}",
            "channels.chat-security.target", "found {{ or }}"),
    Example("TOC048", "channels: {privacy: {target: '{{x}}@acme.io'}}", "channels.privacy.target", "found {{ or }}"),
    Example("TOC048", "channels: {chat-security: {target: 'llm security'}}", "channels.chat-security.target",
            "found a space"),
]  # fmt: skip

SHIPPED = merged(read_document(path) for path in shipped_files())


def with_overlay(text: str) -> Spec:
    """The shipped spec with an overlay, references unchecked; *spend and *burst stand for entries to copy."""
    entries = {"*spend": SHIPPED.data["alerts"]["LLMSpendBurst"], "*burst": SHIPPED.data["signals"]["burst_requests"]}
    for name in entries:
        text = text.replace(name, f"'{name}'")
    overlay = parse_document(text, "overlay").data
    for table in overlay.values():
        for name, entry in table.items():
            if isinstance(entry, str):
                table[name] = entries.get(entry, entry)
    if overlay.get("settings", {}).get("severity_words", "") is None:
        del overlay["settings"]
    return conform(merged([SHIPPED, Document(overlay)], variants=("technique",)).data, Spec)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: f"{example.check}-{example.path}")
def test_a_check_stops_what_it_is_for(example: Example) -> None:
    issues = list(CHECKS[example.check].check(with_overlay(example.overlay)))
    found = [(dotted(issue.path), issue.text) for issue in issues]
    assert any(path == example.path and text.startswith(example.text) for path, text in found), found


@pytest.mark.parametrize("check", CHECKS.values(), ids=lambda check: str(check.id))
def test_a_check_lets_the_shipped_spec_pass(check: object) -> None:
    overlay = OWN_ADDRESSES if isinstance(check, AddressesLeadSomewhere) else "{}"
    assert list(CHECKS[getattr(check, "id")].check(with_overlay(overlay))) == []  # noqa: B009


def test_the_placeholders_that_are_shipped_are_named() -> None:
    issues = CHECKS["TOC047"].check(with_overlay("{}"))
    assert [dotted(issue.path) for issue in issues] == [
        "settings.runbook_base_url",
        "settings.dashboard_base_url",
        "channels.privacy.target",
        "channels.tickets.target",
        "settings.smtp_from",
    ]


def test_a_channel_that_nobody_notifies_may_lead_nowhere() -> None:
    unused = OWN_ADDRESSES.replace("channels: {", "channels: {spare: {type: webhook}, ")
    assert list(CHECKS["TOC047"].check(with_overlay(unused))) == []


def test_every_check_has_an_example() -> None:
    assert {example.check for example in EXAMPLES} == set(CHECKS)


def test_every_check_has_an_id_of_its_own_and_a_line_of_documentation() -> None:
    listed = checks(TODAY)
    assert [check.id for check in listed] == sorted({check.id for check in listed})
    assert all((type(check).__doc__ or "").splitlines()[0].endswith((".", "left.")) for check in listed)
    assert {check.severity for check in listed} == {"error", "warning"}


def test_a_storm_needs_its_pattern() -> None:
    document = merged([SHIPPED])
    del document.data["alerts"]["LLMAlertStorm"]
    issues = list(CHECKS["TOC016"].check(conform(document.data, Spec)))
    assert issues[0].path == ("alerts", "LLMCanaryLeaked", "fold")
    assert "the alert LLMAlertStorm is missing" in issues[0].text


def test_issues_know_their_check_their_gravity_and_their_place(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("alerts:\n  LLMSpendBurst:\n    summary: '{acter}'\n    enabled: false\n" + OWN_ADDRESSES)
    loaded = load_with_places(path)
    assert [str(issue) for issue in run_checks(loaded.spec, today=TODAY, places=loaded.places)] == [
        f"{path}:3:5: error TOC014: alerts.LLMSpendBurst.summary: found {{acter}}, expected a label of the alert"
        " (actor, tenant) (did you mean 'actor'?)",
        f"{loaded.places['signals', 'spend_by_actor']}: warning TOC035: signals.spend_by_actor: no alert uses this "
        "signal; say why in `no_alert`, or disable it",
    ]


def test_nothing_else_is_said_while_references_dangle() -> None:
    spec = with_overlay("alerts: {LLMSpendBurst: {incident: nope, summary: '{acter}'}}")
    assert [issue.check for issue in run_checks(spec, today=TODAY)] == ["TOC001"]


def test_an_issue_without_place_still_reads_well() -> None:
    assert str(Issue("found x", ("alerts", "A"), "TOC001")) == "error TOC001: alerts.A: found x"
