"""Names that a client or a model chose, short enough to be a label or a key of a table."""

from __future__ import annotations

import hashlib
import re
from typing import Final

LONGEST: Final = 200
"""Characters of a name."""
_KEPT: Final = 180
_DIGITS: Final = 16
_SHORTENED: Final = _KEPT + 1 + _DIGITS  # characters of a name that was cut


def short(name: str | None) -> str | None:
    """`name`; a longer one as its beginning and a hash of all of it, so that two names stay two. None if empty."""
    if not name:
        return None
    if len(name) <= LONGEST and len(name) != _SHORTENED:  # nobody is to be called as a shortened name
        return name
    return f"{name[:_KEPT]}~{hashlib.sha256(name.encode('utf-8', 'replace')).hexdigest()[:_DIGITS]}"


def account(user: str | None) -> str | None:
    """The account of an authenticated user: `short`, and never that of a key (``key:...``), whatever it is called."""
    name = short(user)
    return f"user:{name}" if name and _LIKE_KEYS.match(name) else name


def of_key(name: str | None, key: str | None) -> str | None:
    """What a client chose, within the key that it used: two keys never meet under one name. None without a key."""
    return f"{name or ''}@key:{key}" if key else None


_LIKE_KEYS = re.compile("(?:user:)*key:")
