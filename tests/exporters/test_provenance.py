"""A row of a batch names its raw slice, whatever the line looks like and however the log is cut into chunks."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events.batch import EventBatch, Provenance
from events.gateways import gateway
from exporters.sources import Chunk
from exporters.sources.file import FileTail
from tests.support.engines import chunks, decoded, make_engine
from tests.support.litellm_lines import line, record

NOW = 1_795_000_000.0

GOOD = [line(record(NOW + number, f"call-{number}")) for number in range(3)]
ENVELOPED = [
    json.dumps({"v": 1, "writer": "w", "seq": number, "kind": "attempt", "record": record(NOW, f"env-{number}")})
    .encode()
    .replace(b": ", b":")
    + b"\n"
    for number in range(2)
]
KINDS = [
    *GOOD,
    *ENVELOPED,
    b"\n",
    b"   \n",
    b"no json\n",
    b"[1]\n",
    b'{"v":1,"writer":"w","seq":9,"kind":"beat"}\n',
    line(record(NOW, "é" * 40)),
    line(record(NOW, "crlf"))[:-1] + b"\r\n",
]


def holds(batch: EventBatch, log: bytes, file: str = "file") -> None:
    """Each row's slice of the log is the row's raw bytes, and says the same as the columns."""
    assert batch.provenance is not None
    for row in range(batch.size):
        name, offset, length = batch.provenance.place(row)
        assert name == file
        assert log[offset : offset + length] == batch.raw[row]
        assert b"\n" not in batch.raw[row]


@settings(max_examples=60)
@given(st.lists(st.sampled_from(KINDS), max_size=30), st.integers(1, 12))
def test_a_row_names_its_slice_of_the_log(lines: list[bytes], many: int) -> None:
    engine, log = make_engine(), b"".join(lines)
    pieces = [b"".join(lines[first : first + many]) for first in range(0, len(lines), many)]
    for chunk in chunks("gw", pieces):
        batch = engine.decode(chunk)
        holds(batch, log)
        assert batch.provenance is not None
        assert set(batch.provenance.sequence.tolist()) <= {chunk.sequence}


@settings(max_examples=40)
@given(st.lists(st.sampled_from(KINDS), min_size=1, max_size=20))
def test_rows_and_joined_batches_keep_their_provenance(lines: list[bytes]) -> None:
    engine, log = make_engine(), b"".join(lines)
    batches = [engine.decode(chunk) for chunk in chunks("gw", lines)]
    raw = [bytes(batch.raw[row]) for batch in batches for row in range(batch.size)]
    turned = [batch.rows(range(batch.size)[::-1]) for batch in batches]
    for batch in turned:
        holds(batch, log)
    for batch in batches:
        batch.detach()
    joined = EventBatch.joined(batches)
    assert joined.provenance is not None
    slices = [log[start : start + size] for _, start, size in map(joined.provenance.place, range(joined.size))]
    assert slices == raw


def test_the_files_of_joined_batches_stay_apart() -> None:
    engine = make_engine()
    parts = [engine.decode(Chunk.of("gw", GOOD[0], file=name, start=7)) for name in ("a", "b", "a")]
    for part in parts:
        part.detach()
    provenance = EventBatch.joined(parts).provenance
    assert provenance is not None
    assert provenance.files == ("a", "b")
    assert [provenance.place(row) for row in range(3)] == [(name, 7, len(GOOD[0]) - 1) for name in ("a", "b", "a")]
    nowhere = replace(parts[0], provenance=None)
    assert EventBatch.joined([parts[1], nowhere]).provenance is None


def test_a_line_that_decoding_fails_on_moves_no_other_line(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = make_engine()
    adapter: Any = engine._adapters["gw"]
    decode = adapter.decode

    def broken(data: bytes, **options: Any) -> EventBatch:
        if b"poison" in bytes(data):
            raise ZeroDivisionError
        batch: EventBatch = decode(data, **options)
        return batch

    monkeypatch.setattr(adapter, "decode", broken)
    log = GOOD[0] + line(record(NOW, "poison")) + GOOD[1] + GOOD[2]
    batch = decoded(engine, log)
    assert batch.size == 3
    assert [fault.start for fault in batch.faults] == [len(GOOD[0])]
    holds(batch, log)


def test_the_record_and_the_columns_say_the_same() -> None:
    """The record that sinks write and the columns that signals count are two views of one line."""
    engine = make_engine(content=True)
    columns = {
        "model": "gen_ai.request.model",
        "provider": "gen_ai.provider.name",
        "input_tokens": "gen_ai.usage.input_tokens",
        "output_tokens": "gen_ai.usage.output_tokens",
        "outcome": "event.outcome",
    }
    sample = [
        record(NOW + number, f"call-{number}", model=f"m{number % 3}", prompt="p" * number) for number in range(20)
    ]
    batch = decoded(engine, b"".join(map(line, sample)))
    assert batch.size == 20
    compared = 0
    for row in range(batch.size):
        flat = batch.record(row)
        for column, name in columns.items():
            if column in batch.columns and name in flat:
                assert batch.columns[column][row] == flat[name], (row, column)
                compared += 1
    assert compared >= 3 * batch.size


def test_the_tail_s_chunks_name_their_bytes(tmp_path: Path) -> None:
    log = tmp_path / "gw.jsonl"
    content = b"".join(KINDS)
    log.write_bytes(content)
    engine, tail = make_engine(), FileTail("gw", [str(log)], start_at="beginning")
    rows = 0
    for chunk in tail.read(1 << 20, now=NOW, piece_bytes=300):
        batch = engine.decode(chunk)
        holds(batch, content, chunk.file)
        rows += batch.size
    assert rows == len(KINDS) - 5
    tail.close()


def test_an_adapter_s_own_batch_has_no_provenance() -> None:
    batch = gateway("litellm", frozenset({"time"}), content=False).decode(GOOD[0], source="gw")
    assert batch.provenance is None


def test_parts_of_a_chunk_are_places_in_its_file() -> None:
    data = b"".join(GOOD)
    chunk = Chunk.of("gw", data, file="f", start=1000, sequence=4)
    first = len(GOOD[0])
    part = chunk.part(first, len(data))
    assert (part.start, part.end, part.sequence, bytes(part.data)) == (1000 + first, chunk.end, 4, data[first:])
    unfinished = Chunk("gw", "f", 1000, 1000 + len(data) - 1, memoryview(data), 4)
    assert unfinished.part(first, len(data)).end == 1000 + len(data) - 1
    assert unfinished.part(0, first).end == 1000 + first


def test_no_rows_have_no_places() -> None:
    assert Provenance.joined([]) is None
    provenance = decoded(make_engine(), b"\n").provenance
    assert provenance is not None
    assert provenance.offset.dtype == np.int64 and not len(provenance.offset)
