"""What a saved window depends on: a hash of what a signal counts, so that a state is not added up as something else."""

from __future__ import annotations

from typing import Final

import msgspec
import xxhash

from spec.model import Signal

COUNTS: Final = ("stream", "measure", "field", "where", "at_least", "by", "window", "metric", "answered")
"""The keys of a signal that say what is counted."""
TELLS: Final = ("help", "category", "layer", "anomaly", "unit", "no_alert")
"""The keys that say it to people, or where it is shown. They may change while a window runs."""
_ONCE: Final = (
    *("help", "category", "layer", "anomaly", "stream", "measure", "field", "where", "at_least", "by"),
    *("window", "metric", "unit", "answered", "no_alert"),
)
"""All keys that earlier versions hashed, in their order."""


def meaning(signal: Signal) -> str:
    """A hash of what `signal` counts, of 16 hexadecimal digits."""
    return _hash(signal, COUNTS)


def has_meaning(signal: Signal, saved: str) -> bool:
    """Whether `saved`, of this version or an earlier one, is the hash of what `signal` counts now."""
    return saved in (meaning(signal), _hash(signal, _ONCE))


def _hash(signal: Signal, keys: tuple[str, ...]) -> str:
    said = {key: getattr(signal, key) for key in keys}
    return xxhash.xxh3_64_hexdigest(msgspec.json.encode(said, enc_hook=float))
