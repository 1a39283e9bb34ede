"""Model behaviour: what is tried on models, and what comes out of them."""

from __future__ import annotations

from generators import panels
from generators.dashboards.ask import Ask
from generators.dashboards.colours import DETECTORS, HARM, PLAIN, STOPPED
from generators.grafana import Query
from generators.panels import Column, Panel


def attacks(ask: Ask) -> Panel:
    """Answered and stopped, apart."""
    hits, through = f"sum(\n  {ask.attacks()}\n)", f"(sum(\n  {ask.attacks(answered=True)}\n) or vector(0))"
    return panels.timeseries(
        "Attack hits: answered and stopped",
        "Hits of all attack signals in their windows, of the worst accounts. Answered: the model answered the attempt; "
        "stopped: a guardrail or the provider refused it, or it failed.",
        [Query(through, "answered"), Query(f"({hits} or vector(0))\n- {through}", "stopped")],
        width=12,
        stacked=True,
        soft_most=5,
        colours={"answered": HARM, "stopped": STOPPED},
    )


def detections(ask: Ask) -> Panel:
    """By detector, from every account."""
    return panels.timeseries(
        "Detections per minute",
        "What detectors found in prompts, answers and tool results of all accounts, of any confidence. "
        "Orange left the model; purple and blue were tried on it.",
        [Query(ask.rate("llm_detections_total", by=["detector"], times=60), "{{detector}}")],
        width=12,
        stacked=True,
        colours=DETECTORS,
    )


def attackers(ask: Ask) -> Panel:
    """Who, what, and with what success."""
    hits = ask.attacks()
    # Where an account has no answered hits published, a 0 keeps the column, and Grafana its name.
    through = f"(\n  {ask.attacks(answered=True)}\n)\nor 0 * (\n  {hits}\n)"
    return panels.table(
        "Accounts with attack hits",
        "Accounts with hits in the windows of the attack signals, most answered first. "
        "Answered equal to hits: nothing stopped it.",
        [Query(f"(\n  {hits}\n) > 0"), Query(f"({through})\nand on (actor, tenant, kind)\n((\n  {hits}\n) > 0)")],
        [
            Column("actor", "Account"),
            Column("tenant", "Tenant", width=140),
            Column("kind", "Kind", width=170),
            Column(0, "Hits", width=80),
            Column(1, "Answered", width=95, steps=((None, "text"), (1, HARM))),
        ],
        width=12,
        sort="Value #B",
        no_value="Nobody now.",
    )


def rules(ask: Ask) -> Panel:
    """One rule is a common text, many rules are a crowd."""
    matches = ask.increase("llm_detection_rules_total", by=["rule"])
    return panels.ranking(
        "Detection rules that match most",
        "Matches over the whole time range. One rule for many accounts is one text that is passed around, or a rule "
        "that matches ordinary work; many rules are many people.",
        f"round(topk(10, {matches} > 0))",
        "rule",
        heading="Rule",
        width=12,
        height=9,
        colour=PLAIN,
        value_width=330,
        no_value="No rule matched in this time.",
    )


def violators(ask: Ask) -> Panel:
    """A campaign."""
    window = ask.definition("violating_actors").window
    return panels.timeseries(
        f"Accounts with a detection in {window}",
        "Different accounts with a detection of medium or high confidence: many at once are a campaign, a document "
        "that many read, or a new rule. The dashed line is the alert's threshold.",
        [Query(ask.signal("violating_actors"), "accounts")],
        width=8,
        limit=ask.limit("violating_actors"),
        colours={"accounts": PLAIN},
    )


def lengths(ask: Ask) -> Panel:
    """Longer answers carry more out; longer prompts hide more."""
    return panels.timeseries(
        "Characters of prompts and answers, 95th percentile",
        "Longer prompts can hide instructions, longer answers can carry more out. Only records with content.",
        [
            Query(ask.quantile(0.95, "llm_input_characters"), "prompts"),
            Query(ask.quantile(0.95, "llm_output_characters"), "answers"),
        ],
        width=8,
        colours={"prompts": "blue", "answers": "purple"},
    )


def tools(ask: Ask) -> Panel:
    """What agents reach for."""
    return panels.ranking(
        "Tools that models call most",
        "Tool calls over the whole time range. A tool that is new, or called far more than usual, is worth a look.",
        f"round(topk(8, {ask.increase('llm_tool_calls_total', by=['tool'])} > 0))",
        "tool",
        heading="Tool",
        width=8,
        colour=PLAIN,
        value_width=220,
        no_value="No tool calls in this time.",
    )


PANELS = (attacks, detections, attackers, rules, violators, lengths, tools)
