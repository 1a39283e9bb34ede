"""The overview dashboard: what is wrong now, then the layers from the attack down to the machine, and Tocsin itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from generators import panels
from generators.files import HEADER
from generators.grafana import Link, Query, Variable
from generators.links import DASHBOARD_UID, runbook_url
from generators.overview import application, control, external, health, infrastructure, model, now, platform, serving
from generators.overview.ask import VARIABLES, Ask, NotInSpecError, firing
from generators.panels import Panel, Row
from spec import Spec

PATH: Final = "dashboards/tocsin-overview.json"

_VARIABLES: Final = (
    Variable("gateway", "Gateway", "label_values(llm_attempts_total, gateway)"),
    Variable("tenant", "Tenant", 'label_values(llm_attempts_total{gateway=~"$gateway"}, tenant)'),
    Variable("model", "Model", 'label_values(llm_attempts_total{gateway=~"$gateway"}, model)'),
    # Each signal names its own worst accounts, so no single metric has them all.
    Variable("actor", "Account", 'label_values({__name__=~"llm_.+",actor!=""}, actor)'),
)
_ROWS: Final[tuple[tuple[str, tuple[Callable[[Ask], Panel], ...]], ...]] = (
    ("Now", now.PANELS),
    ("Model behaviour: attacks, and what became of them", model.PANELS),
    ("Control effectiveness: guardrails, and what they did not see", control.PANELS),
    ("Application: who uses the models, and for what", application.PANELS),
    ("Platform: models and providers", platform.PANELS),
    ("Tocsin itself: is this complete and recent?", health.PANELS),
    (
        "Infrastructure and platform, as other exporters see them: machines, GPUs, model servers, Kubernetes, database",
        (external.found, *infrastructure.PANELS, *serving.PANELS),
    ),
)
_NAMES_SHOWN: Final = {"actor": "account"}


def generate(spec: Spec) -> dict[str, str]:
    """The file of the dashboard."""
    about = (
        "What fires, what attackers try and what got through, by the five layers, and whether Tocsin itself is well."
    )
    text = panels.dashboard(
        uid=DASHBOARD_UID,
        title="Tocsin: LLM security overview",
        description=f"{about} {HEADER}",
        rows=rows(spec),
        variables=_VARIABLES,
        links=[Link("Runbooks", spec.settings.runbook_base_url)],
        annotation=Query(firing('tocsin_severity=~"critical|high"'), "{{alertname}}"),
        tags=("llm", "security", "tocsin"),
    )
    return {PATH: text}


def rows(spec: Spec) -> tuple[Row, ...]:
    """Every row with its panels; without those whose metrics the spec does not have."""
    ask = Ask(spec)
    made = (Row(title, tuple(_panels(ask, makers))) for title, makers in _ROWS)
    return tuple(row for row in made if row.panels)


def _panels(ask: Ask, makers: Iterable[Callable[[Ask], Panel]]) -> Iterator[Panel]:
    for make in makers:
        try:
            panel = make(ask)
        except NotInSpecError:
            continue
        yield panel.annotated(_remark(panel), _runbooks(ask, panel))


def _remark(panel: Panel) -> str:
    """What the choices at the top of the dashboard do to the panel."""
    text = " ".join(panel.expressions)
    used = [_NAMES_SHOWN.get(name, name) for name in VARIABLES if f'{name}=~"${name}"' in text]
    return f"(Filtered by {', '.join(used)}.)" if used else "(Never filtered.)"


def _runbooks(ask: Ask, panel: Panel) -> list[Link]:
    return [Link(f"Runbook: {name}", runbook_url(ask.spec, name)) for name in ask.alerts_on(panel.expressions)]
