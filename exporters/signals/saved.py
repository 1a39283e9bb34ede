"""The shape of a saved state, checked before anything is taken from it.

A checksum says that a file is as it was written, not that what was written can be used. So types, lengths, ranges and
the numbers' signs are checked here, and whatever refers to a group by its row has to find one. Keys that are not known
are left alone, and so are parts of signals that the spec has no more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, TypeVar

import msgspec
import numpy as np

T = TypeVar("T")

_Number = Annotated[float, msgspec.Meta(ge=0)]
_Row = Annotated[int, msgspec.Meta(ge=0)]
_RING: Final = 3  # dimensions of a flow's sums in states of earlier versions


class _Table(msgspec.Struct):
    layout: list[Any]
    labels: list[list[str]]
    values: Any


class _Counter(msgspec.Struct):
    keys: list[list[str]]
    values: list[_Number]


class _Families(msgspec.Struct):
    tables: dict[str, _Table]


class _Groups(msgspec.Struct):
    names: list[str | None]
    extra: list[str]
    touched: Any
    free: list[_Row]
    violated: list[tuple[_Row, float]]


class _Flow(msgspec.Struct):
    members: list[str]
    by: str
    window: float
    stamp: Any
    sum: Any


class _Tracker(msgspec.Struct):
    print: str
    crossed: list[tuple[str, _Row, float]]
    hits: list[tuple[_Row, float, list[float], list[bool]]] = []
    seen: list[tuple[_Row, float, list[float], list[str]]] = []
    sole: tuple[list[_Row], list[str], list[float]] = ([], [], [])


class _Signals(msgspec.Struct):
    entities: dict[str, _Groups]
    flows: list[_Flow]
    trackers: dict[str, _Tracker]


class _Ids(msgspec.Struct):
    young: Any
    old: Any


class _Requests(msgspec.Struct):
    settled: _Ids
    pending: list[tuple[_Row, float, _Row]]
    newest: float


class _Told(msgspec.Struct):
    met: list[str]
    known: list[tuple[str, str, dict[str, _Row]]]


class _Writers(msgspec.Struct):
    known: list[tuple[str, str, int, bool, list[list[float]]]]
    recent: dict[str, list[float]]
    told: _Told | None = None


class _Conversations(msgspec.Struct):
    accounts: Any
    touched: Any
    sizes: Any
    texts: Any
    seen: Any
    often: Any
    since: Any
    answered: Any


class _State(msgspec.Struct):
    families: _Families
    signals: _Signals
    health: dict[str, _Counter]
    seen: _Ids
    requests: _Requests
    newest: dict[str, float]
    seed: _Row | None = None
    writers: _Writers | None = None
    conversations: _Conversations | None = None


class _Series(msgspec.Struct):
    keys: list[list[str]]
    first_shown: Any
    shows: Any
    shown: Any


class _Peaks(msgspec.Struct):
    print: str
    rows: Any
    value: Any
    part: Any
    served: Any


class _View(msgspec.Struct):
    scrapes: tuple[float, float]
    series: dict[str, _Series]
    published: dict[str, list[_Row]]
    peaks: dict[str, _Peaks]


def _converted(data: object, kind: type[T]) -> T:
    """The data as a type; an array in the place of a map makes msgspec ask it for its keys."""
    try:
        return msgspec.convert(data, kind)
    except (AttributeError, TypeError) as error:
        raise ValueError(f"an object is something else ({error})") from error


def check(saved_state: object, saved_view: object) -> None:
    """See whether these are what `SignalState.save` and `PrometheusView.save` gave, as far as the spec is not needed.

    Raises:
        ValueError: they are not; the text says where.
    """
    state, view = _converted(saved_state, _State), _converted(saved_view, _View)
    _check_state(state)
    _check_view(view, {by: len(groups.names) for by, groups in state.signals.entities.items()})


def _check_state(state: _State) -> None:
    for name, table in state.families.tables.items():
        values = _array(table.values, "f", 2, f"table {name}")
        _require(len(values) == len(table.labels), f"table {name} has another number of labels than of rows")
        _require(_counts(values), f"table {name} has a value below 0 or not a number")
    for name, counter in state.health.items():
        _require(len(counter.values) == len(counter.keys), f"{name} has another number of values than of series")
        _require(all(map(np.isfinite, counter.values)), f"{name} has a value that is not a number")
    _check_signals(state.signals)
    for ids in (state.seen, state.requests.settled):
        for part in (ids.young, ids.old):
            _array(part, "u", 1, "ids")
    if state.conversations is not None:
        _check_conversations(state.conversations)
    times = [state.requests.newest, *state.newest.values()]
    _require(not any(map(np.isnan, times)), "a time is not a number")


def _check_conversations(conversations: _Conversations) -> None:
    where = "conversations"
    sizes = _array(conversations.sizes, "i", 1, where)
    accounts = _array(conversations.accounts, "u", 1, where)
    touched = _array(conversations.touched, "f", 1, where)
    _require(len(sizes) == len(accounts) == len(touched), f"{where} have parts of different lengths")
    texts = _array(conversations.texts, "u", 1, where)
    columns = [
        _array(column, kind, 1, where)
        for column, kind in (
            (conversations.seen, "f"),
            (conversations.often, "u"),
            (conversations.since, "f"),
            (conversations.answered, "i"),
        )
    ]
    _require(all(len(column) == len(texts) for column in columns), f"{where} have parts of different lengths")
    _require(not (sizes < 0).any() and int(sizes.sum()) == len(texts), f"{where} have another number of texts")
    _require(len(np.unique(accounts)) == len(accounts), f"{where} have an account twice")
    times = (touched, columns[0], columns[2])
    _require(not any(np.isnan(column).any() for column in times), f"{where} have a time that is no number")


def _check_view(view: _View, sizes: Mapping[str, int]) -> None:
    _require(not any(map(np.isnan, view.scrapes)), "a time is not a number")
    for name, series in view.series.items():
        _check_series(series, name)
    for by, rows in view.published.items():
        _rows(rows, sizes.get(by, 0), f"groups of {by}")
    most = max(sizes.values(), default=0)
    for name, peaks in view.peaks.items():
        _check_peaks(peaks, most, f"signal {name}")


def _check_series(series: _Series, name: str) -> None:
    shown = _array(series.shown, "f", 2, name)
    sizes = {len(_array(series.first_shown, "f", 1, name)), len(_array(series.shows, "i", 1, name)), len(shown)}
    _require(len(sizes) == 1 and max(sizes) <= len(series.keys), f"{name} has another number of values than of series")
    _require(_counts(shown) and not np.isnan(series.first_shown).any(), f"{name} has a value below 0 or not a number")
    _require(not (series.shows < 0).any(), f"{name} was shown less than never")


def _check_peaks(peaks: _Peaks, size: int, where: str) -> None:
    peaking = _array(peaks.rows, "i", 1, where)
    _rows(peaking, size, where)
    for part in (peaks.value, peaks.part, peaks.served):
        _require(len(_array(part, "f", 1, where)) == len(peaking), f"{where} has parts of different lengths")
        _require(not np.isnan(part).any(), f"{where} has a value that is not a number")


def _check_signals(signals: _Signals) -> None:
    sizes = {}
    for by, groups in signals.entities.items():
        sizes[by] = size = len(groups.names)
        touched = _array(groups.touched, "f", 1, by)
        _require(len(groups.extra) == len(touched) == size, f"groups of {by} have parts of different lengths")
        _require(not np.isnan(touched).any(), f"groups of {by} have a time that is no number")
        _rows(groups.free, size, f"groups of {by}")
        _rows([row for row, _ in groups.violated], size, f"groups of {by}")
        _require(
            not any(np.isnan(time) for _, time in groups.violated), f"groups of {by} have a time that is no number"
        )
        free = set(groups.free)
        _require(len(free) == len(groups.free), f"groups of {by} have a free row twice")
        names = [name for name in groups.names if name is not None]
        _require(len(set(names)) == len(names), f"groups of {by} have a name twice")
        _require(
            all((name is None) == (row in free) for row, name in enumerate(groups.names)),
            f"groups of {by} have a free row with a name, or one without that is not free",
        )
    for flow in signals.flows:
        _check_flow(flow, sizes.get(flow.by, 0))
    most = max(sizes.values(), default=0)
    for name, tracker in signals.trackers.items():
        _check_tracker(tracker, most, f"signal {name}")


def _check_flow(flow: _Flow, size: int) -> None:
    where = f"a flow of {flow.by}"
    stamp = _array(flow.stamp, "i", 2, where)
    total = _array(flow.sum, "f", _RING if getattr(flow.sum, "ndim", 0) == _RING else 2, where)
    if total.ndim == _RING:
        _require(total.shape[1:] == stamp.shape and len(stamp) <= size, f"{where} has parts of different lengths")
    else:
        _require(stamp.shape == (2, total.shape[1]), f"{where} has parts of different lengths")
        _require(stamp.dtype == np.int32, f"{where} has numbers of another size")
        _rows(stamp[0], size, where)
    _require(np.isfinite(total).all(), f"{where} has a value that is not a number")


def _check_tracker(tracker: _Tracker, size: int, where: str) -> None:
    rows = [row for _, row, _ in tracker.crossed] + [hit[0] for hit in tracker.hits] + [one[0] for one in tracker.seen]
    _rows([*rows, *tracker.sole[0]], size, where)
    lists = [(hit[1], hit[2], len(hit[3])) for hit in tracker.hits]
    lists += [(one[1], one[2], len(one[3])) for one in tracker.seen]
    for _, at, values in lists:
        _require(len(at) == values and at == sorted(at), f"{where} has times without values, or unsorted")
    sole = tracker.sole
    _require(len(sole[0]) == len(sole[1]) == len(sole[2]), f"{where} has parts of different lengths")
    times = [time for _, _, time in tracker.crossed] + sole[2]
    times += [time for touched, at, _ in lists for time in (touched, *at)]
    _require(not any(map(np.isnan, times)), f"{where} has a time that is no number")


def _array(value: object, kind: str, dimensions: int, where: str) -> np.ndarray[Any, np.dtype[Any]]:
    """`value`, if it is an array of 4 or 8 bytes a number, of that kind and so many dimensions."""
    if not isinstance(value, np.ndarray) or value.dtype.kind != kind or value.ndim != dimensions:
        raise ValueError(f"{where} has something else where numbers should be")
    _require(value.dtype.isnative and value.dtype.itemsize in (4, 8), f"{where} has numbers of another size")
    return value


def _counts(values: np.ndarray[Any, np.dtype[Any]]) -> bool:
    return bool(np.isfinite(values).all() and (values >= 0).all())


def _rows(rows: Iterable[int], size: int, where: str) -> None:
    found = np.asarray(list(rows), dtype=object)
    _require(all(0 <= row < size for row in found), f"{where} refers to a row that is not there")


def _require(fact: object, text: str) -> None:
    if not fact:
        raise ValueError(text)


@dataclass(frozen=True, slots=True)
class Saved:
    """What a state file holds: the signal state, the view of Prometheus on it, and positions by source and file."""

    state: Mapping[str, Any]
    view: Mapping[str, Any]
    positions: dict[str, dict[str, Any]] = field(default_factory=dict)


def parts(data: Mapping[str, Any]) -> Saved:
    """The parts of what a state file of any version holds; they are not checked any further.

    Raises:
        ValueError: it holds something else.
    """
    if "state" not in data or "positions" not in data:
        raise ValueError("the state file holds no state")
    positions = _converted(data["positions"], dict[str, dict[str, Any]])
    if "view" in data:
        return Saved(data["state"], data["view"], positions)
    try:
        state, view = _of_version_1(data["state"])
    except (LookupError, TypeError, AttributeError) as error:
        raise ValueError("the state file holds no state of an earlier version") from error
    return Saved(state, view, positions)


def _of_version_1(state: Mapping[str, Any]) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """State and view of a state of version 1, in which they were one."""
    families, signals, health = state["families"], state["signals"], state["health"]
    shown = ("keys", "first_shown", "shows", "shown")
    view = {
        "scrapes": state["scrapes"],
        "series": {
            name: {part: series[part] for part in shown} for name, series in (families["rollups"] | health).items()
        },
        "published": signals["published"],
        "peaks": {
            name: {"print": tracker["print"], **tracker["peaks"]}
            for name, tracker in signals["trackers"].items()
            if tracker["peaks"] is not None
        },
    }
    last = state["scrapes"][0]
    entities = {
        by: {**groups, "violated": [[row, last] for row in signals["violating"].get(by, ())]}
        for by, groups in signals["entities"].items()
    }
    return {**state, "signals": {**signals, "entities": entities}}, view
