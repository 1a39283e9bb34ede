"""Routes, receivers and inhibition for Alertmanager, inside what 0.25 accepts.

Twice: a complete configuration, and a subtree to hang into one that exists. An alert goes by its severity, then by its
owner and maturity, to every channel of the first tier: one route and one receiver for each channel, so that a channel
that fails or keeps hours holds up no other. One incident is one notification (`group_by`).

A graver alert does not inhibit a lesser one of the same incident: its latch may be shorter, and what was held back
would arrive when the incident is over; and whoever keeps the incident's record has to be notified of all its alerts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

from alerts.alert_ir import GROUP_EVALUATIONS, escalation_of, first_channels, kept_hours
from generators.alertmanager.receivers import PREFIX, receiver, receiver_name
from generators.files import comment, header
from generators.prometheus import escalation
from generators.prometheus.promql import duration
from generators.prometheus.rule_file import WATCHDOG
from generators.yaml_text import yaml_text
from spec import Spec, names
from spec.model import Alert, Calendar, Maturity, Owner, SeverityName

PATH: Final = "alert_rules/alertmanager.yaml"
SUBTREE_PATH: Final = "alert_rules/alertmanager-subtree.yaml"

HEARTBEAT: Final = "heartbeat"
"""The channel that the watchdog goes to, when the spec has one of this name."""

_ABOUT: Final = "A complete configuration for an Alertmanager that serves nobody else."
_ABOUT_SUBTREE: Final = """\
What to add to an Alertmanager configuration that exists. Append each list here to the list of the same name in yours; \
`routes` belongs under `route`, before any route without `continue` that would catch these alerts first."""
_DAYS: Final = {
    "mon": "monday",
    "tue": "tuesday",
    "wed": "wednesday",
    "thu": "thursday",
    "fri": "friday",
    "sat": "saturday",
    "sun": "sunday",
}
_WATCHDOG_EVALUATIONS: Final = 4
_LEAST_WAIT: Final = 1.0
"""Seconds. Without a wait, up to an eighth of the single pages got past a storm that came in with them (measured)."""


def generate(spec: Spec) -> dict[str, str]:
    """Both files."""
    channels = _channels(spec)
    parts = {
        "inhibit_rules": [_storms_inhibit()],
        "time_intervals": [_interval(name, spec.calendars[name]) for name in _calendars(spec)],
        "receivers": [receiver(spec, channel) for channel in channels],
    }
    parts = {key: value for key, value in parts.items() if value}
    root = {"receiver": receiver_name(fallback(spec)[0]), "group_by": ["alertname"], "routes": [_subtree(spec)]}
    needs = tuple(_needs(spec, channels))
    return {
        PATH: header() + comment(_ABOUT, *needs) + yaml_text({"route": root, **parts}),
        SUBTREE_PATH: header() + comment(_ABOUT_SUBTREE, *needs) + yaml_text({"routes": root["routes"], **parts}),
    }


def fallback(spec: Spec) -> tuple[str, ...]:
    """The channels of an alert that no route knows: every chat, for nothing may vanish."""
    first = tuple(dict.fromkeys(channel for alert in _patterns(spec) for channel in first_channels(spec, alert)))
    chats = tuple(channel for channel in first if spec.channels[channel].type == "slack")
    return chats or first


def _channels(spec: Spec) -> tuple[str, ...]:
    """The channels that routes name."""
    first = (channel for alert in _patterns(spec) for channel in first_channels(spec, alert))
    later = (channel for step in escalation.steps(spec) for channel in step.tier.notify)
    return tuple(dict.fromkeys([*first, *later, HEARTBEAT]))


def _needs(spec: Spec, channels: Iterable[str]) -> Iterator[str]:
    known = {name: spec.channels[name] for name in channels if name in spec.channels}
    files = sorted({channel.secret for channel in known.values() if channel.secret})
    if files:
        yield f"Files with secrets that it reads in {spec.settings.secrets_folder}: {', '.join(files)}."
    unset = [name for name, channel in known.items() if channel.type == "webhook" and not channel.target]
    if unset:
        yield f"Set `target` in an overlay, because Alertmanager 0.25 reads no address from a file: {', '.join(unset)}."
    if HEARTBEAT not in known:
        yield (
            f"{WATCHDOG} goes nowhere yet: in an overlay, add a channel `{HEARTBEAT}`, the webhook of a service that "
            "raises an alarm when it stops hearing."
        )


# ------------------------------------------------------------------------------------------------------------ routes
def _subtree(spec: Spec) -> dict[str, Any]:
    settings = spec.settings
    severities = sorted(spec.severities, key=lambda name: spec.severities[name].order)
    return {
        "matchers": ['tocsin_severity!=""'],
        "receiver": receiver_name(fallback(spec)[0]),
        "group_by": ["incident_key"],
        "group_wait": duration(settings.evaluation_interval),
        "group_interval": duration(GROUP_EVALUATIONS * settings.evaluation_interval),
        "repeat_interval": duration(settings.repeat_interval),
        "routes": [
            _watchdog(spec),
            *_later(spec),
            *(_severity(spec, name) for name in severities),
            *_each([], dict.fromkeys(fallback(spec), "")),
        ],
    }


def _watchdog(spec: Spec) -> dict[str, Any]:
    often = duration(_WATCHDOG_EVALUATIONS * spec.settings.evaluation_interval)
    return {
        "matchers": [f'alertname="{WATCHDOG}"'],
        "receiver": receiver_name(HEARTBEAT),
        "group_wait": "0s",
        "group_interval": often,
        "repeat_interval": often,
    }


def _later(spec: Spec) -> Iterator[dict[str, Any]]:
    """The routes of the later tiers, which have waited long enough."""
    routes = [
        route
        for step in escalation.steps(spec)
        for route in _each(
            [f'tocsin_severity="{step.severity}"', f'owner="{step.owner}"', f'{names.TIER}="{step.number}"'],
            kept_hours(spec, step.severity, step.tier, step.tier.notify),
        )
    ]
    if routes:
        yield {"matchers": [f'{names.TIER}!=""'], "group_wait": "0s", "routes": routes}


def _severity(spec: Spec, name: SeverityName) -> dict[str, Any]:
    severity = spec.severities[name]
    out: dict[str, Any] = {"matchers": [f'tocsin_severity="{name}"']}
    if severity.order == 1:
        out["group_wait"] = duration(_LEAST_WAIT)
    out["routes"] = [route for owner in severity.escalation for route in _owner(spec, name, owner)]
    return out


def _owner(spec: Spec, severity: SeverityName, owner: Owner) -> Iterator[dict[str, Any]]:
    """The routes of one owner; what is still proving itself comes first, then everything else."""
    stable = _hours(spec, _pattern(spec, severity, owner, "stable"))
    incubating = _hours(spec, _pattern(spec, severity, owner, "incubating"))
    if incubating != stable:
        yield from _each([f'owner="{owner}"', 'maturity="incubating"'], incubating)
    yield from _each([f'owner="{owner}"'], stable)


def _each(matchers: list[str], hours: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """A route to each channel; all but the last let the alert go on."""
    for place, (channel, calendar) in enumerate(hours.items(), start=1):
        route: dict[str, Any] = {"matchers": matchers} if matchers else {}
        route["receiver"] = receiver_name(channel)
        if calendar:
            route["active_time_intervals"] = [PREFIX + calendar]
        if place < len(hours):
            route["continue"] = True
        yield route


def _hours(spec: Spec, alert: Alert) -> dict[str, str]:
    """The channels of an alert's first tier, and when they speak."""
    return kept_hours(spec, alert.severity, escalation_of(spec, alert).tiers[0], first_channels(spec, alert))


