"""The signal state of one shard: everything that adds up, as one value that can be saved and loaded.

A state takes event batches, and time that passes; readers take snapshots, which change nothing. Time is always a
parameter, so that replay drives the same code.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import repeat
from secrets import randbits
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from alerts.calendar import OffHours
from events.batch import SIDE_TABLES as BATCH_TABLES
from events.batch import Detection, EventBatch, Text
from events.coverage import CONTENT
from events.fields import MISSABLE, counts_of
from exporters.metric_table import Table
from exporters.signals.conversations import RETENTION, Conversations, LateAnswer, Sent
from exporters.signals.dedup import Dedup
from exporters.signals.families import EVENTS, Families, table_of
from exporters.signals.request_settlement import RequestSettlement
from exporters.signals.self_metrics import SelfMetrics
from exporters.signals.sequence_gaps import SequenceGaps
from exporters.signals.signals import ATTEMPTS, Rows, Signals
from exporters.signals.trackers import Reading
from spec.model import Spec
from spec.vocabulary import (
    IDENTITIES,
    MATCHES_SKIPPED,
    MEASURES,
    READING_STEPS,
    REJECTIONS,
    SIDE_TABLES,
    STREAM_DIMENSIONS,
)

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

ACCOUNTS: Final = 100_000
"""People and addresses remembered at most; about a kilobyte each."""
HORIZON: Final = 100_000
"""Attempts remembered against duplicates, at least (and at most twice as many); 0 remembers none."""
SETTLED: Final = 50_000
"""Requests remembered as counted, at least: a late attempt of one of them is no other request."""
GRACE: Final = 60.0
"""Seconds of event time in which a fallback may still follow a failed attempt."""
SKEW: Final = 60.0
"""Seconds by which a record may be dated ahead before it counts as one from the future."""

_OWN_DIMS = ("gateway", "offhours")  # not columns of a batch
_SENDERS = ("actor", "end_user", "key", "source_range")
"""Who sent something before: the first of these that is known. What is sent again is news of another one."""
_BATCH_MEASURES = ("input_chars", "output_chars", "skipped_chars", "unread_sides", "without_content")
_EXCESS = "excess_output_tokens"
_EXPECTED = 2.0
"""Output tokens for each input token that no excess is counted for: a translation has about one."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A state at one moment: `counters` as counted, without any hold, and the `readings` of each signal by name.

    The rows of readings are those of the state's groups, so they mean something until the state takes more in.
    """

    counters: tuple[Table, ...]
    readings: Mapping[str, Reading]


class SignalState:
    """The state. `gateways` and `sources` are those configured; `name_of` makes pseudonyms.

    Raises:
        zoneinfo.ZoneInfoNotFoundError: the off-hours calendar names a time zone that does not exist.
    """

    def __init__(
        self,
        spec: Spec,
        *,
        gateways: Sequence[str],
        sources: Sequence[str],
        accounts: int = ACCOUNTS,
        horizon: int = HORIZON,
        name_of: Callable[[str], str] = str,
    ) -> None:
        self._anew = partial(
            SignalState,
            spec,
            gateways=gateways,
            sources=sources,
            accounts=accounts,
            horizon=horizon,
            name_of=name_of,
        )
        interval = float(spec.settings.scrape_interval)
        self.spec = spec
        self.signals = Signals(
            spec,
            accounts=accounts,
            slack=3 * interval,
            crossed=lambda alert: self.health.add("llm_threshold_crossings_total", (alert,)),
            evicted=lambda groups: self.health.add("tocsin_accounts_evicted_total", (), groups),
            name_of=name_of,
        )
        self.families = Families(spec, gateways, self.signals.dims)
        alerts = [(name,) for name, alert in spec.alerts.items() if alert.enabled]
        each = [(source,) for source in sources]
        self.health = SelfMetrics(
            spec.health,
            {
                "llm_threshold_crossings_total": alerts,
                "tocsin_records_rejected_total": [(source, reason) for source in sources for reason in REJECTIONS],
                "tocsin_records_without_field_total": [
                    (source, word) for source in sources for word in MISSABLE.values()
                ],
                "tocsin_content_matches_skipped_total": [
                    (source, reason) for source in sources for reason in MATCHES_SKIPPED
                ],
                "tocsin_records_quarantined_total": [(source, step) for source in sources for step in READING_STEPS],
                **{name: each for name, metric in spec.health.items() if metric.labels == ("source",)},
            },
        )
        self.seed = randbits(64)
        """What the ids of attempts and requests depend on, as long as the state lives. It is secret."""
        self.seen = Dedup(horizon)
        self.requests = RequestSettlement(GRACE / spec.settings.time_scale, SETTLED)
        longest = max((signal.window for signal in self.signals.signals.values()), default=0)
        self.conversations = Conversations(
            self.seed, retention=max(RETENTION / spec.settings.time_scale, float(longest))
        )
        self.sequence_gaps = SequenceGaps(sources)
        self.newest = dict.fromkeys(sources, 0.0)  # time of each source's newest event, counted or seen before
        self._repeated: dict[str, float] = {}  # the same of attempts seen before, until the rest is taken
        self._counts_requests = "requests" in self.families.measures
        self._side_tables = {table_of(family) for family in spec.families.values()} | {
            signal.stream for signal in self.signals.signals.values()
        }
        self._allowance = 2 * interval
        self._offhours = OffHours(spec.calendars[spec.settings.offhours_calendar])
        self._rejects: dict[tuple[str, ...], int] = {}
        self._most_rejects = self.signals.most_hits("rejects")

    def anew(self) -> SignalState:
        """An empty state for the same spec and sources."""
        return self._anew()

    @property
    def columns(self) -> frozenset[str]:
        """The columns of a batch that are needed."""
        dims = set(self.families.dims) - set(_OWN_DIMS)
        measures = (self.families.measures | self.signals.measures) & (set(MEASURES) - {"requests", ATTEMPTS})
        return frozenset(
            {"time", "outcome"}
            | ({"duration", *_SENDERS} if "detections" in self._side_tables else set())
            | ({"event_id"} if self.seen.horizon else set())
            | ({"call_id", "settled"} if self._counts_requests else set())
            | dims
            | (measures - {*_BATCH_MEASURES, _EXCESS})
            | ({"input_tokens", "output_tokens"} if _EXCESS in measures else set())
            | (self.signals.identities & set(IDENTITIES))
            | {name for name in BATCH_TABLES if name in self._side_tables}
        )

    # ------------------------------------------------------------------------------------------------ taking in
    def new_events(self, batch: EventBatch) -> EventBatch:
        """The batch without attempts that were seen before; those are counted."""
        if not self.seen.horizon:
            return batch
        places = self.seen.new(batch.ids("event_id"))
        if places is None:
            return batch
        self.health.add("tocsin_records_duplicate_total", (batch.source,), batch.size - len(places))
        newest = float(batch.numbers("time").max())
        self._repeated[batch.source] = max(self._repeated.get(batch.source, 0.0), newest)
        return batch.rows(places.tolist())

    def new_content(
        self, batch: EventBatch, detections: Sequence[Detection], *, now: float
    ) -> tuple[list[Detection], list[LateAnswer]]:
        """Of what was detected in new attempts, what their senders had not sent before; the rest is counted as such.

        Also what was counted before and has an answer only now. The batch must still have its texts.
        """
        found: dict[int, list[Detection]] = {}
        for one in detections:
            found.setdefault(one.row, []).append(one)
        if not found:
            return [], []
        counted: list[Detection] = []
        late: list[LateAnswer] = []
        for row, sent in self._sent(batch, sorted(found), now):
            fresh, answers = self.conversations.see(sent, found[row], now)
            counted += [replace(one, texts=()) for one in fresh]
            late += answers
        self.health.add("tocsin_detections_repeated_total", (batch.source,), len(detections) - len(counted))
        self.health.add("tocsin_conversation_texts_evicted_total", (), self.conversations.take_evicted())
        return counted, late

    def _sent(self, batch: EventBatch, rows: Sequence[int], now: float) -> Iterator[tuple[int, Sent]]:
        texts: dict[int, list[Text]] = {row: [] for row in rows}
        for text in batch.texts:
            if text.row in texts:
                texts[text.row].append(text)
        calls = batch.ids("call_id") if "call_id" in batch.columns else None
        verdicts = batch.objects("verdict") if "verdict" in batch.columns else None
        for row in rows:
            time = min(float(batch.numbers("time")[row]), now)
            duration = float(batch.numbers("duration")[row])
            blocked = verdicts is not None and verdicts[row] == "block"
            success = batch.objects("outcome")[row] == "success"
            yield (
                row,
                Sent(
                    self._sender(batch, row),
                    0 if calls is None else int(calls[row]),
                    time - duration if duration > 0 else time,
                    time,
                    success or blocked,
                    success and not blocked,
                    texts[row],
                ),
            )

    @staticmethod
    def _sender(batch: EventBatch, row: int) -> str:
        if "error_class" in batch.columns and batch.objects("error_class")[row] == "auth":
            return "refused"  # anybody could make up any number of keys
        for identity in _SENDERS:
            if (name := batch.objects(identity)[row]) is not None:
                return f"{identity} {name}"
        return "nobody"

    def take(
        self, batch: EventBatch, detections: Sequence[Detection], late: Sequence[LateAnswer] = (), *, now: float
    ) -> None:
        """Count a batch of attempts that are all new, and what `new_content` says of what was detected in them.

        `now` is in Unix seconds; what is dated later is counted as if it were of now.
        """
        for reason, count in Counter(reject.reason for reject in batch.rejects).items():
            self.reject(batch.source, reason, count, now=now)
        self.health.add("tocsin_records_read_total", (batch.source,), batch.size)
        self._count_missing(batch)
        for name, count in batch.wrapped.items():
            self.health.add("tocsin_records_unwrapped_total", (batch.source, name), count)
        for step, count in Counter(fault.step for fault in batch.faults).items():
            self.health.add("tocsin_records_quarantined_total", (batch.source, step), count)
        for field, count in batch.dropped_fields.items():
            impossible = batch.out_of_range.get(field, 0)
            for reason, part in (("out_of_range", impossible), ("wrong_type", count - impossible)):
                if part > 0:
                    self.health.add("tocsin_fields_dropped_total", (batch.source, field, reason), part)
        for what, count in batch.unread.items():
            self.health.add("tocsin_values_unread_total", (batch.source, what), count)
        for (call_type, side), count in Counter(entry[1:] for entry in batch.unread_content).items():
            self.health.add("tocsin_content_unread_total", (batch.source, call_type, side), count)
        for _row, channel, count in batch.skipped:
            self.health.add("tocsin_content_chars_skipped_total", (batch.source, channel), count)
        if batch.notes is not None:
            self.sequence_gaps.take(batch.source, batch.notes, now)
            for reason, count in batch.notes.drops.items():
                self.health.add("tocsin_feed_drops_reported_total", (batch.source, reason), count)
        # A source whose attempts another one tells of first is not silent.
        self._hear(batch.source, min(self._repeated.pop(batch.source, 0.0), now))
        if not batch.size:
            return
        stated = batch.numbers("time")
        if ahead := int(np.count_nonzero(stated > now + SKEW)):
            self.health.add("tocsin_records_future_total", (batch.source,), ahead)
        times = np.minimum(stated, now)
        self._hear(batch.source, float(times.max()))
        self._take_attempts(batch, times, detections, late, now)

    def _count_missing(self, batch: EventBatch) -> None:
        """Count the fields that attempts should have and lack. What was not scanned has neither prompt nor answer."""
        counts = counts_of(batch, MISSABLE)
        for column, word in MISSABLE.items():
            known = column in counts.due
            lacking = counts.lacking[column] if known else batch.size if column in CONTENT else 0
            if lacking:
                self.health.add("tocsin_records_without_field_total", (batch.source, word), lacking)

    def _hear(self, source: str, time: float) -> None:
        self.newest[source] = max(self.newest.get(source, 0.0), time)

    def _take_attempts(
        self,
        batch: EventBatch,
        times: Floats,
        detections: Sequence[Detection],
        late: Sequence[LateAnswer],
        now: float,
    ) -> None:
        table = self.families.tables[EVENTS]
        offhours = self._offhours.words(times) if "offhours" in table.dims else []
        dims = [
            repeat(batch.gateway, batch.size)
            if dim == "gateway"
            else offhours
            if dim == "offhours"
            else batch.objects(dim)
            for dim in table.dims
        ]
        succeeded = [outcome == "success" for outcome in batch.objects("outcome")]
        cells = table.resolve(list(zip(*dims, strict=True)), succeeded)
        measures = self._measures(batch)
        table.add(cells, measures)
        if self._counts_requests:
            final = np.array(succeeded) | np.array(batch.objects("settled"))
            self._count_requests(self.requests.settle(batch.ids("call_id"), final, cells, times))
        labels = table.labels
        columns = {name: batch.objects(name) for name in self.signals.identities & set(IDENTITIES)}
        extra = {name: self._companion(name, batch, table.dims, cells, labels) for name in columns}
        answered = succeeded
        if "verdict" in table.dims:  # a provider's filter stops answers of attempts that succeed
            answered = [
                success and verdict != "block"
                for success, verdict in zip(succeeded, batch.objects("verdict"), strict=True)
            ]
        rows = Rows(EVENTS, table.dims, times, cells, labels, answered, columns | measures, extra)
        self.signals.take(rows, now)
        self._take_side("detections", detections, rows, batch, now)
        if late:
            since = np.array([one.since for one in late])
            self.signals.answer(self._side_rows("detections", late, rows, batch, count=False), since, now)
        self._take_side("tool_calls", batch.tool_calls, rows, batch, now)
        self._take_side("guardrails", batch.guardrails, rows, batch, now)

    def _companion(
        self, identity: str, batch: EventBatch, dims: tuple[str, ...], cells: Ints, labels: Sequence[tuple[str, ...]]
    ) -> Callable[[int], str]:
        """The second label of an identity, for attempt i of the batch: that of the cell, or a fact of the source."""
        companion = self.spec.fields[identity].companion
        if companion in dims:
            place = dims.index(companion)
            return lambda i: labels[cells[i]][place]
        facts = {"trusted": "true" if batch.source_trusted else "false"}
        fact = facts.get(companion, "")
        return lambda _i: fact

    def _count_requests(self, cells: Sequence[int]) -> None:
        table = self.families.tables[EVENTS]
        if cells:
            np.add.at(table.values[:, table.column["requests"]], np.array(cells), 1.0)

    def _measures(self, batch: EventBatch) -> dict[str, Floats]:
        size = batch.size
        absent = np.full(size, np.nan)
        has_content = np.zeros(size, np.bool_) if batch.has_content is None else batch.has_content
        measures: dict[str, Floats] = {
            "requests": np.zeros(size),
            ATTEMPTS: np.ones(size),
            "without_content": (~has_content).astype(np.float64),
            "input_chars": absent if batch.input_chars is None else batch.input_chars,
            "output_chars": absent if batch.output_chars is None else batch.output_chars,
            "skipped_chars": _by_row(((row, count) for row, _channel, count in batch.skipped), size),
            "unread_sides": _by_row(((row, 1) for row, _call_type, _side in batch.unread_content), size),
        }
        wanted = self.families.measures | self.signals.measures
        if _EXCESS in wanted:
            given = np.nan_to_num(batch.numbers("input_tokens"))
            measures[_EXCESS] = np.maximum(batch.numbers("output_tokens") - _EXPECTED * given, 0.0)
        for name in wanted - measures.keys():
            measures[name] = batch.numbers(name)
        return measures

    def _take_side(self, table: str, entries: Sequence[Any], attempts: Rows, batch: EventBatch, now: float) -> None:
        """Count what stands beside attempts: entries (row of the attempt, ...) of a side table."""
        if entries:
            self.signals.take(self._side_rows(table, entries, attempts, batch), now)

    def _side_rows(
        self, table: str, entries: Sequence[Any], attempts: Rows, batch: EventBatch, *, count: bool = True
    ) -> Rows:
        """Entries of a side table as signals take them; with `count`, the families count them too."""
        if table == "detections":
            owners = [entry.row for entry in entries]
            words = [(batch.gateway, entry.detector, entry.confidence, entry.rule) for entry in entries]
        else:
            owners = [entry[0] for entry in entries]
            words = [(batch.gateway, *entry[1:]) for entry in entries]
        # Rules and guardrails are named by their owners; a tool is named by whoever wrote the prompt.
        proven = [attempts.answered[row] for row in owners] if table == "tool_calls" else [True] * len(owners)
        cells = self.families.add_side(table, words, proven, count=count)
        labels = self.families.tables[table].labels
        columns = {
            name: [attempts.columns[name][row] for row in owners] for name in IDENTITIES if name in attempts.columns
        }
        extra = {name: lambda i, of=of: of(owners[i]) for name, of in attempts.extra.items()}
        answered = [attempts.answered[row] for row in owners]
        times = attempts.times[owners]
        whose = np.array(owners, np.int64) if table == "detections" else None
        return Rows(table, SIDE_TABLES[table], times, cells, labels, answered, columns, extra, whose)

    def reject(self, source: str, reason: str, count: int = 1, *, now: float) -> None:
        """Count records that could not be read; `reason` is one of spec.vocabulary.REJECTIONS."""
        if count <= 0:
            return
        self.health.add("tocsin_records_rejected_total", (source, reason), count)
        cell = self._rejects.setdefault((source, reason), len(self._rejects))
        dims, labels = STREAM_DIMENSIONS["rejects"], list(self._rejects)
        hits = min(count, self._most_rejects)  # so a flood of them costs no more than it can change
        cells, times = np.full(hits, cell), np.full(hits, now)
        self.signals.take(Rows("rejects", dims, times, cells, labels, [False] * hits, {}, {}), now)

    # ------------------------------------------------------------------------------------------------ reading
    def reference(self, now: float) -> float:
        """The event time at which windows end: that of the newest event, or the wall clock's when the feed is idle."""
        newest = max(self.newest.values(), default=0.0)
        return max(min(newest, now), now - self._allowance)

    def advance(self, now: float) -> None:
        """Time has passed: nothing follows any more for what has waited long enough, and old windows are forgotten.

        Whoever owns the state does this; a reader never does.
        """
        self._count_requests(self.requests.overdue(self.reference(now)))
        self.signals.expire(now)
        self.conversations.expire(now)

    def snapshot(self, now: float, *, families: bool = True, counters: Collection[str] | None = None) -> Snapshot:
        """What the state is at `now`. Nothing is changed, so any number of readers may look.

        Without `families` it has the state's own counters alone, and of these only `counters` (None: all).
        """
        found = self.counters() if families else self.health.snapshot(counters)
        return Snapshot(tuple(found), self.signals.read(self.reference(now)))

    def counters(self) -> Iterator[Table]:
        """All counters and histograms up to now. The keys of a metric only ever grow, at their end."""
        yield from self.families.snapshot()
        yield from self.health.snapshot(at_least={"tocsin_label_overflows_total": dict(self.families.overflows())})

    @property
    def accounts(self) -> int:
        """People and addresses whose windows are in memory."""
        return sum(len(entity.groups) for entity in self.signals.entities.values() if entity.unbounded)

    # ------------------------------------------------------------------------------------------------ snapshot
    def save(self) -> dict[str, object]:
        """Plain data that `load` takes back."""
        return {
            "families": self.families.save(),
            "signals": self.signals.save(),
            "health": self.health.save(),
            "seed": self.seed,
            "seen": self.seen.save(),
            "requests": self.requests.save(),
            "newest": dict(self.newest),
            "writers": self.sequence_gaps.save(),
            "conversations": self.conversations.save(),
        }

    def load(self, data: Mapping[str, Any], *, reset_counters: bool = False) -> list[str]:
        """Take back a snapshot; what had to start from nothing, as words for ``tocsin_state_resets_total``.

        A state of an earlier version has no seed. Its ids mean nothing to a seeded hash, so they are forgotten once.
        `reset_counters`: the snapshot is older than what Prometheus has seen, so counters start from 0.
        """
        resets = []
        if not self.families.load(data["families"], reset=reset_counters):
            resets.append("damaged" if reset_counters else "layout")
        self.health.load(data["health"], reset=reset_counters)
        if self.signals.load(data["signals"]):
            resets.append("signals")
        if "seed" in data:
            self.seed = data["seed"]
            self.seen.load(data["seen"])
            self.conversations.reseed(self.seed)
        cells = 0 if resets and resets[0] != "signals" else self.families.tables[EVENTS].size
        if "seed" in data:
            self.requests.load(data["requests"], cells)
        else:
            self._count_requests(self.requests.abandoned(data["requests"], cells))
            resets.append("duplicates")
        if "writers" in data:  # states of earlier versions have none
            self.sequence_gaps.load(data["writers"])
        if "conversations" in data:
            self.conversations.load(data["conversations"])
        for source, time in data["newest"].items():
            if source in self.newest:
                self.newest[source] = time
        return resets


def _by_row(counts: Iterable[tuple[int, int]], size: int) -> Floats:
    """The sum of what was counted of each attempt."""
    sums = np.zeros(size)
    for row, count in counts:
        sums[row] += count
    return sums
