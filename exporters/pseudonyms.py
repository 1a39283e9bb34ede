"""Pseudonyms: an account's label in metrics, from which nobody can tell whose it is without this exporter's key.

Metrics go where logs do not: into dashboards, chats and pagers, some of them other companies'. The key is a file beside
the state; whoever may read that may look an account up, and each look-up is written down.
"""

from __future__ import annotations

import getpass
import hashlib
import hmac
import json
import os
import secrets
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from runtime.errors import ConfigError

PREFIX: Final = "a-"
_DIGITS: Final = 12  # 48 bits: of a million accounts, two share a pseudonym with a chance of 1 to 500
_KEY_BYTES: Final = 32
_REMEMBERED: Final = 4096


class Pseudonyms:
    """Makes pseudonyms with one key. The same account has the same one as long as the key lives."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._known: dict[str, str] = {}

    def __call__(self, actor: str) -> str:
        """The pseudonym of an account."""
        known = self._known.get(actor)
        if known is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            digest = hmac.new(self._key, actor.encode(errors="surrogatepass"), hashlib.sha256).hexdigest()
            known = self._known[actor] = PREFIX + digest[:_DIGITS]
        return known

    def find(self, pseudonym: str, actors: Iterable[str]) -> list[str]:
        """Those of `actors` that have this pseudonym."""
        return [actor for actor in actors if hmac.compare_digest(self(actor), pseudonym)]


def key_file(folder: Path) -> Path:
    """Where the key of a state folder is."""
    return folder / "pseudonyms.key"


def load_key(folder: Path) -> bytes:
    """The key in a state folder; made at the first start.

    Raises:
        OSError: it can neither be read nor made.
        ConfigError: the file holds something else.
    """
    path = key_file(folder)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        key = path.read_bytes()
        if len(key) != _KEY_BYTES:
            raise ConfigError(f"{path} is not a {_KEY_BYTES}-byte key; restore the previous file") from None
        return key
    key = secrets.token_bytes(_KEY_BYTES)
    with os.fdopen(descriptor, "wb") as file:
        file.write(key)
        file.flush()
        os.fsync(file.fileno())
    return key


def note_lookup(folder: Path, pseudonym: str, found: int) -> None:
    """Write down that somebody looked a pseudonym up, and how many accounts it was; never which.

    Raises:
        OSError: it cannot be written; then nobody is to be told anything.
    """
    entry = {
        "@timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "user.name": getpass.getuser(),
        "pseudonym": pseudonym,
        "found": found,
    }
    descriptor = os.open(folder / "lookups.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(json.dumps(entry) + "\n")
