"""The demo from its first line to the last: start everything, play, show what arrives, and leave nothing behind."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import requests

from exercises.demo import configs, pages, serverless, show, traffic
from exercises.demo.exporter import Exporter
from exercises.demo.interrupt import Stop, Stopped
from exercises.demo.numbers import Numbers
from exercises.demo.pages import Page
from exercises.demo.site import Site
from exercises.demo.terminal import Screen
from exercises.demo.traffic import Traffic
from exercises.patience import REPORT_EVERY
from exercises.programs import find
from exercises.receiver import CaptureReceiver
from exercises.servers import Alertmanager, Prometheus, ServerFailedError, ServerMissingError
from runtime.errors import TocsinError

LIMIT: Final = 600.0
"""Seconds from the start of the attacks within which the pages have to be there. An idle machine needs forty."""
_TICK: Final = 0.1
_REMOVALS: Final = 100
"""Attempts to remove the temporary folder, a tenth of a second apart."""
_CALL_SECONDS: Final = 60.0

_STEPS: Final = 5
_REPORT_FIRST: Final = 60.0
"""Seconds from the start of the attacks until a page that has not come is worth a line."""
_TOGETHER: Final = 1.0
"""Seconds to go on after the last expected page, for what belongs to it in other channels."""


class DemoFailedError(TocsinError):
    """The demo cannot go on, or the pages did not come. The message explains."""


class NoServersError(TocsinError):
    """Prometheus and Alertmanager are not here and cannot be fetched. The message says how to get them."""


@dataclass(slots=True)
class Outcome:
    """What the demo has found out so far."""

    expected: dict[str, str] = field(default_factory=dict)
    """Alerts that have to page, with whom they are about."""
    pages: list[Page] = field(default_factory=list)
    addresses: dict[str, str] = field(default_factory=dict)
    links: dict[str, int] = field(default_factory=dict)
    """Status of each link of the pages, opened while the site was up."""
    seconds: float = 0.0

    @property
    def missing(self) -> list[str]:
        """Expected alerts that have not woken anybody about whom they should be."""
        came = {(alert.name, page.who) for page in self.pages if page.pages for alert in page.alerts}
        return [name for name, who in self.expected.items() if (name, who) not in came]

    def as_data(self) -> dict[str, Any]:
        """As plain data for JSON."""
        return {
            "evaluator": "prometheus",
            "seconds": round(self.seconds, 1),
            "expected": list(self.expected),
            "missing": self.missing,
            "pages": [pages.as_data(page) for page in self.pages],
            "links": self.links,
            "addresses": self.addresses,
        }


def run(screen: Screen, stop: Stop, *, recordings: Path, once: bool, limit: float = LIMIT) -> Outcome:
    """Run the demo. Without `once` it stays up until `stop` says so; with it, it ends when the pages are there.

    Everything that it started has ended, and everything that it wrote is gone, when this returns or raises.

    Raises:
        NoServersError: there is nothing to evaluate alerts with.
        DemoFailedError: something did not start or broke, or the pages did not come within `limit` seconds.
        RecordingsMissingError: there is nothing to play.
        Stopped: before the pages were there; afterwards it is the ordinary end.
        OSError: the temporary folder cannot be written.
    """
    begun = time.monotonic()
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(_temporary_folder())
        demo = _Demo(screen, stop, stack, folder, begun)
        try:
            demo.start(recordings)
            demo.play(limit)
            if not once:
                demo.stay()
        except ServerFailedError as error:
            raise DemoFailedError(str(error)) from error
        return demo.outcome


@contextlib.contextmanager
def _temporary_folder() -> Iterator[Path]:
    """A folder that is gone in the end, also if a server that was just killed still writes its last file."""
    folder = Path(tempfile.mkdtemp(prefix="tocsin-demo-"))
    try:
        yield folder
    finally:
        for _ in range(_REMOVALS):
            shutil.rmtree(folder, ignore_errors=True)
            if not folder.exists():
                break
            time.sleep(0.1)


class _Demo:
    def __init__(self, screen: Screen, stop: Stop, stack: contextlib.ExitStack, folder: Path, begun: float) -> None:
        self._screen, self._stop, self._stack, self._folder, self._begun = screen, stop, stack, folder, begun
        self._seen: dict[tuple[str, str, str], set[str]] = {}
        self.outcome = Outcome()

    # ---------------------------------------------------------------------------------------------------------- start
    def start(self, folder: Path) -> None:
        """Start everything."""
        self._step(1, "Writing rules, routes and runbooks from the spec, and opening the recordings")
        with self._stop.armed():
            recordings = traffic.load(folder)
            self._site = self._stack.enter_context(Site())
            self._configs = configs.write(self._folder, recordings, self._site.url)
        self._site.runbooks = self._configs.runbooks
        self.outcome.expected = serverless.expected(recordings, self._configs.spec)
        self._step(2, "Looking for Prometheus and Alertmanager")
        self._find_servers()
        self._step(3, "Starting the exporter: tocsin export --config tocsin.yaml")
        self._exporter = Exporter(self._configs.exporter, self._say)
        self._stack.callback(self._exporter.stop)
        with self._stop.armed():
            self._exporter.start()
        self._traffic = Traffic(recordings, time.time())
        self._log = self._stack.enter_context(self._configs.log.open("ab"))
        self._up("Metrics", f"{self._exporter.url}/metrics")
        self._pager = self._servers()
        self._up("Live page", f"{self._site.url}{self._site.dashboard}")
        self._up("Runbooks", f"{self._site.url}/runbooks/README.md")
        self._site.addresses = {name: url for name, url in self.outcome.addresses.items() if self._site.url not in url}

    def _find_servers(self) -> None:
        try:
            with self._stop.armed():
                for name in ("prometheus", "alertmanager"):
                    try:
                        path = find(name, fetch=False)
                    except ServerMissingError:
                        self._say(
                            f"{name} is not here yet: fetching and unpacking its package, which takes a while once"
                        )
                        path = find(name)
                    self._say(f"{name}: {_short(path)}")
        except ServerMissingError as error:
            raise NoServersError(str(error)) from error

    def _servers(self) -> _Pager:
        self._step(4, "Starting Prometheus and Alertmanager")
        receiver = self._stack.enter_context(CaptureReceiver())
        alertmanager = Alertmanager(
            self._folder / "alertmanager", configs.alertmanager_config(self._configs, receiver.url), report=self._say
        )
        self._stack.callback(alertmanager.stop)
        with self._stop.armed():
            alertmanager.start()
        prometheus = Prometheus(
            self._folder / "prometheus",
            configs.prometheus_config(self._configs, self._exporter.url, alertmanager.url),
            # It notices Alertmanager only after some seconds, and would then wait a minute to send an alert again.
            flags=["--rules.alert.resend-delay=1s"],
            report=self._say,
        )
        self._stack.callback(prometheus.stop)
        with self._stop.armed():
            prometheus.start()
        self._up("Prometheus", f"{prometheus.url}/alerts")
        self._up("Alertmanager", f"{alertmanager.url}/#/alerts")
        self._site.numbers = Numbers(prometheus, time.time())
        return _Pager(prometheus, alertmanager, receiver)

    # ----------------------------------------------------------------------------------------------------------- play
    def play(self, limit: float) -> None:
        """Play until the expected pages are there.

        Raises:
            DemoFailedError: they did not come in time.
        """
        speed = f"{traffic.SPEED:g} times faster than it was"
        self._step(
            5, f"Playing a recorded afternoon, {speed}: ordinary work, then {len(traffic.ATTACKS)} attacks in it"
        )
        with self._stop.armed():
            settling = time.monotonic() + limit
            while not self._pager.ready():
                if time.monotonic() > settling:
                    raise DemoFailedError(f"the exporter was not scraped within {limit:g} s. {self._pager.explain()}")
                self._tick()
            self._traffic.cue(time.time())
            who = ", ".join(dict.fromkeys(self.outcome.expected.values()))
            self._say(f"The attacks begin. Pages about {who} should arrive within half a minute")
            deadline, settled = time.monotonic() + limit, float("inf")
            report_at = time.monotonic() + _REPORT_FIRST
            while self.outcome.missing or time.monotonic() < settled:
                if (now := time.monotonic()) > deadline:
                    raise DemoFailedError(self._explain(limit))
                if now > report_at:
                    report_at = now + REPORT_EVERY
                    self._say(self._still_missing())
                self._tick()
                if not self.outcome.missing:
                    settled = min(settled, time.monotonic() + _TOGETHER)
            self.outcome.seconds = time.monotonic() - self._begun
            self._open_links()

    def stay(self) -> None:
        """Say what can be looked at, and go on until somebody stops it."""
        self._screen.line()
        self._screen.line(f"All expected pages came, {self.outcome.seconds:.0f} s after the start.", "good")
        show.addresses(self._screen, self.outcome.addresses)
        self._screen.line()
        self._screen.line(
            "Look next at the runbook of a page, at the live page, and in the metrics for llm_jailbreak_hits."
        )
        self._screen.line("Nobody acknowledges here, so after five minutes the critical page goes to the next tier.")
        self._screen.line("Ctrl-C ends everything and leaves nothing behind.", "bold")
        with contextlib.suppress(Stopped), self._stop.armed():
            while True:
                self._tick()

    def _tick(self) -> None:
        """Write what is due into the gateway's log, and show what has arrived."""
        if data := self._traffic.due(time.time()):
            self._log.write(data)
            self._log.flush()
        self._exporter.check()
        for page in self._pager.new():
            self.outcome.pages.append(page)
            self._show(page)
        time.sleep(_TICK)

    def _show(self, page: Page) -> None:
        names = {alert.name for alert in page.alerts}
        seen = self._seen.setdefault((page.channel, page.incident, page.thread), set())
        if page.status == "resolved" or not page.pages:
            show.note(self._screen, page)
        elif not names <= seen:
            show.page(self._screen, page, known=seen)
        seen |= names

    def _still_missing(self) -> str:
        read = self._exporter.total("tocsin_records_read_total")
        return (
            f"Still waiting for {', '.join(self.outcome.missing)}: the exporter has read {read:.0f} of "
            f"{self._traffic.lines} records. The machine may be busy."
        )

    def _explain(self, limit: float) -> str:
        came = ", ".join(f"{page.title} to {show.where(page)}" for page in self.outcome.pages) or "none"
        return (
            f"these alerts paged nobody within {limit:g} s: {', '.join(self.outcome.missing)}. "
            f"Pages that came: {came}. {self._traffic.lines} records were played. {self._pager.explain()}"
        )

    def _open_links(self) -> None:
        """Follow every link of the pages, as somebody who was paged would."""
        links = {
            link
            for page in self.outcome.pages
            for alert in page.alerts
            for link in (alert.runbook_url, alert.dashboard_url)
        }
        with requests.Session() as session:
            session.trust_env = False  # a proxy in the environment is not for loopback
            for link in sorted(links):
                self.outcome.links[link] = session.get(link, timeout=_CALL_SECONDS).status_code
        if broken := [link for link, status in self.outcome.links.items() if status != requests.codes.ok]:
            raise DemoFailedError(f"links of the pages lead nowhere: {', '.join(broken)}")

    # ----------------------------------------------------------------------------------------------------------- words
    def _step(self, number: int, text: str) -> None:
        self._screen.line(f"{number}/{_STEPS} {text}", "bold")

    def _say(self, text: str) -> None:
        self._screen.line(text, "dim", indent="    ")

    def _up(self, name: str, url: str) -> None:
        self.outcome.addresses[name] = url
        self._say(f"{name}: {url}")


