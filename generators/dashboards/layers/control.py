"""Control effectiveness: what the guardrails did, and what nobody checked."""

from __future__ import annotations

from generators import panels
from generators.dashboards.ask import Ask
from generators.dashboards.colours import HARM, UNKNOWN, VERDICTS, WATCH
from generators.grafana import Query
from generators.links import runbook_url
from generators.panels import Column, Panel


def verdicts(ask: Ask) -> Panel:
    """Blocked, masked, only logged, broken."""
    rate = ask.rate("llm_guardrail_verdicts_total", 'verdict!~"none|pass"', by=["verdict"], times=60)
    return panels.timeseries(
        "Guardrail verdicts per minute",
        "Attempts by the gravest verdict of their guardrails, without those that passed. Block and mask were stopped, "
        "would_block was only logged and answered, error is a guardrail that failed.",
        [Query(rate, "{{verdict}}")],
        width=12,
        stacked=True,
        colours=VERDICTS,
    )


def guardrails(ask: Ask) -> Panel:
    """Each guardrail's record."""
    words = ("block", "mask", "would_block", "error", "pass")
    made = [ask.increase("llm_guardrail_decisions_total", f'verdict="{word}"', by=["guardrail"]) for word in words]
    return panels.table(
        "Guardrails",
        "Decisions of each guardrail over the whole time range. A guardrail with errors protects nobody; one that only "
        "would block is in logging mode; one that never blocks may not be connected.",
        [Query(f"round({query})") for query in made],
        [
            Column("guardrail", "Guardrail"),
            *(
                Column(place, word.replace("_", " "), width=100, steps=((None, "text"), (1, VERDICTS[word])))
                for place, word in enumerate(words)
            ),
        ],
        width=12,
        height=8,
        sort="Value #D",
        no_value="No guardrail has decided anything in this time.",
    )


def unseen(ask: Ask) -> Panel:
    """Where silence is not peace."""
    verdicts = "llm_guardrail_verdicts_total"  # one for each attempt
    unguarded = ask.rate(verdicts, 'verdict="none"') + f"\n/ ({ask.rate(verdicts)} > 0)"
    attempts = ask.rate(verdicts, variables=("gateway",))
    blind = f"{ask.rate('llm_records_without_content_total')}\n/ ({attempts} > 0)"
    return panels.timeseries(
        "What nobody checked",
        "Share of attempts that no guardrail saw, and share whose record carries no text, so that no detector could "
        "look. When the second is high, few detections mean nothing.",
        [
            Query(unguarded, "no guardrail"),
            Query(blind, "no content in the log"),
        ],
        width=8,
        unit="percentunit",
        least=0,
        most=1,
        colours={"no guardrail": UNKNOWN, "no content in the log": WATCH},
    )


def failures(ask: Ask) -> Panel:
    """A broken control."""
    return panels.timeseries(
        f"Guardrail failures in {ask.definition('guardrail_failures').window}",
        "Attempts during which a guardrail itself failed. Depending on its setting they went through unchecked. "
        "The dashed line is the alert's threshold.",
        [Query(ask.signal("guardrail_failures"), "failures")],
        width=8,
        limit=ask.limit("guardrail_failures"),
        colours={"failures": HARM},
    )


def violating(ask: Ask) -> Panel:
    """How many groups each alert is about."""
    return panels.ranking(
        "Over a threshold now, by alert",
        "Groups over the threshold of each alert at this moment, whether published by name or not; an alert may fire "
        "on after that. A click opens the runbook page.",
        f"{ask.signal('violating_groups')} > 0",
        "alert",
        heading="Alert",
        width=8,
        colour=WATCH,
        value_width=120,
        url=runbook_url(ask.spec, "${__value.raw}"),
        no_value="Nothing is over a threshold.",
    )


PANELS = (verdicts, guardrails, unseen, failures, violating)
