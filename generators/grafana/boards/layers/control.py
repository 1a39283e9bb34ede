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
    "Attempts by the most severe verdict of their guardrails, without passes. block and mask: stopped. would_block: "
    "logged only, the model answered. error: the guardrail failed.",
    {"{{verdict}}": rate(_VERDICTS, 'verdict!~"none|pass"', by=["verdict"], times=60)},
    width=12,
    stacked=True,
    colours=VERDICTS,
)
GUARDRAILS: Final = Table(
    "Guardrails",
    "Decisions of each guardrail over the time range. One with errors does not protect. One with only would_block is "
    "in logging mode. One that never blocks may not be connected.",
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
    "Share of attempts that no guardrail checked, and share whose record has no text, so that detectors could not read "
    "it. If the second is high, few detections prove nothing.",
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
NOT_UNDERSTOOD: Final = Graph(
    "Words not understood in {window[unread_content]}",
    "Share of attempts, by operation, whose prompt or answer holds words in no place that Tocsin knows. No rule has "
    "looked at them. Which calls, and which side: `tocsin_content_unread_total`.",
    {"{{operation}}": promql("%s / (%s > 0)", signal("unread_content"), signal("attempts_by_operation"))},
    unit="percentunit",
    least=0,
    most=1,
    limit="unread_content",
)
FAILURES: Final = Graph(
    "Guardrail failures in {window[guardrail_failures]}",
    "Attempts during which a guardrail failed. Depending on its setting, they went through unchecked. Dashed line: the "
    "alert's threshold.",
    {"failures": signal("guardrail_failures")},
    limit="guardrail_failures",
    colours={"failures": HARM},
)
VIOLATING: Final = Ranking(
    "Over a threshold now, by alert",
    "Groups over the threshold of each alert now, named or not. An alert can keep firing after its groups drop below. "
    "Click an alert to open its runbook.",
    above_zero(signal("violating_groups")),
    "alert",
    "Alert",
    width=8,
    colour=WATCH,
    value_width=120,
    runbook=True,
    no_value="Nothing is over a threshold.",
)

PANELS: Final = (VERDICT_RATES, GUARDRAILS, UNSEEN, NOT_UNDERSTOOD, FAILURES, VIOLATING)
