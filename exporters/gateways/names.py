"""Names that a client or a model chose, short enough to be a label or a key of a table."""

from __future__ import annotations

from typing import Final

from xxhash import xxh3_64_hexdigest

LONGEST: Final = 200
"""Characters of a name."""
_KEPT: Final = 180


def short(name: str | None) -> str | None:
    """`name`; a longer one as its beginning and a hash of all of it, so that two names stay two. None if empty."""
    if not name:
        return None
    if len(name) <= LONGEST:
        return name
    return f"{name[:_KEPT]}~{xxh3_64_hexdigest(name.encode())}"
