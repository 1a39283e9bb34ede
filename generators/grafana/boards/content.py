"""Content: what is tried on models with words, what left them, and what nobody could read."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from generators.grafana.boards.attacks import ANSWERED_AND_STOPPED, EACH, answered_or_zero, attackers, stopped
from generators.grafana.boards.layers import model
from generators.grafana.category import board, worst_over_time
from generators.grafana.colours import DETECTORS, HARM, UNKNOWN, WATCH, WELL
from generators.grafana.expressions import above_zero, attacks, increase, or_zero, promql, rate, share
from generators.grafana.panel_data import Graph, Stat
from generators.grafana.query_builder import is_

_NAME: Final = "content"
_CONFIDENCE: Final = {"high": HARM, "medium": WATCH, "low": UNKNOWN}
_KIND_COLOURS: Final = {
    "jailbreak": DETECTORS["jailbreak"],
    "injection": DETECTORS["prompt_injection"],
    "indirect injection": DETECTORS["indirect_injection"],
    "system prompt probes": DETECTORS["system_prompt_extraction"],
    "sensitive output": DETECTORS["sensitive_output"],
    "canary": DETECTORS["canary_token"],
}
_BLIND: Final = "llm_records_without_content_total"
_ATTEMPTS: Final = "llm_attempts_total"
_HITS: Final = {"answered": answered_or_zero(_NAME), "stopped": stopped(_NAME)}

HITS_NOW: Final = Stat(
    "Hits: answered or stopped",
    "Hits of content signals in their windows. Answered: the model answered, so read those answers first. Stopped: a "
    "guardrail or the provider refused it, or it failed.",
    _HITS,
    width=6,
    each=EACH,
    sparkline=True,
)
DETECTIONS_NOW: Final = Stat(
    "Detections, by confidence",
    "Detections over the time range. Only medium and high confidence count towards alerts.",
    {
        word: or_zero(promql("round(%s)", increase("llm_detections_total", is_(confidence=word))))
        for word in _CONFIDENCE
    },
    width=6,
    each={word: ((None, WELL), (1, colour)) for word, colour in _CONFIDENCE.items()},
)
BLIND_NOW: Final = Stat(
    "Without content",
    "Share of attempts whose record has no text, so that detectors could not read it. If it is high, a quiet page "
    "proves nothing.",
    {"without content": share(rate(_BLIND), rate(_ATTEMPTS, variables=("gateway",)))},
    unit="percentunit",
    steps=((None, WELL), (0.1, WATCH), (0.5, HARM)),
    no_value="no attempts",
    sparkline=True,
)
KINDS: Final = Graph(
    "Hits by kind",
    "Hits of each content signal in its window, for accounts that are published by name.",
    {"{{kind}}": above_zero(promql("sum by (kind) (\n  %s\n)", attacks(category=_NAME)))},
    stacked=True,
    colours=_KIND_COLOURS,
    no_value="No hits in this time.",
)
ANSWERED: Final = Graph(
    "Hits: answered and stopped",
    "The same hits by outcome. Red grows while blue does not: no control stops them.",
    _HITS,
    stacked=True,
    soft_most=5,
    colours=ANSWERED_AND_STOPPED,
)
CONFIDENCE: Final = Graph(
    "Detections per minute by confidence",
    "Low confidence alone is mostly noise. If high confidence rises with it, it is real.",
    {"{{confidence}}": rate("llm_detections_total", by=["confidence"], times=60)},
    stacked=True,
    colours=_CONFIDENCE,
)
ATTACKERS: Final = attackers(
    "Accounts with hits",
    "Accounts with hits in the windows of content signals, most answered first. Answered equals hits: nothing stopped "
    "them.",
    category=_NAME,
    widths=(110, 165, 70, 90),
)
BLIND: Final = Graph(
    "Attempts without content, by gateway",
    "Share of attempts whose record has no text. A step to 100 %: a gateway stopped logging content.",
    {"{{gateway}}": share(rate(_BLIND, by=["gateway"]), rate(_ATTEMPTS, by=["gateway"], variables=("gateway",)))},
    unit="percentunit",
    least=0,
    most=1,
)

BOARD: Final = board(
    _NAME,
    "What is tried on the models with words and what left them: jailbreaks, injections, leaks; and what nobody read.",
    (HITS_NOW, DETECTIONS_NOW, BLIND_NOW),
    (
        ANSWERED,
        KINDS,
        CONFIDENCE,
        ATTACKERS,
        replace(model.DETECTIONS, width=12, height=9),
        replace(model.RULES, width=12, height=8),
        worst_over_time(
            "long_prompts",
            "Long prompts, by account",
            "Prompts of 20,000 characters or more, which can hide instructions",
            width=12,
        ),
        replace(model.LENGTHS, width=12, height=8),
        replace(BLIND, width=12, height=8),
    ),
)
