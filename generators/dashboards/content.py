"""Content: what is tried on models with words, what left them, and what nobody could read."""

from __future__ import annotations

from typing import Final

from generators import panels
from generators.dashboards.ask import Ask, is_
from generators.dashboards.category import board, sized, worst_over_time
from generators.dashboards.colours import DETECTORS, HARM, STOPPED, UNKNOWN, WATCH, WELL
from generators.dashboards.layers import model
from generators.grafana import Query
from generators.panels import Column, Panel

_NAME: Final = "content"
_CONFIDENCE: Final = {"high": HARM, "medium": WATCH, "low": UNKNOWN}


def hits_now(ask: Ask) -> Panel:
    """What got through."""
    through, everything = (
        f"(sum(\n  {ask.attacks(answered=part, category=_NAME)}\n) or vector(0))" for part in (True, False)
    )
    return panels.stat(
        "Hits: answered or stopped",
        "Hits of content signals in their windows. Answered: the model answered, so read those answers first; stopped: "
        "a guardrail or the provider refused it, or it failed.",
        [Query(through, "answered"), Query(f"{everything}\n- {through}", "stopped")],
        width=6,
        each={"answered": ((None, WELL), (1, HARM)), "stopped": ((None, WELL), (1, STOPPED))},
        sparkline=True,
    )


def detections_now(ask: Ask) -> Panel:
    """How sure the detectors are."""
    return panels.stat(
        "Detections, by confidence",
        "Detections over the whole time range. Only medium and high confidence count towards alerts.",
        [
            Query(f"round({ask.increase('llm_detections_total', is_(confidence=word))}) or vector(0)", word)
            for word in _CONFIDENCE
        ],
        width=6,
        each={word: ((None, WELL), (1, colour)) for word, colour in _CONFIDENCE.items()},
    )


def blind_now(ask: Ask) -> Panel:
    """Whether there was anything to look at."""
    return panels.stat(
        "Without content",
        "Share of attempts whose record carries no text, so that no detector could look. When it is high, silence on "
        "this page means nothing.",
        [Query(_blind(ask), "without content")],
        width=4,
        unit="percentunit",
        steps=((None, WELL), (0.1, WATCH), (0.5, HARM)),
        no_value="no attempts",
        sparkline=True,
    )


def kinds(ask: Ask) -> Panel:
    """What is tried."""
    return panels.timeseries(
        "Hits by kind",
        "Hits of each content signal in its window, of all accounts that are published by name.",
        [Query(f"sum by (kind) (\n  {ask.attacks(category=_NAME)}\n) > 0", "{{kind}}")],
        width=8,
        stacked=True,
        colours=_KIND_COLOURS,
        no_value="No hits in this time.",
    )


def answered(ask: Ask) -> Panel:
    """What became of it."""
    hits = f"sum(\n  {ask.attacks(category=_NAME)}\n)"
    through = f"(sum(\n  {ask.attacks(answered=True, category=_NAME)}\n) or vector(0))"
    return panels.timeseries(
        "Hits: answered and stopped",
        "The same hits by what became of them. Red that grows while blue does not: no control sees it.",
        [Query(through, "answered"), Query(f"({hits} or vector(0))\n- {through}", "stopped")],
        width=8,
        stacked=True,
        soft_most=5,
        colours={"answered": HARM, "stopped": STOPPED},
    )


def confidence(ask: Ask) -> Panel:
    """Whether it is noise."""
    return panels.timeseries(
        "Detections per minute by confidence",
        "Low confidence alone is mostly noise; when high confidence rises with it, it is not.",
        [Query(ask.rate("llm_detections_total", by=["confidence"], times=60), "{{confidence}}")],
        width=8,
        stacked=True,
        colours=_CONFIDENCE,
    )


def attackers(ask: Ask) -> Panel:
    """Who."""
    hits = ask.attacks(category=_NAME)
    through = f"(\n  {ask.attacks(answered=True, category=_NAME)}\n)\nor 0 * (\n  {hits}\n)"
    return panels.table(
        "Accounts with hits",
        "Accounts with hits in the windows of content signals, most answered first. Answered equal to hits: nothing "
        "stopped it.",
        [Query(f"(\n  {hits}\n) > 0"), Query(f"({through})\nand on (actor, tenant, kind)\n((\n  {hits}\n) > 0)")],
        [
            Column("actor", "Account"),
            Column("tenant", "Tenant", width=110),
            Column("kind", "Kind", width=165),
            Column(0, "Hits", width=70),
            Column(1, "Answered", width=90, steps=((None, "text"), (1, HARM))),
        ],
        width=12,
        sort="Value #B",
        no_value="Nobody now.",
    )


def blind(ask: Ask) -> Panel:
    """Where detectors see nothing."""
    return panels.timeseries(
        "Attempts without content, by gateway",
        "Share of attempts whose record carries no text. A step to 100 % is a gateway that logs no content any more.",
        [
            Query(
                f"{ask.rate('llm_records_without_content_total', by=['gateway'])}\n"
                f"/ ({ask.rate('llm_attempts_total', by=['gateway'], variables=('gateway',))} > 0)",
                "{{gateway}}",
            )
        ],
        width=8,
        unit="percentunit",
        least=0,
        most=1,
    )


def _blind(ask: Ask) -> str:
    attempts = ask.rate("llm_attempts_total", variables=("gateway",))
    return f"{ask.rate('llm_records_without_content_total')}\n/ ({attempts} > 0)"


_KIND_COLOURS: Final = {
    "jailbreak": DETECTORS["jailbreak"],
    "injection": DETECTORS["prompt_injection"],
    "indirect injection": DETECTORS["indirect_injection"],
    "system prompt probes": DETECTORS["system_prompt_extraction"],
    "sensitive output": DETECTORS["sensitive_output"],
    "canary": DETECTORS["canary_token"],
}

BOARD: Final = board(
    _NAME,
    "What is tried on the models with words and what left them: jailbreaks, injections, leaks; and what nobody read.",
    (hits_now, detections_now, blind_now),
    (
        answered,
        kinds,
        confidence,
        attackers,
        sized(model.detections, 12, 9),
        sized(model.rules, 12, 8),
        worst_over_time(
            "long_prompts",
            "Long prompts, by account",
            "Long prompts can bury instructions under a document: prompts of 20,000 characters or more",
            width=12,
        ),
        sized(model.lengths, 12, 8),
        sized(blind, 12, 8),
    ),
)
