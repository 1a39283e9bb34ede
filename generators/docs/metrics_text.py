"""The catalogue of every metric on the command line: as text for a person, as JSON for a program."""

from __future__ import annotations

import difflib
import fnmatch
import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

from generators.docs.metrics_page import limit, readers
from runtime.text import wrapped
from spec import MetricInfo, Spec, catalogue

_INDENT: Final = "    "
_LEAST_WIDTH: Final = 40


def matching(spec: Spec, pattern: str = "") -> list[MetricInfo]:
    """The metrics with `pattern` in their names, or, when it has ``*`` or ``?``, those whose whole name is like it."""
    pattern = pattern.lower()
    whole = pattern if set(pattern) & set("*?[") else f"*{pattern}*"
    return [metric for metric in catalogue(spec) if fnmatch.fnmatchcase(metric.name.lower(), whole)]


def nearest_name(spec: Spec, pattern: str) -> str:
    """The name that looks most like `pattern`; "" when none does."""
    names = [metric.name for metric in catalogue(spec)]
    return next(iter(difflib.get_close_matches(pattern, names, n=1, cutoff=0.4)), "")


def as_json(spec: Spec, metrics: Sequence[MetricInfo]) -> str:
    """The metrics as JSON text."""
    read_by = readers(spec)
    return json.dumps({"metrics": [_data(spec, metric, read_by.get(metric.name, [])) for metric in metrics]}, indent=2)


def _data(spec: Spec, metric: MetricInfo, alerts: list[str]) -> dict[str, Any]:
    return {
        "name": metric.name,
        "type": metric.type,
        "unit": metric.unit or None,
        "help": metric.help,
        "labels": [_label(spec, metric, label) for label in metric.labels],
        "category": metric.category or None,
        "layer": metric.layer or None,
        "source": metric.source,
        "exporter": _exporter(spec, metric),
        "alerts": alerts,
    }


def _label(spec: Spec, metric: MetricInfo, label: str) -> dict[str, Any]:
    field = None if metric.source == "external" else spec.fields.get(label)
    return {
        "name": label,
        "values": list(field.values) if field and field.values else None,
        "cap": field.cap or None if field else None,
        "top": field.top or None if field else None,
    }


def _exporter(spec: Spec, metric: MetricInfo) -> str:
    return spec.external[metric.name].exporter if metric.source == "external" else "tocsin"


def as_text(spec: Spec, metrics: Sequence[MetricInfo], *, width: int = 0, color: bool = False) -> str:
    """The metrics as paragraphs. `width` in characters, 0: as wide as it gets."""
    return "\n".join(_text(spec, metrics, max(width, _LEAST_WIDTH) if width else 0, color))


def _text(spec: Spec, metrics: Sequence[MetricInfo], width: int, color: bool) -> Iterator[str]:
    read_by = readers(spec)
    for metric in metrics:
        kind = " ".join(filter(None, [metric.type, f"in {metric.unit}" if metric.unit else ""]))
        place = " ".join(filter(None, [metric.category, metric.layer]))
        if metric.source == "external":
            place = f"from {_exporter(spec, metric)}"
        name = f"\x1b[1m{metric.name}\x1b[0m" if color else metric.name
        yield "  ".join(filter(None, [name, kind, place]))
        yield from wrapped(metric.help, width, _INDENT)
        for label in metric.labels:
            cap = "" if metric.source == "external" else f": {limit(spec.fields.get(label)).replace('`', '')}"
            yield from wrapped(f"{{{label}}}{cap}", width, _INDENT)
        if alerts := read_by.get(metric.name):
            yield from wrapped(f"read by {', '.join(alerts)}", width, _INDENT)
    published = sum(metric.source != "external" for metric in metrics)
    others = len(metrics) - published
    yield f"{len(metrics)} metrics: {published} of Tocsin, {others} of other exporters"
