"""What every dashboard has: rows of panels, choices, links to the others, marks where severe alerts fire."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from generators.files import HEADER
from generators.grafana import form, panels
from generators.grafana.form import Link, Query, Variable
from generators.grafana.panels import Panel, Row
from generators.grafana.query_builder import NotInSpecError, QueryBuilder, firing
from generators.links import board_path, category_uid, runbook_url
from spec import Spec, names
from spec.lookup import filters

Maker = Callable[[QueryBuilder], Panel]
"""Makes a panel; raises `NotInSpecError` when the spec does not have what it shows."""


@dataclass(frozen=True, slots=True)
class Board:
    """A dashboard: `about` is its purpose in a sentence, `rows` are headings with the makers of their panels.

    `rest` makes panels for what the spec has and no panel above shows, given the expressions of those. `category` is
    that of the signals that the dashboard is about; "" when it is about all.
    """

    uid: str
    name: str
    about: str
    rows: tuple[tuple[str, tuple[Maker, ...]], ...]
    rest: Callable[[QueryBuilder, Sequence[str]], tuple[str, tuple[Maker, ...]]] | None = None
    category: str = ""

    @property
    def path(self) -> str:
        """Where its file stands, relative to the root."""
        return f"dashboards/{self.uid}.json"


def render(spec: Spec, board: Board, boards: Iterable[Board]) -> str:
    """The file of a dashboard; `boards` are all that there are, for its links."""
    to_others = [
        form.dashboard_link(Link(other.name, board_path(other.uid)), other.about)
        for other in boards
        if other.uid != board.uid
    ]
    return panels.dashboard(
        uid=board.uid,
        title=f"Tocsin: {board.name}",
        description=f"{board.about} {HEADER}",
        rows=rows(spec, board),
        variables=_variables(spec),
        links=[form.page_link(Link("Runbooks", spec.settings.runbook_base_url)), *to_others],
        annotation=Query(firing('tocsin_severity=~"critical|high"'), "{{alertname}}"),
        tags=("llm", "security", "tocsin"),
    )


def _variables(spec: Spec) -> tuple[Variable, ...]:
    """A choice for each field that has a `filter`; the first that is bounded narrows the other bounded ones down."""
    chosen = filters(spec.fields)
    outer = next((name for name in chosen if not spec.fields[name].unbounded), "")
    found = []
    for name in chosen:
        if spec.fields[name].unbounded:  # each signal names its own worst ones, so no single metric has them all
            series = f'{{__name__=~"llm_.+",{name}!=""}}'
        else:
            series = "llm_attempts_total" + (f'{{{outer}=~"${outer}"}}' if name != outer else "")
        found.append(Variable(name, names.title(name, spec.fields), f"label_values({series}, {name})"))
    return tuple(found)


def rows(spec: Spec, board: Board) -> tuple[Row, ...]:
    """Every row with its panels; without those whose metrics the spec does not have."""
    q = QueryBuilder(spec)
    made = [Row(title, tuple(_panels(q, board, makers))) for title, makers in board.rows]
    if board.rest:
        title, makers = board.rest(q, [text for row in made for panel in row.panels for text in panel.expressions])
        made.append(Row(title, tuple(_panels(q, board, makers))))
    return tuple(row for row in made if row.panels)


def _panels(q: QueryBuilder, board: Board, makers: Iterable[Maker]) -> Iterator[Panel]:
    for make in makers:
        try:
            panel = make(q)
        except NotInSpecError:
            continue
        # What is about one category already is where the link would lead.
        more = [] if board.category else _more(q, panel)
        yield panel.annotated(_remark(q, panel), [*more, *_runbooks(q, panel)])


def _remark(q: QueryBuilder, panel: Panel) -> str:
    """What the choices at the top of the dashboard do to the panel."""
    text = " ".join(panel.expressions)
    used = [names.title(name, q.spec.fields).lower() for name in q.filters if f'{name}=~"${name}"' in text]
    return f"(Filtered by {', '.join(used)}.)" if used else "(Never filtered.)"


def _more(q: QueryBuilder, panel: Panel) -> list[Link]:
    """Where there is more of what the panel shows."""
    return [
        Link(f"More: {category}", board_path(category_uid(category), keep=True))
        for category in sorted(q.categories_on(panel.expressions))
    ]


def _runbooks(q: QueryBuilder, panel: Panel) -> list[Link]:
    return [Link(f"Runbook: {name}", runbook_url(q.spec, name)) for name in q.alerts_on(panel.expressions)]
