"""Expressions compiled into one database, and kept on disk because that takes seconds.

Compiling takes tens of megabytes as well, which would stay with the process; so another one does it.
"""

from __future__ import annotations

import hashlib
import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import hyperscan
import msgspec

log = logging.getLogger("tocsin")

MANY = 20
"""From so many expressions on, another process compiles: it costs a third of a second to start.

What is kept on disk is always compiled there, as the pages of the compiler alone are 4 MB.
"""

_MODE = hyperscan.HS_MODE_BLOCK
_MOST_SECONDS = 300.0

Expression = tuple[str, bool]
"""An ASCII expression over bytes, and whether it ignores case."""


def user_cache() -> Path:
    """The folder of this user for what can be made again."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tocsin"


def compiled(expressions: Sequence[Expression], cache: Path | None = None) -> hyperscan.Database:
    """A database that reports an expression by its place in `expressions`.

    It is taken from the file `cache` when that was made of the same expressions, for the same engine; else the file is
    written anew. A file that is damaged or cannot be written is no error. It holds the expressions in compiled form,
    and whoever can write it decides what is found.

    Raises:
        ValueError: the engine refuses an expression.
    """
    asked = repr(list(expressions)).encode()
    database = None if cache is None else _read(cache, asked)
    if database is None:
        elsewhere = cache is not None or len(expressions) >= MANY
        data = _made_elsewhere(expressions) if elsewhere else _made(expressions)
        database = _loaded(data)
        if cache is not None:
            _write(cache, _seal(asked, data) + data)
    return database


def _seal(asked: bytes, data: bytes) -> bytes:
    """What ties `data` to the expressions that it was made of; the engine's own checksum leaves bytes out."""
    return hashlib.sha256(hashlib.sha256(asked).digest() + data).digest()


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
        raise ValueError(output[-1] if output else "the pattern engine ended without a word")
    return done.stdout


def _loaded(data: bytes) -> hyperscan.Database:
    database = hyperscan.loadb(data, _MODE)  # refuses what was made for another processor, or by another engine
    database.scratch = hyperscan.Scratch(database)
    return database


def _read(cache: Path, asked: bytes) -> hyperscan.Database | None:
    try:
        whole = cache.read_bytes()
        seal, data = whole[:32], whole[32:]
        if seal != _seal(asked, data):
            return None
        return _loaded(data)
    except (OSError, hyperscan.error):
        return None


def _write(cache: Path, data: bytes) -> None:
    try:
        cache.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=cache.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            Path(name).replace(cache)
        except OSError:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        log.warning("compiled content rules cannot be kept in %s: %s", cache.parent, error.strerror)


def serve() -> None:
    """Compile what comes on standard input, as JSON, to standard output."""
    try:
        sys.stdout.buffer.write(_made(msgspec.json.decode(sys.stdin.buffer.read(), type=list[Expression])))
    except ValueError as refused:
        sys.exit(str(refused))
