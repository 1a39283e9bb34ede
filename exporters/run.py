"""The long-running command: an exporter by its configuration file, until it is told to stop."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from events.gateways import HOOKS
from exporters.assembly import engine_of
from exporters.config import ExporterConfig, SourceConfig, load_config
from exporters.detect.redaction import Hider
from exporters.engine import Engine
from exporters.exporter import Exporter, restore_all
from exporters.memory import Memory
from exporters.pseudonyms import Pseudonyms, load_key
from exporters.server import MetricsServer
from exporters.sinks import JsonLines, Sink
from exporters.sinks.lanes import Lanes
from exporters.sources.file import FileTail
from exporters.sources.hook_health import HookHealth
from exporters.sources.http import HttpSource, position_of, read_tokens
from exporters.sources.identity import Position, load_positions
from exporters.sources.spool import Spool, folder_of
from runtime.errors import ConfigError
from runtime.process import prepare, settle
from runtime.state_file import StateFolder
from spec import load_spec
from spec.version import VERSION

log = logging.getLogger("tocsin")

PAUSE: Final = 0.05
"""Seconds between two looks at sources that had nothing new."""


def export(path: Path, *, ready: Callable[[tuple[str, int]], None] = lambda _address: None) -> None:
    """Run the exporter that `path` configures until SIGTERM or SIGINT; `ready` is told where it listens.

    Raises:
        SpecError: the configuration, the spec or a rule cannot be used.
        StateError: the state folder cannot be used.
        ConfigError: the key of the pseudonyms or a token cannot be used.
        OSError: the address cannot be listened on, or a file that is named cannot be read.
    """
    prepare()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    config = load_config(path)
    names = ", ".join(f"{name} ({source.type})" for name, source in config.sources.items())
    log.info("starting Tocsin %s with %s; sources: %s", VERSION, path, names)
    spec = load_spec(*config.spec)
    folder = StateFolder(config.state_folder)
    try:
        name_of = Pseudonyms(load_key(config.state_folder)) if config.pseudonyms else str
        memory = Memory(
            engine_of(
                config,
                spec,
                cache=config.state_folder / "rules",
                name_of=name_of,
                compiling=lambda rules: log.info("compiling %d content rules, once; it takes some seconds", rules),
            )
        )
        kept = restore_all(memory, folder)
        saved = kept.positions
    except BaseException:
        folder.close()
        raise
    sources: dict[str, FileTail | HttpSource] = {}
    try:
        for name, source in config.sources.items():
            sources[name] = open_source(name, source, saved, folder=config.state_folder)
    except BaseException:
        for opened in sources.values():
            opened.close()
        folder.close()
        raise
    lanes = Lanes(sinks_of(config, memory.engine), sources, kept.sinks, now=time.time()) if config.sinks else None
    exporter = Exporter(memory, sources, folder, now=time.time(), lanes=lanes)
    try:
        server = MetricsServer(config.address, exporter)
    except BaseException:
        exporter.close()
        raise
    settle()
    ready(server.address)
    try:
        while not stop.is_set():
            if not exporter.poll():
                stop.wait(PAUSE)
    finally:
        exporter.save()  # before anything that may take long, as whoever ends us may not wait
        server.stop()
        exporter.close()


def sinks_of(config: ExporterConfig, engine: Engine) -> dict[str, Sink]:
    """The sinks as configured, which open their folders later."""
    hide = Hider(engine.rules).hide
    return {
        name: JsonLines(sink.folder, rotate_bytes=sink.rotate_bytes, keep=sink.keep, content=sink.content, hide=hide)
        for name, sink in config.sinks.items()
    }


def open_source(
    name: str, config: SourceConfig, saved: Mapping[str, Any] | None, *, folder: Path
) -> FileTail | HttpSource:
    """A source as configured, which goes on where `saved` says; posts are kept below `folder`.

    Raises:
        OSError: the token cannot be read, the folder not be written, or the address not be listened on.
        ConfigError: the token cannot be used.
    """
    if config.type == "file":
        return FileTail(
            name,
            config.paths,
            positions=positions_of(saved, name),
            start_at=config.start_at,
            follow_symlinks=config.follow_symlinks,
            hooks=hook_health(name, config),
        )
    if config.token_file is None:
        raise ConfigError(f"source {name}: no token_file")
    tokens = read_tokens(config.token_file)
    position = position_of((saved or {}).get(name))
    spool = Spool(folder_of(folder, name), limit=config.spool_bytes, position=position)
    try:
        return HttpSource(name, config.address, tokens, spool, max_body=config.max_body_bytes)
    except OSError:
        spool.close()
        raise


def hook_health(name: str, config: SourceConfig) -> HookHealth | None:
    """The reader of health files beside the logs of a source; None if Tocsin has no hook for its gateway."""
    form = None if config.mapping is not None else HOOKS.get(config.gateway)
    if form is None:
        return None
    return HookHealth(name, config.paths, form, follow_symlinks=config.follow_symlinks)


def positions_of(saved: Mapping[str, Any] | None, source: str) -> dict[str, Position] | None:
    """The saved positions of a source; None when it is met for the first time."""
    if saved is None or "spool" in saved.get(source, {"spool": None}):  # unknown, or was posted to until now
        return None
    return load_positions(saved[source])
