"""Security: what the controls did, what they did not see, and who pushes against them."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from generators.grafana.boards import status_panels
from generators.grafana.boards.attacks import ANSWERED_AND_STOPPED
from generators.grafana.boards.layers import control, health, model
from generators.grafana.category import board, groups, worst_over_time
from generators.grafana.colours import VERDICTS, WELL
from generators.grafana.expressions import increase, or_zero, promql, rate, signal
from generators.grafana.panel_data import Graph, Stat
from generators.grafana.query_builder import is_

_VERDICTS: Final = "llm_guardrail_verdicts_total"
_MISUSE, _MISUSE_ANSWERED = (
    promql("(sum(%s) or vector(0))", signal("tool_misuse", answered=part)) for part in (False, True)
)

VERDICTS_NOW: Final = Stat(
    "Guardrails in this time",
    "Attempts over the time range that a guardrail blocked, that a guardrail in logging mode let through, and during "
    "which a guardrail failed.",
    {
        word.replace("_", " "): or_zero(promql("round(%s)", increase(_VERDICTS, is_(verdict=word))))
        for word in ("block", "would_block", "error")
    },
    width=6,
    each={word.replace("_", " "): ((None, WELL), (1, VERDICTS[word])) for word in ("block", "would_block", "error")},
)
MISUSE: Final = Graph(
    "Tool misuse in {window[tool_misuse]}",
    "Tool calls whose arguments look like an attack. Answered: the model made the call. Stopped: a guardrail or the "
    "provider refused it, or it failed.",
    {"answered": _MISUSE_ANSWERED, "stopped": promql("%s\n- %s", _MISUSE, _MISUSE_ANSWERED)},
    stacked=True,
    soft_most=5,
    colours=ANSWERED_AND_STOPPED,
)
TOOL_CALLS: Final = Graph(
    "Tool calls per minute",
    "Calls of the eight most used tools. Check a tool that is new.",
    {"{{tool}}": promql("topk(8, %s)", rate("llm_tool_calls_total", by=["tool"], times=60))},
    stacked=True,
    no_value="No tool calls in this time.",
)
SOURCES: Final = Graph(
    "Sources that can be read",
    "1: Tocsin can read the source. 0: it cannot.",
    {"{{source}}": signal("source_up")},
    most=1,
)

BOARD: Final = board(
    "security",
    "What guardrails and other controls did, what they did not see, and which accounts push against them.",
    (VERDICTS_NOW, status_panels.OVER, replace(health.HIDDEN, width=4), health.REJECTED),
    (
        replace(control.VERDICT_RATES, width=12),
        replace(control.GUARDRAILS, width=12),
        control.UNSEEN,
        control.FAILURES,
        model.VIOLATORS,
        MISUSE,
        TOOL_CALLS,
        worst_over_time("actor_ranges", "Networks of an account", "Address ranges that an account used"),
        groups(
            "Accounts",
            "Accounts that guardrails stopped, whose tool calls look like an attack, or that come from many networks.",
            (
                ("guardrail_blocks", "Blocked"),
                ("guardrail_would_blocks", "Would block"),
                ("tool_misuse", "Tool misuse"),
                ("actor_ranges", "Networks"),
            ),
            width=14,
        ),
        replace(control.VIOLATING, width=10),
        worst_over_time(
            "feed_gaps",
            "Gaps in feeds, by source",
            "Gaps in the line numbers of a log, found within the last 15 minutes: these records are lost and "
            "unmonitored",
        ),
        replace(health.RECORDS, width=8),
        worst_over_time("newest_event", "Age of the newest event", "Age of the newest event"),
        replace(health.GIVEN, width=8),
        worst_over_time(
            "hook_trouble",
            "Hooks in trouble, by source",
            "Gateway worker processes that cannot write their log, are stuck, or recently dropped a record",
        ),
        SOURCES,
    ),
)
