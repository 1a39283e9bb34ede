"""Runs a target over a fixed number of inputs that follow from a fixed seed. See tests/fuzz/README.md."""

from __future__ import annotations

import hashlib
import random
import sys
import traceback
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Final

from tests.fuzz.mutate import LARGEST, Shape, bytes_changed, spliced

CRASHES: Final = Path(__file__).parent / "crashes"
"""A folder for each target: inputs that once broke it, tried first in every run."""
RUNNING: Final = Path(__file__).parents[2] / ".fuzz"
"""The input that is being tried, by target: what is left there after the process itself has died."""
_KEPT: Final = 400  # inputs that others are made from, beside the seeds
_COUNTED: Final = 16  # of so many inputs, the steps of one are counted
_SHRINKS: Final = 300  # tries to make an input smaller that broke something


@dataclass(frozen=True)
class Target:
    """Something that reads bytes from outside.

    `one` takes an input and raises if anything is not as it must be; it returns what happened, in a few words: an input
    with a new answer is kept, and others are made from it. `inputs` is how many `make test` tries. `shape` changes an
    input and keeps its format. An input of n bytes may take `steps[0] + n * steps[1]` calls of functions, where `size`
    says what n is.
    """

    name: str
    one: Callable[[bytes], Hashable]
    seeds: Callable[[], Sequence[bytes]]
    inputs: int
    steps: tuple[int, float]
    shape: Shape | None = None
    tokens: tuple[bytes, ...] = ()
    size: Callable[[bytes], int] = len


@dataclass(frozen=True)
class Run:
    """What a run has tried: inputs, the different answers, and the most steps as a share of what is allowed."""

    inputs: int
    answers: int
    dearest: float


class Broken(AssertionError):
    """An input broke a target. The text has the input and says what to do with it."""


class TooManySteps(AssertionError):
    """An input took more calls of functions than its size allows."""


Fault = tuple[str, str]
"""What was raised, and the function that raised it."""


def run(
    target: Target,
    inputs: int,
    *,
    seed: int = 1,
    crashes: Path = CRASHES,
    passed_over: Callable[[Fault, bytes], bool] = lambda _fault, _data: False,
) -> Run:
    """Try former crashes, the seeds, and `inputs` inputs made from these. Faults that are `passed_over` end nothing.

    Raises:
        Broken: one of them broke the target. It is now in the folder of crashes.
    """
    rng = random.Random(f"{target.name} {seed}")
    seeds = list(target.seeds())
    known = [path.read_bytes() for path in sorted((crashes / target.name).glob("*"))]
    pool = _Pool(rng, target, seeds)
    dearest = 0.0
    RUNNING.mkdir(exist_ok=True)
    running = RUNNING / target.name
    with running.open("w+b", buffering=0) as last:
        for number in range(len(known) + len(seeds) + inputs):
            data = (known + seeds)[number] if number < len(known) + len(seeds) else pool.next()
            last.seek(0)
            last.truncate(last.write(data))
            try:
                answer, share = tried(target, data, counted=number % _COUNTED == 0 or number < len(known))
            except BaseException as error:  # a time limit of the test runner, too
                if isinstance(error, Exception) and passed_over(_fault(error), data):
                    continue
                raise Broken(_report(target, data, error, crashes)) from error
            dearest = max(dearest, share)
            pool.keep(data, answer)
    running.unlink()
    return Run(len(known) + len(seeds) + inputs, len(pool.answers), dearest)


class _Pool:
    """What inputs are made from: the seeds, and inputs whose answer was new."""

    def __init__(self, rng: random.Random, target: Target, seeds: Sequence[bytes]) -> None:
        self.answers: set[Hashable] = set()
        self._rng, self._target, self._seeds = rng, target, seeds
        self._kept: list[bytes] = []

    def next(self) -> bytes:
        rng, target = self._rng, self._target
        data = rng.choice(self._kept if self._kept and rng.random() < 0.5 else self._seeds)
        if target.shape is not None and rng.random() < 0.6:
            return target.shape(rng, data)[:LARGEST]
        if rng.random() < 0.1:
            data = spliced(rng, data, rng.choice(self._seeds))
        for _ in range(rng.choice((1, 1, 2, 4, 8))):
            data = bytes_changed(rng, data[:LARGEST], target.tokens)
        return data[:LARGEST]

    def keep(self, data: bytes, answer: Hashable) -> None:
        if answer in self.answers:
            return
        self.answers.add(answer)
        if len(self._kept) < _KEPT:
            self._kept.append(data)
        else:
            self._kept[self._rng.randrange(_KEPT)] = data


def tried(target: Target, data: bytes, *, counted: bool) -> tuple[Hashable, float]:
    """The answer, and the steps as a share of what is allowed, 0 if they were not counted.

    Raises:
        TooManySteps: there were more. Whatever the target raises goes on.
    """
    if not counted:
        return target.one(data), 0.0
    steps = 0

    def step(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal steps
        if event in ("call", "c_call"):
            steps += 1

    before = sys.getprofile()
    sys.setprofile(step)
    try:
        answer = target.one(data)
    finally:
        sys.setprofile(before)
    size = target.size(data)
    allowed = target.steps[0] + target.steps[1] * size
    if steps > allowed:
        raise TooManySteps(f"{steps} steps for {size} bytes, where {allowed:.0f} are allowed")
    return answer, steps / allowed


def _report(target: Target, data: bytes, error: BaseException, crashes: Path) -> str:
    if isinstance(error, Exception):
        data = _smaller(target, data, error)
    folder = crashes / target.name
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / hashlib.sha256(data).hexdigest()[:12]
    path.write_bytes(data)
    shown = repr(data if len(data) <= 600 else data[:400] + b" [...] " + data[-200:])
    return (
        f"{target.name}: {type(error).__name__}: {str(error)[:300]}\n"
        f"  where:  {_fault(error)[1]}\n  input:  {len(data)} bytes {shown}\n  saved:  {path}\n"
        f"Try it alone: python -m tests.fuzz {target.name} {path}\n"
        "Mend the fault and commit that file with it: every run tries it first."
    )


def _smaller(target: Target, data: bytes, error: BaseException) -> bytes:
    """A part of `data` that breaks the target in the same way."""
    left, size = _SHRINKS, len(data) // 2
    counted = isinstance(error, TooManySteps)
    while size and left:
        start = 0
        while start < len(data) and left:
            left -= 1
            shorter = data[:start] + data[start + size :]
            try:
                tried(target, shorter, counted=counted)
            except Exception as other:
                if _fault(other) == _fault(error):
                    data = shorter
                    continue
            start += size
        size //= 2
    return data


def _fault(error: BaseException) -> Fault:
    frames = traceback.extract_tb(error.__traceback__)
    return type(error).__name__, f"{Path(frames[-1].filename).name} in {frames[-1].name}" if frames else ""
