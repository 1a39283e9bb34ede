"""What an alert means, in code; `alerts.alert_ir` says it in words, and rules of every backend are compilations of it.

Pure: a step is a time and the tables of a scrape. Evaluations have to be in ascending order of time.
"""

from __future__ import annotations

import math
import operator
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np

from alerts.alert_ir import AlertRule, Heartbeat, History, Series
from alerts.baseline_history import Past
from alerts.increase import Growth
from alerts.tables import Floats, Key, Table

Vector = tuple[Sequence[Key], Floats]
"""Label values of each series, and its value."""

_OPERATORS: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    ">=": operator.ge,
    ">": operator.gt,
    "<=": operator.le,
    "<": operator.lt,
}
_MERGE: Final[Mapping[str, Callable[[float, float], float]]] = {"max": max, "min": min, "sum": operator.add}
DAY: Final = 86_400.0
"""Seconds; days of UTC, for which an episode keeps its worst values."""
_INSTANT: Final = 1e-6  # seconds; scaled durations are no whole numbers
_NOTHING: Final[Vector] = ((), np.zeros(0))


@dataclass(slots=True)
class Episode:
    """An alert that fired for one member of its labels. Times in Unix seconds; `resolved_at` None: it fires still.

    `value` is the worst compared value so far, `answered` the greatest answered part of the hits (None: the alert's
    signal does not tell); `peaks` are the worst value of each day since 1970, and when it was seen first.
    """

    rule: AlertRule
    labels: dict[str, str]
    fired_at: float
    value: float
    answered: float | None
    resolved_at: float | None = None
    peaks: dict[int, tuple[float, float]] = field(default_factory=dict)


@dataclass(slots=True)
class _Member:
    """One member of a rule's labels for which the comparison is true, by its look-back at least."""

    since: float
    last: float
    value: float
    answered: float | None
    peaks: dict[int, tuple[float, float]]
    episode: Episode | None = None


class Evaluator:
    """Evaluates rules step by step."""

    def __init__(self, rules: Iterable[AlertRule]) -> None:
        self._watches = [_watch(rule) for rule in rules]

    def step(self, t: float, tables: Iterable[Table]) -> list[Episode]:
        """The episodes that began or ended at `t`, when a scrape saw `tables`. They are kept up to date until they end.

        With a look-back the compared value is the worst one of (t - lookback, t]. Where what it is compared with does
        not move, that compares true exactly as long as one of those does, so it is enough to remember the last time.
        """
        view = _View(tables)
        return [episode for watch in self._watches for episode in watch.step(t, view)]

    def steady_until(self, tables: Iterable[Table], fixed: Collection[str]) -> float:
        """Up to when steps need not be taken for what they see, as long as no value rises above those of the last step.

        `tables` are those of the last step; `fixed` metrics do not even fall. -Inf: a comparison may change its result
        at any time; +Inf: none ever will. Otherwise the last step that is not after that time has to see it afresh.
        """
        view = _View(tables)
        until = math.inf
        for watch in self._watches:
            until = min(until, watch.steady_until(view, fixed))
            if until == -math.inf:
                break
        return until

    @property
    def due(self) -> float:
        """When the next alert begins or ends if the comparisons of the last step go on as they are; +Inf: none does."""
        return min((watch.due for watch in self._watches), default=math.inf)


class _View:
    """The tables of one scrape as the series that rules read."""

    def __init__(self, tables: Iterable[Table]) -> None:
        self._tables = {table.name: table for table in tables}
        self._read: dict[str, Vector] = {}
        self._rows: dict[tuple[str, str], dict[str, list[int]]] = {}

    def vector(self, series: Series) -> Vector:
        found = self._read.get(series.record)
        if found is None:
            table = self._tables.get(series.metric)
            if table is None:
                found = _NOTHING
            elif len(series.matchers) == 1 and series.matchers[0][0] in table.labels:
                found = merged(table, series, self._selected(table, *series.matchers[0]))
            else:
                found = merged(table, series)
            self._read[series.record] = found
        return found

    def _selected(self, table: Table, label: str, wanted: str) -> list[int]:
        """The rows with that word; many rules read one table, each for a word of its own."""
        rows = self._rows.get((table.name, label))
        if rows is None:
            rows = self._rows[table.name, label] = {}
            place = table.labels.index(label)
            for row, key in enumerate(table.keys):
                rows.setdefault(key[place], []).append(row)
        return rows.get(wanted, [])

    def fixed(self, metric: str) -> bool:
        """Whether a metric stands still by itself: it is not there, or a counter."""
        table = self._tables.get(metric)
        return table is None or table.type == "counter"

    def has(self, metric: str) -> bool:
        return metric in self._tables

    def selected(self, series: Series) -> dict[Key, float]:
        """The series before they are merged, by the labels that are kept and then by all of them."""
        table = self._tables.get(series.metric)
        if table is None:
            return {}
        keys, values = merged(table, replace(series, labels=(*series.labels, *table.labels)))
        return dict(zip(keys, values.tolist(), strict=True))

    def values(self, metric: str) -> dict[Key, float]:
        table = self._tables.get(metric)
        return {} if table is None else dict(zip(table.keys, table.values.tolist(), strict=True))


