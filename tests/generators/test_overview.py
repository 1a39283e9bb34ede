"""The overview dashboard: what is on it, what is wrong with broken ones, and that every query has an answer."""

from __future__ import annotations

import copy
import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from exercises.servers import Prometheus
from generators import GENERATORS, dashboards, prometheus
from generators.dashboards import overview
from generators.links import DASHBOARD_FILTERS, DASHBOARD_UID, runbook_url
from spec import Spec, catalogue, compile_alerts, load_spec
from tests.generators.overview_checks import Board, Metrics, expanded, faults, panels_of, targets_of
from tests.generators.overview_data import ATTACK, GROUPS, SHARES, TOTALS, Company, Exporter
from tests.generators.programs import RealServer, spec_with

_RULES = 15.0
"""How much faster than in production the alerts of the live tests are."""
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
    return dict(json.loads(dashboards.generate(spec)[overview.BOARD.path]))


def _panel(board: Board, title: str) -> Board:
    (found,) = (panel for panel in board["panels"] if panel["title"] == title)
    return dict(found)


def _rows(board: Board) -> dict[str, list[Board]]:
    """Panels by the heading they stand under."""
    rows: dict[str, list[Board]] = {}
    for panel in board["panels"]:
        if panel["type"] == "row":
            rows[panel["title"]] = []
        else:
            list(rows.values())[-1].append(panel)
    return rows


# --------------------------------------------------------------------------------------------------------- what it is
def test_nothing_is_wrong_with_it(board: Board, metrics: Metrics) -> None:
    assert faults(board, metrics) == []


def test_it_is_generated_with_the_rest(spec: Spec) -> None:
    assert "dashboards" in GENERATORS
    assert dashboards.generate(spec) == dashboards.generate(load_spec())


def test_every_layer_has_a_row_and_tocsin_another(board: Board) -> None:
    rows = _rows(board)
    text = " ".join(rows).lower()
    for layer in ("infrastructure", "platform", "application", "model", "control"):
        assert layer in text
    assert any(title.startswith("Tocsin itself") for title in rows)
    assert all(rows.values()), "a row without panels"


def test_choices_are_those_that_links_in_pages_set(board: Board) -> None:
    assert board["uid"] == DASHBOARD_UID
    assert [variable["name"] for variable in board["templating"]["list"]] == ["datasource", *DASHBOARD_FILTERS]


def test_the_first_screen_is_never_filtered(board: Board) -> None:
    """Who chose a tenant an hour ago still sees what fires."""
    for panel in _rows(board)["Now"]:
        assert panel["description"].endswith("(Never filtered.)")
        assert "=~" not in " ".join(target["expr"] for target in panel["targets"])


def test_descriptions_say_what_the_choices_do(board: Board) -> None:
    for panel in panels_of(board):
        used = {name for target in panel["targets"] for name in re.findall(r'=~"\$(\w+)"', target["expr"])}
        said = re.search(r"\(Filtered by (.*)\.\)$", panel["description"])
        assert bool(used) == (said is not None), panel["title"]
        if said:
            assert len(said[1].split(", ")) == len(used), panel["title"]


def test_answered_and_stopped_are_two_things(board: Board) -> None:
    answered, stopped = (target["expr"] for target in _panel(board, "Attack hits: answered and stopped")["targets"])
    assert "_answered" in answered
    assert stopped.endswith(f"- {answered}"), "stopped is what is left of all hits"
    first = _panel(board, "Attack hits: answered or stopped")
    assert [target["legendFormat"] for target in first["targets"]] == ["answered", "stopped"]


def test_firing_alerts_lead_to_their_runbooks(board: Board, spec: Spec) -> None:
    table = _panel(board, "What fires, and was it answered")
    options = {o["matcher"]["options"]: {p["id"]: p["value"] for p in o["properties"]} for o in _overrides(table)}
    (link,) = options["Alert"]["links"]
    assert link["url"].replace("${__value.raw}", "LLMCanaryLeaked") == runbook_url(spec, "LLMCanaryLeaked")
    assert board["links"][0]["url"] == spec.settings.runbook_base_url


def test_every_alert_can_be_reached_from_a_panel_that_shows_its_signal(board: Board, spec: Spec) -> None:
    urls = {link["url"] for panel in panels_of(board) for link in panel.get("links", ())}
    missing = [rule.name for rule in compile_alerts(spec) if runbook_url(spec, rule.name) not in urls]
    assert missing == []


def test_what_needs_another_exporter_says_so_when_it_is_empty(board: Board, spec: Spec) -> None:
    (panels,) = (panels for title, panels in _rows(board).items() if title.startswith(_OTHERS))
    found, *others = panels
    (mapping,) = found["fieldConfig"]["defaults"]["mappings"]
    assert mapping["options"]["0"]["text"] == "no exporter found"
    exporters = {target["legendFormat"] for target in found["targets"]}
    for panel in others:
        empty = panel["fieldConfig"]["defaults"]["noValue"]
        assert any(name in empty for name in exporters), panel["title"]
    # All other rows stand on what Tocsin itself publishes.
    foreign = {name for name, metric in spec.external.items() if metric.exporter in exporters}
    for title, members in _rows(board).items():
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
    panel = _panel(_board(spec_with(tmp_path, overlay)), "Guardrail failures in 10m")
    assert panel["fieldConfig"]["defaults"]["thresholds"]["steps"][-1]["value"] == 7


