"""The catalogue of every metric for people: `docs/metrics.md`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from alerts import compile_alerts
from generators.docs.markdown import page
from generators.prometheus.promql import number
from spec import Spec, catalogue, vocabulary
from spec.model import Field

PATH: Final = "docs/metrics.md"


def generate(spec: Spec) -> dict[str, str]:
    """The page."""
    metrics = catalogue(spec)
    own = {name: [m for m in metrics if m.category == name] for name in vocabulary.CATEGORIES}
    named = {label for metric in metrics if metric.source != "external" for label in metric.labels}
    text = page(
        "metrics.md.j2",
        categories=own,
        health=[metric for metric in metrics if metric.source == "health"],
        external=[(metric, spec.external[metric.name].exporter) for metric in metrics if metric.source == "external"],
        labels=[(name, limit(spec.fields.get(name)), _meaning(spec, name)) for name in sorted(named)],
        readers=readers(spec),
        buckets={
            name: ", ".join(number(bound) for bound in family.buckets)
            for name, family in spec.families.items()
            if family.buckets
        },
        max_series=spec.settings.max_series,
    )
    return {PATH: text}


def limit(field: Field | None) -> str:
    """How many values a label can have."""
    match field:
        case Field(values=values) if values:
            return f"{len(values)}: {', '.join(f'`{value}`' for value in values)}"
        case Field(cap=cap) if cap:
            return f"{cap}, then `other`"
        case Field(top=top) if top:
            return f"the {top} worst of each signal"
        case _:
            return "few: set by Tocsin, never by a log"


def _meaning(spec: Spec, label: str) -> str:
    return spec.fields[label].help if label in spec.fields else ""


def readers(spec: Spec) -> dict[str, list[str]]:
    """The alerts that read a metric, by its name."""
    readers: dict[str, list[str]] = {}
    for metric, alert in _reading(spec):
        if alert not in readers.setdefault(metric, []):
            readers[metric].append(alert)
    return readers


def _reading(spec: Spec) -> Iterator[tuple[str, str]]:
    for rule in compile_alerts(spec):
        for read in rule.criterion.readings:
            yield read.series.metric, rule.name
