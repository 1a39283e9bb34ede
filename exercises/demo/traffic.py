"""The traffic of the demo: a recorded afternoon, faster than it was, with attacks in it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import dropwhile, takewhile
from pathlib import Path
from typing import Final

from exercises import recording
from exercises.recording import Attack, Recordings
from runtime.errors import TocsinError

RECORDINGS: Final = Path(__file__).resolve().parents[2] / "tests" / "recordings"
"""In a checkout. They are not part of an installation."""
BEGINS: Final = 15 * 3600.0
"""The moment of the recorded day that becomes the start of the demo, in seconds after midnight."""
SPEED: Final = 20.0
"""Recorded seconds in one of the demo, while the attacks last: twelve minutes in 36 s."""
LASTS: Final = 36.0
"""Seconds; after that come no attacks, and the ordinary day goes on at `AFTERWARDS`."""
AFTERWARDS: Final = 2.0
ATTACKS: Final = {"jailbreak-campaign": 0.0, "data-exfiltration": 7.0}
"""The attacks that are played, and seconds from their cue until each begins."""

Stream = Iterator[tuple[float, bytes]]


class RecordingsMissingError(TocsinError):
    """There are no recordings to play. The message says what to do."""


def load(folder: Path = RECORDINGS) -> Recordings:
    """The recordings in a folder.

    Raises:
        RecordingsMissingError: they are not there, or not what the demo plays.
    """
    try:
        found = recording.load(folder)
        missing = [name for name in ATTACKS if name not in found.attacks]
        files = [found.benign, *(found.attacks[name].path for name in ATTACKS if name not in missing)]
        missing += [path.name for path in files if not path.is_file()]
    except (OSError, recording.RecordingError) as error:
        raise RecordingsMissingError(
            f"there are no recordings in {folder} ({error}). The demo plays those of a checkout; run it there with "
            "`make demo`, or name a folder with --recordings"
        ) from None
    if missing:
        raise RecordingsMissingError(f"the recordings in {folder} lack {', '.join(missing)}")
    return found


def attacks(recordings: Recordings) -> list[Attack]:
    """The attacks that are played, in the order of their start."""
    return [recordings.attacks[name] for name in sorted(ATTACKS, key=ATTACKS.__getitem__)]


def benign(recordings: Recordings, start: float) -> Stream:
    """The ordinary day from `start` on (Unix seconds), each line with the time at which it is due.

    Raises:
        RecordingsMissingError: it cannot be read.
    """
    begins = recordings.midnight + BEGINS
    slows = begins + SPEED * LASTS

    def lines(since: float) -> Iterator[bytes]:
        return dropwhile(lambda line: recording.end_time(line) < since, _read(recordings.benign))

    fast = takewhile(lambda line: recording.end_time(line) < slows, lines(begins))
    yield from recording.restamp_lines(fast, start=start, speed=SPEED, origin=begins)
    yield from recording.restamp_lines(lines(slows), start=start + LASTS, speed=AFTERWARDS, origin=slows)


def attack(recordings: Recordings, name: str, start: float, until: float) -> Stream:
    """An attack whose first record is due at `start`, as far as it gets until `until` (Unix seconds).

    Raises:
        RecordingsMissingError: it cannot be read.
    """
    lines = recording.restamp_lines(_read(recordings.attacks[name].path), start=start, speed=SPEED)
    return takewhile(lambda due: due[0] < until, lines)


class Traffic:
    """What is due, line by line. The ordinary day runs from `start`, the attacks from their `cue` (Unix seconds)."""

    def __init__(self, recordings: Recordings, start: float) -> None:
        self._recordings = recordings
        self._start = start
        self._stream = benign(recordings, start)
        self._next = next(self._stream, None)
        self.lines = 0

    def cue(self, now: float) -> None:
        """Let the attacks begin; at the latest while the ordinary day is still fast."""
        waiting = [self._next] if self._next is not None else []
        until = now + LASTS
        played = [attack(self._recordings, name, now + wait, until) for name, wait in ATTACKS.items()]
        self._stream = recording.merge(waiting, self._stream, *played)
        self._next = next(self._stream, None)

    def due(self, now: float) -> bytes:
        """The lines that became due since the last call, each with its newline.

        Raises:
            RecordingsMissingError: they cannot be read.
        """
        taken = []
        while self._next is not None and self._next[0] <= now:
            taken.append(self._next[1])
            self._next = next(self._stream, None)
        self.lines += len(taken)
        return b"".join(taken)

    @property
    def over(self) -> bool:
        """Whether the recorded day has ended."""
        return self._next is None


def _read(path: Path) -> Iterator[bytes]:
    try:
        yield from recording.read(path)
    except (OSError, EOFError) as error:
        raise RecordingsMissingError(f"{path} cannot be read: {error}") from None
