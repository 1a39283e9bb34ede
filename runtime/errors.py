"""One tree of errors: what a user gave cannot be used. Everything else that is raised is a fault of Tocsin.

A command catches `TocsinError` and prints its text, which says what was found, where, and what to do. It catches no
other kind, so a bug keeps its traceback and is never printed as a user's mistake.
"""

from __future__ import annotations

import sys
from typing import ClassVar


class TocsinError(Exception):
    """Something that a user gave, or that is around Tocsin, cannot be used. The text is for that user."""

    names_its_place: ClassVar[bool] = False
    """Whether the text begins with a file and line of its own; else the program's name is put in front."""


class ConfigError(TocsinError):
    """A setting, key or token cannot be used; the text names the file."""


class OutputError(TocsinError):
    """A result cannot be written; the text names the file."""


def report(error: TocsinError | OSError, *, program: str = "tocsin") -> int:
    """Print what is wrong on standard error.

    Returns:
        The exit status for it: 1.
    """
    if isinstance(error, TocsinError):
        text = str(error) if error.names_its_place else f"{program}: {error}"
    else:
        what = error.strerror or type(error).__name__
        text = f"{program}: {error.filename}: {what}" if error.filename else f"{program}: {what}"
    print(text, file=sys.stderr)
    return 1
