"""Logs named on a command line, as an exporter's configuration would name them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

from events.gateways import DEFAULT
from exporters.config import ExporterConfig, SourceConfig, gateway_name


@dataclass(frozen=True, slots=True, kw_only=True)
class LogOptions:
    """What has to be known of logs to read them; see `exporters.config`."""

    gateway: str = DEFAULT
    mapping: Path | None = None
    overlays: Sequence[Path] = ()
    rules: Sequence[Path] = ()
    canaries: Path | None = None
    shared_keys: Sequence[str] = ()
    trust_client_address: bool = False
    scan_content: bool = True

    @property
    def given(self) -> list[str]:
        """The fields that are not what they are by default."""
        return [field.name for field in fields(self) if (getattr(self, field.name) or None) != (field.default or None)]

    def config(self, source: str, paths: Sequence[str] = ()) -> ExporterConfig:
        """The configuration of an exporter whose one `source` follows these paths.

        Raises:
            SpecError: the mapping cannot be used.
        """
        followed = SourceConfig(
            gateway=gateway_name(self.gateway, self.mapping),
            mapping=self.mapping,
            paths=tuple(paths),
            follow_symlinks=True,  # the person who names a file means what it leads to
            shared_keys=tuple(self.shared_keys),
            trust_client_address=self.trust_client_address,
        )
        return ExporterConfig(
            state_folder=Path(),
            sources={source: followed},
            spec=tuple(self.overlays),
            rules=tuple(self.rules),
            canaries_file=self.canaries,
            scan_content=self.scan_content,
            pseudonyms=False,
        )


PLAIN: Final = LogOptions()
"""Logs of the usual gateway, with nothing else to say of them."""
