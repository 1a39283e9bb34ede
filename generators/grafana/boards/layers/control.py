"""Control effectiveness: what the guardrails did, and what nobody checked."""

from __future__ import annotations

from typing import Final

from generators.grafana.colours import HARM, UNKNOWN, VERDICTS, WATCH
from generators.grafana.expressions import above_zero, increase, promql, rate, share, signal
from generators.grafana.panel_data import TEXT, Column, Graph, Ranking, Table

_VERDICTS: Final = "llm_guardrail_verdicts_total"  # one for each attempt
_DECISIONS: Final = ("block", "mask", "would_block", "error", "pass")

VERDICT_RATES: Final = Graph(
    "Guardrail verdicts per minute",
    "Attempts by the gravest verdict of their guardrails, without those that passed. Block and mask were stopped, "
    "would_block was only logged and answered, error is a guardrail that failed.",
    {"{{verdict}}": rate(_VERDICTS, 'verdict!~"none|pass"', by=["verdict"], times=60)},
    width=12,
    stacked=True,
    colours=VERDICTS,
)
GUARDRAILS: Final = Table(
    "Guardrails",
    "Decisions of each guardrail over the whole time range. A guardrail with errors protects nobody; one that only "
    "would block is in logging mode; one that never blocks may not be connected.",
    [
        promql("round(%s)", increase("llm_guardrail_decisions_total", f'verdict="{word}"', by=["guardrail"]))
        for word in _DECISIONS
    ],
    [
        Column("guardrail", "Guardrail"),
        *(
            Column(place, word.replace("_", " "), width=100, steps=((None, TEXT), (1, VERDICTS[word])))
            for place, word in enumerate(_DECISIONS)
        ),
    ],
    width=12,
    height=8,
    sort="Value #D",
    no_value="No guardrail has decided anything in this time.",
)
UNSEEN: Final = Graph(
    "What nobody checked",
    "Share of attempts that no guardrail saw, and share whose record carries no text, so that no detector could "
    "look. When the second is high, few detections mean nothing.",
    {
        "no guardrail": share(rate(_VERDICTS, 'verdict="none"'), rate(_VERDICTS)),
        "no content in the log": share(
            rate("llm_records_without_content_total"), rate(_VERDICTS, variables=("gateway",))
        ),
    },
    unit="percentunit",
    least=0,
    most=1,
    colours={"no guardrail": UNKNOWN, "no content in the log": WATCH},
)
FAILURES: Final = Graph(
    "Guardrail failures in {window[guardrail_failures]}",
    "Attempts during which a guardrail itself failed. Depending on its setting they went through unchecked. "
    "The dashed line is the alert's threshold.",
    {"failures": signal("guardrail_failures")},
    limit="guardrail_failures",
    colours={"failures": HARM},
)
VIOLATING: Final = Ranking(
    "Over a threshold now, by alert",
    "Groups over the threshold of each alert at this moment, whether published by name or not; an alert may fire "
    "on after that. A click opens the runbook page.",
    above_zero(signal("violating_groups")),
    "alert",
    "Alert",
    width=8,
    colour=WATCH,
    value_width=120,
    runbook=True,
    no_value="Nothing is over a threshold.",
)

PANELS: Final = (VERDICT_RATES, GUARDRAILS, UNSEEN, FAILURES, VIOLATING)