def merged(table: Table, series: Series, selected: Sequence[int] | None = None) -> Vector:
    """A table as the recording rule of `series` reads it: selected, and merged over the labels that it drops.

    `selected` are the rows that its matchers select, where they are known.
    """
    if table.labels == series.labels and not series.matchers:
        return table.keys, table.values
    place_of = {label: place for place, label in enumerate(table.labels)}
    keys: Sequence[Key] = table.keys
    rows: Sequence[int] = range(len(keys)) if selected is None else selected
    for label, wanted in series.matchers if selected is None else ():
        place = place_of.get(label)
        if place is not None:
            rows = [row for row in rows if keys[row][place] == wanted]
        elif wanted:  # to Prometheus a label that is not there is empty
            return _NOTHING
    if not rows:
        return _NOTHING
    kept = [place_of.get(label) for label in series.labels]
    merge, groups = _MERGE[series.aggregate], dict[Key, float]()
    for row in rows:
        key = tuple("" if place is None else keys[row][place] for place in kept)
        value = float(table.values[row])
        groups[key] = merge(groups[key], value) if key in groups else value
    return list(groups), np.array(list(groups.values()), np.float64)


def _share(over: float, under: float) -> float:
    if under:
        return over / under
    return np.inf if over else np.nan  # as everywhere but in Python


