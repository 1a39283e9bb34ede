from __future__ import annotations

import random
import tracemalloc
from collections import defaultdict
from collections.abc import Iterator

import numpy as np
import pytest

from exporters.signals.slices import FEW, Slices
from exporters.signals.sliding_sums import SLICES, SlidingSums

RING, LENGTH, ROWS = 12, 10, 60


class Model:
    """Every slice of every row, for ever."""

    def __init__(self) -> None:
        self.sums: dict[int, dict[int, int]] = defaultdict(lambda: defaultdict(int))

    def add(self, pairs: dict[tuple[int, int], int]) -> None:
        for (row, piece), amount in pairs.items():
            self.sums[row][piece] += amount

    def window(self, row: int, last: int) -> int:
        return sum(amount for piece, amount in self.sums[row].items() if last - LENGTH < piece <= last)


def add(slices: Slices, pairs: dict[tuple[int, int], int]) -> None:
    order = sorted(pairs)
    row, piece = np.array([row for row, _ in order]), np.array([piece for _, piece in order])
    slices.grow(int(row.max()) + 1)
    amounts = np.array([[pairs[pair] for pair in order], np.ones(len(order))], np.float32)
    slices.add(row, piece, amounts)


def refilled(slices: Slices) -> Slices:
    again = Slices(2, RING)
    again.fill(*slices.entries(len(slices)))
    return again


def things(rng: random.Random, newest: int) -> Iterator[tuple[int, int]]:
    """Rows and slices of one batch: a few busy rows and many quiet ones, less than a ring apart."""
    busy = rng.sample(range(ROWS), 12)
    for _ in range(rng.randrange(1, 60)):
        yield rng.choice(busy) if rng.random() < 0.7 else rng.randrange(ROWS), newest - rng.randrange(RING)


def back(rng: random.Random, newest: int) -> int:
    return newest if rng.random() < 0.9 else newest - rng.randrange(3 * RING)


@pytest.mark.parametrize("seed", range(40))
def test_windows_within_the_ring_are_exact(seed: int) -> None:
    rng, slices, model, newest = random.Random(seed), Slices(2, RING), Model(), 100
    for _ in range(60):
        newest += rng.choice((0, 1, 3, RING - 1, RING, RING + 1))
        pairs: dict[tuple[int, int], int] = {}
        for row, piece in things(rng, back(rng, newest)):
            pairs[row, piece] = pairs.get((row, piece), 0) + rng.randrange(1, 10)
        add(slices, pairs)
        model.add(pairs)
        if rng.random() < 0.1:
            slices = refilled(slices)
        if rng.random() < 0.3:
            gone = next(iter(pairs))[0]
            slices.clear(gone)
            model.sums.pop(gone)
        slices.grow(ROWS)
        ends = [max(model.sums[row], default=newest) for row in range(ROWS)]
        asked = [(row, ends[row] + step) for row in range(ROWS) for step in range(LENGTH - RING, LENGTH + 1)]
        found = slices.windows(np.array([row for row, _ in asked]), np.array([last for _, last in asked]), LENGTH)
        assert found[0].tolist() == [model.window(row, last) for row, last in asked]
        assert slices.every_window(newest, LENGTH)[0, :ROWS].tolist() == [
            model.window(row, newest) for row in range(ROWS)
        ]


def test_a_row_that_falls_quiet_gives_its_ring_to_others() -> None:
    slices = Slices(2, RING)
    for start in range(100, 100 + 40 * RING, RING):
        row = start // RING
        add(slices, {(row, start + step): 1 for step in range(FEW + 1)})
        add(slices, {(row, start + 2 * RING): 1})
    assert len(slices._rings) <= 16
    assert slices.every_window(100 + 2 * RING, LENGTH)[0, 100 // RING] == 1


def test_ten_thousand_quiet_accounts_take_a_sixth_of_a_ring_each() -> None:
    flow, size = SlidingSums(3600.0, 3), 10_000
    rows = np.arange(size)
    tracemalloc.start()
    flow.add(rows, np.full(size, 1.8e9), [np.ones(size)] * 3)
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    ring = 4 * (1 + 3) * (SLICES + SLICES // 5)
    assert taken < size * ring / 4  # a sixth, and what says who has a ring


def test_a_snapshot_of_an_earlier_version_is_taken_back() -> None:
    never, slots = np.iinfo(np.int32).min, SLICES + SLICES // 5
    stamp = np.full((3, slots), never, np.int32)
    total = np.zeros((1, 3, slots), np.float32)
    now, step = 1.8e9, 60.0 / SLICES
    for row, behind in ((0, 0), (0, 3), *((2, behind) for behind in range(SLICES + 1))):
        piece = int((now - 1_577_836_800.0) // step) - behind
        stamp[row, piece % slots], total[0, row, piece % slots] = piece, 1 + behind
    flow = SlidingSums(60.0, 1)
    assert flow.load(60.0, stamp, total)
    assert flow.values(now)[0, :3].tolist() == [5, 0, sum(range(1, SLICES + 1))]
    flow.add(np.array([2]), np.array([now]), [np.array([100.0])])
    assert flow.values(now)[0, 2] == 100 + sum(range(1, SLICES + 1))
