"""The hook inside of LiteLLM: whatever object a callback is given, it writes one good line or counts one loss."""

from __future__ import annotations

import atexit
import json
import math
import random
import tempfile
from collections.abc import Hashable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from events.batch import ALL_COLUMNS
from events.gateways import LiteLLM
from exporters.hooks.litellm.tocsin_litellm import Hook, Settings
from tests.fuzz.engine import Target
from tests.fuzz.invariants import NOW, batch_holds
from tests.fuzz.mutate import json_lines
from tests.support.litellm_lines import blocked, record, refused

ADAPTER = LiteLLM(ALL_COLUMNS, False)
_MODES = ("full", "redacted", "hashed", "off")
_LARGEST = 100_000  # bytes of a record, so that some are shortened


class _Odd:
    """An object that no encoder knows, and that does not like to be looked at."""

    def __init__(self, kind: int) -> None:
        self._kind = kind

    def __str__(self) -> str:
        match self._kind % 4:
            case 0:
                raise ValueError("no text")
            case 1:
                return "\ud800" * 10
            case 2:
                return "x" * 200_000
        return "odd"

    __repr__ = __str__

    def __bool__(self) -> bool:
        if self._kind % 5 == 0:
            raise TypeError("neither true nor false")
        return True


class _Mapping(Mapping[str, Any]):
    """A mapping that says it has members which it does not give."""

    def __getitem__(self, name: str) -> Any:
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(("messages", "metadata", "model"))

    def __len__(self) -> int:
        return 3


class _Text(str):
    """A string that is not quite one."""


def alive(tree: Any, rng: random.Random) -> Any:
    """A tree of JSON with objects of Python in some of its places, and with members that contain themselves."""
    if isinstance(tree, dict):
        made: dict[Any, Any] = {name: alive(inner, rng) for name, inner in tree.items()}
        if rng.random() < 0.03:
            made[rng.choice((7, None, b"bytes", (1, 2), math.nan, _Text("model")))] = "odd name"
        if rng.random() < 0.02:
            made["again"] = made
        return made
    if isinstance(tree, list):
        items = [alive(inner, rng) for inner in tree]
        if rng.random() < 0.02:
            items.append(items)
        return items
    if rng.random() < 0.04:
        odd = (b"\xff", {1, 2}, (1, (2,)), math.nan, math.inf, 10**400, -(2**70), _Mapping(), _Text("s"), object)
        return rng.choice((*odd, range(9), "\ud800", _Odd(rng.randrange(20)), Path("/x"), iter(()), bytearray(b"x")))
    return tree


@cache
def hooks() -> tuple[tuple[Hook, Path], ...]:
    """A hook for each content mode."""
    home = tempfile.TemporaryDirectory()
    atexit.register(home.cleanup)
    made = []
    for mode in _MODES:
        folder = Path(home.name) / mode
        folder.mkdir()
        hook = Hook(Settings(folder=folder, memory=folder, content=mode, record_bytes=_LARGEST, rotate_bytes=1 << 50))
        hook.start()
        atexit.register(hook.close)
        made.append((hook, folder))
    return tuple(made)


_read: dict[Path, int] = {}


def seeds() -> Sequence[bytes]:
    """A byte that chooses mode and oddities, and the record."""
    made = [
        record(NOW, "c"),
        refused(NOW, "r", key="k"),
        blocked(NOW, "b"),
        record(NOW, "n") | {"messages": "x" * 200_000},
    ]
    return [bytes([mode]) + json.dumps(each).encode() for mode in range(8) for each in made]


def shape(rng: random.Random, data: bytes) -> bytes:
    """Another record."""
    return rng.randbytes(1) + json_lines(rng, data[1:])


def fresh(mode: int) -> tuple[bytes, list[dict[str, Any]]]:
    """What the hook of a mode has written since the last time, and the lines with records in it."""
    hook, folder = hooks()[mode]
    writer = hook.start()
    assert writer.flush(60)
    content = writer.path.read_bytes()[_read.get(folder, 0) :]
    _read[folder] = _read.get(folder, 0) + len(content)
    assert content.endswith(b"\n")
    attempts = []
    for line in content.splitlines(keepends=True):
        envelope = json.loads(line)
        if envelope["kind"] == "attempt":
            assert len(line) < _LARGEST + 1_000
            envelope["record"].keys()
            attempts.append(envelope)
    return content, attempts


def one(data: bytes) -> Hashable:
    """Give a record to the hook, and read what it has written."""
    if not data:
        return None
    hook, _ = hooks()[data[0] % 4]
    rng = random.Random(data)
    try:
        tree = json.loads(data[1:])
    except (ValueError, RecursionError):
        tree = data[1:].decode("utf-8", "surrogateescape")
    payload = alive(tree, rng) if data[0] & 4 else tree
    writer = hook.start()
    lost = sum(writer.dropped.values())
    hook.take({"standard_logging_object": payload})
    hook.close()  # what waits for its address is written now
    content, attempts = fresh(data[0] % 4)
    batch_holds(ADAPTER.decode(content, source="gw"), content)
    lost = sum(writer.dropped.values()) - lost
    try:
        given = bool(payload)
    except TypeError:
        given = True
    assert len(attempts) + lost == given, f"{len(attempts)} lines and {lost} losses for one record"
    return data[0] % 4, len(attempts), tuple(sorted(set(attempts[0]) - {"seq"})) if attempts else ()


# The first number: a short input may share a value so often that the hook looks at 30,000 of them.
TARGET = Target("hook", one, seeds, inputs=1_500, steps=(150_000, 60), shape=shape)
