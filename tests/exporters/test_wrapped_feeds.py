"""Records that span lines, or stand in lines with others, are counted once however a file grows and readers restart."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from events.wrappers.unwrap import MOST_BEHIND
from exporters.sources.file import FileTail, load_positions
from tests.support.engines import make_engine
from tests.support.litellm_lines import record
from tests.support.wrapped import SAMPLES, TIME, dumped

NOW: Final = 1_795_000_000.0
ENGINE: Final = make_engine()
GRACE: Final = 5.0

SPANNING: Final = [
    "docker json-file in parts",
    "cri in parts",
    "firelens in parts",
    "fluent bit, cri in parts",
    "vector in parts",
    "journalctl -o json, long lines",
    "journalctl -o export",
    "journalctl -o export, bytes",
    "several lines",
    "several lines, tabs",
    "several lines in an array",
    "array",
    "array, one a line",
]


class Reader:
    """Reads a log as an exporter does, and can be killed."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.pattern = str(folder / "*.log*")
        self.options = {"start_at": "beginning", "grace": GRACE, "rescan_every": 0.0, **options}
        self.tail = FileTail("gw", [self.pattern], **self.options)
        self.now = NOW
        self.calls: list[int] = []
        self.rejects: list[tuple[str, str]] = []
        self.raw = b""
        self.places: list[tuple[str, int]] = []

    def read(self, budget: int = 1 << 20) -> None:
        """Read all there is."""
        for _ in range(10_000):
            self.now += 0.001
            before = self.tail.positions()
            got = False
            for chunk in self.tail.read(budget, now=self.now):
                got = True
                self._take(ENGINE.decode(chunk), chunk)
            if not got and self.tail.positions() == before:
                return
        raise AssertionError("reading does not end")

    def _take(self, batch: Any, chunk: Any) -> None:
        assert bytes(chunk.data[-1:]) == b"\n"
        assert chunk.end - chunk.start in (len(chunk.data), len(chunk.data) - 1)
        self.raw += bytes(chunk.data[: chunk.end - chunk.start])
        self.calls += batch.ids("event_id").tolist()
        self.rejects += [(reject.reason, reject.detail) for reject in batch.rejects]
        for row in range(batch.size):
            file, offset, length = batch.provenance.place(row)
            self.places.append((file, offset))
            assert chunk.start <= offset and offset + length <= chunk.end

    def kill(self) -> None:
        """Start again from what was saved."""
        saved = msgspec.json.encode(self.tail.positions())
        self.tail.close()
        positions = load_positions(msgspec.json.decode(saved)) if self.tail.positions() else None
        self.tail = FileTail("gw", [self.pattern], **self.options, positions=positions)


def texts(many: int, start: int = 0) -> list[str]:
    return [json.dumps(record(NOW + n, f"call-{n}", prompt="é 🚨 " * 9)) for n in range(start, start + many)]


def expected(records: list[str]) -> list[int]:
    batch = ENGINE._decode("gw", b"".join(text.encode() + b"\n" for text in records))
    assert batch.size == len(records)
    return list(batch.ids("event_id").tolist())


@settings(
    max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None
)
@given(
    sample=st.sampled_from(SPANNING),
    cuts=st.lists(st.tuples(st.floats(0, 1), st.booleans()), max_size=6),
    share=st.sampled_from([4096, 1 << 16]),
)
def test_a_file_that_grows_is_read_once(
    tmp_path_factory: pytest.TempPathFactory, sample: str, cuts: list[tuple[float, bool]], share: int
) -> None:
    folder = tmp_path_factory.mktemp("growing")
    records = texts(5)
    data = "".join(SAMPLES[sample][1](text) for text in records).encode()
    reader = Reader(folder, chunk_bytes=share)
    path = folder / "x.log"
    path.touch()
    reader.read()
    written = 0
    for part, killed in sorted(cuts):
        with path.open("ab") as file:
            file.write(data[written : int(part * len(data))])
        written = max(written, int(part * len(data)))
        reader.read()
        if killed:
            reader.kill()
    with path.open("ab") as file:
        file.write(data[written:])
    reader.read()
    assert reader.calls == expected(records)
    assert {reason for reason, _ in reader.rejects} <= {"not_json"}  # of other streams
    assert reader.raw == data
    assert len(set(reader.places)) == len(records)


UTF: Final = {"utf-16": "utf16", "utf-16-le": "utf16", "utf-16-be": "utf16", "utf-32": "utf32", "utf-32-be": "utf32"}


