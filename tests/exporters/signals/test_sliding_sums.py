"""Windows of a backlog are those that one event after the other would have shown, and their work is bounded."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import exporters.signals
from exporters.signals.sliding_sums import SLICES, SlidingSums
from tests.support.steps import steps_of

STEP = 10
WINDOW = float(SLICES * STEP)
START = 1_700_000_000

HOSTILE: dict[str, Callable[[int], int]] = {
    "far apart": lambda place: place * 50_000,
    "far apart, backwards": lambda place: -place * 50_000,
    "one a slice": lambda place: place * STEP,
    "future and past in turn": lambda place: (place % 2) * 10**9,
    "from everywhere": lambda place: random.Random(place).randrange(10**9),
    "just beyond a ring": lambda place: place * STEP * (SLICES + SLICES // 5),
}


def add(flow: SlidingSums, events: list[tuple[int, int, int]]) -> list[tuple[int, float, float]]:
    """Add events of (row, time, weight); the windows touched: row, end, value."""
    rows, times, weights = (np.array(column) for column in zip(*events, strict=True))
    row, ends, values = flow.add(rows, times.astype(float), [weights.astype(float)])
    return list(zip(row.tolist(), ends.tolist(), values[0].tolist(), strict=True))


def true_windows(
    events: list[tuple[int, int, int]], fresh: list[tuple[int, int, int]]
) -> list[tuple[int, float, float]]:
    """The windows at the slices of `fresh` events, over all `events`."""
    out = []
    for row, piece in sorted({(row, time // STEP) for row, time, _ in fresh}):
        value = sum(weight for of, time, weight in events if of == row and piece - SLICES < time // STEP <= piece)
        out.append((row, float((piece + 1) * STEP), float(value)))
    return out


@pytest.mark.parametrize("seed", range(30))
def test_windows_of_a_backlog_are_exact(seed: int) -> None:
    rng, flow, known = random.Random(seed), SlidingSums(WINDOW, 1), []
    newest = START
    for _ in range(12):  # batches whose events are in any order, but not behind those of the batch before
        reach = rng.choice((3, 30, 300, 30_000)) * STEP
        events = [
            (rng.randrange(4), newest + rng.randrange(reach), rng.randrange(9)) for _ in range(rng.randrange(1, 60))
        ]
        newest += reach
        known += events
        assert add(flow, events) == true_windows(known, events)
        if rng.random() < 0.3:
            again = SlidingSums(WINDOW, 1)
            saved: dict[str, Any] = flow.save(4)
            assert again.load(WINDOW, saved["stamp"], saved["sum"])
            flow = again


@pytest.mark.parametrize("seed", range(20))
def test_a_backlog_beside_live_events_keeps_both_windows(seed: int) -> None:
    rng = random.Random(seed)
    live = [(0, START + 10**6 + rng.randrange(100), 1) for _ in range(20)]
    late = [(0, START + place * STEP * 2, 1) for place in range(8)]
    mixed = live + late
    rng.shuffle(mixed)
    flow = SlidingSums(WINDOW, 1)
    add(flow, mixed)
    assert flow.values(START + 10**6 + 100)[0, 0] == 20
    more = [(0, START + 8 * STEP * 2, 1)]
    assert add(flow, more)[0][2] >= 7  # of the nine, the last 20 slices hold ten; some share a slot with live ones


@pytest.mark.parametrize("kind", HOSTILE)
def test_the_work_does_not_depend_on_the_times(kind: str) -> None:
    def work(size: int) -> int:
        flow = SlidingSums(WINDOW, 1)
        events = [(place % 7, START + HOSTILE[kind](place), 1) for place in range(size)]
        rows, times = np.array([row for row, _, _ in events]), np.array([float(time) for _, time, _ in events])
        return steps_of(lambda: flow.add(rows, times, [np.ones(size)]), exporters.signals)

    assert work(4_000) <= 2 * max(work(40), 100)


def test_one_huge_weight_leaves_other_windows_exact() -> None:
    flow = SlidingSums(WINDOW, 1)
    events = [(0, START, 10**15), (1, START, 3), (0, START + 10**6, 3), (2, START + 10**6, 5)]
    assert [value for _, _, value in add(flow, events)] == [float(np.float32(10**15)), 3.0, 3.0, 5.0]
