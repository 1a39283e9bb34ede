"""Small questions that many modules ask of the spec."""

from __future__ import annotations

from collections.abc import Mapping

from spec.model import Alert, Field, Signal, Spec


def signals_of(alert: Alert) -> tuple[tuple[str, str], ...]:
    """The signals an alert looks at, as (key in `when`, name)."""
    return alert.when.signals


def main_signal(spec: Spec, alert: Alert) -> Signal | None:
    """The signal whose labels the alert has, if it exists."""
    return spec.signals.get(signals_of(alert)[0][1])


def identities(fields: Mapping[str, Field]) -> tuple[str, ...]:
    """The fields that say who sent a request."""
    return tuple(name for name, field in fields.items() if field.unbounded)


def filters(fields: Mapping[str, Field]) -> tuple[str, ...]:
    """The fields that dashboards are filtered by, in the order of the choices."""
    return tuple(sorted((name for name, field in fields.items() if field.filter), key=lambda name: fields[name].filter))


def callers(fields: Mapping[str, Field]) -> tuple[str, ...]:
    """The identities that attacks are counted for."""
    return tuple(name for name, field in fields.items() if field.caller)


def own_stream(signal: Signal) -> bool:
    """Whether the exporter counts the signal itself, in a window over events."""
    return signal.stream not in ("health", "external")
