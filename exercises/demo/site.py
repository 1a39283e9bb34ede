"""The demo's own small site on loopback: the runbook pages, and a live page in the place of Grafana's dashboard."""

from __future__ import annotations

import functools
import http.server
import logging
import re
import sys
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from importlib.resources import files
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import parse_qsl, unquote, urlsplit

import jinja2
from markdown_it import MarkdownIt

from exercises.demo.chart import chart, number
from exercises.demo.numbers import FIGURES, PANELS, Numbers
from exercises.servers import ServerFailedError
from generators.links import DASHBOARD_UID

_LOOPBACK: Final = "127.0.0.1"
_WEB: Final = files("exercises.demo") / "web"
_FIXED: Final = {"/style.css": "text/css", "/live.js": "text/javascript"}
_HTML: Final = "text/html"
_POLICY: Final = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; base-uri 'none'"
_COMMENT: Final = re.compile(r"\A\s*<!--.*?-->\s*", re.DOTALL)
_HEADING: Final = re.compile(r"^# (.*)$", re.MULTILINE)

log = logging.getLogger("tocsin")


class Site:
    """Serves from entry to exit. What is not known yet can be set while it runs."""

    def __init__(self) -> None:
        self.runbooks: Mapping[str, str] = {}
        """Markdown by the name of the file."""
        self.addresses: Mapping[str, str] = {}
        """What else is up, by name."""
        self.numbers: Numbers | None = None
        """Where the live page reads."""
        templates = jinja2.DictLoader({file.name: file.read_text("utf-8") for file in _WEB.iterdir()})
        self._templates = jinja2.Environment(loader=templates, autoescape=True, undefined=jinja2.StrictUndefined)
        # Raw HTML stays text: the pages are made from a spec, and an overlay can be anybody's.
        self._markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
        self._server = _Server((_LOOPBACK, 0), functools.partial(_Handler, self))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    @property
    def url(self) -> str:
        """Its base URL, without a slash at the end."""
        return f"http://{_LOOPBACK}:{self._server.server_port}"

    @property
    def dashboard(self) -> str:
        """The path of the live page."""
        return f"/d/{DASHBOARD_UID}"

    def close(self) -> None:
        """Stop serving."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # ---------------------------------------------------------------------------------------------------------- pages
    def page(self, address: str) -> tuple[HTTPStatus, str, str]:
        """What is at a path with its query: status, media type and text."""
        split = urlsplit(address)
        path = unquote(split.path)
        if path == "/":
            return HTTPStatus.OK, _HTML, self._render("index.html", addresses=self.addresses, dashboard=self.dashboard)
        if path in _FIXED:
            return HTTPStatus.OK, _FIXED[path], (_WEB / path.removeprefix("/")).read_text("utf-8")
        if path in (self.dashboard, f"{self.dashboard}/live"):
            filters = [(name.removeprefix("var-"), value) for name, value in parse_qsl(split.query)]
            name = "live.html" if path.endswith("/live") else "dashboard.html"
            values = {"filters": filters, "live": f"{self.dashboard}/live", **self._live()}
            return HTTPStatus.OK, _HTML, self._render(name, **values)
        if path.startswith("/runbooks/"):
            name = path.removeprefix("/runbooks/") or "README.md"
            if (text := self.runbooks.get(name)) is not None:
                return HTTPStatus.OK, _HTML, self._runbook(text)
        return HTTPStatus.NOT_FOUND, _HTML, self._render("missing.html", path=path)

    def _runbook(self, text: str) -> str:
        # The page names the dashboard as bare text, for readers of the file; here it can be followed.
        dashboard = f"{self.url}{self.dashboard}"
        text = _COMMENT.sub("", text).replace(f"| {dashboard} |", f"| <{dashboard}> |")
        heading = _HEADING.search(text)
        body = self._markdown.render(text)
        body = body.replace("<table>", '<div class="wide"><table>').replace("</table>", "</table></div>")
        return self._render("runbook.html", title=heading[1] if heading else "Runbook", body=body)

    def _live(self) -> dict[str, Any]:
        now = time.time()
        told: dict[str, Any] = {
            "at": datetime.fromtimestamp(now, UTC).strftime("%H:%M:%S UTC"),
            "source": "",
            "firing": [],
            "figures": [],
            "charts": [],
            "trouble": "",
        }
        if self.numbers is None:
            return {**told, "trouble": "Nothing is measured yet: the servers are starting."}
        numbers = self.numbers
        told["source"] = numbers.source
        try:
            told["firing"] = [(one, _ago(now - one.since)) for one in numbers.firing()]
            values = [(figure, numbers.value(figure)) for figure in FIGURES]
            told["figures"] = [(figure, "–" if value is None else number(value)) for figure, value in values]
            told["charts"] = [chart(panel, numbers.lines(panel), now) for panel in PANELS]
        except ServerFailedError as error:
            told["trouble"] = str(error).partition(";")[0]
        return told

    def _render(self, name: str, **values: Any) -> str:
        return self._templates.get_template(name).render(**values)


def _ago(seconds: float) -> str:
    minutes, rest = divmod(max(0, round(seconds)), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


class _Server(http.server.ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a browser that hung up."""
        if not isinstance(sys.exc_info()[1], ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


class _Handler(http.server.BaseHTTPRequestHandler):
    timeout = 10.0  # seconds for a slow browser

    def __init__(self, site: Site, *arguments: Any) -> None:
        self._site = site
        super().__init__(*arguments)  # handles the request, so everything has to be in place before

    def do_GET(self) -> None:
        self._answer(lambda content: self.wfile.write(content))

    def do_HEAD(self) -> None:
        self._answer(lambda content: None)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Keep quiet: the terminal is for pages."""

    def _answer(self, send: Callable[[bytes], object]) -> None:
        port = self._site.url.rpartition(":")[2]
        if self.headers.get("Host") not in (f"{_LOOPBACK}:{port}", f"localhost:{port}"):
            # Another name that was made to lead here: some web page wants to read what only this machine may see.
            status, kind, text = HTTPStatus.MISDIRECTED_REQUEST, "text/plain", "not served under this name"
        else:
            status, kind, text = self._site.page(self.path)
        content = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Content-Security-Policy", _POLICY)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        send(content)
