"""The table of LiteLLM's call types, and which types a LiteLLM has.

    python -m tests.versions.call_types

writes the table into docs/gateways/litellm.md.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from typing import Final

from events.gateways.litellm.call_types import TABLE

PAGE: Final = Path(__file__).parents[2] / "docs" / "gateways" / "litellm.md"
_BEGIN: Final = "<!-- call types: written by `python -m tests.versions.call_types` -->\n"
_END: Final = "<!-- call types: end -->\n"


def table() -> str:
    """The table in Markdown."""
    lines = ["| call type | prompt | answer | tool calls | note |", "|---|---|---|---|---|"]
    for entry in TABLE:
        names = ", ".join(f"`{name}`" for name in entry.names)
        lines.append(f"| {names} | {entry.prompt} | {entry.answer} | {entry.tool_calls} | {entry.note} |")
    return "\n".join(lines) + "\n"


def written(page: str) -> str:
    """The page with the table as it should be.

    Raises:
        ValueError: The page has no place for it.
    """
    before, begin, rest = page.partition(_BEGIN)
    _old, end, after = rest.partition(_END)
    if not (begin and end):
        raise ValueError(f"{PAGE.name} lacks the line {_BEGIN if not begin else _END!r}")
    return f"{before}{_BEGIN}\n{table()}\n{_END}{after}"


def call_types_of(environment: Path) -> set[str]:
    """The call types that the LiteLLM in an environment knows, read without importing it.

    Raises:
        LookupError: It has no such list.
    """
    for file in environment.glob("lib/python3*/site-packages/litellm/types/utils.py"):
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and node.name == "CallTypes":
                values = (item.value for item in node.body if isinstance(item, ast.Assign))
                return {str(value.value) for value in values if isinstance(value, ast.Constant)}
    raise LookupError(f"no CallTypes in {environment}")


if __name__ == "__main__":
    if sys.argv[1:]:
        sys.exit(__doc__)
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
