"""Security: what the controls did, what they did not see, and who pushes against them."""

from __future__ import annotations

from typing import Final

from generators import panels
from generators.dashboards import now
from generators.dashboards.ask import Ask, is_
from generators.dashboards.category import board, groups, sized, worst_over_time
from generators.dashboards.colours import HARM, VERDICTS, WELL
from generators.dashboards.layers import control, health, model
from generators.grafana import Query
from generators.panels import Panel


def verdicts_now(ask: Ask) -> Panel:
    """Stopped, let through, broken."""
    words = ("block", "would_block", "error")
    return panels.stat(
        "Guardrails in this time",
        "Attempts over the whole time range that a guardrail blocked, that one in logging mode would have blocked and "
        "let through, and during which one failed.",
        [
            Query(f"round({ask.increase(_VERDICTS, is_(verdict=word))}) or vector(0)", word.replace("_", " "))
            for word in words
        ],
        width=6,
        each={word.replace("_", " "): ((None, WELL), (1, VERDICTS[word])) for word in words},
    )


def misuse(ask: Ask) -> Panel:
    """What agents did."""
    hits, through = (f"(sum({ask.signal('tool_misuse', answered=part)}) or vector(0))" for part in (False, True))
    window = ask.definition("tool_misuse").window
    return panels.timeseries(
        f"Tool misuse in {window}",
        "Tool calls whose arguments look like an attack. Answered: the model went on with it; stopped: a guardrail or "
        "the provider refused it, or it failed.",
        [Query(through, "answered"), Query(f"{hits}\n- {through}", "stopped")],
        width=8,
        stacked=True,
        soft_most=5,
        colours={"answered": HARM, "stopped": VERDICTS["block"]},
    )


def tool_calls(ask: Ask) -> Panel:
    """What agents reach for, and since when."""
    calls = ask.rate("llm_tool_calls_total", by=["tool"], times=60)
    return panels.timeseries(
        "Tool calls per minute",
        "Calls that models make, of the eight tools called most. A tool that is new is worth a look.",
        [Query(f"topk(8, {calls})", "{{tool}}")],
        width=8,
        stacked=True,
        no_value="No tool calls in this time.",
    )


_VERDICTS: Final = "llm_guardrail_verdicts_total"


def sources(ask: Ask) -> Panel:
    """Whether anything is deaf."""
    return panels.timeseries(
        "Sources that can be read",
        "1 when a source can be read, else 0.",
        [Query(ask.signal("source_up"), "{{source}}")],
        width=8,
        most=1,
    )


BOARD: Final = board(
    "security",
    "What guardrails and other controls did, what they did not see, and which accounts push against them.",
    (verdicts_now, now.over, sized(health.hidden, 4), health.rejected),
    (
        sized(control.verdicts, 12),
        sized(control.guardrails, 12),
        control.unseen,
        control.failures,
        model.violators,
        misuse,
        tool_calls,
        worst_over_time("actor_ranges", "Networks of an account", "Different address ranges that an account came from"),
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
        sized(control.violating, 10),
        worst_over_time(
            "feed_gaps",
            "Gaps in feeds, by source",
            "Gaps in the numbers of a log's lines, found within the last fifteen minutes: records nobody has watched",
        ),
        sized(health.records, 8),
        worst_over_time("newest_event", "Age of the newest event", "How long ago the newest event happened"),
        sized(health.given, 8),
        worst_over_time(
            "hook_trouble",
            "Hooks in trouble, by source",
            "Worker processes of gateways that cannot write their log, are stuck, or have lately dropped a record",
        ),
        sources,
    ),
)
