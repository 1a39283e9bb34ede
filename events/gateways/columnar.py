"""What every gateway's adapter does to its columns: identities, keys, limits of numbers, limits of lists."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import repeat
from typing import Any, Final, TypeVar

import numpy as np
from xxhash import xxh3_64_intdigest

from events import bounds
from events.batch import Floats, Ids

E = TypeVar("E", bound=tuple[Any, ...])

LIMITS: Final = {
    "duration": bounds.SECONDS,
    "time_to_first_chunk": bounds.SECONDS,
    "input_tokens": bounds.TOKENS,
    "output_tokens": bounds.TOKENS,
    "cached_tokens": bounds.TOKENS,
    "reasoning_tokens": bounds.TOKENS,
    "cost_usd": bounds.COST_USD,
}
"""The largest value of each number column; what is greater is nonsense."""

MOST_ENTRIES: Final = 1_000
"""Tool calls of one attempt, and results of guardrails, that are listed; further ones are counted as unread."""

SHA256: Final = 64
"""Characters of a hash of a key."""
_HASH: Final = re.compile(f"[0-9a-f]{{{SHA256}}}")
_ODD: Final = np.uint64(0x9E3779B97F4A7C15)  # spreads a time over 64 bits


def key_hash(presented: str | None) -> str | None:
    """The hash of a presented key; a hash stays what it is. A key in clear ends here."""
    if not presented or _HASH.fullmatch(presented):
        return presented or None
    return hashlib.sha256(presented.encode("utf-8", "replace")).hexdigest()


def hashed(names: Iterable[bytes], seed: int) -> Ids:
    """Identities of 64 bits; only who knows the seed can say what a name hashes to."""
    return np.array([*map(xxh3_64_intdigest, names, repeat(seed))], np.uint64)


def attempt_ids(names: Iterable[bytes], began: Floats, seed: int) -> Ids:
    """Identities of attempts by their names and the times at which they began."""
    return hashed(names, seed) ^ (began.view(np.uint64) * _ODD)


def at_most(entries: list[E], what: str, unread: Counter[str]) -> list[E]:
    """`entries`, which begin with their row, but no more than MOST_ENTRIES of a row; the others are counted."""
    if len(entries) <= MOST_ENTRIES:
        return entries
    seen: Counter[int] = Counter()
    kept = []
    for entry in entries:
        seen[entry[0]] += 1
        if seen[entry[0]] <= MOST_ENTRIES:
            kept.append(entry)
    if len(kept) < len(entries):
        unread[what] += len(entries) - len(kept)
    return kept


def without_impossible(
    column: Floats, field: str, most: float, dropped: Counter[str], out_of_range: Counter[str]
) -> Floats:
    """The column with NaN for what is negative or beyond `most`, which is counted as `field`."""
    wrong = (column < 0) | (column > most)
    if wrong.any():
        column = np.where(wrong, np.nan, column)
        dropped[field] += int(wrong.sum())
        out_of_range[field] += int(wrong.sum())
    return column


def actors_of(
    users: Sequence[str | None],
    keys: Sequence[str | None],
    names: Sequence[str | None],
    classes: Sequence[str],
    shared: frozenset[str],
) -> list[str | None]:
    """The account of each attempt: the user, else the key. A refused credential is nobody, and so is a shared key.

    `names` are what the gateway calls the keys; `shared` are such names, or hashes.
    """
    actors: list[str | None] = []
    for user, key, name, error in zip(users, keys, names, classes, strict=True):
        if error == "auth" or key in shared or name in shared:
            actors.append(None)
        else:
            actors.append(user or (f"key:{key}" if key else None))
    return actors
