"""Which attempts of a batch a signal is about, by the exporter's own selection.

Labels are taken as they are: a value beyond the cap of its field keeps its name; the exporter counts it as ``other``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from alerts.calendar import OffHours
from alerts.tables import Floats
from events.batch import Detection, EventBatch
from exporters.signals.labels import UNKNOWN, label_text
from exporters.signals.signals import Rows, Selection
from spec.model import Signal
from spec.vocabulary import MEASURES, STREAM_DIMENSIONS


class Things:
    """What streams count of one batch: attempts, detections, tool calls. Each stream is looked through once."""

    def __init__(self, batch: EventBatch, detections: Sequence[Detection], offhours: OffHours) -> None:
        self._batch = batch
        self._detections = detections
        self._offhours = offhours
        self._streams: dict[str, tuple[Rows, list[int]]] = {}

    def owners(self, signal: Signal, by: str, group: str) -> list[int]:
        """The row of the attempt of each thing that a signal selects; with `by`, only those of its group."""
        found = self._streams.get(signal.stream)
        if found is None:
            found = self._streams[signal.stream] = self._stream(signal.stream)
        rows, owners = found
        chosen = Selection(signal).of(rows)
        places = range(len(owners)) if chosen is None else chosen.tolist()
        if by in rows.dims:
            label = rows.dims.index(by)
            return [owners[place] for place in places if rows.labels[place][label] == group]
        if by in self._batch.columns:
            column = self._batch.objects(by)
            return [owners[place] for place in places if _label(column[owners[place]]) == group]
        return [owners[place] for place in places]

    def _stream(self, stream: str) -> tuple[Rows, list[int]]:
        batch, dims = self._batch, STREAM_DIMENSIONS[stream]
        words: list[tuple[Any, ...]]
        match stream:
            case "detections":
                owners = [one.row for one in self._detections]
                words = [(batch.gateway, one.detector, one.confidence, one.rule) for one in self._detections]
            case "tool_calls":
                owners = [row for row, _ in batch.tool_calls]
                words = [(batch.gateway, tool) for _, tool in batch.tool_calls]
            case _:
                owners = list(range(batch.size))
                words = list(zip(*(self._attempts(dim) for dim in dims), strict=True))
        labels = [tuple(map(_label, word)) for word in words]
        times = batch.numbers("time")[np.array(owners, np.int64)]
        columns = {name: values[np.array(owners, np.int64)] for name, values in self._measures().items()}
        rows = Rows(stream, dims, times, np.arange(len(owners)), labels, [False] * len(owners), columns, {})
        return rows, owners

    def _attempts(self, dim: str) -> Sequence[Any]:
        batch = self._batch
        if dim == "gateway":
            return [batch.gateway] * batch.size
        if dim == "offhours":
            return self._offhours.words(batch.numbers("time"))
        return batch.objects(dim) if dim in batch.columns else [None] * batch.size

    def _measures(self) -> dict[str, Floats]:
        """The numbers that a signal can ask a least value of; an absent one is less than everything."""
        batch = self._batch
        found: dict[str, Floats] = {name: batch.numbers(name) for name in MEASURES if name in batch.columns}
        for name, values in (("input_chars", batch.input_chars), ("output_chars", batch.output_chars)):
            if values is not None:
                found[name] = values
        absent = np.full(batch.size, np.nan)
        return {name: found.get(name, absent) for name in MEASURES}


def _label(value: object) -> str:
    if value is None:
        return UNKNOWN
    return str(value).lower() if isinstance(value, bool) else label_text(str(value))