@pytest.mark.parametrize("codec", UTF)
@pytest.mark.parametrize("sample", ["plain", "several lines", "cri in parts", "array"])
@pytest.mark.parametrize("killed", [False, True])
def test_wide_characters_are_read(tmp_path: Path, codec: str, sample: str, killed: bool) -> None:
    records = texts(4)
    wrap = SAMPLES[sample][1] if sample != "plain" else lambda text: text + "\n"
    data = "".join(wrap(text.replace("\\u00e9", "é \u0a0a \u010a")) for text in records).encode(codec)
    reader, path = Reader(tmp_path, chunk_bytes=4096), tmp_path / "x.log"
    for cut in (7, len(data) // 3, len(data) // 2 + 1, len(data) - 1, len(data)):
        path.write_bytes(data[:cut])
        reader.read()
        if killed:
            reader.kill()
    assert len(reader.calls) == len(set(reader.calls)) == len(records)
    assert {reason for reason, _ in reader.rejects} <= {"not_json"}
    assert reader.raw == data


SPLIT: Final = [name for name in SPANNING if not name.startswith(("array", "journalctl -o export"))]


@pytest.mark.parametrize("sample", SPLIT)
@pytest.mark.parametrize("killed", ["never", "before", "after", "between"])
def test_a_record_that_goes_on_in_the_next_file_is_read_once(tmp_path: Path, sample: str, killed: str) -> None:
    records = texts(3)
    lines = "".join(SAMPLES[sample][1](text) for text in records).encode().splitlines(keepends=True)
    for cut in range(1, len(lines), max(1, len(lines) // 12)):
        folder = tmp_path / str(cut)
        folder.mkdir()
        reader, path = Reader(folder), folder / "x.log"
        path.write_bytes(b"".join(lines[:cut]))
        reader.read()
        if killed == "before":
            reader.kill()
        path.rename(folder / "x.log.1")
        reader.read()
        if killed == "between":
            reader.kill()
        path.write_bytes(b"".join(lines[cut : cut + 1]))
        reader.read()
        if killed == "after":
            reader.kill()
        with path.open("ab") as file:
            file.write(b"".join(lines[cut + 1 :]))
        reader.read()
        reader.now += 2 * GRACE
        reader.read()
        assert reader.calls == expected(records), cut
        assert {reason for reason, _ in reader.rejects} <= {"not_json"}, cut
        assert reader.raw == b"".join(lines), cut


@pytest.mark.parametrize("sample", ["cri in parts", "several lines"])
def test_a_record_whose_end_never_comes_is_counted_and_delays_nothing_for_ever(tmp_path: Path, sample: str) -> None:
    first, *others = texts(3)
    lines = SAMPLES[sample][1](first).encode().splitlines(keepends=True)
    reader, path = Reader(tmp_path), tmp_path / "x.log"
    path.write_bytes(b"".join(lines[:1]))
    reader.read()
    path.rename(tmp_path / "x.log.1")
    path.write_bytes("".join(text + "\n" for text in others).encode())
    reader.read()
    reader.now += 2 * GRACE
    reader.read()
    assert reader.calls == expected(others)
    assert [reason for reason, _ in reader.rejects] == ["incomplete"]


def test_a_part_that_is_still_open_cuts_no_record_around_it(tmp_path: Path) -> None:
    first, second = texts(2)
    half = len(first) // 2
    lines = [
        f"{TIME} stdout P {first[:half]}\n",
        f"{TIME} stderr P begun \n",
        f"{TIME} stdout F {first[half:]}\n",
        f"{TIME} stdout F {second}\n",
        f"{TIME} stderr F and ended\n",
    ]
    reader, path = Reader(tmp_path), tmp_path / "x.log"
    path.write_text("".join(lines[:4]))
    reader.read()
    reader.kill()
    path.write_text("".join(lines))
    reader.read()
    assert reader.calls == expected([first, second])
    assert [reason for reason, _ in reader.rejects] == ["not_json"]


def _docker(log: str) -> str:
    return dumped({"log": log, "stream": "stdout", "time": TIME})


ENDLESS: Final = {
    "cri": (f"{TIME} stdout P {'x' * 90}\n", f"{TIME} stdout F x\n"),
    "docker": (_docker("x" * 60), _docker("x\n")),
    "object on several lines": ('  "x": {\n', "\n"),
    "array of objects": ('{"a":1},', "]\n"),
    "array of numbers": ("1,", "]\n"),
}


@pytest.mark.parametrize("kind", ENDLESS)
def test_a_record_without_an_end_takes_little_and_is_counted(tmp_path: Path, kind: str) -> None:
    part, end = ENDLESS[kind]
    begin = {"object on several lines": "{\n", "array of objects": "[", "array of numbers": "["}.get(kind, "")
    good = texts(2)
    reader = Reader(tmp_path, chunk_bytes=4096, max_line=1 << 16)
    ends = "".join(text + "\n" for text in good)
    (tmp_path / "x.log").write_text(begin + part * (300_000 // len(part)) + end + ends)
    tracemalloc.start()
    reader.read()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert reader.calls == expected(good)
    assert reader.rejects or reader.tail.status().lines_too_long == 1
    assert peak < 24 << 20


def test_an_array_of_a_million_elements_in_a_wrapper_is_refused(tmp_path: Path) -> None:
    line = dumped({"messageType": "DATA_MESSAGE", "logEvents": [{"message": "x"}] * 3}).replace(
        '{"message": "x"}', ",".join(["1"] * 1_000_000), 1
    )
    good = texts(1)
    reader = Reader(tmp_path)
    (tmp_path / "x.log").write_text(line + good[0] + "\n")
    reader.read()
    assert reader.calls == expected(good)
    assert [reason for reason, _ in reader.rejects] == ["too_long"]


@pytest.mark.parametrize("sample", ["docker json-file", "cri"])
def test_a_writer_that_ended_in_the_middle_takes_no_record_with_it(tmp_path: Path, sample: str) -> None:
    parts = SAMPLES[f"{sample} in parts"][1](texts(1, 99)[0]).splitlines(keepends=True)
    good = texts(3)
    reader, path = Reader(tmp_path), tmp_path / "x.log"
    path.write_text(parts[0] + "".join(SAMPLES[sample][1](text) for text in good))
    reader.read()
    assert reader.calls == expected(good)
    assert [reason for reason, _ in reader.rejects] == ["incomplete"]


def test_other_streams_do_not_wait_for_a_part_for_ever(tmp_path: Path) -> None:
    good = texts(MOST_BEHIND + 2)
    reader, path = Reader(tmp_path), tmp_path / "x.log"
    path.write_text(f"{TIME} stderr P begun\n" + "".join(SAMPLES["cri"][1](text) for text in good[:9]))
    reader.read()
    assert reader.calls == []
    with path.open("a") as file:
        file.write("".join(SAMPLES["cri"][1](text) for text in good[9:]))
    reader.read()
    assert reader.calls == expected(good)
    assert [reason for reason, _ in reader.rejects] == ["incomplete"]
