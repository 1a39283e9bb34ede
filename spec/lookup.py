"""Small questions that many modules ask of the spec."""

from __future__ import annotations

from spec.model import Alert, Signal, Spec


def signals_of(alert: Alert) -> tuple[tuple[str, str], ...]:
    """The signals an alert looks at, as (key in `when`, name)."""
    return alert.when.signals


def main_signal(spec: Spec, alert: Alert) -> Signal | None:
    """The signal whose labels the alert has, if it exists."""
    return spec.signals.get(signals_of(alert)[0][1])


def own_stream(signal: Signal) -> bool:
    """Whether the exporter counts the signal itself, in a window over events."""
    return signal.stream not in ("health", "external")
