"""Records in wrappers of every kind: no line vanishes, and where a log is cut between records changes nothing."""

from __future__ import annotations

import json
import random
from collections.abc import Hashable, Sequence

from events.batch import ALL_COLUMNS, EventBatch
from events.gateways import LiteLLM
from events.gateways.unwrapping import Unwrapping
from events.wrappers.encodings import encoding_of
from events.wrappers.framing import frames
from events.wrappers.journal import begins_at
from events.wrappers.unwrap import unfinished, unwrap
from events.wrappers.whole import RecordEnds, objects_end, pieces
from spec.vocabulary import REJECTIONS
from tests.fuzz.engine import Target
from tests.fuzz.invariants import NOW, batch_holds
from tests.fuzz.mutate import bytes_changed
from tests.support.litellm_lines import record
from tests.support.wrapped import SAMPLES

_ADAPTER = LiteLLM(ALL_COLUMNS, True)
_SMALL = {name: value for name, value in record(NOW, "c").items() if name in ("id", "status", "startTime", "endTime")}
_WRAPS = [wrap for _, wrap in SAMPLES.values()]
_LARGEST = 1 << 15  # bytes of an input that is wrapped once more


def seeds() -> Sequence[bytes]:
    """Each sample alone, some together, and text in other encodings."""
    text = json.dumps(_SMALL)
    alone = [wrap(text) for wrap in _WRAPS]
    together = ["".join(alone[start : start + 5]) for start in range(0, len(alone), 5)]
    wide = [made.encode(codec) for made in together[:4] for codec in ("utf-16", "utf-16-be", "utf-32")]
    return [*(made.encode() for made in (*alone, *together)), *wide]


def shape(rng: random.Random, data: bytes) -> bytes:
    """One more wrapper around some of it, or other bytes."""
    lines = data.split(b"\n")
    place = rng.randrange(len(lines))
    try:
        text = lines[place].decode()
    except UnicodeDecodeError:
        return bytes_changed(rng, data)
    if not text or len(data) > _LARGEST or rng.random() < 0.5:
        return bytes_changed(rng, data)
    try:
        lines[place] = rng.choice(_WRAPS)(text).encode().rstrip(b"\n")
    except (ValueError, RecursionError):  # some need a record
        return bytes_changed(rng, data)
    return b"\n".join(lines)


def decoded(data: bytes) -> EventBatch:
    """What an adapter without a past makes of it."""
    return Unwrapping(_ADAPTER).decode(data, source="gw")


def one(data: bytes) -> Hashable:
    """Decode it whole, again, and in two parts that are cut between records."""
    data += b"\n"
    reader = Unwrapping(_ADAPTER)
    batch = reader.decode(data, source="gw")
    again = reader.decode(data, source="gw")
    assert again.ids("event_id").tolist() == batch.ids("event_id").tolist()
    assert sorted(again.rejects, key=str) == sorted(batch.rejects, key=str)
    for reject in batch.rejects:
        assert reject.reason in REJECTIONS
        assert len(reject.detail) < 200 and reject.detail.isprintable()
    assert b"".join(pieces(data)).startswith(data)
    assert 0 <= objects_end(data, len(data)) <= len(data)
    assert 0 <= RecordEnds().whole(data, len(data)) <= len(data)
    if encoding_of(data) is None and begins_at(data) < 0:
        _accounted(batch, data)
        middle = data.rfind(b"\n", 0, len(data) // 2) + 1
        open_at = unfinished(data[:middle]) if middle else None
        cut = middle if open_at is None else open_at
        assert 0 <= cut <= middle
        if encoding_of(data[cut:]) is None:  # the encoding of a file is that of the first bytes that are read of it
            assert decoded(data[:cut]).size + decoded(data[cut:]).size == batch.size, "a cut between records is felt"
    return (
        min(batch.size, 4),
        tuple(sorted(batch.wrapped)),
        tuple(sorted({(reject.reason, reject.detail.partition(" ")[0]) for reject in batch.rejects})),
    )


def _accounted(batch: EventBatch, data: bytes) -> None:
    """Every logical line is a record, a part of one, a reject or a note."""
    found = unwrap(data)
    if found is None:
        batch_holds(batch, data)
        return
    noted = len(batch.notes.lines) if batch.notes else 0
    assert batch.size + len(batch.rejects) + noted == len(found.records) + len(found.rejects) + len(found.none)
    told = {*found.none, *(reject.line for reject in found.rejects)}
    broken = min((reject.line for reject in found.rejects if reject.reason == "incomplete"), default=None)
    spans = [(start, start + length) for start, length in zip(found.starts, found.lengths, strict=True)]
    for frame in frames(data):
        if not data[frame.start : frame.end].strip(b" \t\r\n\0\x0b\x0c\xef\xbb\xbf"):
            continue
        within = any(start < frame.end and frame.start < end for start, end in spans)
        later_part = broken is not None and frame.line > broken
        assert within or later_part or told.intersection(range(frame.line, frame.line + frame.lines)), "a line vanished"


TARGET = Target("wrappers", one, seeds, inputs=1_500, steps=(60_000, 400), shape=shape)
