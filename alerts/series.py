"""The series of a signal, as alerts read it."""

from __future__ import annotations

from alerts.expression import Series
from spec import names
from spec.lookup import own_stream
from spec.model import Signal


def signal_series(name: str, signal: Signal, *, op: str = "") -> Series:
    """The series of a signal, as an alert that compares it with `op` reads it."""
    matchers: tuple[tuple[str, str], ...] = ()
    if not own_stream(signal):
        matchers = tuple((label, words[0]) for label, words in sorted(signal.where.items()))
    return Series(names.signal_metric(name, signal), matchers, names.signal_labels(signal), aggregate(signal, op))


def aggregate(signal: Signal, op: str = "") -> str:
    """How instances and partitions of a signal merge.

    Below a threshold, the least counts. One account is counted by one partition, so the greatest is the whole. Distinct
    counts do not add up, and neither do gauges. What is left adds up.
    """
    if op in ("<", "<="):
        return "min"
    if signal.by in ("actor", "source_range") or signal.measure in ("distinct", "gauge") or not own_stream(signal):
        return "max"
    return "sum"
