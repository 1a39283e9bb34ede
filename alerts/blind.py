"""The alerts that a log could not have raised, and why: without this, silence says nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

from alerts.rule import AlertRule
from events.coverage import Coverage
from events.fields import BY_COLUMN
from spec import Spec
from spec.lookup import own_stream, signals_of
from spec.model import Signal
from spec.names import HEALTH_PREFIX, HOOK_PREFIX

_MEASURED_ON: Final = {
    "input_chars": "prompt",
    "output_chars": "answer",
    "skipped_chars": "prompt",
    "unread_sides": "prompt",
    "without_content": "prompt",
    "excess_output_tokens": "output_tokens",
}
"""The column of measures that have none of their own."""
_DETECTORS: Final = {"sensitive_output": "answer", "canary_token": "answer", "tool_misuse": "tool_calls"}
"""What a detector reads; all others read prompts."""
_CONTENT: Final = frozenset(("prompt", "answer", "tool_calls"))

Why = Literal[
    "switched_off", "nothing_read", "not_scanned", "field", "gateway", "too_short", "exporter", "hook", "other_metrics"
]
"""`field`: no record of this log has one; `gateway`: its mapping names none, or never gives a word. `exporter`, `hook`:
only a running one can tell. `other_metrics`: a metric of another program is compared. `too_short`: the log ends before
the alert could be true."""


@dataclass(frozen=True, slots=True)
class Blind:
    """A signal that can never count anything in this log, and why; `fields` are the ones that are missing.

    `able` says that the gateway could tell them.
    """

    signal: str
    reason: str
    fields: tuple[str, ...]
    able: bool = True


@dataclass(frozen=True, slots=True)
class Unable:
    """An alert that this log could not have raised; `reason` completes "could not have fired: ..."."""

    alert: str
    why: Why
    reason: str


def unable(spec: Spec, rules: Iterable[AlertRule], coverage: Coverage, span: float) -> list[Unable]:
    """The alerts that could not have fired over `span` seconds of such records, each with the first reason found."""
    by_name = {rule.name: rule for rule in rules if rule.name == rule.family}
    blind = {each.signal: each for each in blind_signals(spec, coverage)}
    return [
        Unable(name, *found)
        for name in spec.alerts
        if (found := _why(spec, name, by_name.get(name), blind, coverage, span)) is not None
    ]


def _why(
    spec: Spec, name: str, rule: AlertRule | None, blind: dict[str, Blind], coverage: Coverage, span: float
) -> tuple[Why, str] | None:
    alert = spec.alerts[name]
    if rule is None and not (alert.enabled and alert.maturity != "sandbox"):
        return "switched_off", "it is switched off"
    signals = {signal: spec.signals[signal] for _, signal in signals_of(alert) if signal in spec.signals}
    for signal in signals.values():
        if not own_stream(signal) and (found := _elsewhere(signal)) is not None:
            return found
    for key, signal in signals.items():
        if not (coverage.lines if signal.stream == "rejects" else coverage.records):
            return "nothing_read", "no record was read"
        if key in blind:
            if not coverage.scanned and set(blind[key].fields) <= _CONTENT:
                return "not_scanned", "prompts and answers were not scanned"
            return "field" if blind[key].able else "gateway", blind[key].reason
    if rule is not None and span < rule.hold + rule.criterion.least_span:
        return "too_short", "the log is shorter than the time that it looks at"
    return None


def _elsewhere(signal: Signal) -> tuple[Why, str] | None:
    """Why a log cannot feed a signal that others measure; None when it can."""
    if signal.stream == "external":
        if signal.metric == "up":
            return "exporter", "only Prometheus and a running exporter can tell"
        return "other_metrics", f"it needs {signal.metric} of another program"
    if signal.metric.startswith(HOOK_PREFIX):
        return "hook", "only the hook in the gateway can tell"
    if signal.metric.startswith(HEALTH_PREFIX):
        return "exporter", "only Prometheus and a running exporter can tell"
    return None


# ------------------------------------------------------------------------------------------------ signals
def blind_signals(spec: Spec, coverage: Coverage) -> list[Blind]:
    """The signals that no line of this log can ever feed. Those that other servers measure are not asked.

    A bounded label that is missing, such as the tenant, is ``unknown``: then all attempts are one group, and the signal
    works.
    """
    blind: list[Blind] = []
    for name, signal in spec.signals.items():
        if signal.stream not in ("events", "detections", "tool_calls"):
            continue
        missing = tuple(dict.fromkeys(column for column in _needed(spec, signal) if not coverage.share(column)))
        if missing:
            titles = " and ".join(f"no {BY_COLUMN[column].title}" for column in missing)
            able = any(column in coverage.mapped for column in missing)
            blind.append(Blind(name, titles if able else f"{titles}, which the mapping does not name", missing, able))
            continue
        for column, words in signal.where.items():
            possible = coverage.words.get(column)
            if possible is not None and not possible & set(words):
                reason = f"{BY_COLUMN[column].title} is never {' or '.join(words)}"
                blind.append(Blind(name, reason, (column,), able=False))
                break
    return blind


def _needed(spec: Spec, signal: Signal) -> Iterator[str]:
    """The fields that a signal is made of, as far as a log may lack them."""
    asked = [*signal.where, *signal.at_least]
    if signal.by in spec.fields and spec.fields[signal.by].unbounded:
        asked.append(signal.by)
    if signal.measure in ("sum", "distinct"):
        asked.append(signal.field)
    columns = [_MEASURED_ON.get(column, column) for column in asked]
    if signal.stream == "detections":
        columns += [_DETECTORS.get(word, "prompt") for word in signal.where.get("detector", ())] or ["prompt"]
    if signal.stream == "tool_calls":
        columns.append("tool_calls")
    # A quiet sample has no verdict or failure; whether there can be one is asked of the words.
    return (column for column in columns if column in BY_COLUMN and column not in ("verdict", "operation"))


def ungrouped(spec: Spec, coverage: Coverage) -> dict[str, list[str]]:
    """By field that is missing, the signals that have one group instead of one for each of its values."""
    found: dict[str, list[str]] = {}
    for name, signal in spec.signals.items():
        bounded = signal.by in spec.fields and not spec.fields[signal.by].unbounded
        if signal.stream == "events" and bounded and signal.by in BY_COLUMN and not coverage.share(signal.by):
            found.setdefault(signal.by, []).append(name)
    return found


def blind_alerts(spec: Spec, blind: Iterable[Blind]) -> dict[str, str]:
    """The alerts that can never fire for want of a signal, and which signal that is."""
    gone = {each.signal for each in blind}
    alerts: dict[str, str] = {}
    for name, alert in spec.alerts.items():
        for _, signal in signals_of(alert):
            if signal in gone:
                alerts.setdefault(name, signal)
    return alerts
