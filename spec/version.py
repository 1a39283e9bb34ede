"""The version of all that is in this tree. pyproject.toml reads it here.

Not from the metadata of the installed package: what reads that stays in memory, 2 MB with all that it imports.
"""

from __future__ import annotations

from typing import Final

VERSION: Final = "0.1.0"
