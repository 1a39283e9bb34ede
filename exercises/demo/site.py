"""The demo's own small site on loopback: the runbook pages, and a live page in the place of Grafana's dashboard."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from importlib.resources import files
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

import jinja2
from markdown_it import MarkdownIt

from alerts.wording import compact
from exercises.demo.chart import chart
from exercises.demo.numbers import FIGURES, PANELS, Numbers
from exercises.loopback import LOOPBACK, Answer, LoopbackServer
from exercises.servers import ServerFailedError
from generators.links import DASHBOARD_UID

_WEB: Final = files("exercises.demo") / "web"
_FIXED: Final = {"/style.css": "text/css", "/live.js": "text/javascript"}
_HTML: Final = "text/html"
_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
_COMMENT: Final = re.compile(r"\A\s*<!--.*?-->\s*", re.DOTALL)
_HEADING: Final = re.compile(r"^# (.*)$", re.MULTILINE)


class Site(LoopbackServer):
    """Serves from entry to exit. What is not known yet can be set while it runs."""

    def __init__(self) -> None:
        super().__init__()
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

    @property
    def dashboard(self) -> str:
        """The path of the live page."""
        return f"/d/{DASHBOARD_UID}"

    # ---------------------------------------------------------------------------------------------------------- pages
    def get(self, address: str, host: str) -> Answer:
        """A page, for whoever knows this server as loopback.

        Another name was made to lead here: some web page wants to read what only this machine may see.
        """
        known = self.url.removeprefix("http://")
        if host not in (known, known.replace(LOOPBACK, "localhost")):
            return Answer(HTTPStatus.MISDIRECTED_REQUEST, text="not served under this name", headers=_HEADERS)
        status, kind, text = self.page(address)
        return Answer(status, f"{kind}; charset=utf-8", text, _HEADERS)

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
        context: dict[str, Any] = {
            "at": datetime.fromtimestamp(now, UTC).strftime("%H:%M:%S UTC"),
            "firing": [],
            "figures": [],
            "charts": [],
            "trouble": "",
        }
        if self.numbers is None:
            return {**context, "trouble": "Nothing is measured yet: the servers are starting."}
        numbers = self.numbers
        try:
            context["firing"] = [(one, _ago(now - one.since)) for one in numbers.firing()]
            values = [(figure, numbers.value(figure)) for figure in FIGURES]
            context["figures"] = [(figure, "–" if value is None else compact(value)) for figure, value in values]
            context["charts"] = [chart(panel, numbers.lines(panel), now) for panel in PANELS]
        except ServerFailedError as error:
            context["trouble"] = str(error).partition(";")[0]
        return context

    def _render(self, name: str, **values: Any) -> str:
        return self._templates.get_template(name).render(**values)


def _ago(seconds: float) -> str:
    minutes, rest = divmod(max(0, round(seconds)), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
