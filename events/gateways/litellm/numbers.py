"""Times and number columns of LiteLLM's records: what is negative or absurd is left out and counted."""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Sequence
from itertools import chain
from typing import Final

import numpy as np

from events import bounds
from events.batch import Floats, Reject
from events.gateways import timestamps
from events.gateways.columnar import LIMITS
from events.gateways.decode import Decoded, Fields
from events.gateways.litellm.plain import FIELD, plain
from events.gateways.litellm.record import Record
from events.gateways.litellm.tokens import cached_in, fill_in, reasoning_in

_LOWEST_LIMIT: Final = min(LIMITS.values())

_NO_TIME: Final = -sys.float_info.max
"""Stands for what should be a time and cannot be read."""
_TOTAL: Final = "total_tokens"
_OF_TOTAL: Final = ("input_tokens", "output_tokens", _TOTAL)
_FIELDS: Final = {
    "duration": "endTime",
    "time_to_first_chunk": "completionStartTime",
    "cached_tokens": "metadata.usage_object.prompt_tokens_details.cached_tokens",
    "reasoning_tokens": "metadata.usage_object.completion_tokens_details.reasoning_tokens",
    **FIELD,
}
"""The field that is at fault when a number column's value is impossible."""


def instants_of(decoded: Decoded[Record], fields: Fields) -> tuple[Floats, Fields]:
    """Start and end of each attempt, Unix seconds, shape (2, attempts), NaN where absent or impossible; its fields.

    `fields` are those of all records. One without any time is no attempt: it is taken out of `decoded` and of the
    fields, and becomes a reject.
    """
    times = _table([fields["start_time"], fields["end_time"]])
    if times.min(initial=1.0) > 0 and times.max(initial=1.0) < bounds.LAST:  # not so if one is NaN
        return times, fields
    wrong = (times <= 0) | (times >= bounds.LAST)
    texts = times == _NO_TIME
    times[wrong] = np.nan
    useless = np.isnan(times).all(axis=0)
    if useless.any():
        records, lines = decoded.records, range(times.shape[1]) if decoded.lines is None else decoded.lines
        for row in np.flatnonzero(useless).tolist():
            stated = {records[row].start_time, records[row].end_time} - {None}
            reason = "invalid_value" if stated else "missing_field"
            decoded.rejects.append(Reject(lines[row], reason, f"startTime and endTime{_why(stated)}"))
        kept = np.flatnonzero(~useless).tolist()
        decoded.records, decoded.lines = [records[row] for row in kept], [lines[row] for row in kept]
        fields = {name: tuple([column[row] for row in kept]) for name, column in fields.items()}
        times, wrong = times[:, kept], wrong[:, kept]
        texts = texts[:, kept]
    for name, places, unread in zip(("startTime", "endTime"), wrong, texts, strict=True):
        if places.any():
            decoded.dropped[name] += int(places.sum())
            if impossible := int(places.sum() - unread.sum()):
                decoded.out_of_range[name] += impossible
    return times, fields


def instant_in(value: object) -> float:
    """The instant that stands in a text, Unix seconds; a value that is no time if there is none."""
    found = timestamps.parse(value)
    return _NO_TIME if found is None else found


def _why(stated: set[float | None]) -> str:
    if not stated:
        return ""
    if stated == {_NO_TIME}:
        return ": no times that can be read; expected Unix seconds or ISO 8601"
    return ": no times that can be; expected Unix seconds" if max(filter(None, stated), default=0) > bounds.LAST else ""


def number_columns(
    want: frozenset[str],
    fields: Fields,
    callers: Fields,
    times: Floats,
    failed: list[int],
    dropped: Counter[str],
    out_of_range: Counter[str],
) -> dict[str, Floats]:
    """Every number column that is wanted, except the time.

    `failed` are the rows of failures: LiteLLM fills in 0 for what it does not know, and after a failure it knows
    nothing. Impossible values are counted in `dropped` and in `out_of_range`, by field.
    """
    stated = _stated(want, fields, callers)
    start, end = times
    measures = _table([*stated.values()])
    if _TOTAL in stated:
        given, answered, total = (measures[place] for place, name in enumerate(stated) if name in _OF_TOTAL)
        fill_in(given, answered, total, callers["usage_object"])
        del stated[_TOTAL]
        measures = measures[:-1]
    columns = {"duration": end - start, **dict(zip(stated, measures, strict=True))}
    if "time_to_first_chunk" in stated:
        columns["time_to_first_chunk"] -= start
    if failed and stated:
        of_failed = measures[:, failed]
        of_failed[of_failed == 0] = np.nan
        measures[:, failed] = of_failed
    lowest = min(columns["duration"].min(initial=0.0), np.fmin.reduce(measures, axis=None, initial=0.0))
    highest = np.fmax.reduce(measures, axis=None, initial=0.0)
    highest = max(columns["duration"].max(initial=0.0), highest)
    if not (lowest >= 0 and highest <= _LOWEST_LIMIT):  # so too if a duration is NaN
        for name, column in columns.items():
            below, above = column < 0, column > LIMITS[name]
            for wrong, field in ((below, _FIELDS[name]), (above, "startTime" if name == "duration" else _FIELDS[name])):
                if wrong.any():
                    column[wrong] = np.nan
                    dropped[field] += int(wrong.sum())
                    out_of_range[field] += int(wrong.sum())
    return columns


def _stated(want: frozenset[str], fields: Fields, callers: Fields) -> dict[str, Sequence[float | None]]:
    """What the records say, by column; the first chunk of a stream is still a time."""
    stated: dict[str, Sequence[float | None]] = {}
    nan = math.nan
    if "time_to_first_chunk" in want:
        chunks = zip(fields["completion_start_time"], fields["stream"], strict=True)
        stated["time_to_first_chunk"] = [first if stream and first is not None else nan for first, stream in chunks]
    if "cost_usd" in want:
        stated["cost_usd"] = plain("cost_usd", fields, callers)
    if "cached_tokens" in want:
        stated["cached_tokens"] = [nan if usage is None else cached_in(usage) for usage in callers["usage_object"]]
    if "reasoning_tokens" in want:
        stated["reasoning_tokens"] = [
            nan if usage is None else reasoning_in(usage) for usage in callers["usage_object"]
        ]
    if "input_tokens" in want or "output_tokens" in want:
        stated |= {name: plain(name, fields, callers) for name in ("input_tokens", "output_tokens")}
        stated[_TOTAL] = fields["total_tokens"]  # the last
    return stated


def _table(rows: list[Sequence[float | None]]) -> Floats:
    """`rows`, which are equally long, as rows of a table; NaN for None."""
    size = len(rows[0]) if rows else 0
    try:
        return np.fromiter(chain.from_iterable(rows), np.float64, size * len(rows)).reshape(len(rows), size)
    except TypeError:  # rarely is there a None, and without one this is twice as fast
        return np.array(rows, np.float64).reshape(len(rows), size)
