"""Programs of real servers: found on the machine, else unpacked into a cache of the user. Nothing is installed.

`find` looks on PATH, then in the cache, and else downloads the distribution's signed package and unpacks it there.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from runtime.errors import TocsinError


class ServerMissingError(TocsinError):
    """A server's program is not on this machine and could not be fetched. The message says what to do next."""


@dataclass(frozen=True, slots=True)
class _Program:
    package: str
    """The Debian package that holds it."""
    names: tuple[str, ...]
    """What the program is called, upstream's name first: Debian's may differ."""
    under: str = "usr/bin"
    """Its folder in the package; a wildcard stands for the machine's architecture."""
    needs: int = os.X_OK
    """What must be allowed on the file: a library is read, not run."""


_ALERTMANAGER = _Program("prometheus-alertmanager", ("alertmanager", "prometheus-alertmanager"))
_PROGRAMS: Mapping[str, _Program] = {
    "prometheus": _Program("prometheus", ("prometheus",)),
    "promtool": _Program("prometheus", ("promtool",)),
    "alertmanager": _ALERTMANAGER,
    "prometheus-alertmanager": _ALERTMANAGER,
    "amtool": _Program("prometheus-alertmanager", ("amtool",)),
    "mtail": _Program("mtail", ("mtail",)),
    "libfaketime": _Program("libfaketime", ("libfaketimeMT.so.1",), "usr/lib/*/faketime", os.R_OK),
}

# Debian's Alertmanager reads its built-in templates from this fixed folder and does not start without it. The unpacked
# copy lies elsewhere, so the path in that private copy is made relative (with the same length, as it lies inside a
# compiled program) and Alertmanager runs with the package's root as its working directory.
_FIXED_DATA = b"/usr/share/prometheus/alertmanager"
_RELATIVE_DATA = b"usr/share/prometheus//alertmanager"

_COMMAND_SECONDS = 300.0


def find(name: str, *, fetch: bool = True) -> Path:
    """The path of a server's program or tool.

    Args:
        name: One of prometheus, promtool, alertmanager (also prometheus-alertmanager), amtool and mtail; libfaketime
            is a library.
        fetch: Whether to download it when it is neither on PATH nor in the cache.

    Raises:
        ServerMissingError: It is not there and cannot be fetched, or its name is not known.
    """
    program = _PROGRAMS.get(name)
    if program is None:
        raise ServerMissingError(f"{name}: not a server known here; there are {', '.join(sorted(_PROGRAMS))}")
    for candidate in program.names:
        if on_path := shutil.which(candidate):
            return Path(on_path).absolute()
    if program.needs == os.R_OK and (installed := _inside(Path("/"), program)):
        return installed
    root = _cache() / program.package
    if found := _inside(root, program):
        return found
    if not fetch:
        raise _missing(name, program, "fetching was not asked for")
    try:
        _fetch(program, root)
    except _FetchError as error:
        raise _missing(name, program, str(error)) from error
    except OSError as error:
        raise _missing(name, program, f"the cache cannot be written: {error}") from error
    if found := _inside(root, program):
        return found
    raise _missing(name, program, f"the package {program.package} does not contain it")


def package_root(program: Path) -> Path | None:
    """The folder that the package of a program was unpacked into; nothing for a program that was on PATH."""
    cache = _cache()
    return cache / program.relative_to(cache).parts[0] if program.is_relative_to(cache) else None


class _FetchError(Exception):
    pass


def _missing(name: str, program: _Program, reason: str) -> ServerMissingError:
    return ServerMissingError(
        f"{name} is missing: not on PATH, not in {_cache()}, and not fetched because {reason.rstrip('.')}. "
        f"To go on, put {' or '.join(program.names)} on PATH (on Debian and Ubuntu it is in the package "
        f"{program.package}), or run this once where apt-get reaches its package mirror."
    )


def _cache() -> Path:
    configured = Path(os.environ.get("XDG_CACHE_HOME", ""))
    # The XDG standard has relative values ignored.
    base = configured if configured.is_absolute() else Path.home() / ".cache"
    return base / "tocsin" / "servers"


