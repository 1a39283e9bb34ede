"""An engine out of a configuration: what the running exporter, replay and tail have in common."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from events.gateways import gateway
from exporters.config import ExporterConfig, read_canaries
from exporters.detect import Detector, Scanner, load_rules
from exporters.engine import Engine
from exporters.signals.state import SignalState
from runtime.private_cache import user_cache
from spec import Spec


def rules_cache() -> Path | None:
    """The folder of this user for compiled content rules."""
    folder = user_cache()
    return folder and folder / "rules"


def engine_of(
    config: ExporterConfig,
    spec: Spec,
    *,
    cache: Path | None,
    name_of: Callable[[str], str] = str,
    columns: frozenset[str] = frozenset(),
    compiling: Callable[[int], None] = lambda _rules: None,
) -> Engine:
    """The engine that a configuration asks for, without any state yet.

    `cache` keeps compiled content rules; `name_of` makes the label of an account; `columns` are those that batches have
    besides what signals need. `compiling` is told of how many content rules have to be compiled, before they are.

    Raises:
        SpecError: the content rules cannot be used.
        OSError: the file of canaries cannot be read.
    """
    canaries = read_canaries(config.canaries_file) if config.canaries_file else ()
    detectors: list[Detector] = []
    if config.scan_content:
        scanner = Scanner(load_rules(*config.rules, canaries=canaries, cache=cache), cache=cache, compiling=compiling)
        scanner.compile()
        detectors.append(scanner)
    gateways = tuple(dict.fromkeys(source.gateway for source in config.sources.values()))
    state = SignalState(
        spec, gateways=gateways, sources=tuple(config.sources), accounts=config.accounts, name_of=name_of
    )
    adapters = {
        name: gateway(
            source.gateway,
            state.columns | columns,
            content=config.scan_content,
            shared_keys=frozenset(source.shared_keys),
            trust_client_address=source.trust_client_address,
            mapping=source.mapping,
        )
        for name, source in config.sources.items()
    }
    return Engine(state, adapters, detectors)
