"""Model behaviour: what is tried on models, and what comes out of them."""

from __future__ import annotations

from typing import Final

from generators.grafana.boards.attacks import ANSWERED_AND_STOPPED, answered_or_zero, attackers, stopped
from generators.grafana.colours import DETECTORS, PLAIN
from generators.grafana.expressions import increase, promql, quantile, rate, signal
from generators.grafana.panel_data import Graph, Ranking

ATTACKS: Final = Graph(
    "Attack hits: answered and stopped",
    "Hits of all attack signals in their windows, for the worst accounts. Answered: the model answered. Stopped: a "
    "guardrail or the provider refused it, or it failed.",
    {"answered": answered_or_zero(), "stopped": stopped()},
    width=12,
    stacked=True,
    soft_most=5,
    colours=ANSWERED_AND_STOPPED,
)
DETECTIONS: Final = Graph(
    "Detections per minute",
    "Detections in prompts, answers and tool results of all accounts, at any confidence. Orange: in output. Purple and "
    "blue: in input.",
    {"{{detector}}": rate("llm_detections_total", by=["detector"], times=60)},
    width=12,
    stacked=True,
    colours=DETECTORS,
)
ATTACKERS: Final = attackers(
    "Accounts with attack hits",
    "Accounts with hits in the windows of the attack signals, most answered first. Answered equals hits: nothing "
    "stopped them.",
    widths=(140, 170, 80, 95),
)
RULES: Final = Ranking(
    "Detection rules that match most",
    "Matches over the time range. One rule: a shared text, or a rule that matches ordinary work. Many rules: many "
    "separate people.",
    promql("round(topk(10, %s > 0))", increase("llm_detection_rules_total", by=["rule"])),
    "rule",
    "Rule",
    width=12,
    height=9,
    colour=PLAIN,
    value_width=330,
    no_value="No rule matched in this time.",
)
VIOLATORS: Final = Graph(
    "Accounts with a detection in {window[violating_actors]}",
    "Accounts with a detection of medium or high confidence. Many at once: a campaign, a document that many people "
    "read, or a new rule. Dashed line: the alert's threshold.",
    {"accounts": signal("violating_actors")},
    limit="violating_actors",
    colours={"accounts": PLAIN},
)
LENGTHS: Final = Graph(
    "Characters of prompts and answers, 95th percentile",
    "Longer prompts can hide instructions; longer answers can leak more. Only records with content.",
    {"prompts": quantile(0.95, "llm_input_characters"), "answers": quantile(0.95, "llm_output_characters")},
    colours={"prompts": "blue", "answers": "purple"},
)
TOOLS: Final = Ranking(
    "Tools that models call most",
    "Tool calls over the time range. Check a tool that is new or called far more than usual.",
    promql("round(topk(8, %s > 0))", increase("llm_tool_calls_total", by=["tool"])),
    "tool",
    "Tool",
    width=8,
    colour=PLAIN,
    value_width=220,
    no_value="No tool calls in this time.",
)

PANELS: Final = (ATTACKS, DETECTIONS, ATTACKERS, RULES, VIOLATORS, LENGTHS, TOOLS)
