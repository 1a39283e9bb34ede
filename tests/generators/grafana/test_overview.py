"""The overview dashboard: what is on it, and what becomes of it with another spec."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from alerts import compile_alerts
from generators import grafana
from generators.grafana.boards import overview
from generators.links import DASHBOARD_UID, runbook_url
from spec import Spec, catalogue, load_spec
from tests.generators.grafana.dashboard_checks import Board, Metrics, faults, named, panels_of, rows_of, targets_of
from tests.generators.programs import spec_with

_OTHERS = "Infrastructure and platform"


@pytest.fixture(scope="module")
def spec() -> Spec:
    return load_spec()


@pytest.fixture(scope="module")
def board(spec: Spec) -> Board:
    return _board(spec)


@pytest.fixture(scope="module")
def metrics(spec: Spec) -> Metrics:
    return {metric.name: metric for metric in (*catalogue(spec), *catalogue(spec, expand_histograms=True))}


def _board(spec: Spec) -> Board:
    return dict(json.loads(grafana.generate(spec)[overview.BOARD.path]))


# --------------------------------------------------------------------------------------------------------- what it is
def test_every_layer_has_a_row_and_tocsin_another(board: Board) -> None:
    rows = rows_of(board)
    text = " ".join(rows).lower()
    for layer in ("infrastructure", "platform", "application", "model", "control"):
        assert layer in text
    assert any(title.startswith("Tocsin itself") for title in rows)
    assert all(rows.values()), "a row without panels"


def test_it_is_the_one_that_pages_link_to(board: Board) -> None:
    assert board["uid"] == DASHBOARD_UID


def test_the_first_screen_is_never_filtered(board: Board) -> None:
    """Who chose a tenant an hour ago still sees what fires."""
    for panel in rows_of(board)["Now"]:
        assert panel["description"].endswith("(Never filtered.)")
        assert "=~" not in " ".join(target["expr"] for target in panel["targets"])


def test_answered_and_stopped_are_two_things(board: Board) -> None:
    answered, stopped = (target["expr"] for target in named(board, "Attack hits: answered and stopped")["targets"])
    assert "_answered" in answered
    assert stopped.endswith(f"- {answered}"), "stopped is what is left of all hits"
    first = named(board, "Attack hits: answered or stopped")
    assert [target["legendFormat"] for target in first["targets"]] == ["answered", "stopped"]


def test_firing_alerts_lead_to_their_runbooks(board: Board, spec: Spec) -> None:
    table = named(board, "What fires, and was it answered")
    options = {o["matcher"]["options"]: {p["id"]: p["value"] for p in o["properties"]} for o in _overrides(table)}
    (link,) = options["Alert"]["links"]
    assert link["url"].replace("${__value.raw}", "LLMCanaryLeaked") == runbook_url(spec, "LLMCanaryLeaked")
    assert board["links"][0]["url"] == spec.settings.runbook_base_url


def test_every_alert_can_be_reached_from_a_panel_that_shows_its_signal(board: Board, spec: Spec) -> None:
    urls = {link["url"] for panel in panels_of(board) for link in panel.get("links", ())}
    missing = [rule.name for rule in compile_alerts(spec) if runbook_url(spec, rule.name) not in urls]
    assert missing == []


def test_what_needs_another_exporter_says_so_when_it_is_empty(board: Board, spec: Spec) -> None:
    (panels,) = (panels for title, panels in rows_of(board).items() if title.startswith(_OTHERS))
    found, *others = panels
    (mapping,) = found["fieldConfig"]["defaults"]["mappings"]
    assert mapping["options"]["0"]["text"] == "no exporter found"
    exporters = {target["legendFormat"] for target in found["targets"]}
    for panel in others:
        empty = panel["fieldConfig"]["defaults"]["noValue"]
        assert any(name in empty for name in exporters), panel["title"]
    # All other rows stand on what Tocsin itself publishes.
    foreign = {name for name, metric in spec.external.items() if metric.exporter in exporters}
    for title, members in rows_of(board).items():
        if not title.startswith(_OTHERS):
            used = set(re.findall(r"[\w:]+", " ".join(t["expr"] for panel in members for t in panel["targets"])))
            assert not used & foreign


def _overrides(panel: Board) -> list[dict[str, Any]]:
    return list(panel["fieldConfig"]["overrides"])


# ---------------------------------------------------------------------------------------------------- other specs
def test_panels_go_with_the_signals_that_an_overlay_removes(tmp_path: Path, metrics: Metrics) -> None:
    overlay = {
        "alerts": {"LLMSlowResponses": {"enabled": False}},
        "signals": {name: {"enabled": False} for name in ("slow_attempts", "long_prompts")},
    }
    board = _board(spec_with(tmp_path, overlay))
    titles = [panel["title"] for panel in panels_of(board)]
    assert not any(title.startswith("Slow models") for title in titles)
    assert "Accounts, worst first" in titles
    assert not any("llm_long_prompts" in query for _, query in targets_of(board))
    assert faults(board, metrics) == []


def test_thresholds_follow_an_overlay(tmp_path: Path) -> None:
    overlay = {"alerts": {"LLMGuardrailFailing": {"when": {"value": 7}}}}
    panel = named(_board(spec_with(tmp_path, overlay)), "Guardrail failures in 10m")
    assert panel["fieldConfig"]["defaults"]["thresholds"]["steps"][-1]["value"] == 7
