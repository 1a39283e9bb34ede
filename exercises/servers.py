"""Real servers for the demo and the tests, run on loopback.

`Prometheus` and `Alertmanager` run one process each in a folder of their own and always end it, by its process id.
What an exercise needs beside them can be had from here too: `find` for the programs and `CaptureReceiver` for the
places a page is sent to.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

import requests
import yaml

from exercises.patience import Patience, unreported
from exercises.programs import ServerMissingError, find, package_root
from exercises.receiver import CaptureReceiver, Delivery
from runtime.errors import TocsinError

__all__ = [
    "Alertmanager",
    "CaptureReceiver",
    "Delivery",
    "Prometheus",
    "Sample",
    "Server",
    "ServerFailedError",
    "ServerMissingError",
    "find",
    "scrape_config",
]

_LOOPBACK = "127.0.0.1"
_PDEATHSIG = Path(__file__).with_name("pdeathsig.py")


class ServerFailedError(TocsinError):
    """A server did not start, is not running, or refused a call. The message has the tail of its log, or its answer."""


PATIENCE = 600.0
"""Seconds to wait for what a server has to show. Only one that is stuck takes so long, on whatever machine."""

_PORT_TRIES = 5
_CALL_SECONDS = 60.0
_POLL_SECONDS = 0.05
_LOG_TAIL_LINES = 20


def free_port() -> int:
    """A port of the loopback interface that nobody listens on.

    Taken from below the range that outgoing connections use, so that none of them grabs the port of a server that is
    down for a moment in a restart.
    """
    for _ in range(100):
        port = 20_000 + secrets.randbelow(12_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((_LOOPBACK, port))
            return port
    raise ServerFailedError("no free port between 20000 and 32000")


def _listens(pid: int, port: int) -> bool:
    """Whether this very process listens on a port of the loopback interface.

    An answer alone does not tell: it may come from another server that had the port before.
    """
    loopback = f"{int.from_bytes(socket.inet_aton(_LOOPBACK), sys.byteorder):08X}:{port:04X}"
    rows = (line.split() for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:])
    listening = {f"socket:[{row[9]}]" for row in rows if row[1] == loopback and row[3] == "0A"}
    try:
        return any(str(entry.readlink()) in listening for entry in Path(f"/proc/{pid}/fd").iterdir())
    except OSError:  # it is ending, or just closed one of its files
        return False


class Server(ABC):
    """One real server process in a folder of its own, on a free port of the loopback interface.

    As a context manager it is started on entry and ended on exit, also after an exception. Port and data stay the same
    over `stop`, `kill` and `restart`. The process also ends when the thread that started it does (a limit of how Linux
    ties a child to its parent), so start it from one that lives as long as the server should.
    """

    program: ClassVar[str]
    """The name `find` knows it by."""

    def __init__(
        self, directory: Path, config: str, *, flags: Sequence[str] = (), report: Callable[[str], None] = unreported
    ) -> None:
        """Prepare the folder, without starting anything.

        Args:
            directory: Where its configuration, data and log go; created when absent.
            config: The whole text of its configuration file.
            flags: Further command-line flags.
            report: Takes a line about a start that takes long.
        """
        self.directory = directory.absolute()
        self.directory.mkdir(parents=True, exist_ok=True)
        self.config_file = self.directory / f"{self.program}.yml"
        self.log_file = self.directory / f"{self.program}.log"
        self._flags = tuple(flags)
        self._report = report
        self._port: int | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._log_start = 0
        self.config_file.write_text(config, encoding="utf-8")

    @abstractmethod
    def _command(self, program: Path, url: str) -> list[str]:
        """The command line that makes it listen at a URL."""

    @property
    def url(self) -> str:
        """Its base URL, without a slash at the end.

        Raises:
            ServerFailedError: It was never started, so it has no port yet.
        """
        if self._port is None:
            raise ServerFailedError(f"{self.program} has no address before its first start")
        return _at(self._port)

    @property
    def pid(self) -> int:
        """Its process id.

        Raises:
            ServerFailedError: It is not running.
        """
        if self._process is None or self._process.poll() is not None:
            raise ServerFailedError(f"{self.program} is not running{self._log_tail()}")
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether its process lives."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it and wait until it is ready; nothing happens when it runs already.

        The first start picks a free port. A later one needs the same port, and fails when somebody else has taken it.

        Raises:
            ServerMissingError: Its program is not there.
            ServerFailedError: It ended, or was not ready in time.
        """
        if self.running:
            return
        if self._port is not None:
            self._launch(self._port)
            return
        for attempt in range(1, _PORT_TRIES + 1):
            port = free_port()
            try:
                self._launch(port)
            except ServerFailedError as error:
                # Somebody else took the port between the look and the start.
                if "address already in use" not in str(error) or attempt == _PORT_TRIES:
                    raise
            else:
                self._port = port
                return

    def stop(self, timeout: float = 10.0) -> None:
        """End it in its own orderly way, and by force after some seconds; nothing happens when it does not run."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def kill(self) -> None:
        """End it at once (SIGKILL), as a crash would; nothing happens when it does not run."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        self._process = None

    def restart(self) -> None:
        """Stop it if it runs, and start it again on the same port and data.

        Raises:
            ServerFailedError: It ended, or was not ready in time.
        """
        self.stop()
        self.start()

    def configure(self, config: str) -> None:
        """Replace its configuration, at once when it runs.

        Raises:
            ServerFailedError: It refused the configuration, and still runs with the one before.
        """
        before = self.config_file.read_text(encoding="utf-8")
        self.config_file.write_text(config, encoding="utf-8")
        if self.running:
            try:
                self.post("/-/reload")
            except ServerFailedError:
                self.config_file.write_text(before, encoding="utf-8")  # what a restart has to find
                raise

    def get(self, path: str, **parameters: str) -> Any:
        """Call its HTTP interface and return the parsed JSON answer.

        Raises:
            ServerFailedError: It does not answer, or answers with an error.
        """
        return self._call("GET", path, params=parameters)

    def post(self, path: str, body: Any = None) -> Any:
        """Send a JSON body to its HTTP interface and return the parsed JSON answer, None when that is empty.

        Raises:
            ServerFailedError: It does not answer, or answers with an error.
        """
        return self._call("POST", path, json=body)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _launch(self, port: int) -> None:
        program = find(self.program)
        url = _at(port)
        pdeathsig = [sys.executable, "-I", "-S", str(_PDEATHSIG), str(os.getpid())]
        with self.log_file.open("ab") as log:
            self._log_start = log.tell()
            self._process = subprocess.Popen(
                [*pdeathsig, *self._command(program, url)],
                cwd=package_root(program) or self.directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Ctrl-C in a terminal goes to the whole group; the servers have to outlive it until they are stopped.
                start_new_session=True,
            )
        try:
            self._wait_until_ready(self._process, port)
        except BaseException:
            self.kill()
            raise

    def _wait_until_ready(self, process: subprocess.Popen[bytes], port: int) -> None:
        patience = Patience(process.pid, self.program, self.log_file, self._report)
        while not (lost := patience.lost()):
            if process.poll() is not None:
                raise ServerFailedError(f"{self.program} ended with code {process.returncode}{self._log_tail()}")
            if _listens(process.pid, port):
                with contextlib.suppress(requests.RequestException):
                    if _http("GET", f"{_at(port)}/-/ready", timeout=_CALL_SECONDS).status_code == requests.codes.ok:
                        return
            time.sleep(_POLL_SECONDS)
        raise ServerFailedError(f"{self.program} did not start: {lost}{self._log_tail()}")

    def _call(self, method: str, path: str, **arguments: Any) -> Any:
        try:
            answer = _http(method, self.url + path, timeout=_CALL_SECONDS, **arguments)
        except requests.RequestException as error:
            raise ServerFailedError(
                f"{self.program} does not answer {method} {path}: {error}{self._log_tail()}"
            ) from error
        if not answer.ok:
            raise ServerFailedError(
                f"{self.program} refused {method} {path} ({answer.status_code}): {answer.text.strip()}"
            )
        if not answer.content:
            return None
        try:
            return answer.json()
        except requests.JSONDecodeError as error:
            raise ServerFailedError(f"{self.program} answers {method} {path} with something else than JSON") from error

    def _log_tail(self) -> str:
        if not self.log_file.exists():
            return ""
        with self.log_file.open("rb") as log:
            log.seek(self._log_start)  # what an earlier start wrote would mislead
            lines = log.read().decode("utf-8", "replace").splitlines()
        return "; its log ends:\n" + "\n".join(lines[-_LOG_TAIL_LINES:]) if lines else "; its log is empty"


