"""An exporter with sinks that can be killed and started again, and a sink that a test holds in its hand."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from events.batch import Detection, EventBatch
from exporters.exporter import Exporter, restore_all
from exporters.run import positions_of
from exporters.sinks import Acknowledged, JsonLines, Lane, Place, Sink
from exporters.sinks.lanes import Lanes
from exporters.sources import Chunk
from exporters.sources.file import FileTail
from runtime.state_file import StateFolder
from tests.support.engines import make_engine
from tests.support.litellm_lines import line, record
from tests.support.waiting import wait_for

Slice = tuple[str, int, int]
"""File, offset and length of a line."""


class Memory:
    """A sink in memory that outlives the exporter: what is in `kept` behind the saved place is cut off at the start."""

    def __init__(self) -> None:
        self.kept: list[Slice] = []
        self.raw_kept: list[bytes] = []
        self.free = threading.Event()
        self.free.set()
        self.fails: Exception | None = None
        self.calls = 0

    def open(self, place: Place | None) -> Place:
        place = place or {"events": len(self.kept), "raw": len(self.raw_kept)}
        del self.kept[place["events"] :], self.raw_kept[place["raw"] :]
        return self.flush()

    def raw(self, chunk: Chunk) -> None:
        self._wait()
        self.raw_kept.append(bytes(chunk.data))

    def events(self, batch: EventBatch, detections: Sequence[Detection]) -> int:
        self._wait()
        assert batch.provenance is not None
        self.kept += [batch.provenance.place(row) for row in range(batch.size)]
        return 0

    def _wait(self) -> None:
        self.calls += 1
        self.free.wait()
        if self.fails is not None:
            raise self.fails

    def flush(self) -> Place:
        return {"events": len(self.kept), "raw": len(self.raw_kept)}

    def saved(self, place: Place) -> None: ...

    def close(self) -> None: ...


class Rig:
    """One log, one exporter over it, and sinks that `make` makes anew at each start."""

    def __init__(self, folder: Path, make: Callable[[], Mapping[str, Sink]], *, queue_bytes: int = 1 << 20) -> None:
        self.folder = folder
        self.log = folder / "gw.jsonl"
        self.log.touch()
        self.written = 0
        self.exporter: Exporter
        self.lanes: Lanes
        self._make = make
        self._queue = queue_bytes

    def write(self, count: int = 1) -> None:
        with self.log.open("ab") as file:
            for _ in range(count):
                self.written += 1
                file.write(line(record(time.time(), f"call-{self.written}")))

    def start(self) -> None:
        engine, folder = make_engine(content=True), StateFolder(self.folder / "state")
        kept = restore_all(engine.memory, folder)
        tail = FileTail(
            "gw", [f"{self.log}*"], positions=positions_of(kept.positions, "gw"), start_at="beginning", rescan_every=0
        )

        def lane(name: str, sink: Sink, acknowledged: Acknowledged) -> Lane:
            return Lane(name, sink, acknowledged, queue_bytes=self._queue)

        self.lanes = Lanes(self._make(), {"gw": tail}, kept.sinks, now=time.time(), make=lane)
        self.exporter = Exporter(engine.memory, {"gw": tail}, folder, now=time.time(), lanes=self.lanes)
        wait_for(lambda: all(lane.acknowledged.place for lane in self.lanes.lanes.values()), "a sink never opened")
        self.exporter.scrape()

    def kill(self) -> None:
        """End it without a last save: only what a process would lose anyway is given back."""
        self.lanes.close()
        self.exporter._folder.close()
        for source in self.exporter._sources.values():
            source.close()

    def counted(self) -> float:
        table = self.exporter._state.families.tables["events"]
        return float(table.values[:, table.column["attempts"]].sum())

    def caught_up(self) -> bool:
        """Poll; whether the sinks have all that the metrics have, for good."""
        self.exporter.poll()
        return not self.lanes.missing() and self.lanes.settle(0.05)

    def catch_up(self) -> None:
        wait_for(self.caught_up, "the sinks never caught up", progress=lambda: self.lanes.gauges())

    def value(self, metric: str, *labels: str) -> float:
        self.exporter._count(time.time())
        return self.exporter._state.health.value(metric, labels)

    def expected(self) -> list[Slice]:
        """Every line of the log, whatever its file is called."""
        offset, found = 0, []
        for text in self.log.read_bytes().splitlines(keepends=True):
            found.append(("", offset, len(text) - 1))
            offset += len(text)
        return found


def nameless(slices: Sequence[Slice]) -> list[Slice]:
    """Without the names of files, which a test with one log need not know."""
    assert len({name for name, _, _ in slices}) <= 1
    return [("", offset, length) for _, offset, length in slices]


def lines_in(folder: Path) -> list[dict[str, object]]:
    """What a sink of JSON lines has written, file after file."""
    found = []
    for path in sorted(folder.glob("events-*.jsonl")):
        text = path.read_text()
        assert not text or text.endswith("\n")
        found += [json.loads(entry) for entry in text.splitlines()]
    return found


def slices_in(folder: Path) -> list[Slice]:
    """The provenance of what a sink of JSON lines has written."""
    return [
        (str(entry["tocsin.file"]), int(str(entry["tocsin.offset"])), int(str(entry["tocsin.length"])))
        for entry in lines_in(folder)
    ]


def jsonl(folder: Path, *, rotate_bytes: int = 1 << 20, keep: int = 1000) -> JsonLines:
    return JsonLines(folder, rotate_bytes=rotate_bytes, keep=keep)


def twice(slices: Sequence[Slice]) -> list[Slice]:
    return [one for one, count in Counter(slices).items() if count > 1]