class _Pager:
    """What the real Alertmanager delivered to the channels."""

    def __init__(self, prometheus: Prometheus, alertmanager: Alertmanager, receiver: CaptureReceiver) -> None:
        self._prometheus, self._alertmanager, self._receiver = prometheus, alertmanager, receiver
        self._taken = 0

    def ready(self) -> bool:
        """Prometheus has scraped the exporter, and knows where alerts go."""
        alertmanagers = self._prometheus.get("/api/v1/alertmanagers")["data"]["activeAlertmanagers"]
        return bool(alertmanagers) and bool(self._prometheus.query('up{job="tocsin"} == 1'))

    def new(self) -> list[Page]:
        """What arrived since the last call."""
        for server in (self._prometheus, self._alertmanager):
            _ = server.pid  # raises when it has ended
        deliveries = self._receiver.deliveries
        fresh, self._taken = deliveries[self._taken :], len(deliveries)
        return [page for delivery in fresh if (page := pages.read(delivery)) is not None]

    def explain(self) -> str:
        """What Prometheus thinks of its target and of the alerts."""
        targets = self._prometheus.get("/api/v1/targets")["data"]["activeTargets"]
        health = ", ".join(f"{target['health']} {target['lastError']}".strip() for target in targets) or "not known"
        alerts = self._prometheus.get("/api/v1/alerts")["data"]["alerts"]
        states = ", ".join(f"{alert['labels']['alertname']} {alert['state']}" for alert in alerts) or "none"
        return f"Prometheus says of the exporter: {health}; of alerts: {states}."


def _short(path: Path) -> str:
    home = Path.home()
    return f"~/{path.relative_to(home)}" if path.is_relative_to(home) else str(path)
