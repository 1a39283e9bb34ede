"""The exporter's configuration file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec

from exporters.gateways import GATEWAYS
from exporters.signals.state import ACCOUNTS
from spec.errors import Problem, ShapeError, nearest, one_of
from spec.model import Entry
from spec.source import placed, read_document, typed


class SourceConfig(Entry, frozen=True):
    """Where one feed of records comes from.

    `paths` are file names or patterns of log files, also of rotated and compressed ones. At the very first start,
    `start_at` says whether what is already there is read. Symbolic links are only read with `follow_symlinks`, as under
    Kubernetes' ``/var/log/containers``. `shared_keys` are aliases or hashes of keys behind which many
    people stand: these are counted, but never become an account. `trust_client_address` says that a client cannot
    choose the address that the gateway logs.
    """

    gateway: str
    paths: tuple[str, ...]
    type: Literal["file"] = "file"
    start_at: Literal["end", "beginning"] = "end"
    follow_symlinks: bool = False
    shared_keys: tuple[str, ...] = ()
    trust_client_address: bool = False


class ExporterConfig(Entry, frozen=True):
    """Everything that ``tocsin export`` has to know.

    `listen` is address and port of /metrics; `state_folder` where the state is kept; `spec` are overlays over the
    severity spec, `rules` over the content rules; `canaries_file` has one planted string a line; with `pseudonyms` the
    label of an account is not its id; `accounts` is how many people and addresses are remembered at most (about a
    kilobyte each). Relative paths start at the file's own folder.
    """

    state_folder: Path
    sources: dict[str, SourceConfig]
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
        host, _, port = self.listen.rpartition(":")
        return host.strip("[]"), int(port)


def load_config(path: Path) -> ExporterConfig:
    """The configuration in `path`, with absolute paths.

    Raises:
        SourceError: the file cannot be read or is not YAML.
        ShapeError: with every problem: file, line, what was found, what was expected, the nearest right word.
    """
    document = read_document(path)
    config = typed(document, ExporterConfig)
    if found := list(_problems(config)):
        raise ShapeError(placed(found, document.places))
    folder = path.absolute().parent
    sources = {
        name: msgspec.structs.replace(source, paths=tuple(str(folder / pattern) for pattern in source.paths))
        for name, source in config.sources.items()
    }
    return msgspec.structs.replace(
        config,
        state_folder=folder / config.state_folder,
        sources=sources,
        spec=tuple(folder / overlay for overlay in config.spec),
        rules=tuple(folder / overlay for overlay in config.rules),
        canaries_file=folder / config.canaries_file if config.canaries_file else None,
    )


def _problems(config: ExporterConfig) -> Iterator[Problem]:
    if not config.sources:
        yield Problem("found no source, expected at least one, for instance `gateway: {...}`", ("sources",))
    for name, source in config.sources.items():
        if source.gateway not in GATEWAYS:
            text = f"found {source.gateway!r}, expected {one_of(GATEWAYS)}{nearest(source.gateway, GATEWAYS)}"
            yield Problem(text, ("sources", name, "gateway"))
        if not source.paths:
            yield Problem("found no path, expected file names or patterns", ("sources", name, "paths"))
    _, separator, port = config.listen.rpartition(":")
    if not separator or not port.isdecimal() or int(port) > 65535:
        yield Problem(f"found {config.listen!r}, expected an address and a port, as in '0.0.0.0:9877'", ("listen",))
    if config.accounts < 1:
        yield Problem(f"found {config.accounts}, expected a number of accounts above 0", ("accounts",))


def read_canaries(path: Path) -> tuple[str, ...]:
    """The planted strings in a file, one a line; empty lines and lines that begin with ``#`` are none.

    Raises:
        OSError: it cannot be read.
    """
    lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    return tuple(line for line in lines if line and not line.startswith("#"))
