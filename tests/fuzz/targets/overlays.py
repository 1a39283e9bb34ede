"""Overlays of the severity spec: refused with a place, or good enough for every check and generator."""

from __future__ import annotations

import datetime
import tempfile
import zlib
from collections.abc import Hashable, Sequence
from pathlib import Path

from alerts import compile_alerts
from alerts.checks import run_checks
from generators.errors import GeneratorError
from generators.files import render_all
from spec.errors import SpecError
from spec.load import load_with_places
from spec.yaml_source import Document
from tests.fuzz.engine import Target
from tests.fuzz.targets.yaml_trees import TOKENS, said, shape, shipped_once

_TODAY = datetime.date(2026, 11, 24)
_RENDERED = 12  # of so many overlays that are good, one is rendered
_known: dict[Path, Document] = {}


def seeds() -> Sequence[bytes]:
    """What overlays are for: tune, switch off, add, route."""
    one(b"")  # reads what is shipped, once
    return [
        b"alerts: {LLMSpendBurst: {when: {value: 200}, maturity: incubating}}\n",
        b"alerts: {LLMValidationErrors: {enabled: false}}\nsignals: {validation_errors: {enabled: false}}\n",
        b"settings: {time_scale: 60, scrape_interval: 15s}\n",
        b"""signals:
  embeddings_by_actor:
    {help: Embeddings., category: volumetric, layer: model, anomaly: input, where: {operation: [embeddings]},
     by: actor, window: 1h}
alerts:
  LLMEmbeddingsDrain:
    severity: low
    owner: security
    incident: model_extraction
    when: {technique: threshold, signal: embeddings_by_actor, value: 5000}
    summary: "{actor} embeds"
    meaning: m
    impact: i
    why: w
    triage: [here]
    false_positives: [there]
""",
        b"alerts: {LLMRequestFlood: {when: {technique: ratio, numerator: slow_first_chunk,"
        b" denominator: attempts_by_model, min_denominator: 5, value: 1}}}\n",
        b"base: &a {x: 1}\nalerts: *a\n",
        b"",
    ]


def one(data: bytes) -> Hashable:
    """Load an overlay; what is good is checked, compiled, and now and then rendered."""
    with tempfile.NamedTemporaryFile(suffix=".yaml") as file:
        file.write(data)
        file.flush()
        try:
            with shipped_once("spec.load", _known):
                loaded = load_with_places(Path(file.name))
        except SpecError as error:
            return said(error)
    issues = run_checks(loaded.spec, today=_TODAY, places=loaded.places)
    for issue in issues:
        assert str(issue).isprintable(), f"not fit for a terminal: {issue!s}"
    if any(issue.severity == "error" for issue in issues):
        return tuple(sorted({issue.check for issue in issues}))
    compile_alerts(loaded.spec)
    if zlib.crc32(data) % _RENDERED == 0:
        try:
            render_all(loaded.spec)
        except GeneratorError:
            return "cannot be rendered"
    return tuple(sorted({issue.check for issue in issues}))


TARGET = Target("overlays", one, seeds, inputs=1_200, steps=(8_000_000, 200), shape=shape, tokens=TOKENS)