class _Watch:
    """One rule and those for whom it is true."""

    def __init__(self, rule: AlertRule) -> None:
        self.rule = rule
        self._over = _OPERATORS[rule.op]
        self._worst = min if rule.op in ("<", "<=") else max
        self._latch = rule.lookback
        self._members: dict[Key, _Member] = {}
        self._now = 0.0

    def _compared(self, view: _View) -> Vector:
        """What is compared: the series, or its share of the denominator."""
        over, rule = view.vector(self.rule.series), self.rule
        if rule.denominator is None or not len(over[1]):
            return over
        keys, values = view.vector(rule.denominator)
        under = dict(zip(keys, values.tolist(), strict=True))
        shares = {
            key: _share(value, under[key])
            for key, value in zip(over[0], over[1].tolist(), strict=True)
            if under.get(key, -np.inf) >= rule.min_denominator
        }
        return list(shares), np.array(list(shares.values()), np.float64)

    def _true(self, t: float, view: _View) -> list[tuple[Key, float]]:
        """For whom the comparison is true at `t`, and what was compared."""
        keys, values = self._compared(view)
        if not len(values):
            return []
        true = self._over(values, self.rule.value).nonzero()[0].tolist()
        return [(keys[place], float(values[place])) for place in true]

    def step(self, t: float, view: _View) -> list[Episode]:
        self._now = t
        true = self._true(t, view)
        if true:
            answered = view.values(self.rule.answered) if self.rule.answered else None
            for key, value in true:
                self._see(key, value, None if answered is None else answered.get(key, 0.0), t)
        return [episode for key in list(self._members) for episode in self._move(key, t)] if self._members else []

    def _see(self, key: Key, value: float, answered: float | None, t: float) -> None:
        member = self._members.get(key)
        if member is None:
            self._members[key] = _Member(t, t, value, answered, {int(t // DAY): (value, t)})
            return
        member.last = t
        day = int(t // DAY)
        peak = member.peaks.get(day)
        if peak is None or (value != peak[0] and self._worst(value, peak[0]) == value):
            member.peaks[day] = (value, t)
            member.value = self._worst(member.value, value)
        if answered is not None:
            member.answered = max(answered, member.answered or 0.0)
        if member.episode is not None:
            member.episode.value, member.episode.answered = member.value, member.answered

    def _move(self, key: Key, t: float) -> Iterable[Episode]:
        member, rule = self._members[key], self.rule
        if member.last < t and t - member.last >= self._latch - _INSTANT:
            del self._members[key]
            if member.episode is not None:
                member.episode.resolved_at = t
                yield member.episode
        elif member.episode is None and t - member.since >= rule.hold - _INSTANT:
            labels = {label: word for label, word in zip(rule.labels, key, strict=True) if word}
            member.episode = Episode(rule, labels, t, member.value, member.answered, peaks=member.peaks)
            yield member.episode

    def steady_until(self, view: _View, fixed: Collection[str]) -> float:
        return math.inf if self._steady(view, fixed) else -math.inf

    def _steady(self, view: _View, fixed: Collection[str]) -> bool:
        rule = self.rule
        over = view.vector(rule.series)[1]
        metrics = [series.metric for series in (rule.series, rule.denominator) if series is not None]
        if not len(over) or all(metric in fixed or view.fixed(metric) for metric in metrics):
            return True
        zero = not over.any()  # and what is 0 stays 0
        if rule.denominator is not None:
            enough = (view.vector(rule.denominator)[1] >= rule.min_denominator).any()
            return not enough or (zero and not self._over(0.0, rule.value))
        return zero or (rule.op in (">=", ">") and not self._over(over, rule.value).any())

    @property
    def due(self) -> float:
        return min(map(self._due_of, self._members.values()), default=math.inf)

    def _due_of(self, member: _Member) -> float:
        begins = member.since + self.rule.hold if member.episode is None else math.inf
        ends = member.last + self._latch if member.last < self._now else math.inf
        return min(begins, ends)


class _BaselineWatch(_Watch):
    """A rule that compares with the member's own history."""

    def __init__(self, rule: AlertRule, history: History) -> None:
        super().__init__(rule)
        self._latch = 0.0  # the limit moves, so the values of the look-back are kept instead
        self._floor_only = history.floor_only
        self._past = Past(history, rule.value)
        self._recent: deque[tuple[float, dict[Key, float]]] = deque()

    def _true(self, t: float, view: _View) -> list[tuple[Key, float]]:
        keys, values = view.vector(self.rule.series)
        now = dict(zip(keys, values.tolist(), strict=True))
        self._past.take(t, now)
        self._recent.append((t, now))
        while self._recent[0][0] < t and t - self._recent[0][0] >= self.rule.lookback - _INSTANT:
            self._recent.popleft()
        most: dict[Key, float] = {}
        for _, earlier in self._recent:
            for key, value in earlier.items():
                if value >= self.rule.value:  # no limit is lower
                    most[key] = max(value, most.get(key, value))
        limits = dict(self._past.limits(most))
        otherwise = self.rule.value if self._floor_only else np.inf
        return [(key, value) for key, value in most.items() if value >= limits.get(key, otherwise)]

    def steady_until(self, view: _View, fixed: Collection[str]) -> float:
        """For ever at 0, below every limit until the history takes its next sample.

        Who is at 0 is shown always or never, as windows are, so samples there are what they would be.
        """
        highest = max((value for _, earlier in self._recent for value in earlier.values()), default=0.0)
        if highest >= self.rule.value:
            return -math.inf
        return self._past.next if highest > 0 else math.inf


class _HeartbeatWatch(_Watch):
    """A rule that without labels is true without a series too."""

    def __init__(self, rule: AlertRule, heartbeat: Heartbeat) -> None:
        super().__init__(rule)
        self._heartbeat = heartbeat
        self._growth = Growth(heartbeat.window)

    def _true(self, t: float, view: _View) -> list[tuple[Key, float]]:
        heartbeat, (keys, values) = self._heartbeat, view.vector(self.rule.series)
        beats = dict(zip(keys, (t - values if heartbeat.age else values).tolist(), strict=True))
        if not beats and not self.rule.labels:
            beats = {(): heartbeat.missing}
        if heartbeat.busy is not None:
            busy = self._busy(t, heartbeat.busy, view)
            beats = {key: value for key, value in beats.items() if busy.get(key, -np.inf) >= heartbeat.least}
        return [(key, value) for key, value in beats.items() if self._over(value, self.rule.value)]

    def _busy(self, t: float, counter: Series, view: _View) -> dict[Key, float]:
        """How much the counter of each member grew, as far as that is known."""
        members: dict[Key, float] = {}
        for key, grown in self._growth.take(t, view.selected(counter)).items():
            member = key[: len(counter.labels)]
            members[member] = members.get(member, 0.0) + grown
        return members

    def _steady(self, view: _View, fixed: Collection[str]) -> bool:
        heartbeat, metric = self._heartbeat, self.rule.series.metric
        if heartbeat.busy is not None:
            return not view.has(heartbeat.busy.metric) and self._growth.empty
        return not view.has(metric) or (metric in fixed and not heartbeat.age)


def _watch(rule: AlertRule) -> _Watch:
    if rule.baseline is not None:
        return _BaselineWatch(rule, rule.baseline)
    if rule.heartbeat is not None:
        return _HeartbeatWatch(rule, rule.heartbeat)
    return _Watch(rule)