# ------------------------------------------------------------------------------------------------ broken dashboards
def _first(board: Board, kind: str) -> Board:
    return next(panel for panel in board["panels"] if panel["type"] == kind)


def _set_query(text: str) -> Callable[[Board], object]:
    return lambda board: _first(board, "timeseries")["targets"][0].update(expr=text)


BROKEN: dict[str, tuple[Callable[[Board], object], str]] = {
    "old schema": (lambda b: b.update(schemaVersion=12), "schema 12"),
    "no uid": (lambda b: b.update(uid=None), "no uid"),
    "editable": (lambda b: b.update(editable=True), "editable"),
    "same id twice": (lambda b: b["panels"][3].update(id=b["panels"][2]["id"]), "2 panels with id"),
    "unknown type": (lambda b: b["panels"][1].update(type="graph"), "graph"),
    "overlap": (lambda b: b["panels"][2]["gridPos"].update(x=0), "lies over"),
    "over the edge": (lambda b: b["panels"][1]["gridPos"].update(w=25), "does not fit"),
    "data source by name": (lambda b: b["panels"][1].update(datasource="Prometheus"), "data source 'Prometheus'"),
    "target without one": (lambda b: b["panels"][1]["targets"][0].pop("datasource"), "data source None"),
    "annotation of another": (lambda b: b["annotations"]["list"][0].update(datasource="x"), "data source 'x'"),
    "no choice": (lambda b: b["templating"]["list"].pop(1), "no variable gateway"),
    "no source choice": (lambda b: b["templating"]["list"].pop(0), "no variable for the data source"),
    "one tenant only": (lambda b: b["templating"]["list"][2].update(multi=False), "cannot be All or several"),
    "All is a list": (lambda b: b["templating"]["list"][2].update(allValue=None), "All leaves out"),
    "no description": (lambda b: b["panels"][1].update(description=""), "no description"),
    "no title": (lambda b: b["panels"][1].update(title=""), "no title"),
    "no query": (lambda b: b["panels"][1].update(targets=[]), "no query"),
    "unknown unit": (lambda b: b["panels"][1]["fieldConfig"]["defaults"].update(unit="secs"), "unit 'secs'"),
    "thresholds as text": (
        lambda b: b["panels"][1]["fieldConfig"]["defaults"]["thresholds"].update(steps=""),
        "thresholds ''",
    ),
    "thresholds without a rest": (
        lambda b: b["panels"][1]["fieldConfig"]["defaults"]["thresholds"]["steps"][0].update(value=0),
        "thresholds [",
    ),
    "thresholds of a column": (
        lambda b: _overrides(_first(b, "table"))[0]["properties"].append(
            {"id": "thresholds", "value": {"steps": None}}
        ),
        "thresholds None",
    ),
    "unknown field": (
        lambda b: _first(b, "table")["transformations"][-1]["options"]["renameByName"].update({"Value #Q": "Q"}),
        "no field Value #Q",
    ),
    "unknown column": (
        lambda b: _overrides(_first(b, "table"))[0]["matcher"].update(options="Nobody"),
        "no column Nobody",
    ),
    "no PromQL": (_set_query("sum(("), "does not parse"),
    "unknown metric": (_set_query("sum(llm_made_up)"), "no metric llm_made_up"),
    "unknown label": (_set_query('sum(llm_violating_groups{tenant="x"})'), "has no label tenant"),
    "grouped by nothing": (_set_query("sum by (tenant) (llm_violating_groups)"), "nothing has the label tenant"),
    "bare counter": (_set_query("sum(llm_requests_total)"), "is a counter"),
    "rate of a gauge": (_set_query("sum(rate(llm_violating_groups[$__rate_interval]))"), "is no counter"),
    "rate over a fixed time": (_set_query("sum(rate(llm_requests_total[5m]))"), "rate over 5m"),
    "unknown variable": (_set_query('sum(up{job=~"$cluster"})'), "no variable cluster"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_checks_find_what_is_broken(name: str, board: Board, metrics: Metrics) -> None:
    spoil, expected = BROKEN[name]
    spoiled = copy.deepcopy(board)
    spoil(spoiled)
    found = faults(spoiled, metrics)
    assert any(expected in text for text in found), found


# ------------------------------------------------------------------------------------------------------ made-up data
def test_made_up_data_has_every_name_and_no_other(spec: Spec, metrics: Metrics) -> None:
    company = Company(spec, started=0.0, attacked=50.0)
    names = {metric.name for metric in catalogue(spec)}
    assert {*TOTALS, *GROUPS, *(name for name, _, _ in ATTACK)} <= names
    published = {
        name: set(dict(labels)) for own in (0, 1) for _, name, labels, _ in company.samples(99.0, external=bool(own))
    }
    expected = {metric.name: set(metric.labels) for metric in catalogue(spec, expand_histograms=True)}
    assert published == {name: labels for name, labels in expected.items() if name != "up"}
    for label, shares in SHARES.items():
        allowed = spec.fields[label].values if label in spec.fields else ()
        assert not allowed or set(shares) <= set(allowed), label


def test_made_up_counters_never_fall(spec: Spec) -> None:
    company = Company(spec, started=0.0, attacked=2_000.0)
    before: dict[object, float] = {}
    for at in range(0, 6_000, 60):
        for metric, name, labels, value in company.samples(float(at), external=False):
            if metric.type in ("counter", "histogram"):
                assert value >= before.get((name, labels), 0.0), name
                before[name, labels] = value


# ------------------------------------------------------------------------------------------------- against Prometheus
@pytest.fixture(scope="module", params=["all exporters", "only Tocsin"])
def live(
    request: pytest.FixtureRequest, real_server: RealServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Prometheus, Board, bool]]:
    """A Prometheus that reads the made-up company under attack and evaluates the generated rules, faster."""
    real_server("prometheus")
    folder = tmp_path_factory.mktemp("overview")
    fast = spec_with(folder, {"settings": {"time_scale": _RULES}})
    rules = folder / "rules.yaml"
    rules.write_text(prometheus.generate(fast)[prometheus.PATH], encoding="utf-8")
    everything = request.param == "all exporters"
    now = time.time()
    with Exporter(Company(fast, now - 10_000, now - 2_000)) as exporter:
        jobs: list[dict[str, Any]] = [{"job_name": "tocsin", "static_configs": [{"targets": [exporter.address]}]}]
        if everything:
            jobs.append({**jobs[0], "job_name": "others", "metrics_path": "/others"})
        config = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(rules)],
            "scrape_configs": jobs,
        }
        with Prometheus(folder / "prometheus", yaml.safe_dump(config)) as server:
            _wait_until(lambda: any(s.value >= 2 for s in server.query('count(ALERTS{alertstate="firing"})')))
            _wait_until(lambda: bool(server.query("rate(llm_attempts_total[8s]) > 0")))
            yield server, _board(fast), everything