def _at(port: int) -> str:
    return f"http://{_LOOPBACK}:{port}"


def _http(method: str, url: str, **arguments: Any) -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False  # a proxy in the environment is not for loopback
        return session.request(method, url, **arguments)


def _listen_flags(url: str) -> list[str]:
    # The links in alerts and pages start with the external URL; the default is a host name that may not resolve.
    return [f"--web.listen-address={url.removeprefix('http://')}", f"--web.external-url={url}"]


@dataclass(frozen=True, slots=True)
class Sample:
    """One element of an instant query's result."""

    labels: Mapping[str, str]
    value: float
    at: float
    """When it was evaluated, in Unix seconds."""


class Prometheus(Server):
    """A real Prometheus. `scrape_config` writes the simple configurations.

    It notices its targets and Alertmanagers up to 5 s after a start or reload. An alert that fires before that goes
    nowhere until it is sent again, which is after a minute unless the flag `--rules.alert.resend-delay` says otherwise.
    """

    program = "prometheus"

    def query(self, expression: str) -> list[Sample]:
        """Evaluate a PromQL expression now; it has to give an instant vector.

        Raises:
            ServerFailedError: The expression is wrong, or the server does not answer.
        """
        data = self.get("/api/v1/query", query=expression)["data"]
        if data["resultType"] != "vector":
            raise ServerFailedError(f"{expression} gives a {data['resultType']}, not a vector")
        return [
            Sample(labels=element["metric"], value=float(element["value"][1]), at=float(element["value"][0]))
            for element in data["result"]
        ]

    def wait_for(self, expression: str, timeout: float = PATIENCE) -> list[Sample]:
        """Evaluate a PromQL expression until it gives something, and return that.

        Args:
            expression: As for `query`.
            timeout: Seconds after which nothing is expected any more.

        Raises:
            TimeoutError: It gave nothing in time.
            ServerFailedError: As for `query`.
        """
        deadline = time.monotonic() + timeout
        while not (samples := self.query(expression)):
            if time.monotonic() >= deadline:
                raise TimeoutError(f"{expression} gave nothing within {timeout:g} s")
            time.sleep(_POLL_SECONDS)
        return samples

    def _command(self, program: Path, url: str) -> list[str]:
        command = [
            str(program),
            f"--config.file={self.config_file}",
            f"--storage.tsdb.path={self.directory / 'data'}",
            "--web.enable-lifecycle",
            *_listen_flags(url),
        ]
        # Debian keeps the web pages beside the program. Only its build knows the flag, and only its package the folder.
        home = package_root(program)
        if home is not None and (assets := home / "usr/share/prometheus/web").is_dir():
            command.append(f"--web.local-assets={assets}")
        return [*command, *self._flags]


