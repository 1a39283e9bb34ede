"""Saved states: damaged bytes, and whole ones that hold another structure than expected."""

from __future__ import annotations

import random
import tempfile
import zlib
from collections.abc import Hashable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np

from exporters.exporter import restore
from exporters.run import positions_of
from exporters.sources.http import position_of
from runtime.state_file import StateError, StateFolder, decode, encode
from tests.fuzz.engine import Target
from tests.fuzz.invariants import NOW, engine_holds
from tests.fuzz.mutate import SCALARS, bytes_changed
from tests.support.engines import feed, make_engine
from tests.support.litellm_lines import blocked, line, record, refused

_RESETS: Final = "tocsin_state_resets_total"


@cache
def seeds() -> Sequence[bytes]:
    """The state of an exporter that has counted nothing, and of one that has counted a bit of everything."""
    engine = make_engine(content=True)
    empty = encode({**engine.memory.save(), "positions": {}})
    made = [record(NOW - number, f"c-{number}", user=f"u-{number % 7}") for number in range(40)]
    made += [refused(NOW - number, f"r-{number}", key=f"k-{number}") for number in range(20)]
    made += [blocked(NOW - number, f"b-{number}") for number in range(5)]
    feed(engine, "gw", [b"".join(map(line, made))], now=NOW)
    writers = b"".join(b'{"v":1,"writer":"w","seq":%d,"kind":"beat"}\n' % number for number in (1, 2, 9, 12))
    feed(engine, "gw", [writers], now=NOW)
    engine.scrape(NOW)
    fingerprint = {"length": 10, "hash": 7}
    position = {
        "identity": {"device": 1, "inode": 2, "head": fingerprint},
        "generation": 1,
        "path": "/x",
        "stem": "/x",
        "offset": 10,
        "before": fingerprint,
        "size": 10,
    }
    positions = {"gw": {"a": position}, "posts": {"spool": {"segment": 1, "offset": 2}}}
    return [empty, encode({**engine.memory.save(), "positions": positions})]


def _other(rng: random.Random, value: Any) -> Any:
    """A value of another type, size or sign in one place of a saved state."""
    match value:
        case dict() if value and rng.random() < 0.93:
            name = rng.choice(list(value))
            if rng.random() < 0.05:
                return {other: inner for other, inner in value.items() if other != name}
            if rng.random() < 0.03:
                return {**value, rng.choice(("new", 7, None)): value[name]}
            return {**value, name: _other(rng, value[name])}
        case list() if value and rng.random() < 0.9:
            place = rng.randrange(len(value))
            if rng.random() < 0.15:
                return rng.choice((value[:place], value + value, [*value, None], value[::-1]))
            return [*value[:place], _other(rng, value[place]), *value[place + 1 :]]
        case np.ndarray() if rng.random() < 0.9:
            return _array(rng, value)
        case int() | float() if rng.random() < 0.7:
            return rng.choice(
                (0, -1, 2**31, 2**53, 2**63, -(2**63), 1e300, float("nan"), float("inf"), -float("inf"), -0.5)
            )
    return rng.choice(
        (*(value for value in SCALARS if type(value) is not int or -(2**63) <= value < 2**64), [], {}, [[]])
    )


def _array(rng: random.Random, value: np.ndarray[Any, Any]) -> Any:
    match rng.randrange(7):
        case 0:
            return value[: len(value) // 2] if value.ndim else value.reshape(1)
        case 1:
            return np.concatenate([value, value]) if value.ndim else value
        case 2:
            return value.astype(rng.choice((np.float32, np.int8, np.uint64, np.bool_, np.int64)))
        case 3:
            return value.reshape(-1)
        case 4:
            return value.tolist()
        case 5:
            return np.zeros((0, 0, 3))
        case _:
            copy = value.copy().reshape(-1)
            if copy.size:
                kinds = (
                    (np.nan, np.inf, -1.0, 1e308)
                    if copy.dtype.kind == "f"
                    else (0, np.iinfo(copy.dtype).max)
                    if copy.dtype.kind in "iu"
                    else (True,)
                )
                copy[rng.randrange(copy.size)] = rng.choice(kinds)
            return copy.reshape(value.shape)


def shape(rng: random.Random, data: bytes) -> bytes:
    """A state with a right checksum and something else inside."""
    try:
        state: Any = decode(data)
    except Exception:
        return bytes_changed(rng, data)
    for _ in range(rng.choice((1, 1, 2))):
        state = _other(rng, state)
    try:
        return encode(state)
    except Exception:  # an integer that no format holds
        return data


def one(data: bytes) -> Hashable:
    """Start from a saved state, with a good one before it; then go on counting."""
    with tempfile.TemporaryDirectory() as name:
        folder = StateFolder(Path(name))
        try:
            folder.path.write_bytes(data)
            if zlib.crc32(data) % 2:
                folder.previous.write_bytes(seeds()[1])
            engine = make_engine(content=True)
            try:
                saved = restore(engine.memory, folder)
            except StateError as error:
                return str(error)[:30]
            positions_of(saved, "gw")
            position_of((saved or {}).get("posts"))
            feed(engine, "gw", [line(record(NOW, "after")), b'{"v":1,"writer":"w","seq":20,"kind":"beat"}\n'], now=NOW)
            engine.state.sequence_gaps.settle("gw", NOW + 1_000, idle=True)
            engine_holds(engine)
            folder.save({**engine.memory.save(), "positions": {}})
            resets = {key for table in engine.scrape(NOW) if table.name == _RESETS for key in table.keys}
            return saved is None, tuple(sorted(resets)), tuple(sorted(path.name for path in Path(name).iterdir()))
        finally:
            folder.close()


TARGET = Target("state", one, seeds, inputs=600, steps=(400_000, 30), shape=shape)
