"""The exporter's configuration file."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal

import msgspec

from events.gateways import GATEWAYS
from events.gateways.mapped import load_mapping
from exporters.defaults import MAX_BODY, SPOOL, Content
from exporters.signals.state import ACCOUNTS
from spec.errors import Problem, ShapeError, nearest, one_of
from spec.model import Entry
from spec.yaml_source import placed, read_document, read_text, typed

ROTATE: Final = 64 * 1024 * 1024
"""Bytes of a file of a sink, about."""
KEEP: Final = 10
"""Files of a sink."""
LEAST: Final = 4_096
"""Bytes of the smallest file of a sink that can be asked for."""

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


_HOST: Final = re.compile(r"\[[0-9A-Za-z:.%_-]+\]|[0-9A-Za-z:.%_-]*")
"""An address or a name that can be listened on; nothing is every address."""


class SourceConfig(Entry, frozen=True):
    """Where one feed of records comes from: files, or posts over HTTP.

    `paths` are file names or patterns of log files, also of rotated and compressed ones. At the very first start,
    `start_at` says whether what is already there is read. Symbolic links are only read with `follow_symlinks`, as under
    Kubernetes' ``/var/log/containers``. A source whose `type` is ``http`` has `listen`, address and port, and
    `token_file`, a token a line, instead; `max_body_bytes` is the largest post, `spool_bytes` how much it keeps on disk
    before it refuses. `shared_keys` are aliases or hashes of keys behind which many people stand: these are counted,
    but never become an account. `trust_client_address` says that a client cannot choose the address that the gateway
    logs. `gateway` is who wrote the records. For a log that Tocsin does not know, `mapping` is a file that says where
    its fields are.
    """

    gateway: str
    mapping: Path | None = None
    paths: tuple[str, ...] = ()
    type: Literal["file", "http"] = "file"
    start_at: Literal["end", "beginning"] = "end"
    listen: str = ""
    token_file: Path | None = None
    max_body_bytes: int = MAX_BODY
    spool_bytes: int = SPOOL
    follow_symlinks: bool = False
    shared_keys: tuple[str, ...] = ()
    trust_client_address: bool = False

    @property
    def address(self) -> tuple[str, int]:
        """Host and port to listen on."""
        return _address(self.listen)


class SinkConfig(Entry, frozen=True):
    """Where events are kept: JSON lines in a folder of their own.

    `type` is the kind of sink; each attempt becomes a line in a file of `folder`. A file is followed by a new one at
    about `rotate_bytes`, and the last `keep` files are kept. `content` says what is written of prompts and answers:
    ``full``, ``redacted`` (without what looks like a secret) or ``off``.
    """

    type: Literal["jsonl"]
    folder: Path
    rotate_bytes: int = ROTATE
    keep: int = KEEP
    content: Content = "off"


class ExporterConfig(Entry, frozen=True):
    """Everything that ``tocsin export`` has to know.

    `sources` are the feeds, `sinks` keep each event that is read, both by names of yours; with `scan_content` detectors
    look at prompts and answers; `listen` is address and port of /metrics; `state_folder` where the state is kept;
    `spec` are overlays over the severity spec, `rules` over the content rules; `canaries_file` has one planted string a
    line; with `pseudonyms` the label of an account is not its id; `accounts` is how many people and addresses are
    remembered at most (about a kilobyte each).
    Relative paths start at the file's own folder.
    """

    state_folder: Path
    sources: dict[str, SourceConfig]
    sinks: dict[str, SinkConfig] = msgspec.field(default_factory=dict)
    listen: str = "127.0.0.1:9877"
    spec: tuple[Path, ...] = ()
    rules: tuple[Path, ...] = ()
    canaries_file: Path | None = None
    scan_content: bool = True
    pseudonyms: bool = True
    accounts: int = ACCOUNTS

    @property
    def address(self) -> tuple[str, int]:
        """Host and port to listen on."""
        return _address(self.listen)


def load_config(path: Path) -> ExporterConfig:
    """The configuration in `path`, with absolute paths.

    Raises:
        YamlError: the file cannot be read or is not YAML.
        ShapeError: with every problem: file, line, what was found, what was expected, the nearest right word.
    """
    document = read_document(path)
    config = typed(document, ExporterConfig)
    folder = path.absolute().parent
    if found := [*_problems(config), *_mapping_problems(config, folder)]:
        raise ShapeError(placed(found, document.places))
    sources = {
        name: msgspec.structs.replace(
            source,
            paths=tuple(str(folder.resolve() / pattern) for pattern in source.paths),  # its owner put the links there
            token_file=folder / source.token_file if source.token_file else None,
            mapping=folder / source.mapping if source.mapping else None,
        )
        for name, source in config.sources.items()
    }
    return msgspec.structs.replace(
        config,
        state_folder=folder / config.state_folder,
        sources=sources,
        sinks={
            name: msgspec.structs.replace(sink, folder=folder.resolve() / sink.folder)
            for name, sink in config.sinks.items()
        },
        spec=tuple(folder / overlay for overlay in config.spec),
        rules=tuple(folder / overlay for overlay in config.rules),
        canaries_file=folder / config.canaries_file if config.canaries_file else None,
    )


def _problems(config: ExporterConfig) -> Iterator[Problem]:
    if not config.sources:
        yield Problem("found no source, expected at least one, for instance `gateway: {...}`", ("sources",))
    for name, source in config.sources.items():
        if source.mapping is None and source.gateway not in GATEWAYS:
            text = (
                f"found {source.gateway!r}, expected {one_of(GATEWAYS)}{nearest(source.gateway, GATEWAYS)}, "
                "or a `mapping` file for a gateway of your own"
            )
            yield Problem(text, ("sources", name, "gateway"))
        yield from _file_problems(name, source) if source.type == "file" else _http_problems(name, source)
    yield from _sink_problems(config)
    yield from _address_problems(config.listen, ("listen",))
    if config.accounts < 1:
        yield Problem(f"found {config.accounts}, expected a number of accounts above 0", ("accounts",))


def _mapping_problems(config: ExporterConfig, folder: Path) -> Iterator[Problem]:
    """A mapping has to be that of the gateway whose name the source has.

    Raises:
        SpecError: a mapping cannot be used.
    """
    for name, source in config.sources.items():
        if source.mapping is None:
            continue
        stated = load_mapping(folder / source.mapping).gateway
        if stated != source.gateway:
            text = f"found {source.gateway!r}, expected {stated!r}, the gateway of the mapping {source.mapping}"
            yield Problem(text, ("sources", name, "gateway"))


def _file_problems(name: str, source: SourceConfig) -> Iterator[Problem]:
    if not source.paths:
        yield Problem("found no path, expected file names or patterns", ("sources", name, "paths"))
    for word, found in (("listen", source.listen), ("token_file", source.token_file)):
        if found:
            text = f"found `{word}`, expected it only with `type: http`"
            yield Problem(text, ("sources", name, word))


def _sink_problems(config: ExporterConfig) -> Iterator[Problem]:
    folders: dict[Path, str] = {}
    for name, sink in config.sinks.items():
        path = ("sinks", name)
        if not _NAME.fullmatch(name):
            yield Problem(f"found {name!r}, expected only letters, digits, '_' and '-'", path)
        if sink.rotate_bytes < LEAST:
            yield Problem(f"found {sink.rotate_bytes}, expected at least {LEAST} bytes", (*path, "rotate_bytes"))
        if sink.keep < 2:
            yield Problem(f"found {sink.keep}, expected at least 2 files", (*path, "keep"))
        if sink.content != "off" and not config.scan_content:
            text = f"found {sink.content!r}, expected `off`: with `scan_content: false` no content is read"
            yield Problem(text, (*path, "content"))
        other = folders.setdefault(Path(os.path.normpath(sink.folder)), name)
        if other != name:
            yield Problem(f"found the folder of sink {other!r}, expected a separate folder", (*path, "folder"))


def _http_problems(name: str, source: SourceConfig) -> Iterator[Problem]:
    if not _NAME.fullmatch(name):
        text = f"found {name!r}, expected only letters, digits, '_' and '-': a folder gets this name"
        yield Problem(text, ("sources", name))
    if source.paths:
        yield Problem("found `paths`, expected them only with `type: file`", ("sources", name, "paths"))
    yield from _address_problems(source.listen, ("sources", name, "listen"))
    if source.token_file is None:
        text = "found no `token_file`, expected a file with the token that senders put into `Authorization: Bearer ...`"
        yield Problem(text, ("sources", name))
    if source.max_body_bytes < 1:
        text = f"found {source.max_body_bytes}, expected a number of bytes above 0"
        yield Problem(text, ("sources", name, "max_body_bytes"))
    if source.spool_bytes < 2 * source.max_body_bytes:
        text = f"found {source.spool_bytes}, expected at least twice `max_body_bytes` ({source.max_body_bytes})"
        yield Problem(text, ("sources", name, "spool_bytes"))


def _address_problems(listen: str, path: tuple[str, ...]) -> Iterator[Problem]:
    host, separator, port = listen.rpartition(":")
    good = separator and _HOST.fullmatch(host) and re.fullmatch(r"[0-9]{1,5}", port) and int(port) <= 65535
    if not good:
        yield Problem(f"found {listen!r}, expected an address and a port, as in '0.0.0.0:9877'", path)


def _address(listen: str) -> tuple[str, int]:
    host, _, port = listen.rpartition(":")
    return host.strip("[]"), int(port)


def gateway_name(name: str, mapping: Path | None) -> str:
    """The name of a source's gateway: what the mapping says, if there is one.

    Raises:
        SpecError: the mapping cannot be used.
    """
    return name if mapping is None else load_mapping(mapping).gateway


def read_canaries(path: Path) -> tuple[str, ...]:
    """The planted strings in a file, one a line; empty lines and lines that begin with ``#`` are none.

    Raises:
        YamlError: it cannot be read, is too large, or not UTF-8.
    """
    lines = (line.strip() for line in read_text(path).splitlines())
    return tuple(line for line in lines if line and not line.startswith("#"))
