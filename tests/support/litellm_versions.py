"""LiteLLM in the versions that the tests run, each in an environment of its own below the user's cache.

    python -m tests.support.litellm_versions [--all | VERSION ...]

makes them: without arguments those that `make test` needs. A version is one lock, `requirements/litellm/VERSION.lock`,
with the hash of every package; a changed lock makes another environment.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

_LOCKS: Final = Path(__file__).parents[2] / "requirements" / "litellm"
_READY: Final = ".ready"
"""Written when all is installed: a folder without it is what an interrupted installation left."""

VERSIONS: Final = tuple(
    sorted((path.stem for path in _LOCKS.glob("*.lock")), key=lambda name: [*map(int, name.split("."))])
)
"""All, the oldest first."""
OLDEST: Final = VERSIONS[0]
PINNED: Final = "1.108.7"
"""The one that recordings, benchmarks and all other tests use."""
EVERY_TIME: Final = (OLDEST, PINNED)
"""Those of `make test`; `make long` runs all."""

Commands = tuple[Sequence[str | Path], ...]


class LiteLLMMissing(Exception):
    """A version is not installed and could not be. The message says what to do next."""


def folder(version: str) -> Path:
    """Where the environment of a version is, or would be.

    Raises:
        LiteLLMMissing: There is no lock of this version.
    """
    if version not in VERSIONS:
        raise LiteLLMMissing(f"LiteLLM {version}: no such lock; there are {', '.join(VERSIONS)}")
    configured = Path(os.environ.get("XDG_CACHE_HOME", ""))
    base = configured if configured.is_absolute() else Path.home() / ".cache"
    digest = hashlib.sha256((_LOCKS / f"{version}.lock").read_bytes()).hexdigest()[:8]
    return base / "tocsin" / "litellm" / f"{version}-{digest}-py{sys.version_info.major}.{sys.version_info.minor}"


def is_made(version: str) -> bool:
    """Whether the whole environment of a version is there."""
    return (folder(version) / _READY).exists()


def environment(version: str = PINNED) -> Path:
    """The folder of the environment of a version; made at first use, which takes from seconds to minutes.

    Any number of processes may ask for it at once: one makes it, the others wait.

    Raises:
        LiteLLMMissing: It cannot be made.
    """
    home = folder(version)
    if is_made(version):
        return home
    try:
        home.parent.mkdir(parents=True, exist_ok=True)
        with home.with_name(f".{home.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # released when the file is closed, however this process ends
            if not is_made(version):
                _make(home, version)
    except OSError as error:
        raise _missing(version, f"the cache cannot be written: {error}") from error
    return home


def need(version: str = PINNED) -> Path:
    """The environment of a version, for a test.

    Where it was never made the test is skipped; with CI=true it is made, and the test fails if it cannot be.
    """
    if not is_made(version) and os.environ.get("CI") != "true":
        pytest.skip(f"LiteLLM {version} is not in the cache: run `make litellm` once")
    try:
        return environment(version)
    except LiteLLMMissing as error:
        pytest.fail(str(error), pytrace=False)


def _make(home: Path, version: str) -> None:
    print(f"Installing LiteLLM {version} into {home}", file=sys.stderr)
    python, lock = home / "bin" / "python", _LOCKS / f"{version}.lock"
    uv: list[str | Path] = [sys.executable, "-m", "uv", "--quiet"]
    pip: list[str | Path] = [python, "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input"]
    with_uv: Commands = (
        [*uv, "venv", "--python", sys.executable, home],
        [*uv, "pip", "sync", "--python", python, "--require-hashes", lock],
    )
    with_pip: Commands = (
        [sys.executable, "-m", "venv", home],
        [*pip, "install", "--no-deps", "--require-hashes", "-r", lock],
    )
    said = ""
    for commands in (with_uv, with_pip):  # uv takes seconds, pip minutes; but only pip reads pip's configuration
        shutil.rmtree(home, ignore_errors=True)
        said = next((failure for command in commands if (failure := _failure(command))), "")
        if not said:
            (home / _READY).touch()
            return
    raise _missing(version, said)


def _failure(command: Sequence[str | Path]) -> str:
    """What a command said when it failed, else ""."""
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", check=False
    )
    if done.returncode == 0:
        return ""
    return " | ".join(done.stdout.strip().splitlines()[-3:]) or f"{Path(command[0]).name} failed"


def _missing(version: str, reason: str) -> LiteLLMMissing:
    return LiteLLMMissing(
        f"LiteLLM {version} is missing: {reason.rstrip('.')}. "
        "Run `make litellm` once where uv or pip reaches its package index."
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Make environments; each that cannot be made is named, and the others are made all the same."""
    parser = argparse.ArgumentParser(description="Install LiteLLM for the tests, each version in its own environment.")
    parser.add_argument("versions", nargs="*", metavar="VERSION", help=", ".join(VERSIONS))
    parser.add_argument("--all", action="store_true", help="all of them")
    options = parser.parse_args(arguments)
    failed = False
    for version in VERSIONS if options.all else options.versions or EVERY_TIME:
        try:
            print(f"LiteLLM {version}: {environment(version)}")
        except LiteLLMMissing as error:
            print(error, file=sys.stderr)
            failed = True
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
