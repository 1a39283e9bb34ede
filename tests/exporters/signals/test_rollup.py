"""A family is a roll-up of the cell table: which series there are, and what they add up to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from exporters.signals.cells import CellTable, Histogram
from exporters.signals.labels import LabelSet
from exporters.signals.rollup import Rollup
from exporters.signals.series_keys import SeriesKeys
from spec.model import Family

OUTCOMES = ("success", "failure")


def family(**more: Any) -> Family:
    fields: dict[str, Any] = {"help": "", "type": "counter", "category": "volumetric", "layer": "application"}
    return Family(**fields | {"labels": ("model", "outcome"), "measure": "attempts"} | more)


def table() -> CellTable:
    sets = {"model": LabelSet(10), "tenant": LabelSet(10), "outcome": LabelSet(0, OUTCOMES)}
    dims = ("model", "tenant", "outcome")
    return CellTable(dims, ("attempts", "input", "output"), (Histogram("duration", (1.0, 5.0)),), label_sets=sets)


def add(cells: CellTable, *rows: tuple[str, str, str], duration: float = 0.5) -> None:
    size = len(rows)
    ones = np.ones(size)
    weights = {"attempts": ones, "input": 2 * ones, "output": 3 * ones, "duration": duration * ones}
    cells.add(cells.resolve(rows, [True] * size), weights)


def rolled_up(name: str, entry: Family, cells: CellTable, closed: Mapping[str, Sequence[str]]) -> Rollup:
    return Rollup(name, entry, SeriesKeys(entry, cells.dims, closed), cells)


def values(rollup: Rollup) -> dict[tuple[str, ...], list[float]]:
    found = rollup.values().tolist()
    return dict(zip(rollup.keys, found, strict=True))


def test_a_closed_family_has_its_series_at_zero_before_anything_happens() -> None:
    rollup = rolled_up("x_total", family(labels=("outcome",)), table(), {"outcome": OUTCOMES})
    assert values(rollup) == {("success",): [0], ("failure",): [0]}


def test_a_series_comes_with_its_siblings_in_the_closed_labels() -> None:
    cells = table()
    rollup = rolled_up("x_total", family(), cells, {"outcome": OUTCOMES})
    add(cells, ("a", "t", "success"))
    assert values(rollup) == {("a", "success"): [1], ("a", "failure"): [0]}


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("tu"), st.sampled_from(OUTCOMES)), max_size=40))
def test_series_add_up_what_differs_in_other_labels_only(rows: list[tuple[str, str, str]]) -> None:
    cells = table()
    rollup = rolled_up("x_total", family(), cells, {})
    for row in rows:
        add(cells, row)
    expected = {
        (model, outcome): [float(sum(row[::2] == (model, outcome) for row in rows))] for model, _, outcome in rows
    }
    assert values(rollup) == expected


def test_a_family_is_about_what_its_filter_says() -> None:
    cells = table()
    rollup = rolled_up("x_total", family(labels=("model",), where={"outcome": ("failure",)}), cells, {})
    add(cells, ("a", "t", "success"), ("b", "t", "failure"))
    assert values(rollup) == {("b",): [1]}


def test_a_split_shows_columns_as_a_label() -> None:
    cells = table()
    split = {"direction": {"in": "input", "out": "output"}}
    rollup = rolled_up("x_total", family(labels=("model", "direction"), measure="", split=split), cells, {})
    add(cells, ("a", "t", "success"), ("a", "u", "failure"))
    assert values(rollup) == {("a", "in"): [4], ("a", "out"): [6]}


def test_a_histogram_has_its_buckets_and_its_sum() -> None:
    cells = table()
    shape = family(type="histogram", labels=("model",), measure="duration", buckets=(1.0, 5.0))
    rollup = rolled_up("x_seconds", shape, cells, {})
    add(cells, ("a", "t", "success"), duration=0.5)
    add(cells, ("a", "u", "success"), ("a", "u", "success"), duration=9.0)
    assert values(rollup) == {("a",): [1, 0, 2, 18.5]}


def test_series_that_are_there_keep_their_places() -> None:
    """Whoever remembers what was shown of a series remembers it by its place."""
    cells = table()
    rollup = rolled_up("x_total", family(), cells, {"outcome": OUTCOMES})
    add(cells, ("a", "t", "failure"))
    rollup.values()
    before = list(rollup.keys)
    add(cells, ("b", "t", "success"), ("a", "u", "success"))
    rollup.values()
    assert rollup.keys[: len(before)] == before
    assert len(rollup.keys) == 4
