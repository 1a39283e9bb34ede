"""The table of docs/ordinary-use.md.

python -m tests.ordinary.table
"""

from __future__ import annotations

import inspect

from tests.ordinary.days import DAYS
from tests.ordinary.played import told


def table() -> str:
    """Each log of ordinary use: what it is, how many records it has, what pages and what goes to chat."""
    rows = ["| what happens | records | pages | to chat or a ticket |", "|---|---|---|---|"]
    for name, make in DAYS.items():
        found = told(name)
        others = ", ".join(f"`{alert}`" + (f" ({count})" if count > 1 else "") for alert, count in found.others.items())
        pages = ", ".join(f"`{alert}`" for alert in found.pages)
        what = " ".join((inspect.getdoc(make) or name).split())
        rows.append(f"| {what} | {found.records:,} | {pages or 'none'} | {others or 'none'} |")
    return "\n".join(rows)


if __name__ == "__main__":
    print(table())
