"""The exporter's configuration file: refused with a place, or a configuration that can be used."""

from __future__ import annotations

import tempfile
from collections.abc import Hashable, Sequence
from pathlib import Path

from exporters.config import load_config
from spec.errors import SpecError
from tests.fuzz.engine import Target
from tests.fuzz.targets.yaml_trees import TOKENS, said, shape


def seeds() -> Sequence[bytes]:
    """Files and posts."""
    return [
        b"""state_folder: state
listen: 127.0.0.1:9877
sources:
  gw: {gateway: litellm, paths: [logs/*.jsonl], start_at: beginning, shared_keys: [a], trust_client_address: true}
  posts: {gateway: litellm, type: http, listen: '[::1]:9878', token_file: token, max_body_bytes: 10}
spec: [own.yaml]
rules: [rules]
accounts: 1000
pseudonyms: false
""",
        b"state_folder: /x\nsources: {gw: {gateway: litellm, paths: ['**/a']}}\n",
        b"",
    ]


def one(data: bytes) -> Hashable:
    """Load a configuration and ask for what a start needs."""
    with tempfile.NamedTemporaryFile(suffix=".yaml") as file:
        file.write(data)
        file.flush()
        try:
            config = load_config(Path(file.name))
        except SpecError as error:
            return said(error)
    host, port = config.address
    assert "[" not in host and 0 <= port < 65_536
    assert config.state_folder.is_absolute() and config.accounts > 0
    for source in config.sources.values():
        if source.type == "http":
            assert source.token_file is not None and source.token_file.is_absolute()
            assert 0 <= source.address[1] < 65_536
        else:
            assert source.paths and all(Path(path).is_absolute() for path in source.paths)
    return len(config.sources), config.pseudonyms


TARGET = Target(
    "config",
    one,
    seeds,
    inputs=12_000,
    steps=(60_000, 300),
    shape=shape,
    tokens=(*TOKENS, b"[::1]:9", b":99999", b"\xd9\xa1"),
)
