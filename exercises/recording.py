"""Recordings of a gateway's log: read, move to another time, compress, and mix.

A recording is a file of JSON lines as LiteLLM writes them, gzipped or not, in the order of their end. Lines are never
decoded: only the numbers of their time fields are replaced, so all else stays as it was written, byte for byte.
"""

from __future__ import annotations

import gzip
import heapq
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from pathlib import Path

from runtime.errors import TocsinError

# Ends of the names of time fields. A quote inside of a JSON string has a backslash before it, so that none of these is
# ever found in a prompt or an answer.
_NAMES = (b'Time":', b'_time":', b'"created":')
_NUMBER = re.compile(rb"\s*(\d{10})(?:\.(\d+))?(?=[,}\s])")
_START = re.compile(rb'"startTime":\s*(\d{10}(?:\.\d+)?)')
_END = re.compile(rb'"endTime":\s*(\d{10}(?:\.\d+)?)')
_CALL = re.compile(rb'"litellm_call_id":\s*"([^"]*)"')
_RESET = re.compile(rb'(resets at: |"reset_at":\s*")(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)(?= UTC)')
_RESET_FORMAT = "%Y-%m-%d %H:%M:%S"
_MICRO = 1_000_000


class RecordingError(TocsinError):
    """A line without the fields of a LiteLLM record, or an index that is none."""


@dataclass(frozen=True, slots=True)
class Attack:
    """A recorded attack, and what has to be said about it."""

    name: str
    help: str
    path: Path
    attempts: int
    alerts: frozenset[str]
    """Alerts of the spec that have to fire."""
    also: frozenset[str]
    """Alerts that may fire besides."""
    group: tuple[str, str]
    """The label of these alerts that names the attacker, and its value: an actor or a source_range."""


@dataclass(frozen=True, slots=True)
class Page:
    """An alert that has to fire for an actor: how much its signal counts at most, and how much of that was answered."""

    alert: str
    signal: str
    actor: str
    hits: int
    answered: int


@dataclass(frozen=True, slots=True)
class Day:
    """A recorded day with attacks inside, and every alert that it has to cause; those `also` may fire besides."""

    name: str
    path: Path
    attempts: int
    pages: tuple[Page, ...]
    also: frozenset[str]


@dataclass(frozen=True, slots=True)
class Recordings:
    """A folder of recordings: an ordinary day, attacks on the same day, and days that have their attacks inside."""

    litellm: str
    """The version that was recorded."""
    midnight: float
    """When the recorded day begins, in seconds since 1970; all recordings of the folder share it."""
    canaries: tuple[str, ...]
    """The strings that must never be in an answer."""
    shared_keys: tuple[str, ...]
    """Aliases of the keys that stand for many end users."""
    benign: Path
    benign_attempts: int
    attacks: Mapping[str, Attack]
    """By name."""
    days: Mapping[str, Day]
    """By name."""


_MOST_BYTES = 4_000_000


