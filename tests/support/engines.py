"""An engine over one LiteLLM source, and what it shows, as plain dictionaries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from events.batch import EventBatch
from events.gateways import gateway
from exporters.detect import Scanner
from exporters.engine import Engine
from exporters.memory import Memory
from exporters.metric_table import Table
from exporters.signals.saved import Saved
from exporters.signals.state import SignalState
from exporters.sources import Chunk
from runtime.state_file import decode, encode
from spec import Spec, load_spec

SPEC = load_spec()


class ScrapedEngine(Engine):
    """An engine with the memory of an exporter, for whoever plays Prometheus."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.memory = Memory(self)

    def scrape(self, now: float) -> list[Table]:
        """What Prometheus sees at `now`."""
        return self.memory.scrape(now)

    def save(self) -> dict[str, Any]:
        """State and view, as read back from a file."""
        return decode(encode(self.memory.save()))

    def load(self, data: Mapping[str, Any]) -> list[str]:
        """Take up what was saved; what had to start anew."""
        return self.memory.load(Saved(**data))


def make_engine(
    spec: Spec = SPEC,
    *,
    scanner: Scanner | None = None,
    content: bool = False,
    shared_keys: Iterable[str] = (),
    **state: Any,
) -> ScrapedEngine:
    """An engine whose one source is called gw."""
    signals = SignalState(spec, gateways=("litellm",), sources=("gw",), **state)
    adapter = gateway("litellm", signals.columns, content=content, shared_keys=frozenset(shared_keys))
    return ScrapedEngine(signals, {"gw": adapter}, [scanner] if scanner else [])


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


def settled(engine: ScrapedEngine, now: float) -> dict[str, dict[tuple[str, ...], float]]:
    """What is shown once every hold is over."""
    interval = float(engine.state.spec.settings.scrape_interval)
    for scrape in range(4):
        tables = engine.scrape(now + scrape * interval)
    return shown(tables)
