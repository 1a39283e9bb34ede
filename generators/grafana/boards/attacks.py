"""Hits of attack signals, told apart by what became of them: the pieces that several dashboards show."""

from __future__ import annotations

from typing import Final

from generators.grafana.colours import HARM, STOPPED, WELL
from generators.grafana.expressions import Expression, attacks, promql
from generators.grafana.form import Steps
from generators.grafana.panel_data import TEXT, Column, Table

ANSWERED_AND_STOPPED: Final = {"answered": HARM, "stopped": STOPPED}
EACH: Final[dict[str, Steps]] = {name: ((None, WELL), (1, colour)) for name, colour in ANSWERED_AND_STOPPED.items()}
"""The colours of single values: green at 0."""


def answered_or_zero(category: str = "") -> Expression:
    """Hits that the model answered."""
    return promql("(sum(\n  %s\n) or vector(0))", attacks(answered=True, category=category))


def stopped(category: str = "") -> Expression:
    """Hits that a guardrail or the provider refused, or that failed."""
    hits = attacks(category=category)
    return promql("(sum(\n  %s\n) or vector(0))\n- %s", hits, answered_or_zero(category))


def attackers(title: str, about: str, *, category: str = "", widths: tuple[int, int, int, int]) -> Table:
    """Accounts and end users with hits by kind; `widths` are those of tenant, kind, hits, answered."""
    hits, through = (attacks(named=True, answered=part, category=category) for part in (False, True))
    tenant, kind, hit, answered = widths
    return Table(
        title,
        about,
        [
            promql("(\n  %s\n) > 0", hits),
            # Where somebody has no answered hits published, a 0 keeps the column, and Grafana its name.
            promql(
                "((\n  %s\n)\nor 0 * (\n  %s\n))\nand on (caller, tenant, kind)\n((\n  %s\n) > 0)", through, hits, hits
            ),
        ],
        [
            Column("caller", "Account or end user"),
            Column("tenant", "Tenant", width=tenant),
            Column("kind", "Kind", width=kind),
            Column(0, "Hits", width=hit),
            Column(1, "Answered", width=answered, steps=((None, TEXT), (1, HARM))),
        ],
        width=12,
        sort="Value #B",
        no_value="Nobody now.",
    )
