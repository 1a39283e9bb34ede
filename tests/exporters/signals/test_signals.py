"""The signal state's parts, each against a plain model of what it claims."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from exporters.signals.cells import CellTable, Histogram
from exporters.signals.dedup import Dedup
from exporters.signals.groups import Groups
from exporters.signals.labels import OTHER, UNKNOWN, LabelSet
from exporters.signals.request_settlement import RequestSettlement
from exporters.signals.sliding_sums import SLICES, SlidingSums
from exporters.signals.windows import Distinct, Hits


def test_a_failed_request_cannot_take_a_place_among_the_labels() -> None:
    models = LabelSet(2)
    assert models.admit("junk", proven=False) == OTHER
    assert models.admit("good", proven=True) == "good"
    assert models.admit("good", proven=False) == "good"
    assert models.admit(None, proven=True) == UNKNOWN
    models.admit("second", proven=True)
    assert models.admit("third", proven=True) == OTHER


def test_a_label_value_is_cut() -> None:
    assert len(LabelSet(5).admit("x" * 10_000, proven=True)) == 128


def table(cap: int = 10, **more: object) -> CellTable:
    sets = {"model": LabelSet(cap), "outcome": LabelSet(0, ("success", "failure"))}
    return CellTable(("model", "outcome"), ("attempts",), (Histogram("duration", (1.0, 5.0)),), label_sets=sets, **more)  # type: ignore[arg-type]


def feed(cells: CellTable, model: str, *durations: float, ok: bool = True) -> None:
    rows = [(model, "success" if ok else "failure")] * len(durations)
    ids = cells.resolve(rows, [ok] * len(rows))
    cells.add(ids, {"attempts": np.ones(len(rows)), "duration": np.array(durations)})


def test_cells_count_sum_and_bucket_and_skip_the_unknown() -> None:
    cells = table()
    feed(cells, "a", 0.5, 1.0, 3.0, 9.0, float("nan"))
    assert cells.values[0].tolist() == [5, 2, 1, 1, 13.5]


def test_many_junk_models_make_one_cell() -> None:
    cells = table()
    for number in range(1000):
        feed(cells, f"junk-{number}", 1.0, ok=False)
    assert cells.labels == [(OTHER, "failure")]
    assert cells.values[0, 0] == 1000


def test_a_model_refused_for_want_of_proof_is_admitted_by_its_first_success() -> None:
    cells = table()
    feed(cells, "new", 1.0, ok=False)
    feed(cells, "new", 1.0)
    feed(cells, "new", 1.0, ok=False)
    assert cells.labels == [(OTHER, "failure"), ("new", "success"), ("new", "failure")]


def test_proof_that_comes_later_in_a_batch_counts_for_what_stands_before_it() -> None:
    cells = table()
    feed(cells, "new", 1.0, ok=False)
    found = cells.resolve([("new", "failure"), ("new", "success")], [False, True])
    assert [cells.labels[cell] for cell in found] == [("new", "failure"), ("new", "success")]


def test_beyond_the_series_budget_a_cell_is_folded_and_nothing_is_lost() -> None:
    cells = table(admit_series=lambda labels: labels[0] in ("a", OTHER))
    feed(cells, "a", 1.0)
    feed(cells, "b", 1.0, 1.0)
    assert cells.labels == [("a", "success"), (OTHER, "success")]
    assert cells.values[:2, 0].tolist() == [1, 2]


def test_cells_survive_a_snapshot() -> None:
    cells = table()
    feed(cells, "a", 0.5, 3.0)
    saved = cells.save()
    again = table()
    again.load(saved["labels"], saved["values"])  # type: ignore[arg-type]
    feed(again, "a", 0.5, ok=False)
    assert again.values[: again.size].tolist()[0] == cells.values[0].tolist()


@given(st.lists(st.integers(0, 40), max_size=200), st.integers(1, 20))
def test_a_duplicate_within_the_horizon_is_always_recognised(values: list[int], horizon: int) -> None:
    recent = Dedup(horizon)
    seen: list[int] = []
    for value in values:
        places = recent.new(np.array([value], np.uint64))
        if value in seen[-horizon:]:
            assert places is not None
            assert not len(places)
        if places is None:
            seen.append(value)
        assert len(recent) <= 2 * horizon


def test_duplicates_inside_a_batch_count_once() -> None:
    places = Dedup(10).new(np.array([1, 2, 1], np.uint64))
    assert places is not None
    assert places.tolist() == [0, 1]


def settle(requests: RequestSettlement, *attempts: tuple[int, bool, int, float]) -> list[int]:
    calls, final, cells, times = zip(*attempts, strict=True)
    return requests.settle(np.array(calls, np.uint64), np.array(final), np.array(cells), np.array(times))


def test_a_fallback_is_one_request_in_either_order() -> None:
    failed, served = (1, False, 7, 100.0), (1, True, 8, 101.0)
    later = (2, True, 8, 200.0)
    for order in ((failed, served), (served, failed)):
        requests = RequestSettlement(15.0, 100)
        counted = [cell for attempt in order for cell in settle(requests, attempt)]
        assert counted == [8]
        assert settle(requests, later) == [8]
        assert not requests.pending


def test_a_failure_without_a_fallback_settles_when_the_log_has_moved_on() -> None:
    requests = RequestSettlement(15.0, 100)
    assert settle(requests, (1, False, 7, 100.0)) == []
    assert settle(requests, (2, True, 8, 110.0)) == [8]
    assert settle(requests, (3, True, 8, 116.0)) == [8, 7]
    assert settle(requests, (1, False, 7, 117.0)) == []


@given(st.lists(st.integers(0, 60), max_size=60), st.integers(1, 30))
def test_hits_count_the_window_whatever_the_order(times: list[int], window: int) -> None:
    hits, best = Hits(), 0
    for time in times:
        best = max(best, hits.add(float(time), True, float(window), 10_000)[0])
    assert best == max((sum(end - window < time <= end for time in times) for end in times), default=0)
    for reference in (0, 30, 60, 90):
        assert hits.count(reference, window) == sum(reference - window < time <= reference for time in times)


def test_a_hit_from_the_future_drops_nobody_elses() -> None:
    hits = Hits()
    hits.add(1000.0, True, 10.0, 100)
    assert [hits.add(float(time), False, 10.0, 100)[0] for time in (1, 2, 3)] == [1, 2, 3]
    assert (hits.count(3.0, 10.0), hits.count_answered(3.0, 10.0)) == (3, 0)


@given(st.lists(st.tuples(st.integers(0, 40), st.sampled_from("abcde")), max_size=60), st.integers(1, 20))
def test_distinct_counts_values_by_when_they_were_last_seen(seen: list[tuple[int, str]], window: int) -> None:
    distinct = Distinct()
    for time, value in seen:
        distinct.add(float(time), value, float(window), 1000)
    last = {value: max(time for time, other in seen if other == value) for _, value in seen}
    for reference in (5, 20, 40):
        expected = sum(reference - window < time <= reference for time in last.values())
        assert distinct.count(reference, window) == expected


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5000)), min_size=1, max_size=80))
def test_a_backlog_peaks_as_it_would_have_live(events: list[tuple[int, int]]) -> None:
    events.sort(key=lambda event: event[1])
    flow = SlidingSums(window=float(SLICES * 10), measures=1)
    rows = np.array([row for row, _ in events])
    times = np.array([float(time) for _, time in events])
    touched, ends, values = flow.add(rows, times, [np.ones(len(events))])
    for row, end, value in zip(touched.tolist(), ends.tolist(), values[0].tolist(), strict=True):
        assert value == sum(other == row and end - SLICES * 10 <= time < end for other, time in events)


def test_a_flow_slides_by_the_reference_and_forgets() -> None:
    flow = SlidingSums(window=20.0, measures=2)
    flow.add(np.array([0, 0, 1]), np.array([100.0, 105.0, 105.0]), [np.array([1.0, 2.0, 4.0]), np.ones(3)])
    assert flow.values(105.0)[:, :2].tolist() == [[3, 4], [2, 1]]
    assert flow.values(121.0)[:, :2].tolist() == [[2, 4], [1, 1]]
    flow.clear(0)
    assert flow.values(105.0)[0, :2].tolist() == [0, 4]


def test_one_record_from_the_future_leaves_the_others_alone() -> None:
    flow = SlidingSums(window=20.0, measures=1)
    flow.add(np.array([0, 1]), np.array([100.0, 100_000.0]), [np.ones(2)])
    flow.add(np.array([0]), np.array([101.0]), [np.ones(1)])
    assert flow.values(101.0)[0, 0] == 2


def test_the_table_of_groups_keeps_those_in_violation() -> None:
    forgotten: list[int] = []
    groups = Groups(3, protect=60.0)
    groups.violated[0] = 0.0
    for number in range(20):
        groups.resolve([f"actor-{number}"], lambda _place: "team", float(number))
        assert len(groups) <= 3
        forgotten += groups.take_evicted()
    assert "actor-0" in groups.rows
    assert groups.rows["actor-19"] not in (0,)
    assert len(forgotten) == 17


def test_memories_survive_a_snapshot() -> None:
    requests = RequestSettlement(15.0, 100)
    settle(requests, (1, True, 8, 100.0), (2, False, 7, 100.0))
    again = RequestSettlement(15.0, 100)
    again.load(requests.save(), cells=9)
    assert settle(again, (1, False, 7, 101.0), (2, True, 8, 102.0)) == [8]
    smaller = RequestSettlement(15.0, 100)
    smaller.load(requests.save(), cells=7)
    assert not smaller.pending


def test_windows_survive_a_snapshot() -> None:
    hits, distinct = Hits(), Distinct()
    for time in (1.0, 3.0, 2.0):
        hits.add(time, time > 1, 10.0, 100)
        distinct.add(time, f"key-{time}", 10.0, 100)
    assert Hits.load(hits.save()).count_answered(3.0, 10.0) == 2
    assert Distinct.load(distinct.save()).add(4.0, "key-1.0", 10.0, 100) == 3


def test_flows_survive_a_snapshot_of_the_same_shape_only() -> None:
    flow = SlidingSums(window=20.0, measures=1)
    flow.add(np.array([0]), np.array([100.0]), [np.ones(1)])
    saved = flow.save(1)
    again = SlidingSums(window=20.0, measures=1)
    assert again.load(saved["window"], saved["stamp"], saved["sum"])  # type: ignore[arg-type]
    again.add(np.array([0]), np.array([101.0]), [np.ones(1)])
    assert again.values(101.0)[0, 0] == 2
    assert not SlidingSums(window=40.0, measures=1).load(saved["window"], saved["stamp"], saved["sum"])  # type: ignore[arg-type]


def test_a_group_met_again_makes_no_room_for_a_new_one_of_the_same_batch() -> None:
    groups = Groups(2, protect=60.0)
    groups.resolve(["old", "newer"], ["x", "x"].__getitem__, 1.0)
    groups.resolve(["newer"], ["x"].__getitem__, 2.0)
    old, new = groups.resolve(["old", "new"], ["x", "x"].__getitem__, 3.0).tolist()
    assert old != new
    assert (groups.names[old], groups.names[new]) == ("old", "new")


def test_groups_survive_a_snapshot() -> None:
    groups = Groups(3, protect=60.0)
    groups.resolve(["a", "b"], ["x", "y"].__getitem__, 5.0)
    again = Groups(3, protect=60.0)
    again.load(**groups.save())  # type: ignore[arg-type]
    assert again.resolve(["b", "c"], ["y", "z"].__getitem__, 6.0).tolist() == [1, 2]
    again.resolve(["d"], ["z"].__getitem__, 7.0)
    assert set(again.rows) == {"b", "c", "d"}
