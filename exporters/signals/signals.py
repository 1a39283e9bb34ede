"""All signals of the spec over the events of one shard."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from exporters.metric_table import Table
from exporters.signals.entities import NOBODY, Entity
from exporters.signals.meaning import has_meaning, meaning
from exporters.signals.sliding_sums import SlidingSums
from exporters.signals.trackers import DistinctTracker, HitTracker, Limit, PeakObserver, Reading, SumTracker, Tracker
from exporters.signals.unique import unique_places
from spec import catalogue, names
from spec.lookup import own_stream, signals_of
from spec.model import Signal, Spec
from spec.vocabulary import STREAM_DIMENSIONS

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

EVENTS: Final = "events"
ATTEMPTS: Final = "attempts"
"""The measure that is 1 for every attempt."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Things of one stream to be counted: attempts, detections, tool calls or rejects.

    `cells[i]` is the cell of thing i in the stream's own table, whose cells have the labels `labels`, in the order of
    `dims`. `columns` are what a signal can be grouped by or add up beside these: identities (strings or None) and
    numbers. `extra` gives the second label of an identity for thing i.
    """

    stream: str
    dims: tuple[str, ...]
    times: Floats
    cells: Ints
    labels: Sequence[tuple[str, ...]]
    answered: Sequence[bool]
    columns: Mapping[str, Any]
    extra: Mapping[str, Callable[[int], str]]
    attempts: Ints | None = None  # of detections: whose attempt each is of; an attempt is one hit of a signal


class Signals:
    """The signals' state. `accounts` is how many groups of people are remembered.

    `slack` is by how much, in seconds, the end of windows may lag behind the wall clock. `crossed` is called with an
    alert when a group goes over its limit, `evicted` with how many groups made room.
    """

    def __init__(
        self,
        spec: Spec,
        *,
        accounts: int,
        slack: float,
        crossed: Callable[[str], None],
        evicted: Callable[[int], None],
        name_of: Callable[[str], str],
    ) -> None:
        self.signals = {name: signal for name, signal in spec.signals.items() if own_stream(signal)}
        self._crossed = crossed
        self._evicted = evicted
        self._forgetters: list[Callable[[str, int], None]] = []
        self._name_of = name_of
        self.entities: dict[str, Entity] = {}
        for signal in self.signals.values():
            if signal.by not in self.entities:
                self.entities[signal.by] = self._entity(spec, signal, accounts, slack)
        self._flows: dict[tuple[str, float], list[str]] = {}
        for name, signal in self.signals.items():
            if signal.measure == "sum" or self._is_every_event(signal):
                self._flows.setdefault((signal.by, float(signal.window)), []).append(name)
        self.flows = {place: SlidingSums(place[1], len(members)) for place, members in self._flows.items()}
        limits, self.compared = _limits(spec)
        self.trackers: dict[str, Tracker] = {}
        for name, signal in self.signals.items():
            self.trackers[name] = self._tracker(name, signal, limits.get(name, ()), slack)
        self._infos = {metric.name: metric for metric in catalogue(spec)}
        self.metrics = {
            name: (names.signal_metric(name, signal), names.answered_metric(name) if signal.answered else "")
            for name, signal in self.signals.items()
        }
        self._selections = {name: Selection(signal) for name, signal in self.signals.items()}

    @staticmethod
    def _is_every_event(signal: Signal) -> bool:
        return signal.stream == EVENTS and signal.measure == "count" and not signal.where and not signal.at_least

    def _entity(self, spec: Spec, signal: Signal, accounts: int, slack: float) -> Entity:
        longest = max(float(other.window) for other in self.signals.values() if other.by == signal.by)
        return Entity(
            signal.by,
            spec.fields.get(signal.by),
            names.signal_labels(signal, spec.fields),
            capacity=accounts,
            protect=longest + slack,
        )

    def _tracker(self, name: str, signal: Signal, limits: Sequence[Limit], slack: float) -> Tracker:
        place, violated = (signal.by, float(signal.window)), self.entities[signal.by].groups.violated
        if name in self._flows.get(place, ()):
            measure = self._flows[place].index(name)
            return SumTracker(name, signal, limits, self.flows[place], measure, violated=violated, slack=slack)
        kind = DistinctTracker if signal.measure == "distinct" else HitTracker
        return kind(name, signal, limits, violated=violated, slack=slack)

    def observe(self, peaks: Mapping[str, PeakObserver], forget: Callable[[str, int], None]) -> None:
        """From now on, tell `peaks` of each signal how high its windows rise, and `forget` which rows were evicted.

        Rows are those of `entities`; `forget` takes the entity's field, too.
        """
        for name, observer in peaks.items():
            self.trackers[name].observers.append(observer)
        self._forgetters.append(forget)

    def _resolve(self, by: str, labels: Sequence[str], extra: Callable[[int], str], now: float) -> Ints:
        """Rows of groups; those that made room for new ones are forgotten."""
        groups = self.entities[by].groups
        rows = groups.resolve(labels, extra, now)
        if evicted := groups.take_evicted():
            for row in evicted:
                self._forget(by, row)
            self._evicted(len(evicted))
        return rows

    def _forget(self, by: str, row: int) -> None:
        for name, signal in self.signals.items():
            if signal.by == by:
                self.trackers[name].forget(row)
        for (flow_by, _), flow in self.flows.items():
            if flow_by == by:
                flow.clear(row)
        self.entities[by].forget(row)
        for forget in self._forgetters:
            forget(by, row)

    @property
    def measures(self) -> frozenset[str]:
        """The numbers of attempts that signals add up or compare."""
        summed = {signal.field for signal in self.signals.values() if signal.measure == "sum"}
        return frozenset(summed.union(*(signal.at_least for signal in self.signals.values())))

    @property
    def dims(self) -> frozenset[str]:
        """The dimensions of attempts that signals select, group or describe accounts by."""
        signals = [signal for signal in self.signals.values() if signal.stream == EVENTS]
        used = {signal.by for signal in signals}.union(*(signal.where for signal in signals))
        described = {label for entity in self.entities.values() for label in entity.labels}
        return frozenset((used | described) & set(STREAM_DIMENSIONS[EVENTS]))

    @property
    def identities(self) -> frozenset[str]:
        """The identities that signals are grouped by or count."""
        named = {signal.by for signal in self.signals.values()} | {
            signal.field for signal in self.signals.values() if signal.measure == "distinct"
        }
        return frozenset(named - {NOBODY} - set(STREAM_DIMENSIONS[EVENTS]))

    def most_hits(self, stream: str) -> int:
        """Hits of one moment beyond which a further one changes nothing, as windows hold no more of them."""
        trackers = (tracker for tracker in self.trackers.values() if tracker.signal.stream == stream)
        return max((tracker.cap for tracker in trackers if isinstance(tracker, HitTracker)), default=1)

    # ------------------------------------------------------------------------------------------------ taking in
    def take(self, rows: Rows, now: float) -> None:
        """Count the things of one stream in every signal over it."""
        if not len(rows.cells):
            return
        resolved: dict[str, tuple[Ints, Ints]] = {}
        for place, members in self._flows.items():
            if self.signals[members[0]].stream == rows.stream:
                self._take_flow(place, members, rows, resolved, now)
        for name, tracker in self.trackers.items():
            signal = tracker.signal
            if signal.stream != rows.stream or isinstance(tracker, SumTracker):
                continue
            chosen = self._selections[name].of(rows)
            if rows.attempts is not None:
                chosen = _one_each(rows.attempts, chosen)
            if chosen is not None and not len(chosen):
                continue
            self._take_rare(tracker, rows, chosen, resolved, now)

    def _groups(self, by: str, rows: Rows, chosen: Ints | None, now: float) -> tuple[Ints, Ints]:
        """The things among `chosen` that have a group, and the rows of these groups."""
        if by == NOBODY:
            things = np.arange(len(rows.cells)) if chosen is None else chosen
            row = self._resolve(by, [NOBODY], lambda _place: "", now)
            return things, np.repeat(row, len(things))
        if by in rows.dims:
            return self._label_groups(by, rows, chosen, now)
        column = rows.columns[by]
        if chosen is None:
            if None in column:
                things = np.array([place for place, name in enumerate(column) if name is not None], np.int64)
            else:
                things = np.arange(len(column))
        else:
            things = np.array([place for place in chosen.tolist() if column[place] is not None], np.int64)
        extra = rows.extra.get(by)
        places = things.tolist()
        found = self._resolve(
            by, [column[place] for place in places], (lambda i: extra(places[i])) if extra else (lambda _i: ""), now
        )
        return things, found

    def _label_groups(self, by: str, rows: Rows, chosen: Ints | None, now: float) -> tuple[Ints, Ints]:
        """As `_groups`, by a bounded label: every thing has one, and a cell has it for all its things."""
        things = np.arange(len(rows.cells)) if chosen is None else chosen
        cells, inverse = unique_places(rows.cells[things], len(rows.labels))
        place = rows.dims.index(by)
        found = self._resolve(by, [rows.labels[cell][place] for cell in cells.tolist()], lambda _place: "", now)
        return things, found[inverse]

    def _all_groups(self, by: str, rows: Rows, resolved: dict[str, tuple[Ints, Ints]], now: float) -> tuple[Ints, Ints]:
        if by not in resolved:
            resolved[by] = self._groups(by, rows, None, now)
        return resolved[by]

    def _take_flow(
        self,
        place: tuple[str, float],
        members: Sequence[str],
        rows: Rows,
        resolved: dict[str, tuple[Ints, Ints]],
        now: float,
    ) -> None:
        things, groups = self._all_groups(place[0], rows, resolved, now)
        if not len(things):
            return
        weights = [self._weight(name, rows)[things] for name in members]
        if not any(weight.any() for weight in weights):
            return
        touched = self.flows[place].add(groups, rows.times[things], weights)
        for name in members:
            tracker = self.trackers[name]
            if isinstance(tracker, SumTracker):
                for alert in tracker.touched(*touched, now):
                    self._crossed(alert)

    def _weight(self, name: str, rows: Rows) -> Floats:
        signal = self.signals[name]
        weight: Floats
        if signal.measure == "count" or signal.field == ATTEMPTS:
            weight = np.ones(len(rows.cells))
        else:
            weight = rows.columns[signal.field]
        chosen = self._selections[name].of(rows)
        if chosen is None:
            return weight
        selected = np.zeros(len(weight))
        selected[chosen] = weight[chosen]
        return selected

    def _take_rare(
        self, tracker: Tracker, rows: Rows, chosen: Ints | None, resolved: dict[str, tuple[Ints, Ints]], now: float
    ) -> None:
        by, signal = tracker.signal.by, tracker.signal
        if chosen is None:
            things, groups = self._all_groups(by, rows, resolved, now)
        else:
            things, groups = self._groups(by, rows, chosen, now)
        if isinstance(tracker, HitTracker):
            answered = [rows.answered[place] for place in things.tolist()]
            crossed = tracker.take(groups.tolist(), rows.times[things].tolist(), answered, now)
        elif isinstance(tracker, DistinctTracker):
            values = rows.columns[signal.field]
            crossed = tracker.take(groups, [values[place] for place in things.tolist()], rows.times[things], now)
        for alert in crossed:
            self._crossed(alert)

    def answer(self, rows: Rows, since: Floats, now: float) -> None:
        """Things that were counted before, thing i at `since[i]`, have their answer only now."""
        for name, tracker in self.trackers.items():
            signal = tracker.signal
            if signal.stream != rows.stream or not signal.answered or not isinstance(tracker, HitTracker):
                continue
            chosen = self._selections[name].of(rows)
            if rows.attempts is not None:
                chosen = _one_each(rows.attempts, chosen)
            things, groups = self._groups(signal.by, rows, chosen, now)
            times = rows.times[things].tolist()
            for alert in tracker.answer(groups.tolist(), since[things].tolist(), times, now):
                self._crossed(alert)

    # ------------------------------------------------------------------------------------------------ reading
    def read(self, reference: float) -> dict[str, Reading]:
        """Each signal, over the windows that end at event time `reference`. Nothing is changed."""
        return {name: tracker.read(reference) for name, tracker in self.trackers.items()}

    def expire(self, now: float) -> None:
        """Forget what can be in no window any more at `now`, by the wall clock."""
        for tracker in self.trackers.values():
            tracker.expire(now)

    def key(self, entity: Entity, row: int) -> tuple[str, ...]:
        """The label values of a group."""
        return entity.key(row, self._name_of)

    def table(self, metric: str, keys: Sequence[tuple[str, ...]], values: Floats) -> Table:
        """The table of a metric that is made of signals."""
        info = self._infos[metric]
        return Table(metric, "gauge", info.help, info.labels, keys, values)

    # ------------------------------------------------------------------------------------------------ snapshot
    def save(self) -> dict[str, object]:
        """Plain data that `load` takes back."""
        return {
            "entities": {by: entity.groups.save() for by, entity in self.entities.items()},
            "flows": [
                {"members": self._prints(members), "by": place[0], **self.flows[place].save(self._size(place[0]))}
                for place, members in self._flows.items()
            ],
            "trackers": {
                name: {"print": self.print(name), **tracker.save()} for name, tracker in self.trackers.items()
            },
        }

    def load(self, data: Mapping[str, Any]) -> list[str]:
        """Take back a snapshot; the names of signals that start anew because the spec says something else now."""
        for by, saved in data["entities"].items():
            if by in self.entities:
                self.entities[by].load(saved)
        anew = {name for members in self._flows.values() for name in members}
        for saved in data["flows"]:
            place = (saved["by"], float(saved["window"]))
            members = self._flows.get(place, [])
            kept = self._kept(saved["members"])
            if kept.keys() & set(members):
                none = np.zeros_like(saved["sum"][0])
                sums = np.stack([saved["sum"][kept[name]] if name in kept else none for name in members])
                if self.flows[place].load(place[1], saved["stamp"], sums):
                    anew -= kept.keys()
        for name, tracker in self.trackers.items():
            saved = data["trackers"].get(name)
            if name in anew or saved is None or not self.has_meaning(name, saved["print"]):
                anew.add(name)
            else:
                tracker.load(saved)
        return sorted(anew)

    def _size(self, by: str) -> int:
        return self.entities[by].groups.size

    def print(self, name: str) -> str:
        """What a signal counts, in short; what was saved of it can be used while that is the same."""
        return meaning(self.signals[name])

    def has_meaning(self, name: str, saved: str) -> bool:
        """Whether what was saved of a signal, with this `print`, is of what it counts now."""
        return has_meaning(self.signals[name], saved)

    def _prints(self, members: Sequence[str]) -> list[str]:
        return [name + " " + self.print(name) for name in members]

    def _kept(self, saved: Sequence[str]) -> dict[str, int]:
        """Of the saved members of a flow, those that still count the same, and which of its sums is theirs."""
        pairs = [(name, print_) for name, _, print_ in (member.partition(" ") for member in saved)]
        return {
            name: place
            for place, (name, print_) in enumerate(pairs)
            if name in self.signals and self.has_meaning(name, print_)
        }


def _one_each(attempts: Ints, chosen: Ints | None) -> Ints:
    """The first of the chosen things of each attempt: a prompt that two rules match is one prompt."""
    places = np.arange(len(attempts)) if chosen is None else chosen
    first: Ints = places[np.unique(attempts[places], return_index=True)[1]]
    return first


class Selection:
    """Which things of a stream a signal is about, decided once for each cell."""

    def __init__(self, signal: Signal) -> None:
        dims = STREAM_DIMENSIONS.get(signal.stream, ())
        self._where = [(dims.index(label), frozenset(words)) for label, words in signal.where.items()]
        self._at_least = dict(signal.at_least)
        self._cells: Bools = np.zeros(0, np.bool_)

    def of(self, rows: Rows) -> Ints | None:
        """Places of the selected things; None when that is all of them."""
        if not self._where and not self._at_least:
            return None
        every = np.ones(len(rows.cells), np.bool_)
        selected = self._decided(rows.labels)[rows.cells] if self._where else every
        for column, least in self._at_least.items():
            selected = selected & (rows.columns[column] >= least)  # NaN is less than everything
        return np.flatnonzero(selected)

    def _decided(self, labels: Sequence[tuple[str, ...]]) -> Bools:
        known = len(self._cells)
        if known < len(labels):
            fresh = [all(cell[place] in words for place, words in self._where) for cell in labels[known:]]
            self._cells = np.concatenate([self._cells, np.array(fresh, np.bool_)])
        return self._cells


def _limits(spec: Spec) -> tuple[dict[str, list[Limit]], frozenset[str]]:
    """The limits of every signal, and the signals that are compared with each other, as by a ratio.

    Such windows have to end at the same time; peaks of different times would make no sense there.
    """
    limits: dict[str, list[Limit]] = {}
    together: set[str] = set()
    for name, alert in spec.alerts.items():
        if not alert.enabled or alert.maturity == "sandbox":
            continue
        signals = [signal for _, signal in signals_of(alert)]
        if alert.when.ONE_MOMENT:
            together.update(signals)
        elif alert.when.COUNTS_GROUPS:
            limits.setdefault(signals[0], []).append(Limit(name, *alert.when.comparison))
    return limits, frozenset(together)