def _inside(root: Path, program: _Program) -> Path | None:
    candidates = (path for name in program.names for path in sorted(root.glob(f"{program.under}/{name}")))
    return next((path for path in candidates if os.access(path, program.needs)), None)


# -------------------------------------------------------------------------------------------------------------- fetch
def _fetch(program: _Program, root: Path) -> None:
    for tool in ("apt-get", "dpkg-deb"):
        if shutil.which(tool) is None:
            raise _FetchError(f"there is no {tool} on this machine")
    root.parent.mkdir(parents=True, exist_ok=True)
    with _locked(root.parent / ".lock"):
        if _inside(root, program):
            return  # a parallel caller was faster
        for leftover in root.parent.glob(".unpack-*"):  # of a caller that was killed, as nobody else holds the lock
            shutil.rmtree(leftover, ignore_errors=True)
        with tempfile.TemporaryDirectory(prefix=".unpack-", dir=root.parent) as name:
            scratch = Path(name)
            package = _download(program.package, scratch)
            unpacked = scratch / "root"
            _run(["dpkg-deb", "-x", str(package), str(unpacked)], scratch)
            _relocate(unpacked / "usr" / "bin" / "prometheus-alertmanager")
            if root.exists():
                shutil.rmtree(root)
            unpacked.rename(root)  # whole or absent, whenever this process ends


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # released when the file is closed, however this process ends
        yield


def _download(package: str, scratch: Path) -> Path:
    # apt refuses what the distribution has not signed, so nothing has to be verified here.
    try:
        _run(["apt-get", "-q", "download", package], scratch)
    except _FetchError:
        # No package lists, or old ones. New ones go into a private folder: that needs no rights and changes nothing.
        private = _private_apt(scratch)
        try:
            report = _last_lines(_run(["apt-get", "-q", *private, "update"], scratch))
        except _FetchError as error:
            report = str(error)  # perhaps of one source of several, so the download may succeed all the same
        try:
            _run(["apt-get", "-q", *private, "download", package], scratch)
        except _FetchError as error:
            # `update` succeeds even when every list failed, so its own words are often the cause.
            raise _FetchError(f"{error}; before that, apt-get update said: {report}") from None
    downloaded = next(scratch.glob("*.deb"), None)
    if downloaded is None:
        raise _FetchError(f"apt-get download {package} left no package")
    return downloaded


def _private_apt(scratch: Path) -> list[str]:
    state, cache = scratch / "apt-state", scratch / "apt-cache"
    (state / "lists" / "partial").mkdir(parents=True)
    (cache / "archives" / "partial").mkdir(parents=True)
    settings = {
        "Dir::State": state,
        "Dir::State::lists": state / "lists",  # named each, as the configuration of the machine may name them too
        "Dir::State::status": "/var/lib/dpkg/status",
        "Dir::Cache": cache,
        "Dir::Cache::archives": cache / "archives",
        "APT::Sandbox::User": "root",  # apt's own user cannot write into a private folder; without root it is ignored
        "Acquire::Languages": "none",
    }
    return [part for key, value in settings.items() for part in ("-o", f"{key}={value}")]


def _run(command: Sequence[str], cwd: Path) -> str:
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            env={**os.environ, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=_COMMAND_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise _FetchError(f"{command[0]} took longer than {_COMMAND_SECONDS:g} s") from None
    if done.returncode != 0:
        raise _FetchError(f"{command[0]} failed ({done.returncode}): {_last_lines(done.stdout)}")
    return done.stdout


def _last_lines(text: str) -> str:
    output = " | ".join(text.strip().splitlines()[-3:]) or "nothing"
    return re.sub(r"//[^/\s@]+@", "//", output)  # a mirror or proxy may be named with its password


def _relocate(program: Path) -> None:
    if program.exists():
        program.write_bytes(program.read_bytes().replace(_FIXED_DATA, _RELATIVE_DATA))
