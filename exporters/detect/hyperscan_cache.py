"""Expressions compiled into one database, and kept on disk because that takes seconds.

Compiling takes tens of megabytes as well, which would stay with the process; so another one does it.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence

import hyperscan
import msgspec

from runtime.private_cache import PrivateCache

MANY = 20
"""From so many expressions on, another process compiles: it costs a third of a second to start.

What is kept on disk is always compiled there, as the pages of the compiler alone are 4 MB.
"""

_FORMAT = 1  # of what is kept
_MODE = hyperscan.HS_MODE_BLOCK
_MOST_SECONDS = 300.0

Expression = tuple[str, bool]
"""An ASCII expression over bytes, and whether it ignores case."""


def compiled(
    expressions: Sequence[Expression],
    cache: PrivateCache | None = None,
    name: str = "",
    *,
    begins: Callable[[], None] = lambda: None,
) -> hyperscan.Database:
    """A database that reports an expression by its place in `expressions`.

    It is taken from the `cache`, where it is kept under `name`, when it was made of the same expressions by the same
    engine; else it is made anew. `begins` is called before that. Whoever can write to the cache
    decides what is found.

    Raises:
        ValueError: the engine refuses an expression.
    """
    asked = f"{_FORMAT} {list(expressions)!r}".encode()
    database = None if cache is None else _read(cache, name, asked)
    if database is None:
        begins()
        elsewhere = cache is not None or len(expressions) >= MANY
        data = _made_elsewhere(expressions) if elsewhere else _made(expressions)
        database = _loaded(data)
        if cache is not None:
            cache.write(name, asked, data)
    return database


def _made(expressions: Sequence[Expression]) -> bytes:
    """The expressions compiled in this process.

    Raises:
        ValueError: the engine refuses one.
    """
    database = hyperscan.Database(mode=_MODE)
    try:
        database.compile(
            expressions=[expression.encode("ascii") for expression, _ignore_case in expressions],
            ids=list(range(len(expressions))),
            flags=[hyperscan.HS_FLAG_CASELESS if ignore_case else 0 for _expression, ignore_case in expressions],
        )
    except hyperscan.error as error:
        raise ValueError(f"the pattern engine refuses: {error}") from None
    data: bytes = hyperscan.dumpb(database)
    return data


def _made_elsewhere(expressions: Sequence[Expression]) -> bytes:
    """As `_made`, in a process of its own; the expressions, which can be secret, go through a pipe."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", f"import {__name__} as compiled; compiled.serve()"],
            input=msgspec.json.encode(list(expressions)),
            capture_output=True,
            timeout=_MOST_SECONDS,
            check=False,
            start_new_session=True,  # Ctrl-C is for the one who asked
        )
    except subprocess.TimeoutExpired:
        raise ValueError(f"the pattern engine is not done after {_MOST_SECONDS:.0f} s; use fewer repeats") from None
    if done.returncode:
        output = done.stderr.decode(errors="replace").strip().splitlines()
        raise ValueError(output[-1] if output else "the pattern engine exited without a message")
    return done.stdout


def _loaded(data: bytes) -> hyperscan.Database:
    database = hyperscan.loadb(data, _MODE)  # refuses what was made for another processor, or by another engine
    database.scratch = hyperscan.Scratch(database)
    return database


def _read(cache: PrivateCache, name: str, asked: bytes) -> hyperscan.Database | None:
    data = cache.read(name, asked)
    try:
        return None if data is None else _loaded(data)
    except hyperscan.error:
        return None


def serve() -> None:
    """Compile what comes on standard input, as JSON, to standard output."""
    try:
        sys.stdout.buffer.write(_made(msgspec.json.decode(sys.stdin.buffer.read(), type=list[Expression])))
    except ValueError as refused:
        sys.exit(str(refused))
