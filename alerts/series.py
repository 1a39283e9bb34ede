"""The series of a signal, as alerts read it."""

from __future__ import annotations

from collections.abc import Mapping

from alerts.expression import Series
from spec import names
from spec.lookup import own_stream
from spec.model import Field, Signal, Spec


def signal_series(spec: Spec, name: str, *, op: str = "") -> Series:
    """The series of a signal of the spec, as an alert that compares it with `op` reads it."""
    signal = spec.signals[name]
    matchers: tuple[tuple[str, str], ...] = ()
    if not own_stream(signal):
        matchers = tuple((label, words[0]) for label, words in sorted(signal.where.items()))
    labels = names.signal_labels(signal, spec.fields)
    return Series(names.signal_metric(name, signal), matchers, labels, aggregate(signal, spec.fields, op))


def aggregate(signal: Signal, fields: Mapping[str, Field], op: str = "") -> str:
    """How instances and partitions of a signal merge.

    Below a threshold, the least counts. Distinct counts do not add up, and neither do gauges. For the others the field
    that the signal is grouped by says it: one account is counted by one partition, so the greatest is the whole.
    """
    if op in ("<", "<="):
        return "min"
    if signal.measure in ("distinct", "gauge") or not own_stream(signal):
        return "max"
    return fields[signal.by].merge if signal.by in fields else "sum"
