"""Who is it: from a pseudonym in a page back to the account, session or end user."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from exporters.config import load_config
from exporters.pseudonyms import Pseudonyms, key_file, note_lookup
from runtime.state_file import StateError, decode


def who(config: Path, pseudonym: str) -> list[str]:
    """Who an exporter shows under this pseudonym, among those it remembers; the look-up is written down.

    What clients choose is scoped by the key that they used: ``name@key:hash``.

    Raises:
        SpecError: the configuration cannot be used.
        OSError: the key, the state or the record of look-ups cannot be read or written.
        StateError: the state is damaged, or was written by a newer version.
    """
    folder = load_config(config).state_folder
    pseudonyms = Pseudonyms(key_file(folder).read_bytes())
    path = folder / "state"
    try:
        remembered = [*_names(decode(path.read_bytes()))]
    except (ValueError, LookupError, TypeError) as error:
        raise StateError(f"{path} is damaged ({error}); the exporter repairs it at its next start") from error
    found = pseudonyms.find(pseudonym, remembered)
    note_lookup(folder, pseudonym, len(found))
    return found


def _names(data: dict[str, Any]) -> Iterator[str]:
    """The groups of every identity, each name once."""
    entities = data["state"]["signals"]["entities"].values()
    yield from dict.fromkeys(name for entity in entities for name in entity["names"] if name is not None)