def _pattern(spec: Spec, severity: SeverityName, owner: Owner, maturity: Maturity) -> Alert:
    """An alert of that severity, owner and maturity, which is all that routing looks at. None need exist yet."""
    some = next(iter(spec.alerts.values()))
    return msgspec.structs.replace(some, severity=severity, owner=owner, maturity=maturity)


def _patterns(spec: Spec) -> Iterator[Alert]:
    for severity in sorted(spec.severities, key=lambda name: spec.severities[name].order):
        for owner in spec.severities[severity].escalation:
            yield _pattern(spec, severity, owner, "stable")
            yield _pattern(spec, severity, owner, "incubating")


# ----------------------------------------------------------------------------------------------------- what they name
def _calendars(spec: Spec) -> Iterable[str]:
    first = (name for alert in _patterns(spec) for name in _hours(spec, alert).values())
    later = (
        name
        for step in escalation.steps(spec)
        for name in kept_hours(spec, step.severity, step.tier, step.tier.notify).values()
    )
    return dict.fromkeys(name for name in (*first, *later) if name)


def _interval(name: str, calendar: Calendar) -> dict[str, Any]:
    hours = {"start_time": calendar.from_, "end_time": calendar.to}
    days = [_DAYS[day] for day in calendar.days]
    return {
        "name": PREFIX + name,
        "time_intervals": [{"times": [hours], "weekdays": days, "location": calendar.timezone}],
    }


def _storms_inhibit() -> dict[str, Any]:
    """A storm holds back the single alerts of its family, never itself."""
    return {
        "source_matchers": [f'alertname="{names.STORM}"'],
        "target_matchers": [f'alertname!="{names.STORM}"', 'alert_family!=""'],
        "equal": ["alert_family"],
    }
