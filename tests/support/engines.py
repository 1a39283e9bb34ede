"""An engine over one LiteLLM source, and what it shows, as plain dictionaries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from events.batch import EventBatch
from events.gateways import gateway
from exporters.detect import Scanner
from exporters.engine import Engine
from exporters.samples import Table
from exporters.signals.state import SignalState
from exporters.sources import Chunk
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
    return Engine(signals, {"gw": adapter}, [scanner] if scanner else [])


def chunks(source: str, pieces: Iterable[bytes]) -> Iterator[Chunk]:
    """The pieces as one file, read from its start."""
    start = 0
    for sequence, data in enumerate(pieces):
        yield Chunk.of(source, data, file="file", start=start, sequence=sequence)
        start += len(data)


def feed(engine: Engine, source: str, pieces: Iterable[bytes], **options: Any) -> int:
    """Feed an engine with a file that comes in pieces of whole lines; see `Engine.feed`."""
    return engine.feed(chunks(source, pieces), **options)


def decoded(engine: Engine, data: bytes, source: str = "gw") -> EventBatch:
    """Decode whole lines that nothing stands before."""
    return engine.decode(Chunk.of(source, data, file="file"))


def shown(tables: Sequence[Table]) -> dict[str, dict[tuple[str, ...], float]]:
    """Values by metric and label values; histograms as their number of observations."""
    return {table.name: {tuple(labels.values()): value for labels, value in table.samples()} for table in tables}


def settled(engine: Engine, now: float) -> dict[str, dict[tuple[str, ...], float]]:
    """What is shown once every hold is over."""
    interval = float(engine.state.spec.settings.scrape_interval)
    for scrape in range(4):
        tables = engine.state.show(now + scrape * interval)
    return shown(tables)
