"""Recording and alerting rules for Prometheus, inside what 2.42 accepts.

What baselines compare with comes first, in a group of its own that is evaluated seldom. Then one group for each owner;
in it the recording rules come first, so that an alert sees what was recorded in the same evaluation. A recording rule
that alerts of both owners read is recorded once, by the first; the other group may see it one evaluation late. A storm
stands before the alert that it replaces, so that Alertmanager receives it first.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from alerts import AlertRule, compile_alerts
from alerts.text import filled
from generators.errors import GeneratorError
from generators.files import header
from generators.prometheus.annotations import annotations_of, template
from generators.prometheus.layout import laid_out
from generators.prometheus.promql import condition, duration, recordings, selector, slow_recordings
from generators.yaml_text import yaml_text
from spec import Spec, names
from spec.model import Owner

PATH: Final = "alert_rules/tocsin.rules.yaml"
BACKEND: Final = "prometheus"
"""The word in an alert's `skip`."""

WATCHDOG: Final = "TocsinWatchdog"
"""Always fires while the chain works: whoever stops hearing it has to raise the alarm. Its own name, because a
`Watchdog` of somebody else would keep the heartbeat alive without us."""


def generate(spec: Spec) -> dict[str, str]:
    """The rule file."""
    return {PATH: header() + yaml_text({"groups": groups_of(spec, alert_rules(spec))})}


def groups_of(spec: Spec, alerts: Sequence[AlertRule]) -> list[dict[str, Any]]:
    """The groups of a rule file with these alerts; whatever evaluates rules of Prometheus can read them."""
    groups: list[dict[str, Any]] = []
    recorded: dict[str, str] = {}
    if baselines := list(_baselines(alerts)):
        groups.append(_group("baselines", spec.settings.baseline_step, baselines))
    for owner, members in _by_owner(alerts):
        records = list(_records(members, recorded))
        rules = [*records, *(_alert(spec, rule) for rule in members)]
        groups.append(_group(owner, spec.settings.evaluation_interval, rules))
    groups.append(_group("watchdog", spec.settings.evaluation_interval, [_watchdog(spec)]))
    return groups


def alert_rules(spec: Spec, backend: str = BACKEND) -> list[AlertRule]:
    """The alerts that a backend evaluates, each storm before its alert."""
    rules = [rule for rule in compile_alerts(spec) if backend not in spec.alerts[rule.family].skip]
    families = itertools.groupby(rules, key=lambda rule: rule.family)
    return [rule for _, members in families for rule in sorted(members, key=lambda rule: rule.name != names.STORM)]


def heartbeat(spec: Spec) -> str:
    """The expression of the watchdog: true as long as Prometheus knows a Tocsin to read.

    A target that is down still counts, for `TocsinDown` tells of it. One that is gone from the configuration has no
    series that could raise an alert; then the heartbeat stops.
    """
    for rule in alert_rules(spec):
        if rule.series.metric == "up":
            return f"count({selector('up', rule.series.matchers)}) > 0"
    return "vector(1)"


def _group(name: str, interval: float, rules: list[dict[str, Any]]) -> dict[str, Any]:
    """A group with its own interval: a page must not come later because others evaluate seldom."""
    return {"name": f"tocsin-{name}", "interval": duration(interval), "rules": rules}


def _baselines(alerts: Iterable[AlertRule]) -> Iterator[dict[str, str]]:
    for rule in alerts:
        for name, expression in slow_recordings(rule).items():
            yield {"record": name, "expr": laid_out(expression)}


def _by_owner(rules: Iterable[AlertRule]) -> Iterator[tuple[Owner, list[AlertRule]]]:
    rules = list(rules)
    for owner in dict.fromkeys(rule.alert.owner for rule in rules):
        yield owner, [rule for rule in rules if rule.alert.owner == owner]


def _records(rules: Iterable[AlertRule], recorded: dict[str, str]) -> Iterator[dict[str, str]]:
    for rule in rules:
        for name, expression in recordings(rule).items():
            if name not in recorded:
                recorded[name] = expression
                yield {"record": name, "expr": laid_out(expression)}
            elif recorded[name] != expression:
                raise GeneratorError(f"{rule.name}: {name} is recorded as {recorded[name]!r} and {expression!r}")


def _alert(spec: Spec, rule: AlertRule) -> dict[str, Any]:
    out: dict[str, Any] = {"alert": rule.name, "expr": laid_out(condition(rule))}
    if rule.hold:
        out["for"] = duration(rule.hold)
    if rule.keep:
        out["keep_firing_for"] = duration(rule.keep)
    out["labels"] = {**rule.static_labels, "incident_key": template(filled(rule.incident_key))}
    out["annotations"] = {name: template(parts, rule) for name, parts in annotations_of(spec, rule).items()}
    return out


def watchdog_labels(spec: Spec) -> dict[str, str]:
    """The labels of the watchdog."""
    word = spec.settings.none_word
    return {**spec.settings.extra_labels, "severity": word, "tocsin_severity": "none", "owner": "platform"}


def watchdog_annotations(spec: Spec) -> dict[str, str]:
    """The annotations of the watchdog."""
    return {
        "summary": "The way from Tocsin to your pager works",
        "description": (
            "This alert always fires. Send it to a service that raises an alarm when it stops. It stops when "
            "Prometheus does not read Tocsin or does not evaluate rules, or when Alertmanager does not deliver."
        ),
    }


def _watchdog(spec: Spec) -> dict[str, Any]:
    labels, notes = watchdog_labels(spec), watchdog_annotations(spec)
    return {"alert": WATCHDOG, "expr": heartbeat(spec), "labels": labels, "annotations": notes}
