"""Alerts that mean what they say."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import ClassVar, Final

from alerts.alert_ir import compile_alerts, escalation_of
from spec import names
from spec.checks.base import Gravity, Issue
from spec.errors import Path, nearest
from spec.lookup import main_signal, own_stream, signals_of
from spec.model import Spec

MOST_PAGING_ALERTS: Final = 16
"""Stable alerts that page, in a spec that people can still live with."""


class LatchOutlastsEscalation:
    """A one-shot alert is still up when its last tier is due: one scrape and one evaluation later; and never waits."""

    id: ClassVar[str] = "TOC011"
    severity: ClassVar[Gravity] = "error"

    def check(self, spec: Spec) -> Iterator[Issue]:
        """One-shot alerts that resolve too early, or that a hold time would miss."""
        slack = float(spec.settings.scrape_interval) + float(spec.settings.evaluation_interval)
        for rule in compile_alerts(spec):
            tiers = escalation_of(spec, rule.alert).tiers
            if not rule.alert.one_shot or rule.name == names.STORM or not tiers:
                continue
            last = tiers[-1].after
            if rule.lookback < last + slack:
                text = f"{rule.name} is latched for {rule.lookback:g} s, expected at least {last + slack:g} s"
                yield Issue(f"{text}: its last tier is at {last}", ("settings", "latch_margin"))
            if rule.hold:
                path: Path = ("alerts", rule.name, "for")
                yield Issue(f"found {rule.alert.for_}, expected 0: a one-shot event does not last", path)
            if rule.keep:
                text = f"found {rule.alert.keep_firing_for}, expected 0: a one-shot alert is latched anyway"
                yield Issue(text, ("alerts", rule.name, "keep_firing_for"))


class NoThresholdOnCounters:
    """Alerts compare windows and gauges, never a counter, whose small increases Prometheus can only estimate.

    Of a counter that only says whether there was anything to tell, an estimate is enough.
    """

    id: ClassVar[str] = "TOC013"
    severity: ClassVar[Gravity] = "error"

    def check(self, spec: Spec) -> Iterator[Issue]:
        """Alerts on counters."""
        for name, alert in spec.alerts.items():
            for key, signal_name in signals_of(alert):
                signal = spec.signals.get(signal_name)
                if signal is None or key in alert.when.ESTIMATED:
                    continue
                metric = spec.health.get(signal.metric)
                counter = signal.measure == "counter" or (metric is not None and metric.type == "counter")
                if counter or signal.metric.endswith("_total"):
                    text = f"found a signal over the counter {signal.metric}, expected a window or a gauge"
                    yield Issue(text, ("alerts", name, "when", key))


class SummaryNamesLabels:
    """The summary is one line, and its placeholders are labels of the alert."""

    id: ClassVar[str] = "TOC014"
    severity: ClassVar[Gravity] = "error"

    def check(self, spec: Spec) -> Iterator[Issue]:
        """Placeholders that would stay empty in the page."""
        for name, alert in spec.alerts.items():
            signal = main_signal(spec, alert)
            labels = names.signal_labels(signal, spec.fields) if signal else ()
            path: Path = ("alerts", name, "summary")
            for word in names.placeholders(alert.summary):
                if word not in labels:
                    expected = f"a label of the alert ({', '.join(labels) or 'it has none'})"
                    yield Issue(f"found {{{word}}}, expected {expected}{nearest(word, labels)}", path)
            if "\n" in alert.summary.strip() or len(alert.summary) > 120:
                yield Issue("expected one line of at most 120 characters", path)


class AlertNamesValid:
    """Alerts are CamelCase and begin with LLM or Tocsin."""

    id: ClassVar[str] = "TOC015"
    severity: ClassVar[Gravity] = "error"

    def check(self, spec: Spec) -> Iterator[Issue]:
        """Alert names that do not look like ours."""
        for name in spec.alerts:
            if not names.ALERT.fullmatch(name):
                yield Issue(
                    f"found {name!r}, expected CamelCase beginning with LLM or Tocsin, without underscores",
                    ("alerts", name),
                )


class FoldNeedsGroups:
    """Only an alert with groups folds, at two or more, and the pattern for the storm is in the spec."""

    id: ClassVar[str] = "TOC016"
    severity: ClassVar[Gravity] = "error"

    def check(self, spec: Spec) -> Iterator[Issue]:
        """Folds that can never happen."""
        for name, alert in spec.alerts.items():
            signal = main_signal(spec, alert)
            path: Path = ("alerts", name, "fold")
            if not alert.fold or signal is None:
                continue
            if alert.fold < 2:
                yield Issue(f"found {alert.fold}, expected 2 or more, or 0 for never", path)
            if not signal.by or not own_stream(signal) or not alert.when.COUNTS_GROUPS:
                yield Issue("expected a threshold or rule on a signal with groups: only those fire many at once", path)
            if names.STORM not in spec.alerts:
                yield Issue(f"the alert {names.STORM} is missing; alerts about storms are made from it", path)


class FewAlertsPage:
    """About a dozen stable alerts page; more than 16 and nobody reads them."""

    id: ClassVar[str] = "TOC017"
    severity: ClassVar[Gravity] = "warning"

    def check(self, spec: Spec) -> Iterator[Issue]:
        """Too many alerts that page."""
        paging = {rule.name for rule in compile_alerts(spec) if rule.pages} - {names.STORM}
        if len(paging) > MOST_PAGING_ALERTS:
            text = f"{len(paging)} alerts page, expected at most {MOST_PAGING_ALERTS}"
            yield Issue(f"{text}: make some of them incubating", ("alerts",))


class IncidentsHaveOneOwner:
    """Alerts of one incident type have one owner, because an acknowledgement silences all of them."""

    id: ClassVar[str] = "TOC018"
    severity: ClassVar[Gravity] = "warning"

    def check(self, spec: Spec) -> Iterator[Issue]:
        """Incident types that two owners would take from each other."""
        alerts = sorted((alert.incident, alert.owner, name) for name, alert in spec.alerts.items() if alert.enabled)
        for incident, members in itertools.groupby(alerts, key=lambda item: item[0]):
            owners = {owner: name for _, owner, name in members}
            if len(owners) > 1:
                found = " and ".join(f"{name} ({owner})" for owner, name in owners.items())
                yield Issue(f"found {found}, expected one owner for all its alerts", ("incidents", incident))


class ForgeableNeverHigh:
    """An alert about an identity that clients choose is never of high confidence, so nobody is acted on for it."""

    id: ClassVar[str] = "TOC046"
    severity: ClassVar[Gravity] = "error"

    def check(self, spec: Spec) -> Iterator[Issue]:
        """Alerts by which one person could have another one blocked."""
        for name, alert in spec.alerts.items():
            signal = main_signal(spec, alert)
            field = spec.fields.get(signal.by) if signal else None
            if signal and field and field.client_chosen and alert.confidence == "high":
                text = f"found 'high', expected 'medium' or 'low': a client can choose its {signal.by}"
                yield Issue(text, ("alerts", name, "confidence"))