def scrape_config(
    *,
    targets: Sequence[str] = (),
    rules: Sequence[Path] = (),
    alertmanagers: Sequence[str] = (),
    interval: float = 1.0,
) -> str:
    """A Prometheus configuration with one scrape job, called tocsin.

    Args:
        targets: What to scrape at /metrics: base URLs or host:port.
        rules: Rule files; a name may hold a wildcard.
        alertmanagers: Where alerts go: base URLs or host:port.
        interval: Seconds between two scrapes, and between two evaluations of the rules.
    """
    every = f"{round(interval * 1000)}ms"
    return yaml.safe_dump(
        {
            "global": {"scrape_interval": every, "evaluation_interval": every},
            "rule_files": [str(path.absolute()) for path in rules],
            "scrape_configs": [{"job_name": "tocsin", "static_configs": [{"targets": _addresses(targets)}]}],
            "alerting": {"alertmanagers": [{"static_configs": [{"targets": _addresses(alertmanagers)}]}]},
        },
        sort_keys=False,
    )


def _addresses(urls: Sequence[str]) -> list[str]:
    return [url.removeprefix("http://").rstrip("/") for url in urls]


class Alertmanager(Server):
    """A real Alertmanager on its own, without a cluster."""

    program = "alertmanager"

    def _command(self, program: Path, url: str) -> list[str]:
        return [
            str(program),
            f"--config.file={self.config_file}",
            f"--storage.path={self.directory / 'data'}",
            "--cluster.listen-address=",  # empty: no gossip, and no port for it
            *_listen_flags(url),
            *self._flags,
        ]
