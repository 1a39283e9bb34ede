"""What must hold whatever was read."""

from __future__ import annotations

import json
import math
import re
from typing import Final

import numpy as np

from events import bounds
from events.batch import NUMBER_COLUMNS, OBJECT_COLUMNS, EventBatch
from exporters.expose import Exposition
from spec.vocabulary import ERROR_CLASSES, OPERATIONS, OUTCOMES, REJECTIONS, VERDICTS
from tests.support.engines import ScrapedEngine, make_engine

NOW: Final = 1_795_000_100.0
"""The clock of all targets, in Unix seconds."""

_LABEL: Final = r'[a-zA-Z_]\w*="(?:[^"\\\n]|\\["\\n])*"'
_SERIES: Final = re.compile(rf"([a-zA-Z_:][\w:]*(?:\{{{_LABEL}(?:,{_LABEL})*\}})?) (\S+)", re.ASCII)
_COMMENT: Final = re.compile(r"# (?:HELP|TYPE) [a-zA-Z_:][\w:]* [^\n]+")
_LARGEST_PAGE: Final = 4 << 20  # bytes


def batch_holds(batch: EventBatch, data: bytes) -> None:
    """Every line is an attempt, a reject or a note of a writer, and what was read of it is within its vocabulary."""
    full = sum(1 for line in data.split(b"\n") if line.strip())
    noted = len(batch.notes.lines) if batch.notes else 0
    assert batch.size + len(batch.rejects) + noted == full, "a line vanished"
    for name in NUMBER_COLUMNS:
        column = batch.numbers(name)
        assert not (column < 0).any() and not np.isinf(column).any(), name
    times = batch.numbers("time")
    assert not np.isnan(times).any() and (times < bounds.LAST).all()
    columns = {name: batch.objects(name) for name in OBJECT_COLUMNS}
    assert set(columns["outcome"]) <= set(OUTCOMES)
    assert set(columns["error_class"]) <= set(ERROR_CLASSES)
    assert set(columns["verdict"]) <= set(VERDICTS)
    assert set(columns["operation"]) <= set(OPERATIONS)
    for name in ("tenant", "model", "provider", "actor", "key", "source_range"):
        for label in columns[name]:
            assert label is None or (label and label.encode()), name
    for _, name in batch.tool_calls:
        assert name and name.encode()
    for row in range(batch.size):
        flat = batch.record(row)
        json.dumps(flat, allow_nan=False).encode()
    for reject in batch.rejects:
        assert reject.reason in REJECTIONS
        assert len(reject.detail) < 200 and reject.detail.isprintable()


def engine_holds(engine: ScrapedEngine) -> None:
    """What is shown can be read by Prometheus, and the state can be saved and taken back."""
    page_holds(_page(engine))
    saved = engine.save()
    again = make_engine(scanner=None, content=True)
    assert again.load(saved) == []
    page_holds(_page(again))


def _page(engine: ScrapedEngine) -> bytes:
    for scrape in range(3):  # what was counted is shown once every hold is over
        tables = engine.scrape(NOW + 60 * scrape)
    return Exposition().render(tables)


def page_holds(page: bytes) -> None:
    """Each line of an exposition is a comment or a series, none is there twice, and no value is beyond numbers."""
    assert len(page) < _LARGEST_PAGE
    seen: set[str] = set()
    for line in page.decode().split("\n")[:-1]:
        if line.startswith("#"):
            assert _COMMENT.fullmatch(line), line
            continue
        found = _SERIES.fullmatch(line)
        assert found is not None, line
        assert found[1] not in seen, f"twice: {line}"
        seen.add(found[1])
        value = float(found[2])
        assert math.isfinite(value) and value >= 0, line