@pytest.mark.stack
def test_every_query_has_an_answer(live: tuple[Prometheus, Board, bool]) -> None:
    """Of what Tocsin publishes always; of other exporters where they are."""
    server, board, everything = live
    others = {panel["title"] for title, row in _rows(board).items() if title.startswith(_OTHERS) for panel in row[1:]}
    empty = [(title, query) for title, query in targets_of(board) if not server.query(_sent(query))]
    wanted = [(title, query) for title, query in empty if everything or title not in others]
    assert wanted == []
    assert bool(empty) is not everything, "without other exporters, their panels are empty"


@pytest.mark.stack
def test_every_choice_has_values_and_selects(live: tuple[Prometheus, Board, bool]) -> None:
    server, board, _ = live
    chosen = {"gateway": "litellm", "tenant": "(support|research)", "model": "gpt-4o-mini", "actor": "u-9e07"}
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            asked = re.fullmatch(r"label_values\((.+), (\w+)\)", expanded(variable["query"]["query"]))
            assert asked is not None
            values = server.get(f"/api/v1/label/{asked[2]}/values", **{"match[]": asked[1]})["data"]
            assert re.fullmatch(chosen[variable["name"]], " ".join(values)) or any(
                re.fullmatch(chosen[variable["name"]], value) for value in values
            )
    for title, query in targets_of(board):
        server.query(_sent(query, chosen))  # raises when Prometheus refuses it
        if title == "Accounts with attack hits":
            assert {sample.labels["actor"] for sample in server.query(_sent(query, chosen))} == {"u-9e07"}


@pytest.mark.stack
def test_firing_alerts_say_who_and_whether_it_was_answered(live: tuple[Prometheus, Board, bool]) -> None:
    server, board, _ = live
    queries = [target["expr"] for target in _panel(board, "What fires, and was it answered")["targets"]]
    since, answered, hits = ({_alert(s.labels): s.value for s in server.query(_sent(query))} for query in queries)
    assert set(answered) == set(hits) <= set(since)
    canary = ("1", "LLMCanaryLeaked", "u-b2f8", "research")
    assert (answered[canary], hits[canary]) == (1, 2)
    jailbreak = ("2", "LLMJailbreakRepeated", "u-9e07", "support")
    assert (answered[jailbreak], hits[jailbreak]) == (2, 9)
    assert ("2", "LLMPasswordGuessing", "203.0.113.0/24", "") in since
    assert not any(name == "TocsinWatchdog" for _, name, _, _ in since)


def _alert(labels: Any) -> tuple[str, str, str, str]:
    return labels["order"], labels["alertname"], labels["about"], labels.get("tenant", "")


def _sent(query: str, values: dict[str, str] | None = None) -> str:
    return expanded(query.replace("$__rate_interval", "10s").replace("$__range", "1m"), values)


def _wait_until(true: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.2)
