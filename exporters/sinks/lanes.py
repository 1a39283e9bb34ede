"""All sinks of an exporter: each on a lane of its own, and each catches up by itself what it could not take at once.

A sink that was behind, or that a crash has put back, reads what it missed through a reader of its own, from the
positions that it has acknowledged, until it is where the metrics are. From there on it is handed what they read.
Metrics never wait for it, and reading what was missed takes turns with them.

Every sink's acknowledged positions are in the saved state. A source may forget only what all have acknowledged
(`committed`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, Protocol

import msgspec
import numpy as np

from events.batch import Detection, EventBatch
from exporters.engine import Engine
from exporters.metric_table import Table
from exporters.pace import Pace
from exporters.signals.state import SignalState
from exporters.sinks.lane import Acknowledged, Lane, Marks
from exporters.sinks.sink import Place, Sink
from exporters.sources import Chunk, Status
from exporters.sources.http import position_of
from exporters.sources.identity import Position, load_positions
from exporters.sources.spool import SpoolPosition

AT_ONCE: Final = 1024 * 1024
"""Bytes that a sink catches up between two turns of the metrics, about."""
PATIENCE: Final = 90.0
"""Seconds without progress after which what a sink still misses is lost: its file is gone for good."""
REASONS: Final = ("disk_full", "write", "error", "record")
"""Why a sink failed: no room, another error of the system, an error of ours, a record that it cannot write whole."""

log = logging.getLogger("tocsin")

Positions = Mapping[str, object]


class Reader(Protocol):
    """Reads a source; see `exporters.sources.Source`."""

    def read(self, budget_bytes: int, *, now: float, piece_bytes: int | None = None) -> Iterator[Chunk]:
        """Hand over what is new, without ever waiting."""
        ...

    def positions(self) -> Positions:
        """How far it has read."""
        ...

    def status(self) -> Status:
        """What waits to be read, and what was lost."""
        ...

    def close(self) -> None:
        """Give back what it holds."""
        ...


class Rereadable(Reader, Protocol):
    """A source that can be read a second time beside itself."""

    @property
    def crowded(self) -> bool:
        """It has no room left to wait for a sink."""
        ...

    def reader(self, positions: Any) -> Reader:
        """Another reader, from these positions on."""
        ...


class Lanes:
    """The `sinks` by their names, over `sources`; each goes on behind what it has `acknowledged`.

    One without that is new, and begins where the metrics are now. `now` is in Unix seconds.
    """

    def __init__(
        self,
        sinks: Mapping[str, Sink],
        sources: Mapping[str, Rereadable],
        acknowledged: Mapping[str, Acknowledged],
        *,
        now: float,
        make: Callable[[str, Sink, Acknowledged], Lane] = Lane,
    ) -> None:
        self._sources = sources
        self._paces = {name: Pace() for name in sources}
        self._readers: dict[tuple[str, str], Reader] = {}
        self._stalled: dict[tuple[str, str], float] = {}  # since when a reader found nothing and something is missing
        self._lost = dict.fromkeys(sinks, 0)
        self._lost_before: dict[tuple[str, str], int] = {}
        starts: dict[str, Positions] = {}
        for name, source in sources.items():
            source.read(0, now=now)  # a first look, so that the positions are those where reading begins
            starts[name] = source.positions()
        self.lanes: dict[str, Lane] = {}
        for sink_name, sink in sinks.items():
            kept = acknowledged.get(sink_name, Acknowledged())
            known = {
                name: found
                for name, found in kept.positions.items()
                if name in sources and ("spool" in found) == ("spool" in starts[name])
            }
            marks = {name: found for name, found in kept.marks.items() if name in known}
            lane = make(sink_name, sink, Acknowledged({**starts, **known}, marks, kept.place))
            lane.behind = set(known)
            self.lanes[sink_name] = lane
        self._told = self._numbers()
        self._kept = dict(self._told)

    def start(self) -> None:
        """Begin to write."""
        for lane in self.lanes.values():
            lane.start()

    # ------------------------------------------------------------------------------------------------ the tap
    def raw(self, chunk: Chunk) -> None:
        """See `exporters.engine.Tap`."""
        for lane in self.lanes.values():
            try:
                lane.raw(chunk)
            except Exception:
                lane.abandon()

    def events(self, batch: EventBatch, detections: Sequence[Detection]) -> None:
        """See `exporters.engine.Tap`."""
        for lane in self.lanes.values():
            try:
                lane.events(batch, detections)
            except Exception:
                lane.abandon()

    # ------------------------------------------------------------------------------------------------ reading
    def begin(self, source: str) -> None:
        """A slice of a source is read for the metrics now."""
        for lane in self.lanes.values():
            lane.begin(source)

    def end(self, source: str) -> None:
        """It is over."""
        if any(source not in lane.behind for lane in self.lanes.values()):
            positions = self._sources[source].positions()
            for lane in self.lanes.values():
                lane.end(positions)

    def abandon(self) -> None:
        """It broke off, and what it has read may not have come here."""
        for lane in self.lanes.values():
            lane.abandon()

    def missing(self) -> list[tuple[str, str]]:
        """The sinks that are behind, and in which source."""
        return [(name, source) for name, lane in self.lanes.items() for source in sorted(lane.behind)]

    def catch_up(self, engine: Engine, sink: str, source: str, *, now: float) -> int:
        """Read a slice of what a sink misses in a source, if it has room; how many bytes that was.

        Raises:
            Exception: whatever reading raises; it is tried again.
        """
        lane, key = self.lanes[sink], (sink, source)
        reader = self._readers.get(key)
        if reader is None:
            reader = self._readers[key] = self._sources[source].reader(lane.fed.get(source, {}))
            self._lost_before[key] = 0
        if not lane.has_room:
            return 0
        size, pace = 0, self._paces[source]
        lane.resume(source)
        try:
            for chunk in pace.slice(reader.read(AT_ONCE, now=now, piece_bytes=pace.piece)):
                engine.observe(chunk, _Only(lane))
                size += len(chunk.data)
        except BaseException:
            lane.abandon()
            self._forget(key)
            raise
        lane.end(reader.positions())
        lost = reader.status().bytes_lost
        self._lost[sink] += lost - self._lost_before[key]
        self._lost_before[key] = lost
        missing = self._gap(source, reader)
        if size:
            self._stalled.pop(key, None)
        elif not missing or now - self._stalled.setdefault(key, now) > PATIENCE:
            if missing:
                log.error("sink %s: %d bytes of source %s were lost before it could read them", sink, missing, source)
                self._lost[sink] += missing
            self._forget(key)
            lane.behind.discard(source)
        return size

    def _forget(self, key: tuple[str, str]) -> None:
        reader = self._readers.pop(key, None)
        self._stalled.pop(key, None)
        if reader is not None:
            reader.close()

    def _gap(self, source: str, reader: Reader) -> int:
        """How many bytes the metrics have read that a reader has not."""
        ours, theirs = reader.positions(), self._sources[source].positions()
        if "spool" in theirs:
            return max(0, reader.status().unread_bytes - self._sources[source].status().unread_bytes)
        offsets = {name: at.offset for name, at in ours.items() if isinstance(at, Position)}
        return sum(
            max(0, at.offset - offsets.get(name, 0))
            for name, at in theirs.items()
            if isinstance(at, Position) and not at.ignored
        )

    # ------------------------------------------------------------------------------------------------ committing
    def acknowledged(self) -> dict[str, Acknowledged]:
        """What each sink has kept for good, now."""
        return {name: lane.acknowledged for name, lane in self.lanes.items()}

    def committed(self, source: str, positions: Positions, acknowledged: Mapping[str, Acknowledged]) -> Positions:
        """What a source may forget: the smallest of the metrics' positions and of all that sinks acknowledged.

        A source without room to wait may forget what the metrics have counted.
        """
        if self._sources[source].crowded:
            return positions
        found = [positions, *(one.positions[source] for one in acknowledged.values() if source in one.positions)]
        return {name: min((one[name] for one in found if name in one), key=_order) for name in positions}

    def saved(self, acknowledged: Mapping[str, Acknowledged]) -> None:
        """The saved state has this now."""
        self._kept = dict(self._told)
        for name, one in acknowledged.items():
            self.lanes[name].saved(one)

    def settle(self, patience: float) -> bool:
        """Wait until all sinks have kept what they were handed, `patience` seconds each; whether they have."""
        return all(lane.settle(patience) for lane in self.lanes.values())

    def close(self) -> None:
        """End all lanes."""
        for key in list(self._readers):
            self._forget(key)
        for lane in self.lanes.values():
            lane.close()

    # ------------------------------------------------------------------------------------------------ how they do
    def _numbers(self) -> dict[tuple[str, tuple[str, ...]], float]:
        numbers: dict[tuple[str, tuple[str, ...]], float] = {}
        for name, lane in self.lanes.items():
            numbers["tocsin_sink_written_total", (name,)] = lane.written
            numbers["tocsin_sink_lost_bytes_total", (name,)] = self._lost[name]
            for reason in REASONS:
                numbers["tocsin_sink_failures_total", (name, reason)] = lane.failures[reason]
        return numbers

    def count(self, state: SignalState) -> None:
        """Count what happened since the last call."""
        numbers = self._numbers()
        for (metric, labels), value in numbers.items():
            state.health.add(metric, labels, value - self._told[metric, labels])
        self._told = numbers

    def go_back(self) -> None:
        """The state was taken back to what was saved: what was counted since then is counted again."""
        self._told = dict(self._kept)

    def gauges(self) -> dict[str, list[float]]:
        """Of each gauge, a value for each sink."""
        waiting = [
            float(lane.waiting + sum(self._missed(name, source) for source in lane.behind))
            for name, lane in self.lanes.items()
        ]
        return {
            "tocsin_sink_up": [float(lane.up) for lane in self.lanes.values()],
            "tocsin_sink_waiting_bytes": waiting,
        }

    def _missed(self, sink: str, source: str) -> int:
        reader = self._readers.get((sink, source))
        return self._gap(source, reader) if reader is not None else 0


def tables(lanes: Lanes | None, helps: Mapping[str, str]) -> Iterator[Table]:
    """The gauges of all sinks; of none, if there are none."""
    gauges = lanes.gauges() if lanes else {"tocsin_sink_up": [], "tocsin_sink_waiting_bytes": []}
    keys = [(name,) for name in lanes.lanes] if lanes else []
    for name, values in gauges.items():
        yield Table(name, "gauge", helps[name], ("sink",), keys, np.array(values, np.float64))


class _Only:
    """A tap to one lane, that lets errors through."""

    def __init__(self, lane: Lane) -> None:
        self.raw = lane.raw
        self.events = lane.events


def _order(position: object) -> tuple[int, ...]:
    if isinstance(position, SpoolPosition):
        return position.segment, position.offset
    return (position.offset,) if isinstance(position, Position) else (0,)


class _Saved(msgspec.Struct):
    positions: dict[str, dict[str, Any]]
    marks: dict[str, Marks]
    place: Place | None


def to_plain(acknowledged: Mapping[str, Acknowledged]) -> dict[str, Any]:
    """What the saved state keeps of sinks."""
    return {
        name: {"positions": one.positions, "marks": one.marks, "place": one.place} for name, one in acknowledged.items()
    }


def from_plain(plain: object) -> dict[str, Acknowledged]:
    """The inverse of `to_plain`, after it was saved.

    Raises:
        ValueError: it is something else.
    """
    found = msgspec.convert(plain, dict[str, _Saved])
    return {
        name: Acknowledged(
            {
                source: {"spool": position_of(at) or SpoolPosition()} if "spool" in at else load_positions(at)
                for source, at in one.positions.items()
            },
            one.marks,
            one.place,
        )
        for name, one in found.items()
    }
