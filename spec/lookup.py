"""Small questions that many modules ask of the spec."""

from __future__ import annotations

from spec.model import Absence, Alert, Ratio, Signal, Spec


def signals_of(alert: Alert) -> tuple[tuple[str, str], ...]:
    """The signals an alert looks at, as (key in `when`, name)."""
    if isinstance(alert.when, Ratio):
        return (("numerator", alert.when.numerator), ("denominator", alert.when.denominator))
    if isinstance(alert.when, Absence) and alert.when.busy:
        return (("signal", alert.when.signal), ("busy", alert.when.busy))
    return (("signal", alert.when.signal),)


def main_signal(spec: Spec, alert: Alert) -> Signal | None:
    """The signal whose labels the alert has, if it exists."""
    return spec.signals.get(signals_of(alert)[0][1])


def own_stream(signal: Signal) -> bool:
    """Whether the exporter counts the signal itself, in a window over events."""
    return signal.stream not in ("health", "external")