def load(folder: Path) -> Recordings:
    """The recordings that `folder` describes in its `recording.json`.

    Raises:
        OSError: it cannot be read.
        RecordingError: it does not say what it has to.
    """
    index = folder / "recording.json"
    with index.open("rb") as file:
        text = file.read(_MOST_BYTES + 1)
    if len(text) > _MOST_BYTES:
        raise RecordingError(f"{index}: found more than {_MOST_BYTES} bytes, expected at most that many")
    try:
        content = json.loads(text)
        attacks = {
            name: Attack(
                name=name,
                help=attack["help"],
                path=folder / attack["file"],
                attempts=attack["attempts"],
                alerts=frozenset(attack["alerts"]),
                also=frozenset(attack["also"]),
                group=(attack["group"]["label"], attack["group"]["value"]),
            )
            for name, attack in content["attacks"].items()
        }
        days = {
            name: Day(
                name=name,
                path=folder / day["file"],
                attempts=day["attempts"],
                pages=tuple(Page(**page) for page in day["pages"]),
                also=frozenset(day["also"]),
            )
            for name, day in content.get("days", {}).items()
        }
        return Recordings(
            litellm=content["litellm"],
            midnight=float(content["midnight"]),
            canaries=tuple(content["canaries"]),
            shared_keys=tuple(content["shared_keys"]),
            benign=folder / content["benign"]["file"],
            benign_attempts=content["benign"]["attempts"],
            attacks=attacks,
            days=days,
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise RecordingError(f"{index}: {type(error).__name__}: {error}") from error


def read(path: Path) -> Iterator[bytes]:
    """The raw lines of a recording, each with its newline.

    Raises:
        OSError: it cannot be read.
    """
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as lines:
        yield from lines


def restamp_lines(
    lines: Iterable[bytes], *, start: float, speed: float = 1.0, origin: float | None = None
) -> Iterator[tuple[float, bytes]]:
    """The lines, moved so that the recorded moment `origin` becomes `start`, and time passes `speed` times faster.

    Each comes with the time at which it becomes known, which is its end. An attempt keeps its own duration whatever
    the speed. Without `origin` the first line becomes known at `start`. All times are seconds since 1970.

    Raises:
        RecordingError: a line has no end.
        ValueError: `speed` is not above 0.
    """
    if not speed > 0:
        raise ValueError(f"speed is {speed}, has to be above 0")
    for line in lines:
        end = _seconds(_END, line)
        if origin is None:
            origin = end
        known = start + (end - origin) / speed
        yield known, shift(line, known - end)


def restamp(lines: Iterable[bytes], starts: Mapping[str, float]) -> list[bytes]:
    """The lines, moved so that the first attempt of each call starts when `starts` says, in the order of their new end.

    `starts` has the start of each call by its `litellm_call_id`. Later attempts of the call, such as a fallback, keep
    their distance to the first.

    Raises:
        RecordingError: a line has no call, start or end.
        KeyError: the call of a line is not in `starts`.
    """
    calls = [(_call(line), _seconds(_START, line), line) for line in lines]
    first: dict[str, float] = {}
    for call, begun, _ in calls:
        first[call] = min(begun, first.get(call, begun))
    moved = [shift(line, starts[call] - first[call]) for call, _, line in calls]
    return sorted(moved, key=end_time)


def merge(*streams: Iterable[tuple[float, bytes]]) -> Iterator[tuple[float, bytes]]:
    """Several streams of `restamp_lines` as one, in the order of time."""
    return heapq.merge(*streams, key=itemgetter(0))


def end_time(line: bytes) -> float:
    """When the attempt of a line ended, in seconds since 1970.

    Raises:
        RecordingError: it does not say.
    """
    return _seconds(_END, line)


def shift(line: bytes, seconds: float) -> bytes:
    """The line with all its times moved by the same `seconds`, to the microsecond."""
    micros = round(seconds * _MICRO)
    pieces: list[bytes] = []
    at = 0
    for number in _numbers(line):
        pieces += line[at : number.start(1)], _later(number, micros)
        at = number.end()
    pieces.append(line[at:])
    line = b"".join(pieces)
    if b"resets at: " not in line and b'"reset_at":' not in line:
        return line
    return _RESET.sub(lambda match: _later_text(match, micros), line)


def _numbers(line: bytes) -> list[re.Match[bytes]]:
    """The values of the time fields in a line, from left to right."""
    found = []
    for name in _NAMES:
        at = line.find(name)
        while at >= 0:
            at += len(name)
            number = _NUMBER.match(line, at)
            if number is not None:
                found.append(number)
            at = line.find(name, at)
    return sorted(found, key=re.Match.start)


def _later(number: re.Match[bytes], micros: int) -> bytes:
    whole, fraction = number.groups()
    if fraction is None:
        return b"%d" % (int(whole) + micros // _MICRO)
    return b"%d.%06d" % divmod(int(whole) * _MICRO + int(fraction[:6].ljust(6, b"0")) + micros, _MICRO)


def _later_text(match: re.Match[bytes], micros: int) -> bytes:
    moment = datetime.strptime(match[2].decode(), _RESET_FORMAT).replace(tzinfo=UTC)
    return match[1] + (moment + timedelta(microseconds=micros)).strftime(_RESET_FORMAT).encode()


def _seconds(pattern: re.Pattern[bytes], line: bytes) -> float:
    # The gateway writes its own times before anything that a caller sent, so the first match is the record's own.
    match = pattern.search(line)
    if match is None:
        raise RecordingError("a line of the recording has no start or end time")
    return float(match[1])


def _call(line: bytes) -> str:
    match = _CALL.search(line)
    if match is None:
        raise RecordingError("a line of the recording has no litellm_call_id")
    return match[1].decode()
