"""What a configuration may leave out. It is apart from the code that it is for, which not everybody needs to load."""

from __future__ import annotations

from typing import Final, Literal

MAX_BODY: Final = 32 * 1024 * 1024
"""Bytes of the body of a post at most, as sent and unpacked."""
SPOOL: Final = 256 * 1024 * 1024
"""Bytes of a spool at most."""
Content = Literal["full", "redacted", "off"]
"""What a sink keeps of prompts and answers: all, all but what looks like a secret, or nothing."""
