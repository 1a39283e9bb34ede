"""Content of a log as a page may show it: short, on one line, and without what detectors call a secret."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from exporters.detect import Rule
from exporters.detect.redaction import HIDDEN, LOOKED_AT, Hider
from runtime.text import printable

__all__ = ["HIDDEN", "SHORT", "Redactor"]

SHORT: Final = 280
"""Characters of a text that are shown."""


class Redactor:
    """Hides whatever the sensitive-output and canary `rules` match, in prompts too, whether or not it is verified."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._hider = Hider(rules)

    def shown(self, text: str) -> str:
        """What of `text` may be shown; safe for a terminal and for HTML that is escaped."""
        line = " ".join(self._hider.hide(text).split())
        short = line[:SHORT].rstrip() + " ..." if len(line) > SHORT or len(text) > LOOKED_AT else line
        return printable(short)
