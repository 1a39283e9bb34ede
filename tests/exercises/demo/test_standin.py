"""Without servers, the replay evaluator makes the same pages of what the exporter shows."""

from __future__ import annotations

import pytest
import yaml

from exercises.demo import configs
from exercises.demo.numbers import Figure, Panel
from exercises.demo.standin import StandIn, tables
from exporters.expose import Exposition
from spec import Spec, load_spec
from tests.support.engines import make_engine

SITE = "http://127.0.0.1:1"
NOW = 1_795_570_000.0
METRICS = """\
# HELP llm_canary_hits Hits.
# TYPE llm_canary_hits gauge
llm_canary_hits{{actor="u-boris",tenant="team-legal"}} {canary}
# HELP llm_canary_hits_answered Hits.
# TYPE llm_canary_hits_answered gauge
llm_canary_hits_answered{{actor="u-boris",tenant="team-legal"}} {answered}
# HELP llm_sensitive_output Hits.
# TYPE llm_sensitive_output gauge
llm_sensitive_output{{actor="u-boris",tenant="team-legal"}} {sensitive}
llm_sensitive_output{{actor="u-anna",tenant="team-hr"}} 1
# HELP llm_requests_total Requests.
# TYPE llm_requests_total counter
llm_requests_total{{outcome="success",model="a"}} {requests}
llm_requests_total{{outcome="success",model="b"}} {requests}
llm_requests_total{{outcome="failure",model="a"}} 1
"""


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> Spec:
    path = tmp_path_factory.mktemp("spec") / "overlay.yaml"
    path.write_text(yaml.safe_dump(configs.overlay(SITE)))
    return load_spec(path)


def metrics(canary: float = 0, answered: float = 0, sensitive: float = 0, requests: float = 0) -> str:
    return METRICS.format(canary=canary, answered=answered, sensitive=sensitive, requests=requests)


def test_a_page_for_each_channel_and_incident(spec: Spec) -> None:
    stand_in = StandIn(spec)
    assert stand_in.step(NOW, metrics()) == []
    told = stand_in.step(NOW + 1, metrics(canary=2, answered=1, sensitive=7))
    assert [(page.channel, page.via, page.target) for page in told] == [
        ("pager-security", "pagerduty", ""),
        ("chat-security", "slack", "#llm-security"),
    ]
    page = told[0]
    assert (page.severity, page.who, page.owner) == ("critical", "u-boris", "security")
    assert page.title.startswith("[CRITICAL] ")
    assert page.title.endswith("(2 alerts)")
    assert [alert.name for alert in page.alerts] == ["LLMCanaryLeaked", "LLMBulkSensitiveOutput"]
    canary, bulk = page.alerts
    assert (canary.answered, canary.since) == ("up to 1", "2026-11-25 01:26:41 UTC")
    assert (bulk.answered, bulk.description.startswith("Secrets and personal data in answers: up to 7 in 10m")) == (
        "none",
        True,
    )
    assert canary.runbook_url == f"{SITE}/runbooks/LLMCanaryLeaked.md"
    assert canary.dashboard_url == f"{SITE}/d/tocsin-overview?var-actor=u-boris&var-tenant=team-legal"


def test_an_alert_pages_once(spec: Spec) -> None:
    stand_in = StandIn(spec)
    assert stand_in.step(NOW, metrics(canary=1))
    assert stand_in.step(NOW + 1, metrics(canary=2)) == []
    assert [one.name for one in stand_in.firing()] == ["LLMCanaryLeaked"]
    assert stand_in.firing()[0].since == NOW


def test_what_fires_is_sorted_and_ends(spec: Spec) -> None:
    stand_in = StandIn(spec)
    stand_in.step(NOW, "# TYPE llm_jailbreak_hits gauge\nllm_jailbreak_hits 3\n" + metrics(canary=1))
    assert [one.severity for one in stand_in.firing()] == ["critical", "high"]
    stand_in.step(NOW + 86_400, metrics())
    assert stand_in.firing() == []


def test_figures_and_lines(spec: Spec) -> None:
    stand_in = StandIn(spec)
    assert stand_in.value(Figure("", "llm_requests_total")) is None
    for second in range(21):
        stand_in.step(NOW + second, metrics(sensitive=second, requests=2 * second))
    assert stand_in.value(Figure("", "llm_requests_total")) == 81
    assert stand_in.value(Figure("", "llm_requests_total", {"outcome": "succ.*"})) == 80
    assert stand_in.value(Figure("", "llm_requests_total", {"outcome": "succ"})) == 0
    rates = stand_in.lines(Panel("", "llm_requests_total", "outcome", rate=True))
    assert set(rates) == {"success"}, "what stands still is left out"
    assert {value for _, value in rates["success"]} == {240.0}
    gauges = stand_in.lines(Panel("", "llm_sensitive_output", "actor"))
    assert list(gauges) == ["u-boris", "u-anna"]
    assert gauges["u-boris"][-1] == (NOW + 20, 20.0)


def test_it_reads_what_the_exporter_writes() -> None:
    shown = make_engine().state.show(NOW)
    read = tables(Exposition().render(shown).decode())
    plain = {table.name: table for table in shown if table.type != "histogram" and len(table.values)}
    assert plain.keys() <= read.keys()
    for name, table in plain.items():
        assert (read[name].labels, list(read[name].keys)) == (table.labels, list(table.keys)), name
        assert read[name].values.tolist() == table.values.tolist(), name


def test_overlay_changes_no_window_and_no_threshold(spec: Spec) -> None:
    shipped = load_spec()
    assert {name: signal.window for name, signal in spec.signals.items()} == {
        name: signal.window for name, signal in shipped.signals.items()
    }
    assert spec.alerts == shipped.alerts
