"""Instants: Unix seconds in events, text in logs and records."""

from __future__ import annotations

import math
from datetime import UTC, datetime


def rfc3339(seconds: float) -> str:
    """Unix seconds as UTC with microseconds: ``2026-11-23T08:27:05.122787Z``."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse(value: object) -> float | None:
    """Unix seconds of a number as text or of ISO 8601 text (UTC if it names no zone); None if it is neither."""
    if not isinstance(value, str) or len(value) > 64:
        return None
    try:
        seconds = float(value)
    except ValueError:
        return iso8601(value)
    return seconds if math.isfinite(seconds) else None


def iso8601(value: object) -> float | None:
    """Unix seconds of ISO 8601 or RFC 3339 text, UTC if it names no zone; None if it is neither."""
    if not isinstance(value, str) or len(value) > 64 or value.isdecimal():
        return None
    try:
        instant = datetime.fromisoformat(value)
        return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
