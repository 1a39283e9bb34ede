"""An engine over one LiteLLM source, and what it shows, as plain dictionaries."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from events.gateways import gateway
from exporters.detect import Scanner
from exporters.engine import Engine
from exporters.samples import Table
from exporters.signals.state import SignalState
from spec import Spec, load_spec

SPEC = load_spec()


def make_engine(
    spec: Spec = SPEC,
    *,
    scanner: Scanner | None = None,
    content: bool = False,
    shared_keys: Iterable[str] = (),
    **state: Any,
) -> Engine:
    """An engine whose one source is called gw."""
    signals = SignalState(spec, gateways=("litellm",), sources=("gw",), **state)
    adapter = gateway("litellm", signals.columns, content=content, shared_keys=frozenset(shared_keys))
    return Engine(signals, {"gw": adapter}, scanner)


def shown(tables: Sequence[Table]) -> dict[str, dict[tuple[str, ...], float]]:
    """Values by metric and label values; histograms as their number of observations."""
    return {table.name: {tuple(labels.values()): value for labels, value in table.samples()} for table in tables}


def settled(engine: Engine, now: float) -> dict[str, dict[tuple[str, ...], float]]:
    """What is shown once every hold is over."""
    interval = float(engine.state.spec.settings.scrape_interval)
    for scrape in range(4):
        tables = engine.state.show(now + scrape * interval)
    return shown(tables)
