"""Every metric that the exporter can publish or a rule may name.

Rules, panels and documents are checked against this list.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from spec import names
from spec.lookup import own_stream
from spec.model import Spec

Kind = Literal["counter", "gauge", "histogram", "untyped"]


@dataclass(frozen=True, slots=True)
class MetricInfo:
    """A metric by its full name. `source` is the table of the spec that it comes from; `unit` is a base unit or "".

    `category` and `layer` are "" for health and external metrics.
    """

    name: str
    type: Kind
    help: str
    labels: tuple[str, ...]
    unit: str
    category: str
    layer: str
    source: Literal["family", "signal", "answered", "health", "external"]


def catalogue(spec: Spec, *, expand_histograms: bool = False) -> tuple[MetricInfo, ...]:
    """Every metric, in the spec's order.

    With `expand_histograms` a histogram is listed as its series ``_bucket``, ``_sum`` and ``_count``.
    """
    metrics = (*_families(spec), *_signals(spec), *_health(spec), *_external(spec))
    if not expand_histograms:
        return metrics
    return tuple(series for metric in metrics for series in _expanded(metric))


def _families(spec: Spec) -> Iterator[MetricInfo]:
    for name, family in spec.families.items():
        unit = _unit(name)
        yield MetricInfo(name, family.type, family.help, family.labels, unit, family.category, family.layer, "family")


def _signals(spec: Spec) -> Iterator[MetricInfo]:
    for name, signal in spec.signals.items():
        if not own_stream(signal):
            continue
        labels = names.signal_labels(signal, spec.fields)
        info = MetricInfo(
            names.signal_metric(name, signal),
            "gauge",
            f"{signal.help} Over the last {signal.window}.",
            labels,
            signal.unit,
            signal.category,
            signal.layer,
            "signal",
        )
        yield info
        if signal.answered:
            text = f"{signal.help} Only those that the model answered; over the last {signal.window}."
            yield replace(info, name=names.answered_metric(name), help=text, source="answered")


def _health(spec: Spec) -> Iterator[MetricInfo]:
    for name, metric in spec.health.items():
        yield MetricInfo(name, metric.type, metric.help, metric.labels, _unit(name), "", "", "health")


def _external(spec: Spec) -> Iterator[MetricInfo]:
    for name, metric in spec.external.items():
        kind: Kind = "counter" if name.endswith("_total") else "untyped"  # a convention that every exporter keeps
        yield MetricInfo(name, kind, metric.help, metric.labels, _unit(name), "", "", "external")


def _expanded(metric: MetricInfo) -> Iterator[MetricInfo]:
    if metric.type != "histogram":
        yield metric
        return
    for suffix in names.HISTOGRAM_SUFFIXES:
        labels = (*metric.labels, "le") if suffix == "_bucket" else metric.labels
        yield replace(metric, name=metric.name + suffix, labels=labels, type="counter")


def _unit(name: str) -> str:
    """The unit that a name ends in, as Prometheus wants it."""
    words = name.removesuffix("_total").rsplit("_", 1)
    return words[-1] if words[-1] in ("seconds", "bytes", "usd", "tokens", "characters") else ""
